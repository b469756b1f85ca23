//! Scripts that read, and what their output tells.
//!
//! Invariants: an answer counts only between its own two markers, each of which comes once and in order; an error message is no value; what was cut off told
//! nothing. Not here: lists of apps (`packages`), writing (`write`).

use super::{Bounds, Problem, Told, packages, word};
use crate::model::attribute::Attribute;
use crate::model::canonical;
use crate::model::observed::Observed;
use smol_str::SmolStr;

/// What stands before the number of an answer, on a line of its own.
pub const MARKER: &str = "=phonefleet=";

/// The setting that Android's own HTTP proxy is in.
pub(super) const HTTP_PROXY: &str = "global http_proxy";
/// What it holds when there is no proxy.
pub(super) const NO_PROXY: &str = ":0";

pub(super) fn script(attributes: &[Attribute], bounds: &Bounds) -> Result<String, Problem> {
    if !bounds.joins {
        return match attributes {
            [Attribute::App(_)] => Err(Problem::misfit(
                "a list of all apps is longer than what one plain command tells",
            )),
            [attribute] => command(attribute, bounds),
            _ => Err(Problem::misfit(format!(
                "{} attributes in one plain command",
                attributes.len()
            ))),
        };
    }
    let mut commands = attributes
        .iter()
        .map(|attribute| command(attribute, bounds))
        .collect::<Result<Vec<_>, _>>()?;
    if asks_for_apps(attributes) {
        commands.extend(packages::LISTS.map(str::to_owned));
    }
    let mut script = String::new();
    for (index, command) in commands.iter().enumerate() {
        script.extend(["echo ", MARKER, &index.to_string(), "; ", command, "; "]);
    }
    script.extend(["echo ", MARKER, &commands.len().to_string()]);
    Ok(script)
}

fn asks_for_apps(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| matches!(attribute, Attribute::App(_)))
}

/// Length of the script that reads this attribute alone; 0 if no script does.
pub(super) fn longest(attribute: &Attribute, bounds: &Bounds) -> usize {
    script(std::slice::from_ref(attribute), bounds).map_or(0, |script| script.len())
}

/// Bytes of a script beside the attributes' own: the lists of apps, and the last marker.
pub(super) const BASE: usize = 256;

/// Bytes that this attribute adds to a script of less than 1,000 attributes; what no command reads adds nothing.
pub(super) fn marginal(attribute: &Attribute, bounds: &Bounds) -> Result<usize, Problem> {
    let around = "echo ; ; 999".len() + MARKER.len();
    match command(attribute, bounds) {
        Ok(command) => Ok(command.len() + around),
        Err(Problem::Misfit(_)) => Ok(0),
        Err(problem @ Problem::Unsayable(_)) => Err(problem),
    }
}

/// The property that tells this attribute, if one does.
pub(super) fn property_of(attribute: &Attribute) -> Option<&str> {
    match attribute {
        Attribute::Property(name) => Some(name),
        Attribute::Timezone => Some("persist.sys.timezone"),
        Attribute::Language => Some("persist.sys.locale"),
        Attribute::Image
        | Attribute::SimCountry
        | Attribute::Sim
        | Attribute::Location
        | Attribute::Proxy
        | Attribute::Bandwidth
        | Attribute::Adb
        | Attribute::Setting(_)
        | Attribute::App(_)
        | Attribute::Running(_) => None,
    }
}

fn command(attribute: &Attribute, bounds: &Bounds) -> Result<String, Problem> {
    Ok(match attribute {
        Attribute::Property(name) => format!("getprop {}", word::property(name, bounds)?),
        Attribute::Timezone => "getprop persist.sys.timezone".to_owned(),
        Attribute::Language => "getprop persist.sys.locale".to_owned(),
        Attribute::Setting(name) => {
            let (space, key) = word::setting(name, bounds)?;
            format!("settings get {space} {key}")
        }
        Attribute::Proxy => format!("settings get {HTTP_PROXY}"),
        Attribute::Running(package) => format!("pidof {}", word::package(package, bounds)?),
        Attribute::App(package) => packages::version_name(&word::package(package, bounds)?),
        Attribute::Image
        | Attribute::SimCountry
        | Attribute::Sim
        | Attribute::Location
        | Attribute::Bandwidth
        | Attribute::Adb => {
            return Err(Problem::misfit(format!("no command reads {attribute}")));
        }
    })
}

