//! Wishes against capabilities: what is asked of a provider must be something it can do.
//!
//! Invariants: a finding names provider, account, attribute and place, and what would work. Not here: the tables (`provider`, handed in as an argument).

use super::finding::{Mark, Sink};
use super::layer::Slot;
use super::merge::Stack;
use super::value::Tools;
use crate::model::attribute::Attribute;
use crate::model::capability::{Capabilities, Capability, Pattern, Refuses, Write};
use crate::model::desired::AppPolicy;
use crate::model::fleet::{Account, AppSource, ProviderKind};
use crate::model::id::AppName;
use crate::model::value::{AppWish, Value, Wish};

/// Finds a provider's table.
pub(super) type Tables<'a> = &'a dyn Fn(ProviderKind) -> Option<&'static Capabilities>;

/// Judges wishes for one account.
pub(super) struct Judge<'a> {
    pub(super) account: &'a Account,
    pub(super) table: &'static Capabilities,
    pub(super) tools: &'a Tools<'a>,
    /// What the provider cannot do is a mistake; else it is left out there.
    pub(super) strict: bool,
}

/// What the findings are about that a group with `unsupported: skip` does not make.
const LACK: &str = "unsupported";

impl Judge<'_> {
    /// Checks all wishes of a stack.
    pub(super) fn check(&self, stack: &Stack, sink: &mut Sink) {
        let before = sink.problems.len();
        for (slot, at) in &stack.marks {
            match slot {
                Slot::AppPolicy if stack.base.app_policy == AppPolicy::Exclusive => {
                    self.exclusive(*at, sink);
                }
                Slot::AppPolicy => {}
                Slot::Sim(_) => {
                    self.row(&Attribute::Sim, *at, sink);
                }
                Slot::Attribute(attribute) => match stack.base.attributes.get(attribute) {
                    Some(wanted) => self.wish(attribute, &wanted.wish, *at, sink),
                    None => {
                        self.row(attribute, *at, sink);
                    }
                },
            }
        }
        if !self.strict {
            let mut place = 0;
            sink.problems.retain(|problem| {
                place += 1;
                place <= before || problem.code != LACK
            });
        }
    }

    fn who(&self) -> String {
        format!("{} (account {})", self.table.provider, self.account.name)
    }

    /// The row of an attribute that can be written.
    fn row(&self, attribute: &Attribute, at: Mark, sink: &mut Sink) -> Option<&'static Capability> {
        let row = self.table.of(attribute);
        let who = self.who();
        match row {
            None => {
                sink.say(at, LACK, format!("{who} has no `{attribute}`"))
                    .hint(self.instead(attribute));
                None
            }
            Some(row) if row.write == Write::No => {
                sink.say(at, LACK, format!("{who} cannot change `{attribute}`"))
                    .hint(self.instead(attribute));
                None
            }
            Some(row) => Some(row),
        }
    }

    fn wish(&self, attribute: &Attribute, wish: &Wish, at: Mark, sink: &mut Sink) {
        let who = self.who();
        if *wish == Wish::Reset {
            let can = self
                .table
                .of(attribute)
                .is_some_and(|row| row.reset.is_some());
            if !can {
                sink.say(at, LACK, format!("{who} cannot reset `{attribute}`"))
                    .hint(self.resettable());
            }
            return;
        }
        if self.row(attribute, at, sink).is_none() {
            return;
        }
        let Wish::Set(Value::App(app)) = wish else {
            if self.table.route(attribute, wish, None).is_none() {
                sink.say(at, LACK, format!("{who} cannot set `{attribute}` to this"));
                return;
            }
            self.value(attribute, wish, None, (at, sink));
            return;
        };
        match app {
            AppWish::Absent => {
                if self.table.route(attribute, wish, None).is_none() {
                    sink.say(at, LACK, format!("{who} cannot remove apps"))
                        .hint("remove the line, or list it under `ignore`");
                    return;
                }
                self.value(attribute, wish, None, (at, sink));
            }
            AppWish::Present { app: None, .. } => self.value(attribute, wish, None, (at, sink)),
            AppWish::Present {
                app: Some(name), ..
            } => self.install(attribute, wish, name, (at, sink)),
        }
    }

    /// An app that comes from an App manifest.
    fn install(
        &self,
        attribute: &Attribute,
        wish: &Wish,
        name: &AppName,
        (at, sink): (Mark, &mut Sink),
    ) {
        let who = self.who();
        let Some(Some(app)) = self.tools.apps.get(name) else {
            return;
        };
        let Some(source) = app.source_for(&self.account.name) else {
            let account = &self.account.name;
            sink.say(
                at,
                "no-source",
                format!("App `{name}` has no source for account {account}"),
            )
            .hint(format!(
                "add {{ account: {account}, appId: ID }} or {{ url: https://… }} to its sources ({})",
                app.origin
            ));
            return;
        };
        if self.table.route(attribute, wish, Some(source)).is_none() {
            let kind = match source {
                AppSource::Catalogue { .. } => "its catalogue",
                AppSource::Url { .. } => "a url",
            };
            sink.say(at, LACK, format!("{who} cannot install apps from {kind}"))
                .hint(format!("give App `{name}` another source ({})", app.origin));
            return;
        }
        self.value(attribute, wish, Some(source), (at, sink));
    }

    /// What the provider cannot do with this very value.
    fn value(
        &self,
        attribute: &Attribute,
        wish: &Wish,
        source: Option<&AppSource>,
        (at, sink): (Mark, &mut Sink),
    ) {
        let Refuses(refuses) = self.table.refuses;
        if let Some(reason) = refuses(attribute, wish, source) {
            let who = self.who();
            sink.say(at, LACK, format!("{who}: {reason}"));
        }
    }

    fn exclusive(&self, at: Mark, sink: &mut Sink) {
        let removes = self.table.attributes.iter().any(|row| {
            matches!(
                row.write,
                Write::App {
                    remove: Some(_),
                    ..
                }
            )
        });
        if !removes {
            let who = self.who();
            sink.say(
                at,
                LACK,
                format!("{who} cannot remove apps, so `appPolicy: exclusive` has no effect"),
            )
            .hint("write `appPolicy: additive`");
        }
    }

    /// What would work in place of an attribute that cannot be written.
    fn instead(&self, attribute: &Attribute) -> String {
        let writable = self
            .table
            .attributes
            .iter()
            .filter(|row| row.write != Write::No)
            .map(|row| row.pattern);
        let names: Vec<String> = match attribute {
            Attribute::Property(_) => writable.flat_map(properties).collect(),
            Attribute::Setting(_) => writable.flat_map(settings).collect(),
            Attribute::Image
            | Attribute::SimCountry
            | Attribute::Sim
            | Attribute::Timezone
            | Attribute::Language
            | Attribute::Location
            | Attribute::Proxy
            | Attribute::Bandwidth
            | Attribute::Adb
            | Attribute::App(_)
            | Attribute::Running(_) => writable.filter_map(word).map(str::to_owned).collect(),
        };
        if names.is_empty() {
            return "remove it, or list it under `ignore`".to_owned();
        }
        let provider = self.table.provider;
        let names = names.join(", ");
        format!("remove it, or list it under `ignore`; {provider} can change {names}")
    }

    fn resettable(&self) -> String {
        let rows = self.table.attributes.iter();
        let mut names: Vec<&str> = rows
            .filter(|row| row.reset.is_some())
            .filter_map(|row| word(row.pattern))
            .collect();
        names.dedup();
        if names.is_empty() {
            return "set a value, or list it under `ignore`".to_owned();
        }
        format!(
            "set a value, or list it under `ignore`; {} can be reset",
            names.join(", ")
        )
    }
}

