//! A small Android shell over one phone: what the shell driver and operators use.
//!
//! Invariants: words are split and quoted as in a POSIX shell; what it does not know ends in the words Android's own shell uses; it never panics on any text.
//! Not here: pipes, variables, loops (a script that needs them fails in words).

mod android;
mod words;

use super::phone::Phone;
use words::{Joint, Simple};

/// What a script printed, standard output and errors as they came.
pub(super) fn run(phone: &mut Phone, script: &str) -> String {
    let commands = match words::split(script) {
        Ok(commands) => commands,
        Err(problem) => return format!("/system/bin/sh: syntax error: {problem}\n"),
    };
    let mut shell = Shell {
        phone,
        output: String::new(),
        status: 0,
    };
    for command in &commands {
        let skip = match command.joint {
            Joint::Then => false,
            Joint::And => shell.status != 0,
            Joint::Or => shell.status == 0,
        };
        if !skip {
            shell.execute(command);
        }
    }
    shell.output
}

/// Whether a script can change the phone.
pub(super) fn mutates(script: &str) -> bool {
    let reads = |command: &Simple| {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["settings", verb, ..] => matches!(*verb, "get" | "list"),
            ["pm", verb, ..] => matches!(*verb, "list" | "path"),
            [name, ..] => READERS.contains(name),
            [] => true,
        }
    };
    words::split(script).is_ok_and(|commands| !commands.iter().all(reads))
}

/// Commands that only read.
const READERS: [&str; 12] = [
    "getprop", "echo", "printf", "pidof", "cat", "id", "true", "false", "command", "dumpsys",
    "sleep", ":",
];

/// A script under way.
struct Shell<'a> {
    phone: &'a mut Phone,
    output: String,
    status: u8,
}

impl Shell<'_> {
    fn execute(&mut self, command: &Simple) {
        let words: Vec<String> = command
            .words
            .iter()
            .map(|word| word.replace(words::STATUS, &self.status.to_string()))
            .collect();
        let mut answer = Answer::default();
        let arguments: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        if let Some(name) = words.first() {
            android::call(self.phone, name, &arguments, &mut answer);
        }
        if !command.quiet {
            self.output.push_str(&answer.text);
        }
        if !command.mute {
            self.output.push_str(&answer.error);
        }
        self.status = answer.status;
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
mod tests {
    use super::*;
    use crate::model::stamp::Timestamp;
    use crate::sim::{Simulator, Spec};

    fn phone() -> Phone {
        Simulator::new(
            Spec {
                phones: 1,
                ..Spec::default()
            },
            Timestamp(0),
        )
        .phone("AC32010000001")
        .unwrap()
    }

    fn sh(script: &str) -> String {
        run(&mut phone(), script)
    }

    #[test]
    fn commands_follow_each_other_as_in_a_shell() {
        assert_eq!(sh("echo a; echo b"), "a\nb\n");
        assert_eq!(sh("false && echo a; echo b"), "b\n");
        assert_eq!(sh("false || echo a"), "a\n");
        assert_eq!(sh("echo 'a; b'\\''c' \"d  e\""), "a; b'c d  e\n");
        assert_eq!(
            sh("nothing; echo RC=$?"),
            "/system/bin/sh: nothing: inaccessible or not found\nRC=127\n"
        );
        assert_eq!(sh("nothing 2>/dev/null || echo no"), "no\n");
        assert_eq!(sh("echo -n a; echo b >/dev/null; printf '%s\\n' c"), "ac\n");
        assert!(sh("echo 'open").contains("syntax error"));
    }

    #[test]
    fn properties_are_read_and_set() {
        let mut phone = phone();
        assert_eq!(
            run(&mut phone, "getprop persist.sys.timezone"),
            "Asia/Shanghai\n"
        );
        run(
            &mut phone,
            "setprop persist.sys.timezone 'Europe/Berlin'; setprop debug.x 1",
        );
        assert_eq!(phone.timezone, "Europe/Berlin");
        assert_eq!(run(&mut phone, "getprop debug.x; getprop none"), "1\n\n");
        assert!(run(&mut phone, "setprop ro.product.model x").contains("Failed to set property"));
        assert!(run(&mut phone, "getprop").contains("[persist.sys.timezone]: [Europe/Berlin]\n"));
        phone.reboot();
        assert_eq!(run(&mut phone, "getprop debug.x"), "\n");
    }

    #[test]
    fn settings_are_put_and_deleted() {
        let mut phone = phone();
        assert_eq!(run(&mut phone, "settings get global zen"), "null\n");
        run(&mut phone, "settings put global zen 'a b'");
        assert_eq!(run(&mut phone, "settings get global zen"), "a b\n");
        assert_eq!(
            run(&mut phone, "settings delete global zen"),
            "Deleted 1 rows\n"
        );
        assert_eq!(run(&mut phone, "settings get global zen"), "null\n");
    }

    #[test]
    fn packages_are_listed_stopped_and_removed() {
        let mut phone = phone();
        assert!(run(&mut phone, "pm list packages -s").contains("package:com.android.settings\n"));
        assert!(run(&mut phone, "pm list packages --show-versioncode").contains("versionCode:"));
        assert!(!run(&mut phone, "pm list packages -3").contains("com.android."));
        assert!(run(&mut phone, "pm uninstall com.none").starts_with("Failure ["));
        assert!(run(&mut phone, "pm uninstall com.android.settings").starts_with("Failure ["));
        assert!(
            run(
                &mut phone,
                "monkey -p com.android.settings 1 >/dev/null; pidof com.android.settings"
            )
            .trim()
            .parse::<u32>()
            .is_ok()
        );
        assert_eq!(
            run(
                &mut phone,
                "am force-stop com.android.settings; pidof com.android.settings"
            ),
            ""
        );
    }

    #[test]
    fn scripts_that_only_read_are_known() {
        assert!(!mutates(
            "echo M; getprop a.b; settings get global x; pm list packages -3; echo RC=$?"
        ));
        for script in [
            "setprop a 1",
            "settings put global a 1",
            "echo a; am force-stop b",
            "reboot",
        ] {
            assert!(mutates(script), "{script}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(script in "[a-z'\"\\\\;&|$?><\n #]{0,40}") {
            run(&mut phone(), &script);
            mutates(&script);
        }
    }
}
