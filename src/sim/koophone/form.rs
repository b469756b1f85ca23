//! Requests as the manual describes them, and the checks every request with phones goes through.
//!
//! Invariants: a missing field, a wrong type, a forbidden character, too many, doubled or unknown phones refuse the whole request. Unknown fields are ignored.
//! Not here: what the request then does (`read`, `task`).

use super::{Refusal, refuse};
use crate::sim::world::World;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Most phones in one call.
const MOST_PHONES: usize = 100;
/// Longest id of a phone.
const LONGEST_ID: usize = 32;
/// Longest command, in bytes.
const LONGEST_COMMAND: usize = 1024;

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .or_else(|error| refuse(1000, format!("The request parameter is incorrect: {error}")))
}

/// Names and values of a query.
pub(super) type Query = BTreeMap<String, String>;

/// The query of a request.
pub(super) fn query(request: &http::Request<Bytes>) -> Query {
    let raw = request.uri().query().unwrap_or_default();
    raw.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// The text without its escapes.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while place < bytes.len() {
        let escape = text
            .get(place + 1..place + 3)
            .filter(|_| bytes[place] == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escape.unwrap_or(bytes[place]));
        place += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The text with everything escaped but letters, digits and `-._~`.
pub(super) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A page: its number from 1, and its rows, at most `most`.
pub(super) fn page(query: &Query, most: usize) -> Result<(usize, usize), Refusal> {
    let number = |name: &str| {
        query
            .get(name)
            .and_then(|text| text.parse().ok())
            .filter(|number| *number > 0)
    };
    match (number("page_no"), number("page_size")) {
        (Some(page), Some(rows)) if rows <= most => Ok((page, rows)),
        _ => refuse(
            1000,
            format!("page_no must be 1 or more, page_size 1 to {most}"),
        ),
    }
}

/// The phones of these ids, in their order.
pub(super) fn phones(world: &World, ids: &[SmolStr]) -> Result<Vec<u32>, Refusal> {
    if ids.is_empty() || ids.len() > MOST_PHONES {
        return refuse(1000, format!("instances: 1 to {MOST_PHONES}"));
    }
    if let Some(long) = ids.iter().find(|id| id.chars().count() > LONGEST_ID) {
        return refuse(1000, format!("instance id is too long: {long}"));
    }
    let mut sorted: Vec<&SmolStr> = ids.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return refuse(1000, "an instance is named twice");
    }
    ids.iter()
        .map(|id| match world.find(id) {
            Some(index) => Ok(index),
            None => refuse(4001, format!("instance does not exist: {id}")),
        })
        .collect()
}

/// `reboot`, `batch-query-status`
#[derive(Deserialize)]
pub(super) struct Phones {
    pub(super) instance_ids: Vec<SmolStr>,
}

/// `async-command`, `sync-command`
#[derive(Deserialize)]
pub(super) struct Command {
    pub(super) command: String,
    pub(super) instance_ids: Vec<SmolStr>,
}

impl Command {
    /// Whether the command is one that may be sent.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.command.is_empty() || self.command.len() > LONGEST_COMMAND {
            return refuse(1000, format!("command: 1 to {LONGEST_COMMAND} bytes"));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:- ".contains(&byte);
        match self.command.bytes().all(fits) {
            true => Ok(()),
            false => refuse(1000, "command has characters that are not allowed"),
        }
    }
}

/// `app/install`
#[derive(Deserialize)]
pub(super) struct Install {
    pub(super) fast_install: String,
    pub(super) object_name: SmolStr,
    pub(super) file_name: String,
    pub(super) object_version: String,
    pub(super) object_size: String,
    pub(super) biz_type: String,
    pub(super) content_type: String,
    pub(super) content_md5: String,
    pub(super) install_package_url: SmolStr,
    pub(super) instance_id_list: Vec<SmolStr>,
}

impl Install {
    /// Whether every field is what the manual says.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if !matches!(&*self.fast_install, "0" | "1") {
            return refuse(3008, "fast_install must be 0 or 1");
        }
        let lengths = [
            (self.object_name.as_str(), 100),
            (&self.file_name, 100),
            (&self.object_version, 100),
            (&self.content_md5, 200),
            (&self.install_package_url, 2000),
        ];
        let bad = |(text, most): &(&str, usize)| text.is_empty() || text.chars().count() > *most;
        if lengths.iter().any(bad) {
            return refuse(1000, "a field is empty or too long");
        }
        let known = matches!(&*self.content_type, "1" | "application/octet-stream");
        if self.biz_type != "apk" || !known || self.object_size.parse::<f64>().is_err() {
            return refuse(1000, "biz_type, content_type or object_size is wrong");
        }
        Ok(())
    }
}
