//! Values whose JSON type drifts between builds of a vendor.
//!
//! Invariants: a value of an unexpected type reads as "not told", it never fails the whole answer. Not here: their meaning.

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::{SmolStr, ToSmolStr};
use std::fmt;
use std::marker::PhantomData;

/// A value that comes now as number, now as text, now as a flag: kept as text. Written as a number where it is a plain whole number.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scalar(pub SmolStr);

impl Scalar {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, if it is a whole one; a flag counts as 1 or 0.
    pub fn number(&self) -> Option<i64> {
        match self.0.trim() {
            "true" => Some(1),
            "false" => Some(0),
            text => text.parse().ok().or_else(|| {
                let (whole, rest) = text.split_once('.')?;
                rest.bytes()
                    .all(|b| b == b'0')
                    .then(|| whole.parse().ok())?
            }),
        }
    }
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Self(number.to_smolstr())
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.parse::<i64>() {
            Ok(number) if number.to_smolstr() == self.0 => serializer.serialize_i64(number),
            Ok(_) | Err(_) => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer).map(Option::unwrap_or_default)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Option<Scalar>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Scalar(text.into())))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Scalar(number.to_smolstr())))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Scalar(number.to_smolstr())))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(Scalar(number.to_smolstr())))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(Scalar(if flag { "true" } else { "false" }.into())))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A body of JSON. Text is checked as a whole, which costs less than word by word; what is no text all over is left to the reader, which may skip that part.
pub(in crate::provider) fn json<'de, T: Deserialize<'de>>(
    body: &'de [u8],
) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    }
}

/// A scalar, or nothing for null, objects and lists.
pub(in crate::provider) fn scalar<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<Scalar>, D::Error> {
    d.deserialize_any(ScalarVisitor)
}

/// Text from text or number; nothing otherwise.
pub(in crate::provider) fn text<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<SmolStr>, D::Error> {
    Ok(scalar(d)?.map(|value| value.0))
}

/// Text without a size limit worth interning.
pub(in crate::provider) fn long_text<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<String>, D::Error> {
    d.deserialize_any(TextVisitor)
}

/// The text without white space round it, if anything is left.
pub(in crate::provider) fn trimmed(text: SmolStr) -> Option<SmolStr> {
    let inner = text.trim();
    match inner.len() {
        0 => None,
        whole if whole == text.len() => Some(text),
        _ => Some(inner.into()),
    }
}

/// What [`ScalarVisitor`] tells, as text of its own.
struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag.to_string()))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ScalarVisitor.visit_map(map).map(|_| None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ScalarVisitor.visit_seq(seq).map(|_| None)
    }
}

/// A whole number from number or text; nothing otherwise.
pub(in crate::provider) fn number<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<i64>, D::Error> {
    d.deserialize_any(NumberVisitor)
}

/// As [`Scalar::number`] of what [`ScalarVisitor`] tells, without the way over text.
struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar(text.into()).number())
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).ok())
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar(number.to_smolstr()).number())
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag.into()))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ScalarVisitor.visit_map(map).map(|_| None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ScalarVisitor.visit_seq(seq).map(|_| None)
    }
}

/// A scalar that may be absent (`None`) or null (`Some(None)`).
pub(in crate::provider) fn told<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<Option<Scalar>>, D::Error> {
    scalar(d).map(Some)
}

/// A list; null, one object and anything else are taken as it is most sensible.
pub(in crate::provider) fn list<'de, D, T>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(match many(d)? {
        Shape::Many(rows) => Some(rows),
        Shape::One(row) => Some(vec![row]),
        Shape::Flag(_) | Shape::Nothing => None,
    })
}

/// The shapes in which rows come.
pub(in crate::provider) enum Shape<T> {
    Many(Vec<T>),
    One(T),
    Flag(bool),
    Nothing,
}

/// Reads rows in any of their shapes.
pub(in crate::provider) fn many<'de, D, T>(d: D) -> Result<Shape<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    d.deserialize_any(ShapeVisitor(PhantomData))
}

struct ShapeVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ShapeVisitor<T> {
    type Value = Shape<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, an object, a flag or null")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1000));
        while let Some(row) = seq.next_element()? {
            rows.push(row);
        }
        Ok(Shape::Many(rows))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Shape::One)
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Shape::Flag(flag))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(match text {
            "true" => Shape::Flag(true),
            "false" => Shape::Flag(false),
            _ => Shape::Nothing,
        })
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Deserialize)]
    struct Row {
        #[serde(default, deserialize_with = "number")]
        n: Option<i64>,
    }

    #[derive(Deserialize)]
    struct Long {
        #[serde(default, deserialize_with = "long_text")]
        n: Option<String>,
    }

    #[derive(Deserialize)]
    struct Told {
        #[serde(default, deserialize_with = "scalar")]
        n: Option<Scalar>,
    }

    fn both(value: &str) -> (Option<i64>, Option<i64>) {
        let body = format!("{{\"n\":{value}}}");
        let number = json::<Row>(body.as_bytes()).unwrap().n;
        let scalar = json::<Told>(body.as_bytes()).unwrap().n;
        let long = json::<Long>(body.as_bytes()).unwrap().n;
        assert_eq!(long.as_deref(), scalar.as_ref().map(Scalar::as_str));
        (number, scalar.and_then(|scalar| scalar.number()))
    }

    #[test]
    fn a_number_is_what_the_scalar_says() {
        for value in [
            "0",
            "-1",
            "1",
            "10.0",
            "10.5",
            "1e3",
            "1e300",
            "\"7\"",
            "\" 7 \"",
            "\"7.00\"",
            "\"x\"",
            "true",
            "false",
            "null",
            "{}",
            "{\"a\":1}",
            "[]",
            "[1]",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "-9223372036854775808",
        ] {
            let (number, scalar) = both(value);
            assert_eq!(number, scalar, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_number_is_what_the_scalar_says(whole in any::<i64>(), large in any::<u64>(), part in any::<f64>()) {
            for value in [whole.to_string(), large.to_string(), format!("{part:?}")] {
                if let Ok(body) = serde_json::from_str::<serde_json::Value>(&value) {
                    let (number, scalar) = both(&body.to_string());
                    prop_assert_eq!(number, scalar);
                }
            }
        }
    }

    #[test]
    fn text_is_trimmed_or_nothing() {
        for (text, left) in [
            ("a b", Some("a b")),
            (" a\n", Some("a")),
            (" \t", None),
            ("", None),
        ] {
            assert_eq!(trimmed(text.into()).as_deref(), left);
        }
    }

    #[test]
    fn what_is_no_text_fails_only_where_it_is_read() {
        assert_eq!(json::<Row>(b"{\"x\":\"\xff\",\"n\":1}").unwrap().n, Some(1));
        assert!(json::<Told>(b"{\"n\":\"\xff\"}").is_err());
    }
}
