//! What is left of a desired state at a provider that lacks some of it, for groups with `unsupported: skip`.
//!
//! Invariants: only what the provider can never do is left out (an app without a source is a slip, not a lack), and what is left out is told; pure. Not here: saying so (`manifest`, `render`).

use super::diff::policy_attribute;
use crate::model::attribute::Attribute;
use crate::model::capability::{Capabilities, Refuses, Write};
use crate::model::desired::{AppPolicy, Desired};
use crate::model::fleet::App;
use crate::model::id::{AccountName, AppName};
use crate::model::value::{AppWish, Value, Wish};
use std::collections::BTreeMap;

/// Where a desired state is to be carried out.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The account.
    pub account: &'a AccountName,
    /// What its provider can do.
    pub capabilities: &'static Capabilities,
    /// The App manifests.
    pub apps: &'a BTreeMap<AppName, App>,
}

impl Place<'_> {
    /// Whether the provider can carry this wish out.
    pub fn can(&self, attribute: &Attribute, wish: &Wish) -> bool {
        let Some(row) = self.capabilities.of(attribute) else {
            return false;
        };
        if row.write == Write::No {
            return false;
        }
        let source = match wish {
            Wish::Set(Value::App(AppWish::Present { app, .. })) => {
                let source = app
                    .as_ref()
                    .and_then(|name| self.apps.get(name))
                    .and_then(|app| app.source_for(self.account));
                match source {
                    // Any version counts, or nobody says where it comes from: the plan tells.
                    None => return true,
                    source => source,
                }
            }
            Wish::Set(_) | Wish::Reset => None,
        };
        let Refuses(refuses) = self.capabilities.refuses;
        self.capabilities.route(attribute, wish, source).is_some()
            && refuses(attribute, wish, source).is_none()
    }

    /// The desired state without what the provider cannot do; `None`: it can do everything.
    pub fn without_unsupported(&self, desired: &Desired) -> Option<Desired> {
        let removes = self.capabilities.attributes.iter().any(|row| {
            matches!(
                row.write,
                Write::App {
                    remove: Some(_),
                    ..
                }
            )
        });
        let exclusive = desired.app_policy == AppPolicy::Exclusive && !removes;
        let lacks = |attribute: &Attribute, wish: &Wish| !self.can(attribute, wish);
        let some = desired
            .attributes
            .iter()
            .any(|(attribute, wanted)| lacks(attribute, &wanted.wish));
        if !some && !exclusive {
            return None;
        }
        let mut left = desired.clone();
        let (out, kept) = std::mem::take(&mut left.attributes)
            .into_iter()
            .partition(|(attribute, wanted)| lacks(attribute, &wanted.wish));
        left.attributes = kept;
        left.left_out = BTreeMap::into_keys(out).collect();
        if exclusive {
            left.app_policy = AppPolicy::Additive;
            left.left_out.push(policy_attribute());
        }
        Some(left)
    }
}
