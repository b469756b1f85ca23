//! A small Android shell over one phone: what the shell driver and operators use.
//!
//! Invariants: words are split and quoted as in a POSIX shell; what it does not know ends in the words Android's own shell uses; it never panics on any text.
//! Its user is root, as that of cloud phones' agents. Not here: variables, loops, files but those that `curl` fetched (a script that needs them fails in words).

mod android;
mod apps;
mod system;
mod text;
mod words;

use super::phone::{App, Phone};
use super::world::Offer;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::sync::Arc;
use words::{Joint, Simple};

/// Shells within shells, at most.
const DEEPEST: u8 = 4;

/// A script with what it may find on the network: read once, for all phones that it runs on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    /// Its commands, or why it has none.
    commands: Result<Vec<Simple>, String>,
    /// Apps by the urls that the script names.
    apps: Vec<(SmolStr, Arc<App>)>,
    /// It can change the phone.
    mutates: bool,
    /// It restarts the phone, or all that apps run in.
    restarts: bool,
    /// It installs or removes an app.
    moves_apps: bool,
}

impl Script {
    /// A script in a world where these apps can be fetched.
    pub(super) fn new(text: &str, offers: &[Offer]) -> Self {
        let named = |offer: &&Offer| !offer.url.is_empty() && text.contains(offer.url.as_str());
        let commands = words::split(text);
        let any = |is| any_command(commands.as_deref().unwrap_or_default(), is, 0);
        Self {
            mutates: any(&|words| !reads(words)),
            restarts: any(&restarts),
            moves_apps: any(&moves_apps),
            apps: offers
                .iter()
                .filter(named)
                .map(|offer| (offer.url.clone(), Arc::clone(&offer.app)))
                .collect(),
            commands,
        }
    }

    /// Its commands as they were understood, a line each.
    pub(super) fn text(&self) -> String {
        let commands = self.commands.as_deref().unwrap_or_default().iter();
        let lines: Vec<String> = commands.map(|command| command.words.join(" ")).collect();
        lines.join("\n")
    }

    /// Whether it can change the phone.
    pub(super) fn mutates(&self) -> bool {
        self.mutates
    }

    /// Whether it restarts the phone, or all that apps run in.
    pub(super) fn restarts(&self) -> bool {
        self.restarts
    }

    /// Whether it installs or removes an app.
    pub(super) fn moves_apps(&self) -> bool {
        self.moves_apps
    }
}

/// What a script printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    /// Standard output.
    pub(super) output: String,
    /// Standard error.
    pub(super) error: String,
    /// Both, as they came.
    pub(super) all: String,
    /// Exit status of the last command.
    pub(super) status: u8,
}

/// Runs a script to its end.
pub(super) fn run(phone: &mut Phone, script: &Script) -> Ran {
    Shell {
        phone,
        script,
        depth: 0,
        over: false,
    }
    .run(&script.commands, "")
}

fn restarts(words: &[&str]) -> bool {
    matches!(
        words,
        ["reboot", ..]
            | ["start"]
            | ["svc", "power", "reboot", ..]
            | ["setprop", "ctl.restart", "zygote" | "zygote_secondary"]
            | ["setprop", "sys.powerctl", _]
    )
}

fn moves_apps(words: &[&str]) -> bool {
    matches!(
        words,
        ["pm", "install" | "uninstall", ..]
            | ["cmd", "package", "install" | "uninstall", ..]
            | ["curl", ..]
    )
}

/// Whether any command, or any of a shell that one starts, is such.
fn any_command(commands: &[Simple], is: &dyn Fn(&[&str]) -> bool, depth: u8) -> bool {
    commands.iter().any(|command| {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        match inner(&words) {
            Some(text) if depth < DEEPEST => {
                words::split(&text).is_ok_and(|commands| any_command(&commands, is, depth + 1))
            }
            Some(_) | None => is(&words),
        }
    })
}

/// The script that a command hands to another shell: of its own, of a container, or through the debug bridge.
fn inner(words: &[&str]) -> Option<String> {
    match words {
        ["sh", "-c", text, ..] | ["su", "-c", text] | ["su", "0" | "root", "sh", "-c", text] => {
            Some((*text).to_owned())
        }
        ["docker" | "podman", "exec", rest @ ..] => {
            let start = rest.iter().position(|word| !word.starts_with('-'))?;
            Some(quoted(rest.get(start + 1..)?))
        }
        ["adb", "-s", _, "shell", rest @ ..] | ["adb", "shell", rest @ ..] => Some(rest.join(" ")),
        _ => None,
    }
}

