//! `providers`: what each provider can do, and what it costs, as the planner knows it.
//!
//! Invariants: prints the very table that manifests are validated against and plans are made with. Not here: the rows (`provider/<vendor>`).

mod matrix;

use super::error::{CliError, Exit};
use super::output::{Format, Output, count, strong, table};
use crate::model::capability::{
    Capabilities, Capability, CredentialForm, Pattern, ReadMethod, Write,
};
use crate::model::fleet::ProviderKind;
use crate::model::observed::ReadKind;
use crate::provider::registry;
use std::fmt::Write as _;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Only this provider
    provider: Option<String>,
}

/// Prints the tables.
///
/// # Errors
/// No such provider in this build.
pub fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let known: Vec<&'static Capabilities> = ProviderKind::ALL
        .into_iter()
        .filter_map(registry::capabilities)
        .collect();
    let chosen: Vec<&'static Capabilities> = match &args.provider {
        None => known.clone(),
        Some(name) => known
            .iter()
            .copied()
            .filter(|table| table.provider.as_str() == name.as_str())
            .collect(),
    };
    if chosen.is_empty() {
        let names: Vec<&str> = known.iter().map(|table| table.provider.as_str()).collect();
        return Err(CliError::usage(format!(
            "this build knows no provider {:?}",
            args.provider.as_deref().unwrap_or_default()
        ))
        .hint(format!("it knows: {}", names.join(", "))));
    }
    if output.format == Format::Json {
        output.json(&chosen)?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    if chosen.len() > 1 {
        let matrix = matrix::matrix(&chosen, output.format);
        let _ = writeln!(text, "{}\n\n{matrix}\n", matrix::LEGEND);
    }
    for capabilities in &chosen {
        describe(capabilities, output.format, &mut text);
    }
    let missing: Vec<&str> = ProviderKind::ALL
        .into_iter()
        .filter(|kind| registry::capabilities(*kind).is_none())
        .map(ProviderKind::as_str)
        .collect();
    output.data(&text)?;
    if args.provider.is_none() && !missing.is_empty() {
        output.say(&format!("not in this build: {}", missing.join(", ")));
    }
    Ok(Exit::Done)
}

/// The ways to sign in: `accessKey, secretKey (securityToken) or token`.
fn sign_in(forms: &[CredentialForm]) -> String {
    let form = |form: &CredentialForm| match form.optional {
        [] => form.required.join(", "),
        optional => format!("{} ({})", form.required.join(", "), optional.join(", ")),
    };
    forms.iter().map(form).collect::<Vec<_>>().join(" or ")
}

fn describe(capabilities: &Capabilities, format: Format, text: &mut String) {
    let limits = &capabilities.limits;
    let heading = match format {
        Format::Markdown => format!("## {}", capabilities.provider),
        Format::Text | Format::Json => strong(capabilities.provider.as_str()),
    };
    let credentials = sign_in(capabilities.credentials);
    let options = match capabilities.options {
        [] => "none".to_owned(),
        options => options.join(", "),
    };
    let mut lines = vec![
        heading,
        String::new(),
        format!(
            "endpoint {}; credentials: {credentials}; options: {options}",
            capabilities.default_endpoint
        ),
        format!(
            "limits: {} requests/s, {} requests/min, {} open jobs, {} jobs a poll, polls at least {:?} apart, {} requests at once",
            limits.requests_per_second,
            limits.requests_per_minute,
            count(u64::from(limits.open_jobs)),
            limits.poll_batch,
            limits.poll_interval,
            limits.in_flight
        ),
        String::new(),
    ];
    lines.push(table(
        format,
        &["attribute", "read", "written by", "reset", "cost", "note"],
        &capabilities
            .attributes
            .iter()
            .map(attribute_row)
            .collect::<Vec<_>>(),
    ));
    lines.push(String::new());
    if capabilities.renames {
        lines.push(
            "codes that the vendor changes are followed: what is known of the phone goes on under the new code"
                .to_owned(),
        );
        lines.push(String::new());
    }
    lines.push(calls(capabilities, format));
    lines.push(String::new());
    lines.push(reads(capabilities, format));
    let _ = writeln!(text, "{}\n", lines.join("\n"));
}

