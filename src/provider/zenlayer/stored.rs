//! Running a script: the stored command is looked up or made, then it is run; and clearing away those that nobody needs.
//!
//! Invariants: at most three requests, of which only `InvokeCommand` can change phones: whatever becomes of the others, nothing was done; a command is never
//! modified, and what is found under its name counts only if its content is the same to the character. Not here: the names (`script`), what is known (`book`).

use super::book::{Card, Chore, Leaving};
use super::convert;
use super::errors::{COMMAND_GONE, COMMAND_RUNS};
use super::script::{self, Kind, OURS};
use super::wire::{
    Command, CreateCommand, Created, DeleteCommand, DescribeCommands, InvokeCommand, Invoked, Page,
};
use super::{Answer, Exchange, ZOS, Zenlayer, answer, table};
use crate::model::id::PhoneId;
use crate::provider::asked::without_payload;
use crate::provider::refusal::{our_bug, refused};
use crate::provider::{Accepted, CallError, ErrorKind, RowOutcome, Submission};
use crate::transport::Effect;
use smol_str::{SmolStr, format_smolstr};

/// What the vendor calls scripts for Linux and Android.
const SHELL: &str = "SHELL";
/// How long a command may run, in seconds: the vendor's maximum.
const TIMEOUT: u32 = 60;
/// Rows of a page of stored commands.
const COMMAND_ROWS: u32 = 1000;
/// Contents whose digests begin alike, or that somebody changed under our name, make names with a number.
const NAMESAKES: usize = 10;
/// For whoever meets the command in the vendor's console.
const DESCRIPTION: &str =
    "Made by phonefleet, which removes it when it is not needed any more. Not to be modified.";

/// The stored command of a content, and how many requests it took to have it.
struct Ready {
    id: SmolStr,
    requests: u32,
}

impl Zenlayer {
    /// Runs a script on these phones. `family`: what its name begins with.
    pub(super) async fn run(
        &self,
        (kind, family): (Kind, &str),
        script: &str,
        phones: &[PhoneId],
    ) -> Result<Submission, CallError> {
        let most = usize::try_from(table::PHONES).unwrap_or(usize::MAX);
        if phones.is_empty() || phones.len() > most {
            return Err(our_bug(format!(
                "{} phones for one command, which takes 1 to {most}",
                phones.len()
            )));
        }
        let content = self.prefix.content(script)?;
        let name = script::name(family, &content);
        let card = self.book.card(&name, self.outfit.clock.now());
        let ready = self.ready(&card, &name, &content).await.map_err(unharmed)?;
        let run = match self.invoke(kind, &ready.id, phones).await {
            Err(error) if error.code.as_deref() == Some(COMMAND_GONE) => {
                self.again(&card, (&name, &content), ready, (kind, phones))
                    .await?
            }
            run => run?,
        };
        Ok(Submission {
            rows: phones
                .iter()
                .map(|phone| (phone.clone(), RowOutcome::Job(convert::job(&run, phone))))
                .collect(),
        })
    }

    /// The command was deleted behind our back: it is made anew, now if the requests suffice.
    async fn again(
        &self,
        card: &Card,
        (name, content): (&SmolStr, &str),
        gone: Ready,
        (kind, phones): (Kind, &[PhoneId]),
    ) -> Result<SmolStr, CallError> {
        let mut known = card.id.lock().await;
        if known.as_ref() == Some(&gone.id) {
            *known = None;
        }
        if gone.requests + 3 > table::REQUESTS {
            return Err(CallError {
                kind: ErrorKind::Transient,
                ..refused("the stored command is gone; it will be made anew")
            });
        }
        let id = match &*known {
            Some(id) => id.clone(),
            None => {
                let id = self.create(name, content).await.map_err(unharmed)?;
                *known = Some(id.clone());
                id
            }
        };
        drop(known);
        card.uses(self.outfit.clock.now());
        self.invoke(kind, &id, phones).await
    }

    /// The stored command of this content: known, found, or made.
    async fn ready(&self, card: &Card, name: &SmolStr, content: &str) -> Result<Ready, CallError> {
        let mut known = card.id.lock().await;
        if let Some(id) = &*known {
            card.uses(self.outfit.clock.now());
            return Ok(Ready {
                id: id.clone(),
                requests: 0,
            });
        }
        let (found, free) = self.look_up(name, content).await?;
        let ready = match found {
            Some(id) => Ready { id, requests: 1 },
            None => Ready {
                id: self.create(&free, content).await?,
                requests: 2,
            },
        };
        *known = Some(ready.id.clone());
        card.uses(self.outfit.clock.now());
        Ok(ready)
    }

