//! Account and App documents.
//!
//! Invariants: no secret is needed or shown; an account's identity follows from provider, endpoint and key reference as written, never from a secret or from where the program was started.
//! Not here: the phones of an account (`inventory`, `group`).

use super::LoadOptions;
use super::document::{self, Document};
use super::fields::{self, Fields};
use super::finding::{Mark, Sink, Sources};
use super::tree::Node;
use crate::model::canonical;
use crate::model::capability::{Capabilities, CredentialForm};
use crate::model::fleet::{Account, AccountLimits, App, AppSource, ProviderKind};
use crate::model::id::{AccountName, AppName, Package, VendorIdentity};
use crate::model::value::VersionWish;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Every provider by its word in manifests.
pub(super) const PROVIDERS: &[(&str, ProviderKind)] = &[
    ("armcloud", ProviderKind::ArmCloud),
    ("vmoscloud", ProviderKind::VmosCloud),
    ("vsphone", ProviderKind::VsPhone),
    ("alibaba", ProviderKind::Alibaba),
    ("koophone", ProviderKind::KooPhone),
    ("zenlayer", ProviderKind::Zenlayer),
];

/// What reading needs beside the document.
pub(super) struct Surroundings<'a> {
    pub(super) capabilities: &'a dyn Fn(ProviderKind) -> Option<&'static Capabilities>,
    pub(super) options: &'a LoadOptions,
    pub(super) sources: &'a Sources,
}

/// Reads an Account.
pub(super) fn account(
    document: &Document<'_>,
    around: &Surroundings<'_>,
    sink: &mut Sink,
) -> Option<Account> {
    let mut spec = Fields::open(document.spec, "Account", sink)?;
    let provider_node = spec.need("provider", sink);
    let provider = provider_node.and_then(|node| fields::one_of(node, "provider", PROVIDERS, sink));
    let endpoint_node = spec.get("endpoint", sink);
    let endpoint = endpoint_node.map(|node| endpoint(node, around.options, sink));
    let credentials_node = spec.need("credentials", sink);
    let limits = spec
        .get("limits", sink)
        .map_or_else(AccountLimits::default, |node| limits(node, sink));
    let options_node = spec.get("options", sink);
    spec.finish(sink);
    let credentials = credentials_node.map(|node| credentials(node, around.sources, sink));
    let options =
        options_node.map_or_else(Vec::new, |node| fields::text_map(node, "options", sink));

    let provider = provider?;
    let Some(table) = (around.capabilities)(provider) else {
        let supported: Vec<&str> = PROVIDERS
            .iter()
            .filter(|(_, kind)| (around.capabilities)(*kind).is_some())
            .map(|(word, _)| *word)
            .collect();
        let at = provider_node.map_or(document.spec.at, |node| node.at);
        sink.say(
            at,
            "unsupported-provider",
            format!("provider {provider} is not supported yet"),
        )
        .hint(format!("supported is {}", supported.join(", ")));
        return None;
    };
    let mut credentials = credentials?;
    let form = check_credentials(credentials_node?, &credentials, table, sink);
    for (name, _, at) in &options {
        if !table.options.contains(&name.as_str()) {
            sink.say(
                *at,
                "unknown-option",
                format!("{provider} has no option `{name}`"),
            )
            .did_you_mean(name, table.options);
        }
    }
    let endpoint = match endpoint {
        Some(endpoint) => endpoint?,
        None => SmolStr::new(table.default_endpoint.trim_end_matches('/')),
    };
    let key = form.and_then(|form| form.required.first());
    let written = key
        .and_then(|key| credentials.get(*key))
        .map_or("", |(_, written)| written.as_str());
    Some(Account {
        name: AccountName::new(document.name.clone()),
        provider,
        identity: identity(provider, &endpoint, written),
        endpoint,
        credentials: std::mem::take(&mut credentials)
            .into_iter()
            .map(|(name, (reference, _))| (name, reference))
            .collect(),
        limits,
        options: options
            .into_iter()
            .map(|(name, value, _)| (name, value))
            .collect(),
        origin: around.sources.origin(document.name_at),
    })
}

fn identity(provider: ProviderKind, endpoint: &str, key_reference: &str) -> VendorIdentity {
    let mut digest = Sha256::new();
    for part in [provider.as_str(), endpoint, key_reference] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    VendorIdentity::new(base16ct::lower::encode_string(&digest.finalize()[..8]))
}

