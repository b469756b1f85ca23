//! `import`: one account's phones as an Inventory and a Group with what all have in common.
//!
//! Invariants: sends only reads; never overwrites a file; what it writes has passed `validate` together with the manifests at hand; the Group only
//! reports (`mode: warn`) until a person has looked. Phones that a group claims already are left to it. Not here: keeping files up to date.

use super::error::{CliError, Exit};
use super::options::{Global, Manifests, duration, within};
use super::output::{Format, Output, count, counted};
use super::progress::Meter;
use crate::daemon::{Session, Survey, SurveyRow};
use crate::manifest::{self, SourceFile};
use crate::model::attribute::Attribute;
use crate::model::capability::{Capabilities, Write};
use crate::model::fleet::ProviderKind;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::observed::{InstalledApp, Observed};
use crate::provider::registry;
use crate::time::clock::{Clock, TokioClock};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// The account whose phones are imported
    #[arg(long)]
    account: String,
    /// Where the two files are written
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    /// Give up after this long
    #[arg(long, env = "PHONEFLEET_TIMEOUT", value_parser = duration)]
    timeout: Option<Duration>,
}

/// What phones have in common, and what not.
#[derive(Debug, Default)]
struct Common {
    /// Lines under `desired`, by attribute.
    desired: BTreeMap<&'static str, String>,
    /// Packages that most phones have.
    apps: Vec<String>,
    /// What was left out or differs, for people.
    remarks: Vec<String>,
}

/// Reads the account and writes the two files.
///
/// # Errors
/// The account cannot be read, a file exists, or cannot be written.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let options = global.session(&args.manifests, "import")?;
    let paths = options.manifests.clone();
    let account = AccountName::new(args.account.as_str());
    let files = [
        args.out.join(format!("{account}-phones.csv")),
        args.out.join(format!("{account}-imported.yaml")),
    ];
    for file in &files {
        if file.exists() {
            return Err(exists(file));
        }
    }
    let provider = provider_of(&paths, &account)?;
    let mut session = Session::open(options, false).await?;
    let meter = Meter::new(output);
    let survey = within(
        args.timeout,
        session.survey(Some(&account), true, meter.sink()),
    )
    .await;
    meter.finish();
    let survey = survey??;
    let claimed = survey
        .phones
        .values()
        .filter(|row| row.group.is_some())
        .count();
    let free = Survey {
        phones: survey
            .phones
            .into_iter()
            .filter(|(_, row)| row.group.is_none())
            .collect(),
    };
    if free.phones.is_empty() {
        return Err(CliError::new(
            Exit::Before,
            format!("account {account} has no phone that no group claims"),
        )
        .hint("`phonefleet get phones` shows which group claims each phone"));
    }
    let common = common(&free, registry::capabilities(provider));
    let csv = inventory(&free);
    let yaml = manifests(&account, &common, &files[0]);
    check(&paths, &files, [&csv, &yaml])?;
    std::fs::create_dir_all(&args.out).map_err(|problem| {
        CliError::new(
            Exit::Before,
            format!("cannot create {}", args.out.display()),
        )
        .because(&problem)
    })?;
    write_new(&files[0], &csv)?;
    write_new(&files[1], &yaml)?;
    report(&free, claimed, &common, &files, output)?;
    Ok(Exit::Done)
}

fn provider_of(paths: &[PathBuf], account: &AccountName) -> Result<ProviderKind, CliError> {
    let bundle = manifest::read_paths(paths)?;
    let now = TokioClock::system().now();
    let fleet =
        manifest::load(&bundle, &registry::capabilities, now).map_err(CliError::manifests)?;
    let names: Vec<String> = fleet.accounts.keys().map(ToString::to_string).collect();
    fleet
        .accounts
        .get(account)
        .map(|account| account.provider)
        .ok_or_else(|| {
            CliError::new(Exit::Before, format!("no Account is called {account}"))
                .hint(format!("the manifests have: {}", names.join(", ")))
        })
}