    /// The command of this content, if it is stored; and a name that is free for it.
    async fn look_up(
        &self,
        name: &SmolStr,
        content: &str,
    ) -> Result<(Option<SmolStr>, SmolStr), CallError> {
        let rows = self.commands(name, 1).await?.payload;
        let rows = rows
            .data_set
            .ok_or_else(|| without_payload("page of commands"))?;
        let mut taken = Vec::new();
        for row in rows {
            // The search is fuzzy.
            let Some(other) = row.name.filter(|other| other.starts_with(name.as_str())) else {
                continue;
            };
            let shell = row.kind.is_none_or(|kind| kind.eq_ignore_ascii_case(SHELL));
            match row.command_id {
                Some(id) if shell && row.content.as_deref() == Some(content) => {
                    return Ok((Some(id), name.clone()));
                }
                Some(_) | None => taken.push(other),
            }
        }
        let numbered = (2..NAMESAKES).map(|number| format_smolstr!("{name}-{number}"));
        let free = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| !taken.contains(name));
        Ok((None, free.unwrap_or_else(|| name.clone())))
    }

    async fn commands(
        &self,
        name: &str,
        page_num: u32,
    ) -> Result<Answer<Page<Command>>, CallError> {
        let body = DescribeCommands {
            name,
            page_size: COMMAND_ROWS,
            page_num,
        };
        let exchange = Exchange::new((ZOS, "DescribeCommands"), Effect::Read, &[], &body)?;
        self.exchange(exchange, answer::judge).await
    }

    async fn create(&self, name: &str, content: &str) -> Result<SmolStr, CallError> {
        let body = CreateCommand {
            name,
            content,
            kind: SHELL,
            description: Some(DESCRIPTION),
        };
        let exchange = Exchange::new((ZOS, "CreateCommand"), Effect::Mutation, &[], &body)?;
        let answer: Answer<Created> = self.exchange(exchange, answer::judge).await?;
        answer
            .payload
            .command_id
            .ok_or_else(|| without_payload("commandId"))
    }

    /// Runs a stored command; the run's id.
    async fn invoke(
        &self,
        kind: Kind,
        command: &SmolStr,
        phones: &[PhoneId],
    ) -> Result<SmolStr, CallError> {
        let body = InvokeCommand {
            command_id: command,
            instance_ids: phones,
            timeout: TIMEOUT,
        };
        let exchange = Exchange::new((ZOS, "InvokeCommand"), Effect::Mutation, phones, &body)?;
        let sent = self.outfit.clock.now();
        let answer: Result<Answer<Invoked>, CallError> =
            self.exchange(exchange, answer::judge).await;
        let run = answer.and_then(|answer| {
            let run = answer.payload.invocation_id.ok_or_else(|| CallError {
                accepted: Accepted::Maybe,
                ..without_payload("invocationId")
            })?;
            self.book.answered(&run, answer.sent);
            Ok(run)
        });
        if let (Kind::Write, Err(error)) = (kind, &run)
            && error.accepted == Accepted::Maybe
        {
            self.book.lost(command.clone(), sent);
        }
        run
    }

    /// Clears away one stored command, or looks for some; see [`super::book`].
    pub(super) async fn tidy_now(&self) -> Result<bool, CallError> {
        match self.book.chore(self.outfit.clock.now()) {
            None => return Ok(false),
            Some(Chore::List(page)) => self.list(page).await?,
            Some(Chore::Delete(leaving)) => self.delete(&leaving).await?,
        }
        Ok(self.book.is_untidy(self.outfit.clock.now()))
    }

    async fn list(&self, page: u32) -> Result<(), CallError> {
        let answer = self.commands(OURS, page).await;
        let now = self.outfit.clock.now();
        let rows = answer.and_then(|answer| {
            let rows = answer.payload.data_set;
            rows.ok_or_else(|| without_payload("page of commands"))
        });
        match rows {
            Ok(rows) => {
                let full = rows.len() >= usize::try_from(COMMAND_ROWS).unwrap_or(usize::MAX);
                self.book.listed(rows, full, now);
                Ok(())
            }
            Err(error) => {
                self.book.not_listed(now);
                Err(error)
            }
        }
    }

    async fn delete(&self, leaving: &Leaving) -> Result<(), CallError> {
        let now = self.outfit.clock.now();
        let card = self.book.card_if_known(&leaving.name);
        let mut known = match &card {
            // Whoever looks for it meanwhile waits, and makes it anew.
            Some(card) => match card.id.try_lock() {
                Ok(known) => Some(known),
                Err(_) => return Ok(()),
            },
            None => None,
        };
        if let Some(known) = &mut known
            && known.as_ref() == Some(&leaving.id)
        {
            **known = None;
        }
        let body = DeleteCommand {
            command_id: &leaving.id,
        };
        let exchange = Exchange::new((ZOS, "DeleteCommand"), Effect::Mutation, &[], &body)?;
        let answer = self.exchange(exchange, answer::judge_empty).await;
        drop(known);
        drop(card);
        match answer {
            Ok(_) => self.book.gone(leaving),
            Err(error) => match error.code.as_deref() {
                Some(COMMAND_GONE) => self.book.gone(leaving),
                Some(COMMAND_RUNS) => self.book.stays(leaving, now),
                Some(_) | None => return Err(unharmed(error)),
            },
        }
        Ok(())
    }
}

/// A call that only prepares did not go well: no phone was touched, and none is at fault. What is wrong with the command itself will be so again.
fn unharmed(error: CallError) -> CallError {
    let kind = match (error.kind, error.code.as_deref()) {
        (ErrorKind::Refused, Some(code))
            if code.starts_with("INVALID_PARAMETER") || code == "MISSING_PARAMETER" =>
        {
            ErrorKind::Refused
        }
        (ErrorKind::Refused, None) => ErrorKind::Refused,
        (ErrorKind::Throttled | ErrorKind::Unauthorised, _) => error.kind,
        (
            ErrorKind::Refused
            | ErrorKind::NotFound
            | ErrorKind::NotReady
            | ErrorKind::Busy
            | ErrorKind::Transient
            | ErrorKind::Malformed,
            _,
        ) => ErrorKind::Transient,
    };
    CallError {
        kind,
        accepted: Accepted::No,
        phones: Vec::new(),
        ..error
    }
}