type References = BTreeMap<SmolStr, (crate::model::value::SecretRef, String)>;

fn credentials(node: &Node, sources: &Sources, sink: &mut Sink) -> References {
    let mut references = References::new();
    for entry in fields::entries(node, "credentials", sink) {
        if let Some(reference) = document::secret(&entry.value, &entry.key, sources, sink) {
            references.insert(entry.key.clone(), reference);
        }
    }
    references
}

/// The way to sign in that the credentials make; a finding when they make none.
fn check_credentials(
    node: &Node,
    credentials: &References,
    table: &Capabilities,
    sink: &mut Sink,
) -> Option<&'static CredentialForm> {
    let provider = table.provider;
    let entries = fields::entries(node, "credentials", &mut Sink::default());
    let said: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    if let Some(form) = table.credentials.iter().find(|form| form.fits(&said)) {
        // A reference that is wrong has been told already.
        return (said.len() == credentials.len()).then_some(form);
    }
    let mut known: Vec<&str> = table
        .credentials
        .iter()
        .flat_map(CredentialForm::names)
        .collect();
    known.dedup();
    for entry in entries {
        if !known.contains(&entry.key.as_str()) {
            sink.say(
                entry.key_at,
                "unknown-credential",
                format!("{provider} has no credential `{}`", entry.key),
            )
            .did_you_mean(&entry.key, &known)
            .secret();
        }
    }
    // The form that was most likely meant: most of its names are there.
    let present =
        |form: &&'static CredentialForm| form.names().filter(|name| said.contains(name)).count();
    let likely = table.credentials.iter().rev().max_by_key(present)?;
    for name in likely.required {
        if !said.contains(name) {
            sink.say(
                node.at,
                "missing-credential",
                format!("{provider} needs the credential `{name}`"),
            )
            .hint(format!("add `{name}: {{ env: NAME }}`"))
            .secret();
        }
    }
    for entry in entries {
        let key = entry.key.as_str();
        if known.contains(&key) && !likely.names().any(|name| name == key) {
            let names: Vec<&str> = likely.names().collect();
            sink.say(
                entry.key_at,
                "unknown-credential",
                format!("`{key}` does not go together with the other credentials"),
            )
            .hint(format!("{provider} takes {}", names.join(", ")))
            .secret();
        }
    }
    None
}

fn limits(node: &Node, sink: &mut Sink) -> AccountLimits {
    let Some(mut fields) = Fields::open(node, "limits", sink) else {
        return AccountLimits::default();
    };
    let mut count = |key, sink: &mut Sink| {
        let node = fields.get(key, sink)?;
        fields::small(node, key, (1, 1_000_000), sink)
    };
    let requests_per_second = count("requestsPerSecond", sink);
    let requests_per_minute = count("requestsPerMinute", sink);
    let batch_size = count("batchSize", sink);
    let open_jobs = count("openJobs", sink);
    let poll_interval = fields
        .get("pollInterval", sink)
        .and_then(|node| fields::duration(node, "pollInterval", sink));
    fields.finish(sink);
    AccountLimits {
        requests_per_second,
        requests_per_minute,
        batch_size,
        open_jobs,
        poll_interval,
    }
}

/// What stands in for the port or the like when a host is judged.
fn is_loopback(host: &url::Host<&str>) -> bool {
    match host {
        url::Host::Domain(name) => {
            *name == "localhost" || name.ends_with(".localhost") || name.ends_with(".localhost.")
        }
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => {
            address.is_loopback()
                || address
                    .to_ipv4_mapped()
                    .is_some_and(|address| address.is_loopback())
        }
    }
}

fn is_link_local(host: &url::Host<&str>) -> bool {
    let v4 = |address: &std::net::Ipv4Addr| address.is_link_local() || address.is_unspecified();
    match host {
        url::Host::Domain(_) => false,
        url::Host::Ipv4(address) => v4(address),
        url::Host::Ipv6(address) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.to_ipv4_mapped().as_ref().is_some_and(v4)
        }
    }
}

