//! Options that several commands share, and how they become a session's.
//!
//! Invariants: flag > environment > file > default, for every option; a default that cannot be found is a usage error that says what to write.
//! Not here: what a command does with them.

use super::error::{CliError, Exit};
use super::output::{Format, LogFormat};
use crate::daemon::Options;
use crate::model::settings::Settings;
use clap::{ArgAction, Args};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub struct Global {
    /// Folder for journal and memory [default: $STATE_DIRECTORY, else the user's state folder]
    #[arg(long, global = true, env = "PHONEFLEET_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How data is written to stdout
    #[arg(
        long,
        global = true,
        env = "PHONEFLEET_OUTPUT",
        value_enum,
        default_value_t
    )]
    pub output: Format,
    /// No colours (also NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// How log events are written to stderr
    #[arg(
        long,
        global = true,
        env = "PHONEFLEET_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    pub log_format: LogFormat,
    /// More log events on stderr; repeat for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Change one of the settings listed by --help, e.g. read_interval=10m (also PHONEFLEET_SET_READ_INTERVAL)
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// File of settings, one `name = value` a line
    #[arg(long, global = true, env = "PHONEFLEET_SETTINGS", value_name = "FILE")]
    pub settings: Option<PathBuf>,
}

/// Options of commands that read manifests.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Manifests")]
pub struct Manifests {
    /// Manifests: a file or a folder; repeatable [default: the current folder, if it holds manifests]
    #[arg(short, long = "file", env = "PHONEFLEET_FILE", value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Only these phones: a pattern on account/id or on the inventory name, or label=value; repeatable
    #[arg(long, env = "PHONEFLEET_SELECT", value_name = "EXPR")]
    pub select: Vec<String>,
    /// Let plain http reach hosts other than this machine
    #[arg(long, env = "PHONEFLEET_ALLOW_PLAIN_HTTP")]
    pub allow_plain_http: bool,
}

impl Manifests {
    /// The manifests that were named, or the current folder when it holds some.
    ///
    /// # Errors
    /// Usage: none were named and none are here.
    pub fn paths(&self) -> Result<Vec<PathBuf>, CliError> {
        if !self.files.is_empty() {
            return Ok(self.files.clone());
        }
        if holds_manifests(Path::new(".")) {
            return Ok(vec![PathBuf::from(".")]);
        }
        Err(
            CliError::usage("no manifests were named, and the current folder holds none")
                .hint("name a file or folder with `-f PATH`")
                .hint("to try phonefleet without any account, run `phonefleet demo`"),
        )
    }
}

/// Whether the folder has a YAML file that says it is one of ours.
fn holds_manifests(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let path = entry.path();
        let yaml = path
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml");
        yaml && is_manifest(&path)
    })
}

fn is_manifest(path: &Path) -> bool {
    use std::io::Read;
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(65_536).read_to_end(&mut head))
        .is_ok()
        && String::from_utf8_lossy(&head).contains("phonefleet/")
}

impl Global {
    /// The numbers, from flags, environment and file.
    ///
    /// # Errors
    /// Usage: an unknown name or a value of another kind; the file cannot be read.
    pub fn settings(&self) -> Result<Settings, CliError> {
        let mut settings = Settings::default();
        if let Some(file) = &self.settings {
            let text = std::fs::read_to_string(file).map_err(|problem| {
                CliError::usage(format!("cannot read {}", file.display())).because(&problem)
            })?;
            settings_from_file(&mut settings, &file.display().to_string(), &text)?;
        }
        for (name, _) in Settings::FIELDS {
            let variable = format!("PHONEFLEET_SET_{}", name.to_uppercase());
            if let Some(text) = environment(&variable) {
                settings.set(name, text.trim()).map_err(|problem| {
                    CliError::from(problem).hint(format!("it is set by {variable}"))
                })?;
            }
        }
        for pair in &self.set {
            let (name, text) = pair
                .split_once('=')
                .ok_or_else(|| CliError::usage(format!("`--set {pair}` is no NAME=VALUE")))?;
            settings.set(&name.trim().replace('-', "_"), text.trim())?;
        }
        Ok(settings)
    }

