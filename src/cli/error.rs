//! The one edge type: what went wrong, its chain of causes, what to do about it, and the exit code.
//!
//! Invariants: every error a command can meet becomes a [`CliError`] here and nowhere else; the exit codes are those of the README's table; no secret is
//! in a message, because no room's error carries one. Not here: printing (`output`).

use crate::controller::driver::DriverError;
use crate::daemon::DaemonError;
use crate::journal::JournalError;
use crate::manifest::{Finding, ReadError};
use crate::model::settings::SettingError;
use crate::provider::registry::OpenError;
use crate::provider::{CallError, ErrorKind};
use std::error::Error;

/// How a command ends. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Error before anything was changed.
    Before,
    /// `plan --detailed-exitcode`: there is a change.
    Changes,
    /// Stopped by a guard or policy, or by the person who was asked; nothing changed.
    Stopped,
    /// Some phones failed, or wait for a person or the vendor.
    Partly,
    /// Another process holds the state folder.
    Locked,
    /// Error after changes had begun.
    After,
    /// The command line is wrong.
    Usage,
    /// `--timeout` passed while still converging.
    TimedOut,
    /// Interrupted; the journal is consistent.
    Interrupted,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Before => 1,
            Self::Changes => 2,
            Self::Stopped => 3,
            Self::Partly => 4,
            Self::Locked => 6,
            Self::After => 7,
            Self::Usage => 64,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
        }
    }
}

/// What a command ends with instead of a result.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong: lower-case fragment.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
    /// Manifest mistakes, to be shown with their source lines.
    pub findings: Vec<Finding>,
}

impl CliError {
    /// An error without causes.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An error that another one caused.
    pub fn from_error(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let mut made = Self::new(exit, error.to_string());
        made.push_causes(error.source());
        made
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the cause and its causes.
    #[must_use]
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        self.push_causes(Some(error));
        self
    }

    /// Adds causes that say something new; a cause that repeats its effect's text says nothing.
    fn push_causes(&mut self, mut next: Option<&(dyn Error + 'static)>) {
        while let Some(error) = next {
            let text = error.to_string();
            let said = self.causes.last().unwrap_or(&self.message);
            if !text.is_empty() && !said.contains(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
    }

    /// Mistakes in manifests.
    pub fn manifests(findings: Vec<Finding>) -> Self {
        let mut made = Self::new(
            Exit::Before,
            match findings.len() {
                1 => "the manifests have a mistake; nothing was changed".to_owned(),
                n => format!("the manifests have {n} mistakes; nothing was changed"),
            },
        );
        made.findings = findings;
        made
    }

    /// A call to a vendor that failed, while `doing` something.
    pub fn call(doing: impl Into<String>, error: &CallError) -> Self {
        let made = Self::new(Exit::Before, doing).because(error);
        match advice(error.kind) {
            Some(advice) => made.hint(advice),
            None => made,
        }
    }
}

/// What a person can do about a failed call.
pub(crate) fn advice(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Unauthorised => Some(
            "check the Account's `credentials` and this machine's clock; `phonefleet doctor` tests both",
        ),
        ErrorKind::Malformed => Some(
            "check the Account's `endpoint`: what answers there is not the vendor's API (a proxy, a login page, or another host)",
        ),
        ErrorKind::Transient => Some(
            "check the Account's `endpoint`, name resolution and the network from this machine, then run the command again",
        ),
        ErrorKind::Throttled => Some(
            "lower the Account's `limits`, or wait: something else uses the same vendor identity",
        ),
        ErrorKind::Busy | ErrorKind::NotReady => Some("run the command again later"),
        ErrorKind::NotFound | ErrorKind::Refused => Some(
            "look at the vendor's words above; `phonefleet doctor` shows what this account may do",
        ),
    }
}

impl From<DaemonError> for CliError {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Manifests(findings) => Self::manifests(findings),
            DaemonError::Source(problem) => problem.into(),
            DaemonError::Account(problem) => problem.into(),
            DaemonError::Journal(problem) => problem.into(),
            DaemonError::Unreadable { account, source } => Self::call(
                format!("account {account} cannot be read; nothing was changed"),
                &source,
            ),
            DaemonError::Driver(DriverError::Journal(problem)) => problem.into(),
            DaemonError::Driver(problem @ DriverError::Misfit(_)) => {
                Self::from_error(Exit::Before, &problem).hint("please report it, with the state folder")
            }
            problem @ DaemonError::Setup { .. } => Self::from_error(Exit::Before, &problem),
            problem @ DaemonError::Orphans(_) => Self::from_error(Exit::Before, &problem).hint(
                "put the account back until they have ended: their jobs cannot be followed without it",
            ),
            problem @ DaemonError::AfterChanges(_) => Self::from_error(Exit::After, &problem).hint(
                "the journal is consistent up to the last change it could write; free space or mend the disk, then run again",
            ),
            problem @ DaemonError::Interrupted => Self::from_error(Exit::Interrupted, &problem),
            DaemonError::Unknown(what) => Self::new(Exit::Before, what)
                .hint("`phonefleet get phones` lists phones, `phonefleet status` what is open"),
        }
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unreadable { path, source } => unreadable(&path, &source),
            ReadError::TooLarge { .. } => Self::from_error(Exit::Before, &error)
                .hint("split it; manifests are meant to be read by people"),
            ReadError::Nothing { .. } => Self::from_error(Exit::Before, &error)
                .hint("name a file or folder of manifests with `-f PATH`"),
        }
    }
}

