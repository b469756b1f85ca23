//! What KooPhone and IAM answer.
//!
//! Invariants: every field may be missing; names are the vendor's. Not here: requests.

use crate::provider::drift::{self, Scalar};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// What every answer is wrapped in. Success is code `0`. `batch-query` has code and words inside of its data.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Envelope<T> {
    /// `0`, or a code of the error table (`KOOPHONE.API.1000`, `APIGW.0301`).
    #[serde(default, deserialize_with = "drift::scalar")]
    pub error_code: Option<Scalar>,
    /// Their words.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_msg: Option<SmolStr>,
    /// The payload.
    pub data: Option<T>,
}

/// The code and words that may stand inside of a payload.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Inner {
    /// See [`Envelope::error_code`].
    #[serde(default, deserialize_with = "drift::scalar")]
    pub error_code: Option<Scalar>,
    /// Their words.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_msg: Option<SmolStr>,
}

/// A payload with what may stand inside of it beside its own fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Inside<T> {
    /// Code and words.
    pub inner: Inner,
    /// The rest.
    pub payload: T,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Inside<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InsideVisitor(PhantomData))
    }
}

struct InsideVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for InsideVisitor<T> {
    type Value = Inside<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let (mut code, mut words) = (None, None);
        let sieve = Sieve {
            map,
            code: &mut code,
            words: &mut words,
        };
        let payload = T::deserialize(MapAccessDeserializer::new(sieve))?;
        let inner = Inner {
            error_code: code.flatten(),
            error_msg: words.flatten().map(|words| words.0),
        };
        Ok(Inside { inner, payload })
    }
}

/// Hands an object on without its code and words, which it keeps.
struct Sieve<'s, A> {
    map: A,
    code: &'s mut Option<Option<Scalar>>,
    words: &'s mut Option<Option<Scalar>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Sieve<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            let kept = match &*key {
                "error_code" => &mut *self.code,
                "error_msg" => &mut *self.words,
                _ => return seed.deserialize(key.into_deserializer()).map(Some),
            };
            let told = self.map.next_value::<Told>()?.0;
            if kept.replace(told).is_some() {
                return Err(A::Error::custom("code or words twice"));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Any value, as [`drift::scalar`] takes it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Told(#[serde(deserialize_with = "drift::scalar")] Option<Scalar>);

/// A name in an object, where it stands if that is possible.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(name)))
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}

/// A page of `batch-query` or `app-list`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub struct Page<T> {
    /// The rows.
    #[serde(default, deserialize_with = "drift::list")]
    pub result: Option<Vec<T>>,
    /// Number of this page, from 1.
    #[serde(default, deserialize_with = "drift::number")]
    pub page_no: Option<i64>,
    /// Rows of a page.
    #[serde(default, deserialize_with = "drift::number")]
    pub page_size: Option<i64>,
    /// Rows in all.
    #[serde(default, deserialize_with = "drift::number")]
    pub total_count: Option<i64>,
}

/// A phone of `batch-query`, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct InstanceRow {
    /// Its code.
    #[serde(default, deserialize_with = "drift::text")]
    pub instance_id: Option<SmolStr>,
    /// 0 no, 1 frozen (unpaid, or by the vendor).
    #[serde(default, deserialize_with = "drift::number")]
    pub frozen_status: Option<i64>,
    /// See `convert::StatusTable`.
    #[serde(default, deserialize_with = "drift::number")]
    pub running_status: Option<i64>,
    /// Above 0: somebody is logged in on it.
    #[serde(default, deserialize_with = "drift::number")]
    pub login_status: Option<i64>,
    /// 0 preparing, 1 running, 2 success, 3 failed, 4 other.
    #[serde(default, deserialize_with = "drift::number")]
    pub backup_status: Option<i64>,
    /// As `backup_status`.
    #[serde(default, deserialize_with = "drift::number")]
    pub restore_status: Option<i64>,
}

/// An app of `app-list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AppRow {
    /// Its package.
    #[serde(default, deserialize_with = "drift::text")]
    pub app_pkg: Option<SmolStr>,
    /// Version name.
    #[serde(default, deserialize_with = "drift::text")]
    pub app_version: Option<SmolStr>,
}

/// What was started: `async-command`, `app/install`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Started {
    /// What is asked about later.
    #[serde(default, deserialize_with = "drift::text")]
    pub task_id: Option<SmolStr>,
    /// A job a phone.
    #[serde(default, deserialize_with = "drift::list")]
    pub cmd_jobs: Option<Vec<CmdJob>>,
}

/// Which job runs on which phone. Only the answer to the submit tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct CmdJob {
    /// The phone.
    #[serde(default, deserialize_with = "drift::text")]
    pub instance_id: Option<SmolStr>,
    /// The job.
    #[serde(default, deserialize_with = "drift::text")]
    pub job_id: Option<SmolStr>,
}

/// `tasks/{task_id}` (ExecuteJob).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TaskDetail {
    /// The task's jobs.
    #[serde(default, deserialize_with = "drift::list")]
    pub jobs: Option<Vec<JobRow>>,
}

/// A job. The phone is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct JobRow {
    /// The job.
    #[serde(default, deserialize_with = "drift::text")]
    pub job_id: Option<SmolStr>,
    /// Commands: 1 running, 2 success, −1 failed. Installs: 0 not run, 1 running, 2 success, 3 failed.
    #[serde(default, deserialize_with = "drift::number")]
    pub status: Option<i64>,
    /// Why it failed (`CPS0005`).
    #[serde(default, deserialize_with = "drift::text")]
    pub error_code: Option<SmolStr>,
    /// The same in words.
    #[serde(default, deserialize_with = "drift::long_text")]
    pub error_msg: Option<String>,
    /// Output of a command, at most 1,024 bytes.
    #[serde(default, deserialize_with = "drift::long_text")]
    pub execute_msg: Option<String>,
}

/// What IAM answers with a token, which itself stands in the header `X-Subject-Token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TokenAnswer {
    /// About the token.
    #[serde(default)]
    pub token: Option<TokenTimes>,
}

/// How long a token lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TokenTimes {
    /// ISO 8601 in UTC (`2020-01-04T09:08:49.965000Z`).
    #[serde(default, deserialize_with = "drift::text")]
    pub expires_at: Option<SmolStr>,
    /// The same.
    #[serde(default, deserialize_with = "drift::text")]
    pub issued_at: Option<SmolStr>,
}

/// What IAM answers instead: `{"error": {"code": 401, "message": …}}`, or `error_code` and `error_msg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IamRefusal {
    /// One form.
    #[serde(default)]
    pub error: Option<IamError>,
    /// The other form's code.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_code: Option<SmolStr>,
    /// The other form's words.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_msg: Option<SmolStr>,
}

/// See [`IamRefusal`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IamError {
    /// An HTTP status.
    #[serde(default, deserialize_with = "drift::text")]
    pub code: Option<SmolStr>,
    /// Words.
    #[serde(default, deserialize_with = "drift::text")]
    pub message: Option<SmolStr>,
}
