//! Values whose JSON type may drift: text, numbers, flags, lists of rows.
//!
//! Invariants: a value of an unexpected type reads as "not told"; a row that is no object is left out; nothing is buffered. Not here: which fields there are.

use super::Tag;
use crate::provider::drift::long_text;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smol_str::SmolStr;
use std::fmt;
use std::marker::PhantomData;

/// Text that is not empty; ids may come as numbers.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SmolStr>, D::Error> {
    let text = long_text(from)?;
    Ok(text.filter(|text| !text.is_empty()).map(SmolStr::from))
}

/// A whole number.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(long_text(from)?.and_then(|text| text.trim().parse().ok()))
}

/// A flag.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    let text = long_text(from)?.unwrap_or_default();
    Ok(match text.trim() {
        "true" | "True" | "TRUE" | "1" => Some(true),
        "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    })
}

/// Rows, or one object with rows in it.
enum Shape<T> {
    Rows(Vec<T>),
    Object(T),
    Nothing,
}

struct AsShape<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AsShape<T> {
    type Value = Shape<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1000));
        while let Some(row) = seq.next_element::<Row<T>>()? {
            rows.extend(row.0);
        }
        Ok(Shape::Rows(rows))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Shape::Object)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
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
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Shape::Nothing)
    }
}

/// A row, if it is an object.
struct Row<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Row<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match from.deserialize_any(AsShape(PhantomData))? {
            Shape::Object(row) => Some(row),
            Shape::Rows(_) | Shape::Nothing => None,
        }))
    }
}

/// Rows, without those that are no objects. `None`: no list at all.
pub(super) fn rows<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(match from.deserialize_any(AsShape(PhantomData))? {
        Shape::Rows(rows) => Some(rows),
        Shape::Object(_) | Shape::Nothing => None,
    })
}

/// What stands where a list of tags is expected: a tag, or the object around the list.
#[derive(Deserialize)]
struct TagOrList {
    #[serde(flatten)]
    tag: Tag,
    #[serde(default, deserialize_with = "rows")]
    tags: Option<Vec<Tag>>,
}

/// `{"tags": [{"key": …, "value": …}]}`, or the list alone.
pub(super) fn tags<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Tag>, D::Error> {
    let shape: Shape<TagOrList> = from.deserialize_any(AsShape(PhantomData))?;
    Ok(match shape {
        Shape::Object(object) => object.tags.unwrap_or_default(),
        Shape::Rows(rows) => rows.into_iter().map(|row| row.tag).collect(),
        Shape::Nothing => Vec::new(),
    })
}