fn quoted(words: &[&str]) -> String {
    let words = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    words.collect::<Vec<_>>().join(" ")
}

fn reads(words: &[&str]) -> bool {
    match words {
        ["settings", verb, ..] => matches!(*verb, "get" | "list"),
        ["pm", verb, ..] | ["cmd", "package", verb, ..] => matches!(*verb, "list" | "path"),
        ["cmd", "wifi", verb, ..] => *verb == "status",
        ["am", verb, ..] => *verb == "get-config",
        ["appops", verb, ..] => *verb == "get",
        ["wm", "size" | "density"] => true,
        [name, ..] => READERS.contains(name),
        [] => true,
    }
}

/// Commands that only read.
const READERS: [&str; 19] = [
    "getprop", "echo", "printf", "pidof", "cat", "id", "whoami", "true", "false", "command",
    "dumpsys", "sleep", ":", "grep", "head", "tail", "md5sum", "ls", "log",
];

/// A script under way.
struct Shell<'a> {
    phone: &'a mut Phone,
    script: &'a Script,
    depth: u8,
    /// The phone went down under it.
    over: bool,
}

impl Shell<'_> {
    fn run(&mut self, commands: &Result<Vec<Simple>, String>, input: &str) -> Ran {
        let commands = match commands {
            Ok(commands) => commands,
            Err(problem) => {
                let words = format!("/system/bin/sh: syntax error: {problem}\n");
                return Ran {
                    output: String::new(),
                    error: words.clone(),
                    all: words,
                    status: 1,
                };
            }
        };
        let mut ran = Ran::default();
        let mut piped = input.to_owned();
        let mut skips = false;
        for (place, command) in commands.iter().enumerate() {
            skips = match command.joint {
                Joint::Then => false,
                Joint::And => ran.status != 0,
                Joint::Or => ran.status == 0,
                Joint::Pipe => skips,
            };
            if skips {
                continue;
            }
            let input = std::mem::take(&mut piped);
            let mut answer = self.execute(command, &input, ran.status);
            ran.status = answer.status;
            let feeds = commands
                .get(place + 1)
                .is_some_and(|next| next.joint == Joint::Pipe);
            if feeds {
                piped = std::mem::take(&mut answer.text);
            }
            ran.take(&answer);
            if self.over {
                break;
            }
        }
        ran
    }

    fn execute(&mut self, command: &Simple, input: &str, status: u8) -> Answer {
        let words: Vec<Cow<'_, str>> = command
            .words
            .iter()
            .map(|word| match word.contains(words::STATUS) {
                true => Cow::Owned(word.replace(words::STATUS, &status.to_string())),
                false => Cow::Borrowed(word.as_str()),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let mut answer = match inner(&words) {
            Some(text) => self.shell(&text, input),
            None => {
                let mut answer = Answer::default();
                android::call(self, &words, input, &mut answer);
                answer
            }
        };
        if command.joined {
            answer.text.push_str(&std::mem::take(&mut answer.error));
        }
        if command.quiet {
            answer.text.clear();
        }
        if command.mute {
            answer.error.clear();
        }
        answer
    }

    /// A shell within this one.
    fn shell(&mut self, text: &str, input: &str) -> Answer {
        let mut answer = Answer::default();
        if self.depth == DEEPEST {
            answer.fail(1, "sh: too many shells within each other");
            return answer;
        }
        self.depth += 1;
        let ran = self.run(&words::split(text), input);
        self.depth -= 1;
        Answer {
            text: ran.output,
            error: ran.error,
            status: ran.status,
        }
    }
}

impl Ran {
    fn take(&mut self, answer: &Answer) {
        self.output.push_str(&answer.text);
        self.error.push_str(&answer.error);
        self.all.push_str(&answer.text);
        self.all.push_str(&answer.error);
    }
}

/// What one command gave.
#[derive(Default)]
struct Answer {
    text: String,
    error: String,
    status: u8,
}

impl Answer {
    /// A line on standard output.
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A line on standard error, and a status.
    fn fail(&mut self, status: u8, text: &str) {
        self.error.push_str(text);
        self.error.push('\n');
        self.status = status;
    }
}

#[cfg(test)]
mod tests;
