//! Surveys: what an account lists, read once, for `get phones` and `import`.
//!
//! Invariants: only reads; the account's budget holds here too. Not here: decisions.

use super::{DaemonError, ProgressSink, Session, Survey, SurveyRow};
use crate::controller::progress::Progress;
use crate::model::attribute::Attribute;
use crate::model::capability::ReadMethod;
use crate::model::fleet::{Claim, PhoneFacts};
use crate::model::id::{AccountName, PhoneId, PhoneKey};
use crate::model::observed::{Cursor, Observation, ReadKind, Sight};
use crate::provider::{CallError, Provider, ReadRequest};
use crate::time::budget::{Budget, Window};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a survey asks for beyond the listing.
const ASKED: [Attribute; 3] = [Attribute::Timezone, Attribute::Language, Attribute::Sim];

struct Surveyor<'a> {
    provider: &'a dyn Provider,
    budget: Budget,
    sights: BTreeMap<PhoneId, Sight>,
    calls: u64,
}

impl Session {
    /// Reads what one account lists (or all accounts); with `details`, also what its provider can read of every phone.
    ///
    /// # Errors
    /// The account is unknown or cannot be read.
    pub async fn survey(
        &mut self,
        account: Option<&AccountName>,
        details: bool,
        progress: ProgressSink,
    ) -> Result<Survey, DaemonError> {
        if let Some(name) = account
            && !self.providers.contains_key(name)
        {
            return Err(DaemonError::Unknown(format!("no account is called {name}")));
        }
        let mut survey = Survey::default();
        let chosen = self
            .providers
            .iter()
            .filter(|(name, _)| account.is_none_or(|account| account == *name));
        for (name, provider) in chosen {
            let sights = self
                .survey_account(name, provider.as_ref(), details, &progress)
                .await
                .map_err(|source| DaemonError::Unreadable {
                    account: name.clone(),
                    source,
                })?;
            for (phone, sight) in sights {
                let key = PhoneKey {
                    account: name.clone(),
                    phone,
                };
                let row = self.row(&key, sight);
                survey.phones.insert(key, row);
            }
        }
        Ok(survey)
    }

    fn row(&self, key: &PhoneKey, sight: Sight) -> SurveyRow {
        let provider_group = sight
            .listed
            .as_ref()
            .and_then(|listed| listed.provider_group.clone());
        let former = self.former(key).into_iter();
        let former: Vec<PhoneKey> = former.map(|(old, _)| old).collect();
        let claim = self.fleet().claims.claim(
            &PhoneFacts {
                key: key.clone(),
                former: former.clone(),
                provider_group,
            },
            self.clock.now(),
        );
        let group = match claim {
            Claim::Unclaimed => None,
            Claim::Claimed(desired) => Some(desired.group.to_string()),
            Claim::Broken(group, _) => Some(group.to_string()),
            Claim::Twice(groups) => Some(
                groups
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" and "),
            ),
        };
        SurveyRow {
            listed: sight.listed,
            group,
            former,
            values: sight.values,
            apps: sight.apps,
        }
    }

    async fn survey_account(
        &self,
        name: &AccountName,
        provider: &dyn Provider,
        details: bool,
        progress: &ProgressSink,
    ) -> Result<BTreeMap<PhoneId, Sight>, CallError> {
        let limits = provider.capabilities().limits;
        let lowered = self
            .fleet()
            .accounts
            .get(name)
            .map(|account| account.limits);
        let lowered = lowered.unwrap_or_default();
        let window = |documented: u32, lowered: Option<u32>, seconds| Window {
            calls: lowered.map_or(documented, |lowered| lowered.min(documented)),
            length: Duration::from_secs(seconds),
        };
        let windows = vec![
            window(limits.requests_per_second, lowered.requests_per_second, 1),
            window(limits.requests_per_minute, lowered.requests_per_minute, 60),
        ];
        let mut surveyor = Surveyor {
            provider,
            budget: Budget::new(windows),
            sights: BTreeMap::new(),
            calls: 0,
        };
        let mut cursor: Option<Cursor> = None;
        loop {
            let page = surveyor
                .read(self, ReadKind::Listing, &[], cursor.take())
                .await?;
            let next = page.next.clone();
            surveyor.take(page, ReadKind::Listing, self);
            progress(&surveyor.progress(self));
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        if details {
            let phones: Vec<PhoneId> = surveyor.sights.keys().cloned().collect();
            for kind in [ReadKind::Properties, ReadKind::Apps] {
                let Some(call) = provider.capabilities().read(kind) else {
                    continue;
                };
                for batch in phones.chunks(usize::try_from(call.max_phones.max(1)).unwrap_or(1)) {
                    let page = surveyor.read(self, kind, batch, None).await?;
                    surveyor.take(page, kind, self);
                    progress(&surveyor.progress(self));
                }
            }
        }
        Ok(surveyor.sights)
    }
}

impl Surveyor<'_> {
    async fn read(
        &mut self,
        session: &Session,
        kind: ReadKind,
        phones: &[PhoneId],
        cursor: Option<Cursor>,
    ) -> Result<Observation, CallError> {
        loop {
            let now = session.clock.now();
            if self.budget.take(now) {
                break;
            }
            tokio::time::sleep(self.budget.next_free(now).since(now)).await;
        }
        self.calls += 1;
        let capabilities = self.provider.capabilities();
        let told = ASKED.into_iter().filter(|attribute| {
            capabilities
                .of(attribute)
                .is_some_and(|row| row.read == ReadMethod::By(kind))
        });
        let request = ReadRequest {
            kind,
            phones: Arc::from(phones),
            attributes: told.collect(),
            cursor,
        };
        self.provider.read(&request).await
    }

    fn take(&mut self, page: Observation, kind: ReadKind, session: &Session) {
        let now = session.clock.now();
        for reading in page.rows {
            self.sights
                .entry(reading.phone.clone())
                .or_default()
                .take(kind, reading, now);
        }
    }

    fn progress(&self, session: &Session) -> Progress {
        Progress {
            at: session.clock.now(),
            activity: "reading".to_owned(),
            phones: self.sights.len() as u64,
            reads: self.calls,
            ..Progress::default()
        }
    }
}