/// Manifests that cannot be read from disk.
pub(crate) fn unreadable(path: &str, source: &std::io::Error) -> CliError {
    let made = CliError::new(Exit::Before, format!("cannot read {path}")).because(source);
    let kind = source.kind();
    if kind == std::io::ErrorKind::NotFound {
        made.hint("name the manifests' file or folder with `-f PATH`")
    } else if kind == std::io::ErrorKind::PermissionDenied {
        made.hint("the user that runs phonefleet needs to read the folder and its files")
    } else {
        made
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        let made = Self::from_error(Exit::Before, &error);
        match error {
            OpenError::Unsupported(_) => {
                made.hint("`phonefleet providers` lists what this build can talk to")
            }
            OpenError::Credential { name, .. } => made.hint(format!(
                "set what `credentials.{name}` refers to: the environment variable, the file, or the systemd credential (`LoadCredential=`)"
            )),
            OpenError::Option { name, .. } => made.hint(format!(
                "correct `options.{name}` of the Account; `phonefleet providers` lists the options of each provider"
            )),
        }
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        let exit = match error {
            JournalError::Locked { .. } => Exit::Locked,
            JournalError::Storage { .. }
            | JournalError::Damaged { .. }
            | JournalError::Misfit { .. } => Exit::Before,
        };
        Self::from_error(exit, &error).hint(error.advice())
    }
}

impl From<SettingError> for CliError {
    fn from(error: SettingError) -> Self {
        Self::from_error(Exit::Usage, &error)
            .hint("`phonefleet --help` lists the settings with their defaults")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_repeats_its_effect_is_said_once() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let made = unreadable("fleet", &io);
        assert_eq!(made.message, "cannot read fleet");
        assert_eq!(made.causes, ["no such file"]);
        assert_eq!(made.exit.code(), 1);
        let again = CliError::new(Exit::Before, "no such file").because(&io);
        assert!(again.causes.is_empty());
    }

    #[test]
    fn a_lock_names_its_holder_and_ends_with_6() {
        let made = CliError::from(JournalError::Locked {
            folder: "/var/lib/phonefleet".to_owned(),
            holder: "pid 12 (run) since 08:00".to_owned(),
        });
        assert_eq!(made.exit.code(), 6);
        assert!(made.message.contains("pid 12 (run)"), "{}", made.message);
    }

    #[test]
    fn the_exit_codes_are_those_of_the_reference() {
        let all = [
            (Exit::Done, 0),
            (Exit::Before, 1),
            (Exit::Changes, 2),
            (Exit::Stopped, 3),
            (Exit::Partly, 4),
            (Exit::Locked, 6),
            (Exit::After, 7),
            (Exit::Usage, 64),
            (Exit::TimedOut, 124),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in all {
            assert_eq!(exit.code(), code);
        }
    }
}
