//! The commands an Android phone knows, as far as fleets need them.
//!
//! Invariants: words and statuses are those of Android 10 to 14; many commands fail in words with status 0, as there. Not here: splitting (`words`).

use super::Answer;
use crate::sim::phone::{Phone, Stay};
use crate::time::delay::hash;
use smol_str::{SmolStr, format_smolstr};

/// Runs one command.
pub(super) fn call(phone: &mut Phone, name: &str, arguments: &[&str], answer: &mut Answer) {
    match (name, arguments) {
        ("echo", ["-n", words @ ..]) => answer.text.push_str(&words.join(" ")),
        ("echo", words) => answer.line(&words.join(" ")),
        ("printf", [format, words @ ..]) => printf(format, words, answer),
        ("true" | ":" | "sleep" | "svc" | "appops" | "log", _) => {}
        ("false", _) => answer.status = 1,
        ("id", ["-u"]) => answer.line("2000"),
        ("id", _) => answer.line("uid=2000(shell) gid=2000(shell) groups=2000(shell)"),
        ("cat", ["/proc/sys/kernel/random/boot_id"]) => answer.line(&phone.boot_id()),
        ("cat", [file, ..]) => answer.fail(1, &format!("cat: {file}: No such file or directory")),
        ("command", ["-v", wanted]) => match KNOWN.contains(wanted) {
            true => answer.line(&format!("/system/bin/{wanted}")),
            false => answer.status = 1,
        },
        ("getprop", []) => all_properties(phone, answer),
        ("getprop", [key]) => answer.line(&phone.property(key).unwrap_or_default()),
        ("getprop", [key, default, ..]) => {
            answer.line(
                &phone
                    .property(key)
                    .unwrap_or_else(|| SmolStr::from(*default)),
            );
        }
        ("setprop", [key, value]) => setprop(phone, key, value, answer),
        ("settings", words) => settings(phone, words, answer),
        ("pm", words) => pm(phone, words, answer),
        ("cmd", ["package", words @ ..]) => pm(phone, words, answer),
        ("cmd", ["alarm", "set-timezone", zone]) => phone.timezone = SmolStr::from(*zone),
        ("cmd", [service, ..]) => answer.fail(20, &format!("cmd: Can't find service: {service}")),
        ("am", words) => am(phone, words, answer),
        ("monkey", words) => monkey(phone, words, answer),
        ("pidof", [package]) => match phone.running.iter().any(|name| name == package) {
            true => answer
                .line(&(hash(package, u64::from(phone.boots), 0) % 30_000 + 1_000).to_string()),
            false => answer.status = 1,
        },
        ("dumpsys", ["package", package]) => dump_package(phone, package, answer),
        ("dumpsys", ["location"]) => answer.line("last location=null"),
        ("dumpsys", [service, ..]) => answer.line(&format!("Can't find service: {service}")),
        (known, _) if KNOWN.contains(&known) => answer.fail(1, &format!("{known}: bad arguments")),
        (unknown, _) => answer.fail(
            127,
            &format!("/system/bin/sh: {unknown}: inaccessible or not found"),
        ),
    }
}

/// Every command this shell has.
const KNOWN: [&str; 18] = [
    "echo", "printf", "true", "false", "sleep", "svc", "appops", "log", "id", "cat", "command",
    "getprop", "setprop", "settings", "pm", "cmd", "am", "monkey",
];

fn printf(format: &str, words: &[&str], answer: &mut Answer) {
    let mut words = words.iter();
    let mut rest = format.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '%' if rest.next_if_eq(&'s').is_some() => {
                answer.text.push_str(words.next().unwrap_or(&""));
            }
            '\\' if rest.next_if_eq(&'n').is_some() => answer.text.push('\n'),
            other => answer.text.push(other),
        }
    }
}

fn all_properties(phone: &Phone, answer: &mut Answer) {
    let mut names: Vec<&str> = [&phone.image.properties, &phone.kept, &phone.live]
        .into_iter()
        .flat_map(|values| values.iter().map(|(name, _)| name))
        .filter(|name| !name.contains('/'))
        .chain([
            "persist.sys.timezone",
            "persist.sys.locale",
            "ro.serialno",
            "sys.boot_completed",
        ])
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let value = phone.property(name).unwrap_or_default();
        answer.line(&format!("[{name}]: [{value}]"));
    }
}