fn endpoint(node: &Node, options: &LoadOptions, sink: &mut Sink) -> Option<SmolStr> {
    let said = fields::text(node, "endpoint", sink)?;
    let mut bad = |why: &str, hint: &str| {
        sink.say(node.at, "bad-endpoint", format!("`endpoint` {why}"))
            .hint(hint)
            .secret();
    };
    let sample = "write it like https://openapi.example.com";
    let Ok(url) = url::Url::parse(&said) else {
        bad("is no URL", sample);
        return None;
    };
    let Some(host) = url.host() else {
        bad("names no host", sample);
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        bad(
            "must not contain credentials",
            "credentials are references under `credentials`",
        );
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        bad("must not have a query or fragment", sample);
        return None;
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) || options.allow_plain_http => {}
        "http" => {
            bad(
                "is plain http to another host",
                "use https; plain http is for loopback only, or with --allow-plain-http",
            );
            return None;
        }
        _ => {
            bad("must be https", sample);
            return None;
        }
    }
    Some(url.as_str().trim_end_matches('/').into())
}

/// Reads an App.
pub(super) fn app(
    document: &Document<'_>,
    accounts: &[SmolStr],
    around: &Surroundings<'_>,
    sink: &mut Sink,
) -> Option<App> {
    let mut spec = Fields::open(document.spec, "App", sink)?;
    let package = spec
        .need("package", sink)
        .and_then(|node| fields::canonical(node, "package", canonical::package, sink));
    let version = version(&mut spec, sink);
    let list = spec.need("sources", sink);
    spec.finish(sink);
    let mut sources = Vec::new();
    if let Some(list) = list {
        let items = fields::items(list, "sources", sink);
        if items.is_empty() && list.scalar().is_none() {
            sink.say(list.at, "bad-value", "`sources` is empty")
                .hint("write [{ account: NAME, appId: ID }] or [{ url: https://… }]");
        }
        for item in items {
            sources.push(source(item, accounts, around.options, sink)?);
        }
    }
    let version = version?;
    for source in &mut sources {
        let AppSource::Url {
            version: name,
            version_code: code,
            ..
        } = source
        else {
            continue;
        };
        match &version {
            VersionWish::NameExact(wanted) => *name = Some(wanted.clone()),
            VersionWish::CodeExact(wanted) => *code = code.or(Some(*wanted)),
            VersionWish::Any | VersionWish::NameAtLeast(_) | VersionWish::CodeAtLeast(_) => {}
        }
    }
    Some(App {
        name: AppName::new(document.name.clone()),
        package: Package::new(package?),
        version,
        sources,
        origin: around.sources.origin(document.name_at),
    })
}