fn properties(pattern: Pattern) -> Vec<String> {
    match pattern {
        Pattern::PropertyNamed(names) => names
            .iter()
            .map(|name| format!("property/{name}"))
            .collect(),
        Pattern::Property(prefix) => vec![format!("property/{prefix}*")],
        Pattern::Setting(_) => Vec::new(),
        Pattern::Image
        | Pattern::SimCountry
        | Pattern::Sim
        | Pattern::Timezone
        | Pattern::Language
        | Pattern::Location
        | Pattern::Proxy
        | Pattern::Bandwidth
        | Pattern::Adb
        | Pattern::App
        | Pattern::Running => Vec::new(),
    }
}

fn settings(pattern: Pattern) -> Vec<String> {
    match pattern {
        Pattern::Setting(prefix) => vec![format!("setting/{prefix}*")],
        Pattern::PropertyNamed(_) | Pattern::Property(_) => Vec::new(),
        Pattern::Image
        | Pattern::SimCountry
        | Pattern::Sim
        | Pattern::Timezone
        | Pattern::Language
        | Pattern::Location
        | Pattern::Proxy
        | Pattern::Bandwidth
        | Pattern::Adb
        | Pattern::App
        | Pattern::Running => Vec::new(),
    }
}

/// The word for a pattern of one attribute.
fn word(pattern: Pattern) -> Option<&'static str> {
    Some(match pattern {
        Pattern::Image => "image",
        Pattern::SimCountry => "sim.country",
        Pattern::Sim => "sim",
        Pattern::Timezone => "timezone",
        Pattern::Language => "language",
        Pattern::Location => "location",
        Pattern::Proxy => "proxy",
        Pattern::Bandwidth => "bandwidth",
        Pattern::Adb => "adb",
        Pattern::App => "apps",
        Pattern::Running => "running",
        Pattern::PropertyNamed(_) | Pattern::Property(_) => "properties",
        Pattern::Setting(_) => "settings",
    })
}