fn calls(capabilities: &Capabilities, format: Format) -> String {
    table(
        format,
        &[
            "call",
            "phones a call",
            "attributes a call",
            "takes about",
            "may be repeated",
        ],
        &capabilities
            .calls
            .iter()
            .map(|call| {
                vec![
                    call.name.to_owned(),
                    call.max_phones.to_string(),
                    call.max_attributes.to_string(),
                    format!("{:?}", call.expected),
                    yes(call.absolute).to_owned(),
                ]
            })
            .collect::<Vec<_>>(),
    )
}

fn reads(capabilities: &Capabilities, format: Format) -> String {
    table(
        format,
        &["read", "phones a call", "runs a command on phones"],
        &capabilities
            .reads
            .iter()
            .map(|read| (read_name(read.kind).to_owned(), read))
            .chain(capabilities.quiet.iter().map(|quiet| {
                let kind = read_name(quiet.read.kind);
                (format!("{kind}, with --reads api"), &quiet.read)
            }))
            .map(|(name, read)| vec![name, read.max_phones.to_string(), yes(read.job).to_owned()])
            .collect::<Vec<_>>(),
    )
}

fn attribute_row(row: &Capability) -> Vec<String> {
    let effect = match (row.effective_after_restart, row.lost_by_restart) {
        (true, _) => "takes effect after a restart. ",
        (false, true) => "lost when the phone restarts. ",
        (false, false) => "",
    };
    vec![
        pattern_name(row.pattern),
        match row.read {
            ReadMethod::By(kind) => read_name(kind).to_owned(),
            ReadMethod::Never => "never (remembered)".to_owned(),
        },
        write_name(row.write),
        row.reset.unwrap_or("no").to_owned(),
        row.costs.to_string(),
        format!("{effect}{}", row.note),
    ]
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn pattern_name(pattern: Pattern) -> String {
    match pattern {
        Pattern::Image => "image".to_owned(),
        Pattern::SimCountry => "sim (country)".to_owned(),
        Pattern::Sim => "sim".to_owned(),
        Pattern::Timezone => "timezone".to_owned(),
        Pattern::Language => "language".to_owned(),
        Pattern::Location => "location".to_owned(),
        Pattern::Proxy => "proxy".to_owned(),
        Pattern::Bandwidth => "bandwidth".to_owned(),
        Pattern::Adb => "adb".to_owned(),
        Pattern::App => "app/*".to_owned(),
        Pattern::Running => "running/*".to_owned(),
        Pattern::PropertyNamed([]) => "property (none)".to_owned(),
        Pattern::PropertyNamed([name]) => format!("property/{name}"),
        Pattern::PropertyNamed([name, rest @ ..]) => {
            format!("property/{name} and {} more", rest.len())
        }
        Pattern::Property(prefix) => format!("property/{prefix}*"),
        Pattern::Setting(prefix) => format!("setting/{prefix}*"),
    }
}

pub(crate) fn read_name(kind: ReadKind) -> &'static str {
    match kind {
        ReadKind::Listing => "listing",
        ReadKind::Usage => "usage",
        ReadKind::Properties => "properties",
        ReadKind::Apps => "apps",
        ReadKind::Shell => "shell",
        ReadKind::AppCatalogue => "app catalogue",
        ReadKind::ImageCatalogue => "image catalogue",
    }
}

fn write_name(write: Write) -> String {
    match write {
        Write::No => "no".to_owned(),
        Write::Call(call) => call.to_owned(),
        Write::App {
            catalogue,
            url,
            described,
            remove,
            remove_known,
        } => [catalogue, described, url, remove_known, remove]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" / "),
        Write::Switch { on, off, known } => {
            let off = (on != off).then_some(off);
            let all: Vec<&str> = [Some(on), off, known].into_iter().flatten().collect();
            all.join(" / ")
        }
    }
}