/// `version: {exact|atLeast}` or `versionCode: {exact|atLeast}`; nothing said is any version, `None` is a finding.
pub(super) fn version(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<VersionWish> {
    let name = fields.get("version", sink);
    let code = fields.get("versionCode", sink);
    match (name, code) {
        (None, None) => {
            (!fields.has("version") && !fields.has("versionCode")).then_some(VersionWish::Any)
        }
        (Some(_), Some(code)) => {
            sink.say(
                code.at,
                "said-twice",
                "`version` and `versionCode` cannot both be said",
            )
            .hint("remove one of the two");
            None
        }
        (Some(node), None) => {
            let (exact, least) = bounds(node, "version", sink)?;
            match (exact, least) {
                (Some(node), _) => fields::text(node, "exact", sink).map(VersionWish::NameExact),
                (_, Some(node)) => {
                    fields::text(node, "atLeast", sink).map(VersionWish::NameAtLeast)
                }
                (None, None) => None,
            }
        }
        (None, Some(node)) => {
            let (exact, least) = bounds(node, "versionCode", sink)?;
            let all = (0, u64::MAX);
            match (exact, least) {
                (Some(node), _) => {
                    fields::number(node, "exact", all, sink).map(VersionWish::CodeExact)
                }
                (_, Some(node)) => {
                    fields::number(node, "atLeast", all, sink).map(VersionWish::CodeAtLeast)
                }
                (None, None) => None,
            }
        }
    }
}

type Bounds<'n> = (Option<&'n Node>, Option<&'n Node>);

fn bounds<'n>(node: &'n Node, name: &'static str, sink: &mut Sink) -> Option<Bounds<'n>> {
    if let Some(text) = node.scalar() {
        sink.say(
            node.at,
            "wrong-type",
            format!("`{name}` must be a mapping, not {}", node.described()),
        )
        .hint(format!(
            "write {{ exact: {text} }} or {{ atLeast: {text} }}"
        ));
        return None;
    }
    let mut fields = Fields::open(node, name, sink)?;
    let exact = fields.get("exact", sink);
    let least = fields.get("atLeast", sink);
    fields.finish(sink);
    if exact.is_some() == least.is_some() {
        sink.say(
            node.at,
            "bad-value",
            format!("`{name}` takes one of `exact` and `atLeast`"),
        );
        return None;
    }
    Some((exact, least))
}

fn source(
    node: &Node,
    accounts: &[SmolStr],
    options: &LoadOptions,
    sink: &mut Sink,
) -> Option<AppSource> {
    let mut fields = Fields::open(node, "sources", sink)?;
    let account = fields.get("account", sink);
    let app_id = fields.get("appId", sink);
    let url = fields.get("url", sink);
    let md5 = fields.get("md5", sink);
    let size = fields.get("sizeMb", sink);
    let name = fields.get("versionName", sink);
    let code = fields.get("versionCode", sink);
    fields.finish(sink);
    match (account, app_id, url, md5.or(size).or(name).or(code)) {
        (Some(account), Some(app_id), None, None) => {
            let at = account.at;
            let account = fields::text(account, "account", sink)?;
            known_account(&account, at, accounts, sink);
            Some(AppSource::Catalogue {
                account: AccountName::new(account),
                app_id: fields::text(app_id, "appId", sink)?,
            })
        }
        (None, None, Some(url), _) => {
            let url = app_url(url, options, sink)?;
            let md5 = match md5 {
                Some(node) => Some(md5_digest(node, sink)?),
                None => None,
            };
            let size_mb = match size {
                Some(node) => Some(fields::small(node, "sizeMb", (1, 100_000), sink)?),
                None => None,
            };
            let version = match name {
                Some(node) => Some(fields::text(node, "versionName", sink)?),
                None => None,
            };
            let version_code = match code {
                Some(node) => Some(fields::number(node, "versionCode", (0, u64::MAX), sink)?),
                None => None,
            };
            Some(AppSource::Url {
                url,
                md5,
                size_mb,
                version,
                version_code,
            })
        }
        (_, _, _, _) => {
            sink.say(node.at, "bad-value", "this is no source of an app")
                .hint("write { account: NAME, appId: ID } or { url: https://…, md5: DIGEST, sizeMb: SIZE }");
            None
        }
    }
}

fn md5_digest(node: &Node, sink: &mut Sink) -> Option<SmolStr> {
    let said = fields::text(node, "md5", sink)?.to_ascii_lowercase();
    if said.len() == 32 && said.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(said.into());
    }
    sink.say(node.at, "bad-value", "`md5` must be 32 hexadecimal digits");
    None
}

fn app_url(node: &Node, options: &LoadOptions, sink: &mut Sink) -> Option<SmolStr> {
    let said = fields::text(node, "url", sink)?;
    let url = url::Url::parse(&said).ok();
    let Some((url, host)) = url.as_ref().and_then(|url| Some((url, url.host()?))) else {
        sink.say(node.at, "bad-url", "`url` is no URL")
            .hint("write it like https://downloads.example.com/maps.apk");
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") {
        sink.say(
            node.at,
            "bad-url",
            format!("`url` must be http or https, not {}", url.scheme()),
        );
        return None;
    }
    if !options.allow_private_urls && (is_loopback(&host) || is_link_local(&host)) {
        sink.say(
            node.at,
            "bad-url",
            format!("`url` points to {host}, which is a loopback or link-local host"),
        )
        .hint("the phones fetch the file: name a host that they can reach");
        return None;
    }
    Some(url.as_str().into())
}

/// Says when no Account has this name.
pub(super) fn known_account(name: &str, at: Mark, accounts: &[SmolStr], sink: &mut Sink) -> bool {
    if accounts.iter().any(|known| known == name) {
        return true;
    }
    let known: Vec<&str> = accounts.iter().map(SmolStr::as_str).collect();
    sink.say(
        at,
        "unknown-account",
        format!("there is no Account `{name}`"),
    )
    .did_you_mean(name, &known);
    false
}
