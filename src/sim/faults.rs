//! What goes wrong, how often, and when: a seeded decision for each kind of fault.
//!
//! Invariants: a decision depends on the seed, the kind and a counter only, so the same sequence of calls meets the same faults; a rate of 0 never happens, of 1
//! always. Not here: what a fault does to phones and answers (`world`, `armcloud`).

use super::scenario::Span;
use crate::time::delay::hash;
use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use std::time::Duration;

/// How often each fault happens: rates from 0 to 1, and how long some of them last.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Faults {
    /// Calls whose connection is refused: nothing arrives.
    pub refused: f64,
    /// Calls that are carried out and whose answer is lost.
    pub lost: f64,
    /// Calls that arrive and take effect long after the client gave up.
    pub late: f64,
    /// How late they are.
    pub late_by: Span,
    /// Calls answered with 5xx, one half before they took effect, the other half after.
    #[serde(rename = "5xx")]
    pub server_error: f64,
    /// Calls answered with 5xx before any effect.
    #[serde(rename = "5xx-before")]
    pub error_before: f64,
    /// Calls answered with 5xx after they took effect.
    #[serde(rename = "5xx-after")]
    pub error_after: f64,
    /// Calls answered with 429 although no limit was reached.
    pub throttle: f64,
    /// Calls answered with a page of HTML.
    pub html: f64,
    /// Calls that take long.
    pub slow: f64,
    /// How long these take.
    pub slow_by: Span,
    /// Jobs that fail.
    pub fail: f64,
    /// Jobs that never end; one half of them did their work.
    pub hang: f64,
    /// After how long a phone with such a job takes another one.
    pub hang_for: Span,
    /// Jobs that claim success and did nothing.
    pub no_effect: f64,
    /// Jobs that do their work and claim that they failed.
    pub fail_done: f64,
    /// Jobs that run twice.
    pub twice: f64,
    /// Jobs whose work is undone a moment later.
    pub revert: f64,
    /// After how long.
    pub revert_after: Span,
    /// Jobs that are shown as running for a while after their end.
    pub lag: f64,
    /// For how long.
    pub lag_by: Span,
    /// Calls answered with 429 without a header that tells anything.
    pub throttle_bare: f64,
    /// Calls answered with 429 and headers that promise nonsense (a day to wait, a limit that resets in 1970).
    pub throttle_lying: f64,
    /// Calls that are carried out and whose answer is cut in the middle.
    pub garbled: f64,
    /// Calls that are carried out and whose answer is larger than anybody reads.
    pub huge: f64,
    /// Rows missing in the answers to submits.
    pub missing_row: f64,
    /// Jobs after which their phone goes offline.
    pub offline: f64,
    /// For how long.
    pub offline_for: Span,
    /// Restarts that end in an abnormal phone (11→14→10).
    pub abnormal: f64,
    /// For how long it stays abnormal unless it is restarted.
    pub abnormal_for: Span,
    /// Reads that show phones as they were some time ago.
    pub stale: f64,
    /// How long ago.
    pub stale_by: Span,
    /// Listing pages with rows missing.
    pub short_page: f64,
    /// Listing pages without rows.
    pub empty_page: f64,
    /// Listing pages with rows twice.
    pub doubled_page: f64,
    /// Callbacks that never arrive.
    pub callback_lost: f64,
    /// Callbacks that arrive five times.
    pub callback_doubled: f64,
    /// Callbacks that come late, after others that were sent later.
    pub callback_late: f64,
    /// How late, ± 50 %.
    pub callback_late_by: Span,
    /// Callbacks with which another one comes that nobody's job caused.
    pub callback_forged: f64,
    /// Callbacks with which one of another client's job comes.
    pub callback_foreign: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            refused: 0.0,
            lost: 0.0,
            late: 0.0,
            late_by: Span(Duration::from_secs(45)),
            server_error: 0.0,
            error_before: 0.0,
            error_after: 0.0,
            throttle: 0.0,
            html: 0.0,
            slow: 0.0,
            slow_by: Span(Duration::from_secs(5)),
            fail: 0.0,
            hang: 0.0,
            hang_for: Span(Duration::from_secs(300)),
            no_effect: 0.0,
            fail_done: 0.0,
            twice: 0.0,
            revert: 0.0,
            revert_after: Span(Duration::from_secs(20)),
            lag: 0.0,
            lag_by: Span(Duration::from_secs(15)),
            throttle_bare: 0.0,
            throttle_lying: 0.0,
            garbled: 0.0,
            huge: 0.0,
            missing_row: 0.0,
            offline: 0.0,
            offline_for: Span(Duration::from_secs(60)),
            abnormal: 0.0,
            abnormal_for: Span(Duration::from_secs(120)),
            stale: 0.0,
            stale_by: Span(Duration::from_secs(20)),
            short_page: 0.0,
            empty_page: 0.0,
            doubled_page: 0.0,
            callback_lost: 0.0,
            callback_doubled: 0.0,
            callback_late: 0.0,
            callback_late_by: Span(Duration::from_secs(180)),
            callback_forged: 0.0,
            callback_foreign: 0.0,
        }
    }
}

