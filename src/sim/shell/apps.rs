//! Packages, running apps, and files on their way to becoming packages.
//!
//! Invariants: lists come in no order; a file holds the app that its url offers, and nothing else exists. Not here: what an installation does (`phone`).

use super::{Answer, Shell};
use crate::sim::phone::{App, Phone};
use crate::time::delay::hash;
use std::sync::Arc;

pub(super) fn pm(shell: &mut Shell<'_>, words: &[&str], answer: &mut Answer) {
    let phone = &mut *shell.phone;
    match words {
        ["list", "packages", options @ ..] => list_packages(phone, options, answer),
        ["path", package] => match phone.app(package) {
            Some(_) => answer.line(&format!("package:{}", place(package))),
            None => answer.status = 1,
        },
        ["install", options @ .., file] => install(phone, options, file, answer),
        ["uninstall", options @ .., package] => uninstall(phone, options, package, answer),
        ["clear", package] => match phone.app(package) {
            Some(_) => {
                phone.stop(package);
                answer.line("Success");
            }
            None => answer.fail(1, "Failed"),
        },
        _ => answer.fail(255, &format!("Unknown command: {}", words.join(" "))),
    }
}

fn place(package: &str) -> String {
    format!("/data/app/{package}/base.apk")
}

fn list_packages(phone: &Phone, options: &[&str], answer: &mut Answer) {
    let has = |option: &str| options.contains(&option);
    let user = options.iter().position(|option| *option == "--user");
    let filter = options.iter().enumerate().rev().find(|(place, option)| {
        !option.starts_with('-') && user.is_none_or(|user| *place != user + 1)
    });
    // A hash table's order, which differs from phone to phone.
    let mut apps: Vec<&Arc<App>> = phone.apps.iter().collect();
    apps.sort_by_key(|app| hash(&app.package, phone.identity, 0));
    for app in apps {
        let wanted = (!has("-3") || !app.system)
            && (!has("-s") || app.system)
            && !has("-d")
            && filter.is_none_or(|(_, text)| app.package.contains(text));
        if !wanted {
            continue;
        }
        let mut line = "package:".to_owned();
        if has("-f") {
            line.extend([place(&app.package).as_str(), "="]);
        }
        line.push_str(&app.package);
        if has("--show-versioncode") {
            line.extend([" versionCode:", &app.version_code.to_string()]);
        }
        if has("-i") {
            line.push_str("  installer=null");
        }
        if has("-U") {
            line.extend([
                " uid:",
                &(10_000 + hash(&app.package, 0, 0) % 9_000).to_string(),
            ]);
        }
        answer.line(&line);
    }
}

fn install(phone: &mut Phone, options: &[&str], file: &str, answer: &mut Answer) {
    let Some(content) = phone.file(file).cloned() else {
        answer.fail(1, &format!("Error: failed to open file: {file}"));
        answer.fail(1, &format!("Error: Unable to open file: {file}"));
        return;
    };
    if !file.starts_with("/data/local/tmp/") {
        answer.fail(
            1,
            &format!(
                "Error: Unable to open file: {file}\nConsider using a file under /data/local/tmp/"
            ),
        );
        return;
    }
    match phone.app(&content.package) {
        Some(old) if old.version_code > content.version_code && !options.contains(&"-d") => answer
            .fail(
                1,
                "Failure [INSTALL_FAILED_VERSION_DOWNGRADE: Downgrade detected]",
            ),
        Some(_) | None => {
            phone.install(&content);
            answer.line("Success");
        }
    }
}

fn uninstall(phone: &mut Phone, options: &[&str], package: &str, answer: &mut Answer) {
    let hides = options.contains(&"--user");
    match phone.uninstall(package) || (hides && phone.hide(package)) {
        true => answer.line("Success"),
        false => answer.fail(1, "Failure [DELETE_FAILED_INTERNAL_ERROR]"),
    }
}

