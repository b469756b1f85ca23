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
use std::sync::Arc;
use words::{Joint, Simple};

/// Shells within shells, at most.
const DEEPEST: u8 = 4;

/// A script with what it may find on the network: made once, for all phones that it runs on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    text: SmolStr,
    /// Apps by the urls that the script names.
    apps: Vec<(SmolStr, Arc<App>)>,
}

impl Script {
    /// A script in a world where these apps can be fetched.
    pub(super) fn new(text: &str, offers: &[Offer]) -> Self {
        let named = |offer: &&Offer| !offer.url.is_empty() && text.contains(offer.url.as_str());
        Self {
            text: text.into(),
            apps: offers
                .iter()
                .filter(named)
                .map(|offer| (offer.url.clone(), Arc::clone(&offer.app)))
                .collect(),
        }
    }

    /// As it was sent.
    pub(super) fn text(&self) -> &str {
        &self.text
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
    .run(&script.text, "")
}

/// Whether a script can change the phone.
pub(super) fn mutates(script: &str) -> bool {
    any_command(script, &|words| !reads(words))
}

/// Whether a script restarts the phone, or all that apps run in.
pub(super) fn restarts(script: &str) -> bool {
    any_command(script, &|words| {
        matches!(
            words,
            ["reboot", ..]
                | ["start"]
                | ["svc", "power", "reboot", ..]
                | ["setprop", "ctl.restart", "zygote" | "zygote_secondary"]
                | ["setprop", "sys.powerctl", _]
        )
    })
}

/// Whether a script installs or removes an app.
pub(super) fn moves_apps(script: &str) -> bool {
    any_command(script, &|words| {
        matches!(
            words,
            ["pm", "install" | "uninstall", ..]
                | ["cmd", "package", "install" | "uninstall", ..]
                | ["curl", ..]
        )
    })
}

/// Whether any command of a script, or of a shell that it starts, is such.
fn any_command(script: &str, is: &dyn Fn(&[&str]) -> bool) -> bool {
    any_command_within(script, is, 0)
}

fn any_command_within(script: &str, is: &dyn Fn(&[&str]) -> bool, depth: u8) -> bool {
    let Ok(commands) = words::split(script) else {
        return false;
    };
    commands.iter().any(|command| {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        match inner(&words) {
            Some(text) if depth < DEEPEST => any_command_within(&text, is, depth + 1),
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
    fn run(&mut self, text: &str, input: &str) -> Ran {
        let commands = match words::split(text) {
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
        let words: Vec<String> = command
            .words
            .iter()
            .map(|word| word.replace(words::STATUS, &status.to_string()))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
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
        let ran = self.run(text, input);
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