/// The text names no faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("faults: {0}")]
pub struct FaultsError(pub String);

impl Faults {
    /// Reads `lost=0.05,5xx=0.02,late-by=40s`: names as in a scenario file, rates from 0 to 1 (or `5%`), durations as `40s`.
    ///
    /// # Errors
    /// An unknown name, a rate outside 0 to 1, or a duration that is none.
    pub fn parse(text: &str) -> Result<Self, FaultsError> {
        let mut fields = serde_json::Map::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let Some((name, value)) = part.split_once('=') else {
                return Err(FaultsError(format!("{part:?} is not NAME=VALUE")));
            };
            let (number, unit) = match value.strip_suffix('%') {
                Some(percent) => (percent, 0.01),
                None => (value, 1.0),
            };
            let value = match number.trim().parse::<f64>() {
                Ok(number) => serde_json::Value::from(number * unit),
                Err(_) => serde_json::Value::from(value),
            };
            if fields.insert(name.trim().to_owned(), value).is_some() {
                return Err(FaultsError(format!("{name:?} is given twice")));
            }
        }
        let faults: Self = serde_json::from_value(fields.into())
            .map_err(|error| FaultsError(error.to_string()))?;
        faults.check()?;
        Ok(faults)
    }

    /// Whether all rates are rates.
    pub(super) fn check(&self) -> Result<(), FaultsError> {
        match self.rates().find(|(_, rate)| !(0.0..=1.0).contains(rate)) {
            Some((kind, rate)) => Err(FaultsError(format!(
                "{} = {rate} is not from 0 to 1",
                kind.as_str()
            ))),
            None => Ok(()),
        }
    }

    fn rates(&self) -> impl Iterator<Item = (Kind, f64)> + '_ {
        Kind::ALL.into_iter().map(|kind| (kind, self.rate(kind)))
    }

    /// How often faults of this kind happen.
    pub fn rate(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Refused => self.refused,
            Kind::Lost => self.lost,
            Kind::Late => self.late,
            Kind::ServerError => self.server_error,
            Kind::ErrorBefore => self.error_before,
            Kind::ErrorAfter => self.error_after,
            Kind::Throttle => self.throttle,
            Kind::Html => self.html,
            Kind::Slow => self.slow,
            Kind::Fail => self.fail,
            Kind::Hang => self.hang,
            Kind::NoEffect => self.no_effect,
            Kind::FailDone => self.fail_done,
            Kind::Twice => self.twice,
            Kind::Revert => self.revert,
            Kind::Lag => self.lag,
            Kind::ThrottleBare => self.throttle_bare,
            Kind::ThrottleLying => self.throttle_lying,
            Kind::Garbled => self.garbled,
            Kind::Huge => self.huge,
            Kind::MissingRow => self.missing_row,
            Kind::Offline => self.offline,
            Kind::Abnormal => self.abnormal,
            Kind::Stale => self.stale,
            Kind::ShortPage => self.short_page,
            Kind::EmptyPage => self.empty_page,
            Kind::DoubledPage => self.doubled_page,
            Kind::CallbackLost => self.callback_lost,
            Kind::CallbackDoubled => self.callback_doubled,
            Kind::CallbackLate => self.callback_late,
            Kind::CallbackForged => self.callback_forged,
            Kind::CallbackForeign => self.callback_foreign,
        }
    }

    /// The same, to be changed.
    pub fn rate_mut(&mut self, kind: Kind) -> &mut f64 {
        match kind {
            Kind::Refused => &mut self.refused,
            Kind::Lost => &mut self.lost,
            Kind::Late => &mut self.late,
            Kind::ServerError => &mut self.server_error,
            Kind::ErrorBefore => &mut self.error_before,
            Kind::ErrorAfter => &mut self.error_after,
            Kind::Throttle => &mut self.throttle,
            Kind::Html => &mut self.html,
            Kind::Slow => &mut self.slow,
            Kind::Fail => &mut self.fail,
            Kind::Hang => &mut self.hang,
            Kind::NoEffect => &mut self.no_effect,
            Kind::FailDone => &mut self.fail_done,
            Kind::Twice => &mut self.twice,
            Kind::Revert => &mut self.revert,
            Kind::Lag => &mut self.lag,
            Kind::ThrottleBare => &mut self.throttle_bare,
            Kind::ThrottleLying => &mut self.throttle_lying,
            Kind::Garbled => &mut self.garbled,
            Kind::Huge => &mut self.huge,
            Kind::MissingRow => &mut self.missing_row,
            Kind::Offline => &mut self.offline,
            Kind::Abnormal => &mut self.abnormal,
            Kind::Stale => &mut self.stale,
            Kind::ShortPage => &mut self.short_page,
            Kind::EmptyPage => &mut self.empty_page,
            Kind::DoubledPage => &mut self.doubled_page,
            Kind::CallbackLost => &mut self.callback_lost,
            Kind::CallbackDoubled => &mut self.callback_doubled,
            Kind::CallbackLate => &mut self.callback_late,
            Kind::CallbackForged => &mut self.callback_forged,
            Kind::CallbackForeign => &mut self.callback_foreign,
        }
    }

    /// Whether a fault of this kind happens to number `number` of what it can happen to.
    pub(super) fn happens(&self, kind: Kind, number: u64, seed: u64) -> bool {
        let rate = self.rate(kind);
        rate > 0.0 && share(kind.as_str(), number, seed) < rate
    }
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the fields of Faults say it")]
pub enum Kind {
    Refused,
    Lost,
    Late,
    ServerError,
    ErrorBefore,
    ErrorAfter,
    Throttle,
    Html,
    Slow,
    Fail,
    Hang,
    NoEffect,
    FailDone,
    Twice,
    Revert,
    Lag,
    ThrottleBare,
    ThrottleLying,
    Garbled,
    Huge,
    MissingRow,
    Offline,
    Abnormal,
    Stale,
    ShortPage,
    EmptyPage,
    DoubledPage,
    CallbackLost,
    CallbackDoubled,
    CallbackLate,
    CallbackForged,
    CallbackForeign,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 32] = [
        Self::Refused,
        Self::Lost,
        Self::Late,
        Self::ServerError,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Throttle,
        Self::Html,
        Self::Slow,
        Self::Fail,
        Self::Hang,
        Self::NoEffect,
        Self::FailDone,
        Self::Twice,
        Self::Revert,
        Self::Lag,
        Self::ThrottleBare,
        Self::ThrottleLying,
        Self::Garbled,
        Self::Huge,
        Self::MissingRow,
        Self::Offline,
        Self::Abnormal,
        Self::Stale,
        Self::ShortPage,
        Self::EmptyPage,
        Self::DoubledPage,
        Self::CallbackLost,
        Self::CallbackDoubled,
        Self::CallbackLate,
        Self::CallbackForged,
        Self::CallbackForeign,
    ];

    /// A bit of its own.
    pub(super) fn bit(self) -> u64 {
        1 << (self as u32)
    }

    /// What can befall callbacks: rolled for messages, never for requests.
    pub const OF_CALLBACKS: [Self; 5] = [
        Self::CallbackLost,
        Self::CallbackDoubled,
        Self::CallbackLate,
        Self::CallbackForged,
        Self::CallbackForeign,
    ];

    /// Whether its chance comes only after the request that it is forced at: when a job ends.
    pub fn comes_later(self) -> bool {
        matches!(self, Self::Offline | Self::Abnormal)
    }

    /// As it stands in scenario files and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Late => "late",
            Self::ServerError => "5xx",
            Self::ErrorBefore => "5xx-before",
            Self::ErrorAfter => "5xx-after",
            Self::Throttle => "throttle",
            Self::Html => "html",
            Self::Slow => "slow",
            Self::Fail => "fail",
            Self::Hang => "hang",
            Self::NoEffect => "no-effect",
            Self::FailDone => "fail-done",
            Self::Twice => "twice",
            Self::Revert => "revert",
            Self::Lag => "lag",
            Self::ThrottleBare => "throttle-bare",
            Self::ThrottleLying => "throttle-lying",
            Self::Garbled => "garbled",
            Self::Huge => "huge",
            Self::MissingRow => "missing-row",
            Self::Offline => "offline",
            Self::Abnormal => "abnormal",
            Self::Stale => "stale",
            Self::ShortPage => "short-page",
            Self::EmptyPage => "empty-page",
            Self::DoubledPage => "doubled-page",
            Self::CallbackLost => "callback-lost",
            Self::CallbackDoubled => "callback-doubled",
            Self::CallbackLate => "callback-late",
            Self::CallbackForged => "callback-forged",
            Self::CallbackForeign => "callback-foreign",
        }
    }
}