pub(super) fn am(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    match words {
        ["force-stop", package] | ["force-stop", "--user", _, package] => phone.stop(package),
        ["start", options @ ..] => start(phone, options, answer),
        ["update-config", "--locale", locale] => phone.set_language(locale),
        ["get-config"] => answer.line(&format!(
            "config: mcc460-mnc07-{}-ldltr-sw360dp-w360dp-h616dp-normal-long-notround-port-notnight-xhdpi",
            phone.language.replace('-', "-r")
        )),
        _ => answer.fail(255, &format!("Unknown command: {}", words.join(" "))),
    }
}

fn start(phone: &mut Phone, options: &[&str], answer: &mut Answer) {
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

pub(super) fn monkey(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    let package = words
        .iter()
        .position(|word| *word == "-p")
        .and_then(|place| words.get(place + 1));
    match package {
        Some(package) if phone.start(package) => answer.line("Events injected: 1"),
        Some(_) | None => answer.fail(252, "** No activities found to run, monkey aborted."),
    }
}

pub(super) fn pidof(phone: &Phone, packages: &[&str], answer: &mut Answer) {
    let runs = |package: &&&str| phone.running.iter().any(|name| name == **package);
    let ids: Vec<String> = packages
        .iter()
        .filter(runs)
        .map(|package| (hash(package, u64::from(phone.boots), 0) % 30_000 + 1_000).to_string())
        .collect();
    if ids.is_empty() {
        answer.status = 1;
    } else {
        answer.line(&ids.join(" "));
    }
}

/// `curl -o FILE URL`: a url that offers nothing is not found.
pub(super) fn curl(shell: &mut Shell<'_>, words: &[&str], answer: &mut Answer) {
    let (mut file, mut url, mut fails) = (None, None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "-o" | "--output" => file = words.next(),
            "--fail" => fails = true,
            option if option.starts_with('-') => fails |= option.contains('f'),
            _ => url = Some(word),
        }
    }
    let (Some(file), Some(url)) = (file, url) else {
        answer.fail(2, "curl: (2) no URL specified");
        return;
    };
    match shell.script.apps.iter().find(|(known, _)| known == url) {
        Some((_, app)) => shell.phone.set_file(file, Arc::clone(app)),
        None if fails => answer.fail(22, "curl: (22) The requested URL returned error: 404"),
        None => {}
    }
}

pub(super) fn rm(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    let quiet = words.contains(&"-f") || words.contains(&"-rf");
    for file in words.iter().filter(|word| !word.starts_with('-')) {
        if !phone.remove_file(file) && !quiet {
            answer.fail(1, &format!("rm: {file}: No such file or directory"));
        }
    }
}

pub(super) fn ls(phone: &Phone, words: &[&str], answer: &mut Answer) {
    for file in words.iter().filter(|word| !word.starts_with('-')) {
        match phone.file(file) {
            Some(_) => answer.line(file),
            None => answer.fail(1, &format!("ls: {file}: No such file or directory")),
        }
    }
}

/// `md5sum -c` on standard input. Simulated files have no bytes: one that exists is as it should be.
pub(super) fn md5sum(phone: &Phone, words: &[&str], input: &str, answer: &mut Answer) {
    if !matches!(words, ["-c"] | ["-c", "-"] | ["-cs"] | ["-c", "-s"]) {
        answer.fail(1, "md5sum: bad arguments");
        return;
    }
    for line in input.lines() {
        let Some((sum, file)) = line.split_once("  ") else {
            answer.fail(1, "md5sum: bad line");
            return;
        };
        let is_sum = sum.len() == 32 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_sum && phone.file(file).is_some() {
            answer.line(&format!("{file}: OK"));
        } else {
            answer.line(&format!("{file}: FAILED"));
            answer.status = 1;
        }
    }
}

pub(super) fn dumpsys(phone: &Phone, words: &[&str], answer: &mut Answer) {
    match words {
        ["package", package] => dump_package(phone, package, answer),
        ["location"] => answer.line(&match phone.location.as_deref() {
            Some(location) => format!(
                "last location=Location[gps {:.6},{:.6}]",
                location.latitude, location.longitude
            ),
            None => "last location=null".to_owned(),
        }),
        [service, ..] => answer.line(&format!("Can't find service: {service}")),
        [] => answer.line("Currently running services:"),
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