pub(super) fn decode(attributes: &[Attribute], bounds: &Bounds, output: &str) -> Told {
    if !bounds.joins {
        let [attribute] = attributes else {
            return Told::default();
        };
        let lines: Vec<&str> = output.lines().collect();
        let value = observed(attribute, &without_warnings(&lines));
        return Told {
            values: value
                .map(|value| (attribute.clone(), value))
                .into_iter()
                .collect(),
            apps: None,
        };
    }
    let lists = if asks_for_apps(attributes) {
        packages::LISTS.len()
    } else {
        0
    };
    let sections = sections(attributes.len() + lists, output);
    let (answers, lists) = sections.split_at(attributes.len());
    let answers = || attributes.iter().zip(answers);
    let values = answers().filter_map(|(attribute, section)| {
        let value = observed(attribute, section.as_deref()?)?;
        Some((attribute.clone(), value))
    });
    let versions = answers().filter_map(|(attribute, section)| {
        let Attribute::App(package) = attribute else {
            return None;
        };
        Some((package, section.as_deref()?))
    });
    Told {
        values: values.collect(),
        apps: packages::decode(lists, versions),
    }
}

/// The text between marker `i` and marker `i + 1`, for each `i`. A marker that comes twice or out of order spoils its neighbours, nothing else.
fn sections(count: usize, output: &str) -> Vec<Option<String>> {
    let lines: Vec<&str> = output
        .split('\n')
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    let mut places = vec![Vec::new(); count + 1];
    for (place, line) in lines.iter().enumerate() {
        let number = line
            .trim()
            .strip_prefix(MARKER)
            .and_then(|n| n.parse::<usize>().ok());
        if let Some(places) = number.and_then(|number| places.get_mut(number)) {
            places.push(place);
        }
    }
    (0..count)
        .map(|index| match (&places[index][..], &places[index + 1][..]) {
            (&[start], &[end]) if start < end => Some(without_warnings(&lines[start + 1..end])),
            _ => None,
        })
        .collect()
}

/// The lines but for those of the dynamic linker, which on some images warns whenever a program starts.
fn without_warnings(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| !line.starts_with("WARNING: linker:"))
        .collect();
    lines.join("\n")
}

/// What one answer tells of its attribute. Apps are told by the lists.
pub(super) fn observed(attribute: &Attribute, text: &str) -> Option<Observed> {
    let text = text.trim();
    match attribute {
        Attribute::Running(_) => running(text),
        Attribute::Setting(_) => setting(text),
        Attribute::Proxy => match text {
            NO_PROXY => Some(Observed::Missing),
            _ => setting(text),
        },
        Attribute::Timezone => property(text, canonical::timezone_or_text),
        Attribute::Language => property(text, canonical::language_or_text),
        Attribute::Property(_) => property(text, |text| text.into()),
        Attribute::Image
        | Attribute::SimCountry
        | Attribute::Sim
        | Attribute::Location
        | Attribute::Bandwidth
        | Attribute::Adb
        | Attribute::App(_) => None,
    }
}

fn setting(text: &str) -> Option<Observed> {
    match text {
        "" | "null" => Some(Observed::Missing),
        _ if is_complaint(text) => None,
        _ => Some(Observed::Text(text.into())),
    }
}

fn property(text: &str, canonical: impl Fn(&str) -> SmolStr) -> Option<Observed> {
    if text.is_empty() {
        return Some(Observed::Missing);
    }
    (!is_complaint(text)).then(|| Observed::Text(canonical(text)))
}

/// `pidof` prints process ids, or nothing.
fn running(text: &str) -> Option<Observed> {
    if text.is_empty() {
        return Some(Observed::Flag(false));
    }
    text.split_whitespace()
        .all(|word| word.bytes().all(|b| b.is_ascii_digit()))
        .then_some(Observed::Flag(true))
}

/// Android's tools exit with 0 and print their errors; these words never begin a value.
fn is_complaint(text: &str) -> bool {
    const BEGINNINGS: [&str; 7] = [
        "Error:",
        "Exception",
        "Security exception",
        "java.lang.",
        "cmd: ",
        "sh: ",
        "/system/bin/sh:",
    ];
    BEGINNINGS.iter().any(|words| text.starts_with(words))
        || text.contains(": not found")
        || text.contains(": inaccessible or not found")
}
