//! Parameters of a request, from the query and from a form in the body, each in its own place.
//!
//! Invariants: a parameter in the wrong place is not seen; lists count from 1 and end at the first gap; too many, doubled or unknown phones refuse the whole
//! request. Not here: what the request then does.

use super::{Refusal, refuse};
use crate::sim::world::World;
use bytes::Bytes;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Parameters by name, as they came.
#[derive(Debug, Default)]
pub(super) struct Form {
    query: BTreeMap<String, String>,
    body: BTreeMap<String, String>,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the URL.
    Query,
    /// In the body.
    Body,
}

impl Form {
    /// The parameters of a request.
    pub(super) fn of(request: &http::Request<Bytes>) -> Result<Self, Refusal> {
        let parsed = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect();
        if !request.body().is_empty() {
            let kind = request.headers().get(http::header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if !kind.starts_with("application/x-www-form-urlencoded") {
                return refuse(
                    400,
                    "UnsupportedContentType",
                    format!("content type {kind:?} is not supported"),
                );
            }
        }
        Ok(Self {
            query: parsed(request.uri().query().unwrap_or_default().as_bytes()),
            body: parsed(request.body()),
        })
    }

    fn place(&self, place: Place) -> &BTreeMap<String, String> {
        match place {
            Place::Query => &self.query,
            Place::Body => &self.body,
        }
    }

    /// A parameter with something in it.
    pub(super) fn text(&self, place: Place, name: &str) -> Option<&str> {
        self.place(place)
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A parameter that must be there.
    pub(super) fn need(&self, place: Place, name: &str) -> Result<&str, Refusal> {
        match self.text(place, name) {
            Some(text) => Ok(text),
            None => refuse(
                400,
                "MissingParameter",
                format!(
                    "The input parameter \"{name}\" that is mandatory for processing this request is not supplied."
                ),
            ),
        }
    }

    /// A whole number.
    pub(super) fn number(&self, place: Place, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(place, name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => invalid(name),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, place: Place, name: &str) -> Result<bool, Refusal> {
        match self
            .text(place, name)
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => invalid(name),
        }
    }

    /// A list: `Name.1`, `Name.2`, ….
    pub(super) fn list(&self, place: Place, name: &str) -> Vec<&str> {
        (1..)
            .map_while(|number| self.place(place).get(&format!("{name}.{number}")))
            .map(String::as_str)
            .collect()
    }

    /// Rows of a page and where it begins.
    pub(super) fn page(&self, place: Place, usual: usize) -> Result<(usize, usize), Refusal> {
        let rows = match self.number(place, "MaxResults")? {
            None => usual,
            Some(rows @ 1..=100) => usize::try_from(rows).unwrap_or(usual),
            Some(_) => return invalid("MaxResults"),
        };
        let skip = match self.text(place, "NextToken") {
            None => 0,
            Some(token) => match token
                .strip_prefix(TOKEN)
                .and_then(|rest| rest.strip_suffix("+/=="))
                .and_then(|number| number.parse().ok())
            {
                Some(skip) => skip,
                None => return invalid("NextToken"),
            },
        };
        Ok((rows, skip))
    }

    /// The phones of a list, at most `most`, in their order.
    pub(super) fn phones(
        &self,
        world: &World,
        name: &str,
        most: usize,
    ) -> Result<Vec<u32>, Refusal> {
        let ids = self.list(Place::Query, name);
        if ids.is_empty() {
            self.need(Place::Query, name)?;
        }
        if ids.len() > most {
            return refuse(
                400,
                "InvalidParameter.ExceedLimit",
                format!("{name}: at most {most}"),
            );
        }
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return invalid(name);
        }
        ids.into_iter()
            .map(|id| match world.find(id) {
                Some(index) => Ok(index),
                None => refuse(
                    400,
                    "InvalidInstanceId.NotFound",
                    format!("The specified instance {id} does not exist."),
                ),
            })
            .collect()
    }
}

const TOKEN: &str = "AAAAAV3MpHK1AP0pfERHZN";

/// The token of the page that begins there.
pub(super) fn token(skip: usize) -> SmolStr {
    smol_str::format_smolstr!("{TOKEN}{skip}+/==")
}

/// Refuses a parameter.
pub(super) fn invalid<T>(name: &str) -> Result<T, Refusal> {
    refuse(
        400,
        "InvalidParameter",
        format!("The specified parameter {name} is not valid."),
    )
}