/// Takes what a 429 says of the limit out of its headers; a lying one promises nonsense in their place.
pub(super) fn mislead(mut answer: http::Response<Bytes>, kind: Kind) -> http::Response<Bytes> {
    if kind == Kind::Throttle {
        return answer;
    }
    let headers = answer.headers_mut();
    for name in [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-type",
        "retry-after",
    ] {
        headers.remove(name);
    }
    if kind == Kind::ThrottleLying {
        headers.insert("retry-after", HeaderValue::from_static("86400"));
        headers.insert("x-ratelimit-reset", HeaderValue::from_static("1"));
        headers.insert("x-ratelimit-remaining", HeaderValue::from_static("9999"));
    }
    answer
}

/// A number from 0 to below 1 that depends on nothing but its arguments.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub(super) fn share(key: &str, number: u64, seed: u64) -> f64 {
    let mixed = hash(key, number, seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_faults_is_read() {
        let faults = Faults::parse("lost=0.05, 5xx=2%,late=0.1,late-by=40s,no-effect=1").unwrap();
        assert_eq!(
            (faults.lost, faults.server_error, faults.no_effect),
            (0.05, 0.02, 1.0)
        );
        assert_eq!(faults.late_by, Span(Duration::from_secs(40)));
        assert_eq!(Faults::parse("").unwrap(), Faults::default());
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for wrong in [
            "lots=1",
            "lost=2",
            "lost=-0.1",
            "lost",
            "lost=often",
            "lost=0.1,lost=0.2",
            "late-by=soon",
        ] {
            assert!(Faults::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn faults_happen_as_often_as_they_should_and_the_same_each_time() {
        let faults = Faults {
            lost: 0.05,
            fail: 1.0,
            ..Faults::default()
        };
        let count = |seed| {
            (0..10_000)
                .filter(|n| faults.happens(Kind::Lost, *n, seed))
                .count()
        };
        assert!((400..600).contains(&count(1)), "{}", count(1));
        assert_eq!(count(7), count(7));
        assert!((0..1000).all(|n| faults.happens(Kind::Fail, n, 3)));
        assert!((0..1000).all(|n| !faults.happens(Kind::Hang, n, 3)));
    }

    #[test]
    fn every_kind_has_a_rate_of_its_own() {
        for kind in Kind::ALL {
            let faults = Faults::parse(&format!("{}=0.5", kind.as_str())).unwrap();
            assert_eq!(faults.rate(kind), 0.5);
            assert_eq!(faults.rates().filter(|(_, rate)| *rate > 0.0).count(), 1);
        }
    }
}
