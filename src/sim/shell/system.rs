//! Properties, settings and the services beside packages and apps.
//!
//! Invariants: `setprop` takes no `ro.*` and at most 91 bytes; a language set as a property waits for a restart. Not here: what a restart does (`phone`).

use super::Answer;
use crate::sim::phone::{Location, Phone, Stay};
use smol_str::{SmolStr, format_smolstr};

/// Longest value of a property that is not `ro.*`.
const PROPERTY_BYTES: usize = 91;
/// That `com.android.shell` may set positions, among the phone's kept values.
const MOCK_LOCATION: &str = "appops/com.android.shell/android:mock_location";

pub(super) fn call(phone: &mut Phone, name: &str, words: &[&str], answer: &mut Answer) {
    match (name, words) {
        ("getprop", []) => all_properties(phone, answer),
        ("getprop", [key]) => answer.line(&phone.property(key).unwrap_or_default()),
        ("getprop", [key, default, ..]) => {
            let value = phone
                .property(key)
                .unwrap_or_else(|| SmolStr::from(*default));
            answer.line(&value);
        }
        ("setprop", ["--", key, value]) => setprop(phone, key, value, answer),
        ("setprop", [key, value]) => match [key, value].iter().find_map(|word| option(word)) {
            Some(letter) => answer.fail(
                1,
                &format!("setprop: Unknown option '{letter}' (see \"setprop --help\")"),
            ),
            None => setprop(phone, key, value, answer),
        },
        ("settings", words) => settings(phone, words, answer),
        ("wm", words) => screen(phone, words, answer),
        ("svc", words) => svc(phone, words, answer),
        ("appops", ["set", package, operation, mode]) => {
            let key = format_smolstr!("appops/{package}/{operation}");
            phone.set_property(&key, mode, Stay::Kept);
        }
        ("appops", ["get", package, ..]) => answer.line(&format!("No operations: {package}")),
        ("service", ["call", "alarm", _, "s16", zone]) => {
            phone.timezone = SmolStr::from(*zone);
            answer.line("Result: Parcel(00000000 00000001   '........')");
        }
        _ => answer.fail(1, &format!("{name}: bad arguments")),
    }
}

/// The letter of a word that toybox takes for an option.
fn option(word: &str) -> Option<char> {
    word.strip_prefix('-')?.chars().next()
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
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-@:".contains(c);
    let fits = !key.is_empty() && key.chars().all(legal) && value.len() <= PROPERTY_BYTES;
    if key.starts_with("ro.") || !fits {
        answer.fail(
            1,
            &format!("Failed to set property '{key}' to '{value}'.\nSee dmesg for error reason."),
        );
        return;
    }
    match key {
        "ctl.restart" if value.starts_with("zygote") => phone.restart_framework(),
        "ctl.restart" | "ctl.start" | "ctl.stop" | "sys.powerctl" => {}
        "persist.sys.locale" => phone.set_property(key, value, Stay::AfterRestart),
        _ if key.starts_with("persist.") => phone.set_property(key, value, Stay::Kept),
        _ => phone.set_property(key, value, Stay::Live),
    }
}

fn settings(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    let words = match words {
        ["--user", _, words @ ..] => words,
        words => words,
    };
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
            for (name, value) in phone.all_settings() {
                if let Some(key) = name.strip_prefix(&prefix) {
                    answer.line(&format!("{key}={value}"));
                }
            }
        }
        _ => answer.fail(255, "Invalid command"),
    }
}

/// `wm size` and `wm density`.
fn screen(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    let (what, physical) = match words.first() {
        Some(&"size") => ("size", "1080x1920"),
        Some(&"density") => ("density", "320"),
        Some(_) | None => {
            answer.fail(255, "Unknown command");
            return;
        }
    };
    let key = format_smolstr!("wm/{what}");
    match &words[1..] {
        [] => {
            answer.line(&format!("Physical {what}: {physical}"));
            if let Some(value) = phone.settings.get(&key) {
                answer.line(&format!("Override {what}: {value}"));
            }
        }
        ["reset"] => {
            phone.settings.remove(&key);
        }
        [value] if value.split('x').all(|part| part.parse::<u32>().is_ok()) => {
            phone.settings.set(key, *value);
        }
        _ => answer.fail(255, &format!("Error: bad {what} {}", words[1..].join(" "))),
    }
}