/// The generated files must be good before they are written.
fn check(paths: &[PathBuf], files: &[PathBuf; 2], texts: [&String; 2]) -> Result<(), CliError> {
    let mut bundle = manifest::read_paths(paths)?;
    let source = |file: &Path, text: &str| SourceFile {
        path: file.to_owned(),
        bytes: Arc::from(text.as_bytes()),
    };
    bundle.tables.push(source(&files[0], texts[0]));
    bundle.files.push(source(&files[1], texts[1]));
    let now = TokioClock::system().now();
    manifest::load(&bundle, &registry::capabilities, now)
        .map(drop)
        .map_err(|findings| {
            CliError::manifests(findings)
                .hint("nothing was written: the imported manifests do not fit the others")
        })
}

fn exists(file: &Path) -> CliError {
    CliError::new(
        Exit::Before,
        format!("{} exists already; nothing was written", file.display()),
    )
    .hint("remove it, or name another folder with `--out DIR`")
}

fn write_new(file: &Path, text: &str) -> Result<(), CliError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(|problem| {
            if problem.kind() == std::io::ErrorKind::AlreadyExists {
                exists(file)
            } else {
                CliError::new(Exit::Before, format!("cannot write {}", file.display()))
                    .because(&problem)
            }
        })
}

fn inventory(survey: &Survey) -> String {
    let mut text = String::from("phone_id,account,provider_group,imported\n");
    for (key, row) in &survey.phones {
        let group = row
            .listed
            .as_ref()
            .and_then(|listed| listed.provider_group.as_ref())
            .map_or_else(|| "none".to_owned(), ToString::to_string);
        let _ = writeln!(
            text,
            "{},{},{},{}",
            cell(key.phone.as_str()),
            cell(key.account.as_str()),
            cell(&group),
            cell(key.account.as_str())
        );
    }
    text
}

fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r', ';']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A YAML scalar that reads back as this text.
fn scalar(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._/+-".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if word {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

fn manifests(account: &AccountName, common: &Common, inventory: &Path) -> String {
    let csv = inventory
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut text = format!(
        "# Written by `phonefleet import --account {account}`.\n\
         # The Group only reports differences; set `mode: enforce` when `phonefleet plan` shows what you expect.\n"
    );
    for remark in &common.remarks {
        let _ = writeln!(text, "# {remark}");
    }
    let _ = writeln!(
        text,
        "apiVersion: phonefleet/v1alpha1\n\
         kind: Inventory\n\
         metadata: {{ name: {account}-phones }}\n\
         spec: {{ csv: {csv}, id: phone_id, account: account, labels: [provider_group, imported] }}\n\
         ---\n\
         apiVersion: phonefleet/v1alpha1\n\
         kind: Group\n\
         metadata: {{ name: {account}-imported }}\n\
         spec:\n\
         \x20 phones:\n\
         \x20   accounts: [{account}]\n\
         \x20   select: {{ imported: {account} }}\n\
         \x20 mode: warn",
        csv = scalar(&csv),
    );
    if common.desired.is_empty() && common.apps.is_empty() {
        return text;
    }
    text.push_str("  desired:\n");
    for (name, value) in &common.desired {
        let _ = writeln!(text, "    {name}: {value}");
    }
    if !common.apps.is_empty() {
        text.push_str("    apps:\n");
        for package in &common.apps {
            let _ = writeln!(text, "      {package}: present");
        }
    }
    text
}

/// What more than half of the phones share, of what the provider can read and write. The image keeps data: importing must never lead to a wipe.
fn common(survey: &Survey, capabilities: Option<&Capabilities>) -> Common {
    let mut common = Common::default();
    let phones = survey.phones.len();
    let writable = |attribute: &Attribute| {
        capabilities
            .and_then(|table| table.of(attribute))
            .is_some_and(|row| row.write != Write::No)
    };
    for (name, attribute) in [
        ("timezone", Attribute::Timezone),
        ("language", Attribute::Language),
        ("image", Attribute::Image),
        ("bandwidth", Attribute::Bandwidth),
        ("adb", Attribute::Adb),
    ] {
        if !writable(&attribute) {
            continue;
        }
        let mut tally: BTreeMap<String, usize> = BTreeMap::new();
        for row in survey.phones.values() {
            if let Some(text) = row
                .values
                .get(&attribute)
                .and_then(|seen| written(&seen.value))
            {
                *tally.entry(text).or_default() += 1;
            }
        }
        match tally.iter().max_by_key(|(_, phones)| **phones) {
            Some((value, most)) if most * 2 > phones => {
                if *most < phones {
                    common.remarks.push(format!(
                        "{name}: {most} of {phones} phones have {value}; the others differ or could not be read"
                    ));
                }
                common.desired.insert(name, value.clone());
            }
            Some((value, most)) => common.remarks.push(format!(
                "{name}: left out, no value is shared by more than half of the phones ({value}: {most} of {phones})"
            )),
            None => common.remarks.push(format!("{name}: left out, it was read from no phone")),
        }
    }
    apps(survey, &mut common);
    common.remarks.push(
        "left out, because they differ from phone to phone or cannot be read back: sim, properties, settings, location, proxy"
            .to_owned(),
    );
    common
}

/// Part of the image, as the vendor says or, where it does not, as the name suggests.
fn is_system(app: &InstalledApp) -> bool {
    let name = app.package.as_str();
    app.system.unwrap_or_else(|| {
        name == "android"
            || name.starts_with("com.android.")
            || name.starts_with("com.google.android.")
    })
}

fn apps(survey: &Survey, common: &mut Common) {
    let lists: Vec<&Arc<[InstalledApp]>> = survey
        .phones
        .values()
        .filter_map(|row: &SurveyRow| row.apps.as_ref())
        .collect();
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for list in &lists {
        for app in list.iter().filter(|app| !is_system(app)) {
            *tally.entry(app.package.as_str()).or_default() += 1;
        }
    }
    let mut rare = 0_usize;
    for (package, phones) in tally {
        if phones * 2 > survey.phones.len() {
            common.apps.push(package.to_owned());
            if phones < survey.phones.len() {
                common.remarks.push(format!(
                    "app {package}: on {phones} of {} phones",
                    survey.phones.len()
                ));
            }
        } else {
            rare += 1;
        }
    }
    if rare > 0 {
        common.remarks.push(format!(
            "apps: {rare} packages left out, each on half of the phones or fewer"
        ));
    }
    if lists.len() < survey.phones.len() {
        common.remarks.push(format!(
            "apps: read from {} of {} phones",
            lists.len(),
            survey.phones.len()
        ));
    }
}

/// An observed value as it is written in a manifest; `None`: it cannot be.
fn written(value: &Observed) -> Option<String> {
    match value {
        Observed::Text(text) if text.is_empty() => None,
        Observed::Text(text) => Some(scalar(text)),
        Observed::Flag(flag) => Some(flag.to_string()),
        Observed::Image { id: Some(id), .. } => {
            Some(format!("{{ id: {}, wipeData: false }}", scalar(id)))
        }
        Observed::Image {
            id: None,
            version: Some(version),
        } => Some(format!(
            "{{ version: {}, wipeData: false }}",
            scalar(version)
        )),
        Observed::Bandwidth(limits) => Some(format!(
            "{{ upMbps: {}, downMbps: {} }}",
            limits.up_mbps, limits.down_mbps
        )),
        Observed::Image {
            id: None,
            version: None,
        }
        | Observed::Sim(_)
        | Observed::Missing => None,
    }
}

fn report(
    survey: &Survey,
    claimed: usize,
    common: &Common,
    files: &[PathBuf; 2],
    output: &Output,
) -> Result<(), CliError> {
    if output.format == Format::Json {
        let phones: Vec<&PhoneKey> = survey.phones.keys().collect();
        return output.json(&json!({
            "files": files,
            "phones": phones.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "claimedAlready": claimed,
            "remarks": common.remarks,
        }));
    }
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    output.data(&format!("{}\n{}", files[0].display(), files[1].display()))?;
    output.say(&format!(
        "{} written; {} left out because a group claims them",
        counted(number(survey.phones.len()), "phone"),
        count(number(claimed))
    ));
    for remark in &common.remarks {
        output.say(&format!("  {remark}"));
    }
    output.say("next: `phonefleet plan` with both files among your manifests");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_read_back_as_text() {
        for (text, yaml) in [
            ("Asia/Shanghai", "Asia/Shanghai"),
            ("img-25030796215", "img-25030796215"),
            ("NO", "\"NO\""),
            ("0755", "\"0755\""),
            ("a: b", "\"a: b\""),
            ("20250307_4", "\"20250307_4\""),
        ] {
            assert_eq!(scalar(text), yaml);
        }
    }

    #[test]
    fn cells_with_separators_are_quoted() {
        assert_eq!(cell("AC1"), "AC1");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
