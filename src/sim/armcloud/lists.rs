//! Property lists: the largest of all answers, written as text at once.
//!
//! Invariants: what is written is what the rows would be as JSON: `{"padCode": …, "modemPropertiesList": [{"propertiesName": …, "propertiesValue": …}], …}`;
//! in the system list what all phones of an image share comes first, then what is the phone's own. Not here: who asks (`read`).

use crate::sim::phone::{MODEM, OAID, Phone, SETTING};
use crate::sim::world::World;

/// Bytes that the lists of one phone take, roughly.
pub(super) const USUAL: usize = 4096;

/// Writes the four lists of one phone.
pub(super) fn write(world: &World, phone: &Phone, out: &mut String) {
    out.push_str("{\"padCode\":");
    quoted(&phone.id, out);
    out.push_str(",\"modemPropertiesList\":");
    let other_names = world.spec.dialect.other_names;
    let modem = |name| match name {
        "IMEI" if other_names => "imei",
        "PhoneNum" if other_names => "phonenum",
        "OpName" if other_names => "SimOperatorName",
        other => other,
    };
    listed(phone, "modem/", (&MODEM, modem), out);
    out.push_str(",\"systemPropertiesList\":");
    system(phone, out);
    out.push_str(",\"settingPropertiesList\":");
    listed(phone, "setting/", (&SETTING, |name| name), out);
    out.push_str(",\"oaidPropertiesList\":");
    listed(phone, "oaid/", (&OAID, |name| name), out);
    out.push('}');
}

/// One of the vendor's lists: what every phone has, and what was set beside it.
fn listed<'a>(
    phone: &'a Phone,
    list: &str,
    (always, called): (&[&'static str], impl Fn(&'a str) -> &'a str),
    out: &mut String,
) {
    let own = |name: &'a str| {
        name.strip_prefix(list)
            .filter(|name| !always.contains(name))
    };
    let set = phone.kept.iter().chain(phone.live.iter());
    let mut names: Vec<&'a str> = set.filter_map(|(name, _)| own(name)).collect();
    names.sort_unstable();
    names.dedup();
    let mut whole = String::with_capacity(32);
    out.push('[');
    for name in always.iter().copied().chain(names) {
        whole.clear();
        whole.push_str(list);
        whole.push_str(name);
        if let Some(value) = phone.property(&whole) {
            row(called(name), &value, out);
        }
    }
    close(out);
}

fn system(phone: &Phone, out: &mut String) {
    let plain = phone.kept.is_empty() && phone.live.is_empty();
    let overridden =
        |name: &str| !plain && (phone.kept.get(name).is_some() || phone.live.get(name).is_some());
    out.push('[');
    for (name, value) in phone.image.properties.iter() {
        if !overridden(name) {
            row(name, value, out);
        }
    }
    let set = phone.kept.iter().chain(phone.live.iter());
    let mut own: Vec<&str> = set
        .map(|(name, _)| name)
        .filter(|name| !name.contains('/'))
        .collect();
    own.sort_unstable();
    own.dedup();
    for name in own {
        if let Some(value) = phone.property(name) {
            row(name, &value, out);
        }
    }
    close(out);
}

fn row(name: &str, value: &str, out: &mut String) {
    out.push_str("{\"propertiesName\":");
    quoted(name, out);
    out.push_str(",\"propertiesValue\":");
    quoted(value, out);
    out.push_str("},");
}

/// Ends a list of rows, each of which ends with a comma.
fn close(out: &mut String) {
    if out.ends_with(',') {
        out.pop();
    }
    out.push(']');
}

/// A text as JSON has it.
fn quoted(text: &str, out: &mut String) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_json() {
        for text in ["", "plain", "Ünïcode", "a \"b\" \\ c", "line\nnext\u{1}"] {
            let mut out = String::new();
            quoted(text, &mut out);
            assert_eq!(out, serde_json::to_string(text).unwrap());
        }
    }
}