fn svc(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    match words {
        ["wifi", "enable" | "disable"] => {
            phone
                .settings
                .set("global/wifi_on", bit(words[1] == "enable"));
        }
        ["data", "enable" | "disable"] => {
            phone
                .settings
                .set("global/mobile_data", bit(words[1] == "enable"));
        }
        ["power", "reboot", ..] => {}
        _ => answer.line("Available commands:"),
    }
}

fn bit(on: bool) -> &'static str {
    if on { "1" } else { "0" }
}

/// `cmd SERVICE …`, for services other than `package`.
pub(super) fn cmd(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    match words {
        ["alarm", "set-timezone", zone] => phone.timezone = SmolStr::from(*zone),
        ["wifi", "status"] => {
            let on = phone
                .setting("global/wifi_on")
                .is_none_or(|value| value == "1");
            answer.line(if on {
                "Wifi is enabled"
            } else {
                "Wifi is disabled"
            });
        }
        ["wifi", "set-wifi-enabled", state @ ("enabled" | "disabled")] => {
            phone
                .settings
                .set("global/wifi_on", bit(*state == "enabled"));
        }
        ["locale", "set-app-locales", ..] => {}
        ["location", "providers", words @ ..] => providers(phone, words, answer),
        ["alarm" | "wifi" | "locale" | "location", ..] => {
            answer.fail(255, &format!("Unknown command: {}", words[1..].join(" ")));
        }
        [service, ..] => answer.fail(20, &format!("cmd: Can't find service: {service}")),
        [] => answer.fail(20, "cmd: No service specified; use -l to list all services"),
    }
}

/// Test providers of positions: they need the right to mock, and are gone after a restart.
fn providers(phone: &mut Phone, words: &[&str], answer: &mut Answer) {
    let added =
        |phone: &Phone, name: &str| phone.live.get(&format!("test-provider/{name}")).is_some();
    if phone
        .kept
        .get(MOCK_LOCATION)
        .is_none_or(|mode| mode != "allow")
    {
        exception(
            "java.lang.SecurityException: com.android.shell from uid 2000 not allowed to perform MOCK_LOCATION",
            answer,
        );
        return;
    }
    match words {
        ["add-test-provider", name, ..] => {
            let key = format_smolstr!("test-provider/{name}");
            phone.set_property(&key, "added", Stay::Live);
        }
        ["remove-test-provider", name] => {
            phone.live.remove(&format!("test-provider/{name}"));
            phone.location = None;
        }
        [_, name, ..] if !added(phone, name) => exception(
            &format!("java.lang.IllegalArgumentException: {name} provider is not a test provider"),
            answer,
        ),
        ["set-test-provider-enabled", _, "true" | "false"] => {}
        [
            "set-test-provider-location",
            _,
            "--location",
            place,
            rest @ ..,
        ] => match location(place, rest) {
            Some(location) => phone.location = Some(Box::new(location)),
            None => exception("java.lang.NumberFormatException: bad location", answer),
        },
        _ => answer.fail(255, "Unknown command"),
    }
}

fn exception(words: &str, answer: &mut Answer) {
    answer.fail(255, "\nException occurred while executing 'providers':");
    answer.fail(255, words);
}

fn location(place: &str, rest: &[&str]) -> Option<Location> {
    let (latitude, longitude) = place.split_once(',')?;
    let horizontal_accuracy = match rest {
        [] => None,
        ["--accuracy", metres] => Some(metres.parse().ok()?),
        _ => return None,
    };
    Some(Location {
        latitude: latitude.parse().ok()?,
        longitude: longitude.parse().ok()?,
        altitude: None,
        speed: None,
        bearing: None,
        horizontal_accuracy,
    })
}