fn setprop(phone: &mut Phone, key: &str, value: &str, answer: &mut Answer) {
    if key.starts_with("ro.") || key.is_empty() || value.len() > 91 {
        answer.fail(1, &format!("Failed to set property '{key}' to '{value}'."));
        return;
    }
    let stay = match key.starts_with("persist.") {
        true => Stay::Kept,
        false => Stay::Live,
    };
    phone.set_property(key, value, stay);
}

fn settings(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    let known = |space: &str| matches!(space, "global" | "secure" | "system");
    match words {
        [_, space, ..] if !known(space) => {
            answer.fail(255, &format!("Invalid namespace '{space}'"));
        }
        ["get", space, key] => {
            let value = phone.setting(&format!("{space}/{key}"));
            answer.line(&value.unwrap_or_else(|| "null".into()));
        }
        ["put", space, key, value, ..] => {
            phone.settings.set(format_smolstr!("{space}/{key}"), *value);
        }
        ["delete", space, key] => {
            let rows = u8::from(phone.settings.remove(&format!("{space}/{key}")));
            answer.line(&format!("Deleted {rows} rows"));
        }
        ["list", space] => {
            let prefix = format!("{space}/");
            for (name, value) in phone.settings.iter() {
                if let Some(key) = name.strip_prefix(&prefix) {
                    answer.line(&format!("{key}={value}"));
                }
            }
        }
        _ => answer.fail(255, "Invalid command"),
    }
}

fn pm(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    match words {
        ["list", "packages", options @ ..] => list_packages(phone, options, answer),
        ["path", package] => match phone.app(package) {
            Some(_) => answer.line(&format!("package:/data/app/{package}/base.apk")),
            None => answer.status = 1,
        },
        ["uninstall", options @ .., package] => {
            let hides = options.contains(&"--user");
            match phone.uninstall(package) {
                true => answer.line("Success"),
                false if hides && phone.app(package).is_some() => answer.line("Success"),
                false => answer.fail(1, "Failure [DELETE_FAILED_INTERNAL_ERROR]"),
            }
        }
        ["clear", package] => match phone.app(package) {
            Some(_) => answer.line("Success"),
            None => answer.fail(1, "Failed"),
        },
        _ => answer.fail(255, "Unknown command"),
    }
}

fn list_packages(phone: &Phone, options: &[&str], answer: &mut Answer) {
    let user = options.iter().position(|option| *option == "--user");
    let mut filter = None;
    for (place, option) in options.iter().enumerate() {
        if !option.starts_with('-') && user.is_none_or(|user| place != user + 1) {
            filter = Some(*option);
        }
    }
    for app in &phone.apps {
        let wanted = (!options.contains(&"-3") || !app.system)
            && (!options.contains(&"-s") || app.system)
            && filter.is_none_or(|text| app.package.contains(text));
        if !wanted {
            continue;
        }
        let mut line = format!("package:{}", app.package);
        if options.contains(&"--show-versioncode") {
            line.push_str(" versionCode:");
            line.push_str(&app.version_code.to_string());
        }
        answer.line(&line);
    }
}

fn am(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    match words {
        ["force-stop", package] => phone.stop(package),
        ["start", options @ ..] => {
            let target = options
                .iter()
                .position(|option| *option == "-n")
                .and_then(|place| options.get(place + 1))
                .copied()
                .unwrap_or_default();
            let package = target.split('/').next().unwrap_or_default();
            answer.line(&format!("Starting: Intent {{ cmp={target} }}"));
            if !phone.start(package) {
                answer.line("Error type 3");
                answer.line(&format!(
                    "Error: Activity class {{{target}}} does not exist."
                ));
            }
        }
        _ => answer.fail(255, "Error: unknown command"),
    }
}

fn monkey(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    match words {
        ["-p", package, ..] if phone.start(package) => answer.line("Events injected: 1"),
        _ => answer.fail(252, "** No activities found to run, monkey aborted."),
    }
}

fn dump_package(phone: &Phone, package: &str, answer: &mut Answer) {
    match phone.app(package) {
        Some(app) => {
            answer.line("Packages:");
            answer.line(&format!("  Package [{package}]:"));
            answer.line(&format!(
                "    versionCode={} minSdk=21 targetSdk=33",
                app.version_code
            ));
            answer.line(&format!("    versionName={}", app.version_name));
        }
        None => answer.line(&format!("Unable to find package: {package}")),
    }
}
