//! The only place that prints: stdout is data, stderr is talk.
//!
//! Invariants: data goes to stdout whole and in one piece; a reader that went away ends the output, never the program; colours only where a terminal
//! takes them and nobody declined. Not here: what is said (the commands), how a plan reads (`plan::render`).

use super::error::{CliError, Exit};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use indicatif::MultiProgress;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How data is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a pull request.
    Markdown,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Marks in front of a line of talk or of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is well.
    Good,
    /// It is wrong.
    Bad,
    /// It deserves a look.
    Odd,
}

/// Where a command prints.
#[derive(Clone, Debug)]
pub struct Output {
    /// How data is written.
    pub format: Format,
    log_format: LogFormat,
    bars: MultiProgress,
}

/// Bold, for what the eye should find first.
const STRONG: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

impl Output {
    /// Decides about colours for the whole process.
    pub fn new(format: Format, log_format: LogFormat, no_color: bool) -> Self {
        if no_color {
            anstream::ColorChoice::Never.write_global();
        }
        Self {
            format,
            log_format,
            bars: MultiProgress::new(),
        }
    }

    /// Writes data to stdout, with a newline at the end.
    ///
    /// # Errors
    /// The output cannot be written (disk full). A reader that closed the pipe is no error.
    pub fn data(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = anstream::stdout().lock();
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{newline}").and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(problem) if problem.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(problem) => {
                Err(CliError::new(Exit::Before, "cannot write the output").because(&problem))
            }
        }
    }

    /// Writes a value as JSON to stdout.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(|problem| {
            CliError::new(Exit::Before, "cannot write the output as JSON").because(&problem)
        })?;
        self.data(&text)
    }

    /// Writes a value as one line of JSON to stdout.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(|problem| {
            CliError::new(Exit::Before, "cannot write the output as JSON").because(&problem)
        })?;
        self.data(&text)
    }

    /// Says a line on stderr. Nobody listening is no error.
    pub fn say(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stderr = anstream::stderr().lock();
            drop(writeln!(stderr, "{text}"));
        });
    }

    /// Says a headline on stderr.
    pub fn headline(&self, text: &str) {
        self.say(&format!("\n{STRONG}{text}{STRONG:#}"));
    }

    /// Says something without ending the line (a question).
    pub fn ask(&self, text: &str) {
        self.bars.suspend(|| {
            let mut stderr = anstream::stderr().lock();
            drop(write!(stderr, "{text}").and_then(|()| stderr.flush()));
        });
    }

    /// Reports an error.
    pub fn error(&self, error: &CliError) {
        match self.log_format {
            LogFormat::Text => self.say(error_text(error).trim_end()),
            LogFormat::Json => self.say(
                &serde_json::json!({
                    "level": "ERROR",
                    "error": error.message,
                    "causes": error.causes,
                    "hints": error.hints,
                    "findings": error.findings,
                    "exit": error.exit.code(),
                })
                .to_string(),
            ),
        }
    }

    /// Where progress bars are drawn.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Whether somebody watches stderr on a terminal.
    pub fn watched() -> bool {
        std::io::stderr().is_terminal()
    }

    /// Whether somebody can be asked: a terminal on both ends.
    pub fn can_ask() -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Sends log events to stderr from now on, past any progress bar. `verbosity` 0: warnings.
    pub fn start_log(&self, verbosity: u8) {
        let filter = tracing_subscriber::EnvFilter::builder()
            .with_env_var("PHONEFLEET_LOG")
            .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
            .from_env_lossy();
        let filter = match verbosity {
            0 => filter,
            1 => tracing_subscriber::EnvFilter::new("warn,phonefleet=info"),
            2 => tracing_subscriber::EnvFilter::new("info,phonefleet=debug"),
            _ => tracing_subscriber::EnvFilter::new("debug,phonefleet=trace"),
        };
        let bars = self.bars.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(
                Self::watched()
                    && anstream::stderr().current_choice() != anstream::ColorChoice::Never,
            )
            .with_writer(move || LogWriter(bars.clone()));
        let started = match self.log_format {
            LogFormat::Text => subscriber.with_target(false).try_init(),
            LogFormat::Json => subscriber.json().try_init(),
        };
        // A second call in one process (tests) keeps the first subscriber.
        drop(started);
    }
}

struct LogWriter(MultiProgress);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.suspend(|| std::io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

fn error_text(error: &CliError) -> String {
    let mut text = String::new();
    if !error.findings.is_empty() {
        text.push_str(crate::manifest::report::render(&error.findings, true).trim_end());
        text.push_str("\n\n");
    }
    let _ = writeln!(text, "{RED}error{RED:#}: {}", error.message);
    for cause in &error.causes {
        let _ = writeln!(text, "  because: {cause}");
    }
    for hint in &error.hints {
        let _ = writeln!(text, "  {STRONG}hint{STRONG:#}: {hint}");
    }
    text
}

/// A mark in colour.
pub fn mark(mark: Mark) -> String {
    match mark {
        Mark::Good => format!("{GREEN}✓{GREEN:#}"),
        Mark::Bad => format!("{RED}✗{RED:#}"),
        Mark::Odd => format!("{YELLOW}!{YELLOW:#}"),
    }
}

/// Text in bold.
pub fn strong(text: &str) -> String {
    format!("{STRONG}{text}{STRONG:#}")
}

/// Rows under a header, as text or as a Markdown table.
pub fn table(format: Format, header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(match format {
            Format::Markdown => comfy_table::presets::ASCII_MARKDOWN,
            Format::Text | Format::Json => comfy_table::presets::NOTHING,
        })
        .force_no_tty()
        .set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    table
        .to_string()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A number with separators: `2,749`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its noun: `1 phone`, `2,749 phones`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = match (number, noun.ends_with("sh")) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {noun}{plural}", count(number))
}

/// A duration for people, in its largest fitting unit and the next: `40 s`, `5 min 10 s`, `2 h 3 min`, `4 d 1 h`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, large_name, small, small_name) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => (seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => (seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => (seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    };
    if small == 0 {
        format!("{large} {large_name}")
    } else {
        format!("{large} {large_name} {small} {small_name}")
    }
}

/// Text from outside, safe on a terminal: control characters become `�`.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (number, text) in [
            (0, "0"),
            (87, "87"),
            (2749, "2,749"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "phone"), "1 phone");
        assert_eq!(counted(1200, "phone"), "1,200 phones");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (310, "5 min 10 s"),
            (7380, "2 h 3 min"),
            (349_200, "4 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn tables_have_no_colour_and_no_trailing_blanks() {
        let rows = vec![vec!["a".to_owned(), String::new()]];
        let text = table(Format::Text, &["one", "two"], &rows);
        assert!(!text.contains('\u{1b}'));
        assert!(text.lines().all(|line| line == line.trim_end()));
        assert!(table(Format::Markdown, &["one", "two"], &rows).starts_with("| one"));
    }

    #[test]
    fn outside_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