    /// The state folder.
    ///
    /// # Errors
    /// Usage: none was named and no default can be told.
    pub fn state_dir(&self) -> Result<PathBuf, CliError> {
        if let Some(dir) = &self.state_dir {
            return Ok(dir.clone());
        }
        // systemd lists several state folders with colons; the first is ours.
        if let Some(list) = environment("STATE_DIRECTORY")
            && let Some(first) = list.split(':').find(|part| !part.is_empty())
        {
            return Ok(PathBuf::from(first));
        }
        if let Some(base) =
            environment("XDG_STATE_HOME").filter(|base| Path::new(base).is_absolute())
        {
            return Ok(PathBuf::from(base).join("phonefleet"));
        }
        environment("HOME")
            .map(|home| PathBuf::from(home).join(".local/state/phonefleet"))
            .ok_or_else(|| {
                CliError::usage("no state folder is known: neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME is set")
                    .hint("name one with `--state-dir DIR`")
            })
    }

    /// Everything a session asks for.
    ///
    /// # Errors
    /// Usage.
    pub fn session(
        &self,
        manifests: &Manifests,
        command: &'static str,
    ) -> Result<Options, CliError> {
        Ok(Options {
            manifests: manifests.paths()?,
            state_dir: Some(self.state_dir()?),
            settings: self.settings()?,
            select: manifests.select.clone(),
            transport: None,
            allow_plain_http: manifests.allow_plain_http,
            command,
            clock: None,
            in_memory: false,
        })
    }
}

fn settings_from_file(settings: &mut Settings, file: &str, text: &str) -> Result<(), CliError> {
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let place = format!("{file}, line {}", number + 1);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| CliError::usage(format!("{place}: `{line}` is no `name = value`")))?;
        settings
            .set(name.trim(), value.trim().trim_matches('"'))
            .map_err(|problem| CliError::from(problem).hint(format!("it is set in {place}")))?;
    }
    Ok(())
}

/// The settings with meaning and default, for `--help`.
pub fn settings_help() -> String {
    let defaults = Settings::default().list();
    let mut text = String::from(
        "Settings (--set NAME=VALUE, PHONEFLEET_SET_NAME, or a --settings file; flag > environment > file > default):\n",
    );
    for ((name, meaning), (_, value)) in Settings::FIELDS.iter().zip(&defaults) {
        let _ = writeln!(
            text,
            "  {:<32} {}",
            format!("{name} = {value}"),
            meaning.trim()
        );
    }
    text
}

/// A variable of the environment, if it is set, is text and is not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the one home of settings from the environment"
)]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// A duration such as `10m`, `90s`, `1h30m`, for clap.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|span| Duration::try_from(span).ok())
        .filter(|span| !span.is_zero())
        .ok_or_else(|| "expected a duration above zero, such as 90s, 10m or 1h30m".to_owned())
}

/// Runs something that must end by itself soon, or says that it took too long.
///
/// # Errors
/// The time passed.
pub(crate) async fn within<T>(
    timeout: Option<Duration>,
    work: impl Future<Output = T>,
) -> Result<T, CliError> {
    match timeout {
        None => Ok(work.await),
        Some(limit) => tokio::time::timeout(limit, work).await.map_err(|_| {
            CliError::new(
                Exit::TimedOut,
                format!(
                    "--timeout {} passed before the reading was done; nothing was changed",
                    super::output::span(limit)
                ),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_people_write_them() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("0s").is_err());
        assert!(duration("-5s").is_err());
        assert!(duration("soon").is_err());
    }

    #[test]
    fn a_settings_file_names_the_line_at_fault() {
        let mut settings = Settings::default();
        settings_from_file(
            &mut settings,
            "s",
            "# pace\nseed = 7\npoll_most = 45s # calm\n",
        )
        .expect("valid");
        assert_eq!(
            (settings.seed, settings.poll_most),
            (7, Duration::from_secs(45))
        );
        let error = settings_from_file(&mut settings, "s", "\nsede = 7\n").expect_err("unknown");
        assert!(
            error.hints.iter().any(|hint| hint.contains("s, line 2")),
            "{error:?}"
        );
        assert_eq!(error.exit, Exit::Usage);
    }

    #[test]
    fn every_setting_is_in_the_help() {
        let help = settings_help();
        for (name, _) in Settings::FIELDS {
            assert!(help.contains(&format!("{name} = ")), "{name}");
        }
    }
}
