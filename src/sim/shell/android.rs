//! The commands an Android phone knows, as far as fleets need them: which word is answered where.
//!
//! Invariants: words and statuses are those of Android 10 to 14; many commands fail in words with status 0, as there. Not here: splitting (`words`), properties
//! and settings (`system`), packages (`apps`), filters (`text`).

use super::{Answer, Shell, apps, system, text};

/// Every command this shell has, but for those of the shell itself.
const KNOWN: [&str; 27] = [
    "am", "appops", "cat", "cmd", "curl", "dumpsys", "getprop", "grep", "head", "id", "log", "ls",
    "md5sum", "monkey", "pidof", "pm", "reboot", "rm", "service", "setprop", "settings", "sleep",
    "start", "stop", "svc", "tail", "wm",
];

/// Runs one command.
pub(super) fn call(shell: &mut Shell<'_>, words: &[&str], input: &str, answer: &mut Answer) {
    let Some((name, arguments)) = words.split_first() else {
        return;
    };
    let phone = &mut *shell.phone;
    match (*name, arguments) {
        ("echo", words) => text::echo(words, answer),
        ("printf", [format, words @ ..]) => text::printf(format, words, answer),
        ("true" | ":" | "sleep" | "log", _) => {}
        ("false", _) => answer.status = 1,
        ("exit", _) => shell.over = true,
        ("grep", words) => text::grep(words, input, answer),
        ("head", words) => text::ends(words, input, answer, true),
        ("tail", words) => text::ends(words, input, answer, false),
        ("id", ["-u"]) => answer.line("0"),
        ("id", _) => answer.line("uid=0(root) gid=0(root) groups=0(root),2000(shell)"),
        ("whoami", _) => answer.line("root"),
        ("cat", ["/proc/sys/kernel/random/boot_id"]) => answer.line(&phone.boot_id()),
        ("cat", []) => answer.text.push_str(input),
        ("cat", [file, ..]) => answer.fail(1, &format!("cat: {file}: No such file or directory")),
        ("command", ["-v", wanted]) => which(wanted, answer),
        ("which", [wanted]) => which(wanted, answer),
        ("getprop" | "setprop" | "settings" | "wm" | "svc" | "appops" | "service", words) => {
            system::call(phone, name, words, answer);
        }
        ("cmd", ["package", words @ ..]) => apps::pm(shell, words, answer),
        ("cmd", words) => system::cmd(phone, words, answer),
        ("pm", words) => apps::pm(shell, words, answer),
        ("am", words) => apps::am(phone, words, answer),
        ("monkey", words) => apps::monkey(phone, words, answer),
        ("pidof", packages) => apps::pidof(phone, packages, answer),
        ("curl", words) => apps::curl(shell, words, answer),
        ("rm", words) => apps::rm(phone, words, answer),
        ("ls", words) => apps::ls(phone, words, answer),
        ("md5sum", words) => apps::md5sum(phone, words, input, answer),
        ("dumpsys", words) => apps::dumpsys(phone, words, answer),
        ("reboot", _) => {
            phone.reboot();
            shell.over = true;
        }
        // The framework goes down with `stop` and comes up with `start`.
        ("stop", []) => {}
        ("start", []) => phone.restart_framework(),
        (known, _) if KNOWN.contains(&known) => answer.fail(1, &format!("{known}: bad arguments")),
        (unknown, _) => answer.fail(
            127,
            &format!("/system/bin/sh: {unknown}: inaccessible or not found"),
        ),
    }
    if matches!(
        words,
        ["svc", "power", "reboot", ..] | ["setprop", "sys.powerctl", _]
    ) {
        shell.phone.reboot();
        shell.over = true;
    }
}

fn which(wanted: &str, answer: &mut Answer) {
    if KNOWN.contains(&wanted) {
        answer.line(&format!("/system/bin/{wanted}"));
    } else {
        answer.status = 1;
    }
}
