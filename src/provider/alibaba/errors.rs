//! Alibaba's error codes, as data: what kind each is, and whether the vendor can have done something.
//!
//! Invariants: the first row that fits counts; a code that no row fits is judged by its HTTP status. Not here: answers without a code (`answer`).
//! Source: the manuals' common error codes, the official SDK, and the common words of product codes (a table of the product's own codes is not public).

use crate::provider::Accepted::{self, Maybe, No};
use crate::provider::ErrorKind::{
    self, Busy, NotFound, NotReady, Refused, Throttled, Transient, Unauthorised,
};

/// Which codes a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// This code.
    Exactly(&'static str),
    /// Codes that begin with this text.
    Beginning(&'static str),
    /// Codes with this text in them.
    Containing(&'static str),
}

/// Some codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Which.
    pub(super) fits: Fits,
    /// What kind of error it is.
    pub(super) kind: ErrorKind,
    /// Whether something can have been done.
    pub(super) accepted: Accepted,
    /// What it means, where the answer has no words of its own.
    pub(super) meaning: &'static str,
}

const fn row(fits: Fits, kind: ErrorKind, accepted: Accepted, meaning: &'static str) -> Row {
    Row {
        fits,
        kind,
        accepted,
        meaning,
    }
}

/// All that is known, the special before the general.
pub(super) static TABLE: &[Row] = &[
    row(
        Fits::Beginning("Throttling"),
        Throttled,
        No,
        "too many requests",
    ),
    row(
        Fits::Containing("FlowControl"),
        Throttled,
        No,
        "too many requests",
    ),
    row(
        Fits::Beginning("ServiceUnavailable"),
        Transient,
        Maybe,
        "the service is not available",
    ),
    row(
        Fits::Beginning("InternalError"),
        Transient,
        Maybe,
        "internal error",
    ),
    row(
        Fits::Exactly("SystemError"),
        Transient,
        Maybe,
        "internal error",
    ),
    row(
        Fits::Exactly("UnknownError"),
        Transient,
        Maybe,
        "internal error",
    ),
    // The clocks differ: nothing will work until one of them is set right.
    row(
        Fits::Beginning("InvalidTimeStamp"),
        Unauthorised,
        No,
        "the request's time is too far from the vendor's",
    ),
    // Somebody between us and the vendor may have sent the request twice; the first copy may have been carried out.
    row(
        Fits::Exactly("SignatureNonceUsed"),
        Transient,
        Maybe,
        "the nonce was used before",
    ),
    row(
        Fits::Beginning("SignatureDoesNotMatch"),
        Unauthorised,
        No,
        "the signature does not match",
    ),
    row(
        Fits::Beginning("IncompleteSignature"),
        Unauthorised,
        No,
        "the signature is incomplete",
    ),
    row(
        Fits::Beginning("InvalidAccessKey"),
        Unauthorised,
        No,
        "the access key is unknown or disabled",
    ),
    row(
        Fits::Beginning("InvalidSecurityToken"),
        Unauthorised,
        No,
        "the security token is wrong or over",
    ),
    row(
        Fits::Containing("SecurityToken"),
        Unauthorised,
        No,
        "the security token is missing or wrong",
    ),
    row(
        Fits::Beginning("MissingAccessKey"),
        Unauthorised,
        No,
        "the access key is missing",
    ),
    row(
        Fits::Beginning("Forbidden"),
        Unauthorised,
        No,
        "no permission",
    ),
    row(
        Fits::Exactly("NoPermission"),
        Unauthorised,
        No,
        "no permission",
    ),
    row(
        Fits::Beginning("Unauthorized"),
        Unauthorised,
        No,
        "not authorised",
    ),
    row(
        Fits::Beginning("InvalidApi"),
        Refused,
        No,
        "no such operation at this endpoint",
    ),
    row(
        Fits::Beginning("InvalidAction"),
        Refused,
        No,
        "no such operation at this endpoint",
    ),
    row(
        Fits::Beginning("InvalidVersion"),
        Refused,
        No,
        "no such version at this endpoint",
    ),
    row(
        Fits::Beginning("MissingParameter"),
        Refused,
        No,
        "a parameter is missing",
    ),
    row(
        Fits::Containing("NotFound"),
        NotFound,
        No,
        "no such phone, app or image",
    ),
    row(
        Fits::Containing("NotExist"),
        NotFound,
        No,
        "no such phone, app or image",
    ),
    row(Fits::Containing("NotSupport"), Refused, No, "not supported"),
    row(
        Fits::Containing("Unsupported"),
        Refused,
        No,
        "not supported",
    ),
    row(Fits::Containing("Quota"), Refused, No, "a quota is used up"),
    row(
        Fits::Containing("LimitExceed"),
        Refused,
        No,
        "more than allowed",
    ),
    row(
        Fits::Containing("Conflict"),
        Busy,
        No,
        "another task is on the phone",
    ),
    row(
        Fits::Containing("InProgress"),
        Busy,
        No,
        "another task is on the phone",
    ),
    row(
        Fits::Containing("Processing"),
        Busy,
        No,
        "another task is on the phone",
    ),
    row(
        Fits::Containing("Duplicate"),
        Busy,
        No,
        "the same task exists",
    ),
    row(
        Fits::Containing("Status"),
        NotReady,
        No,
        "the phone is not in a state for this",
    ),
    row(
        Fits::Containing("State"),
        NotReady,
        No,
        "the phone is not in a state for this",
    ),
    row(
        Fits::Containing("NotRunning"),
        NotReady,
        No,
        "the phone does not run",
    ),
    row(
        Fits::Containing("Offline"),
        NotReady,
        No,
        "the phone is not connected",
    ),
    row(
        Fits::Beginning("InvalidParameter"),
        Refused,
        No,
        "a parameter is wrong",
    ),
];

/// The row about a code, if there is one.
pub(super) fn known(code: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| match row.fits {
        Fits::Exactly(text) => code == text,
        Fits::Beginning(text) => code.starts_with(text),
        Fits::Containing(text) => code.contains(text),
    })
}

/// What an error is by its HTTP status alone.
pub(super) fn by_status(status: http::StatusCode) -> (ErrorKind, Accepted) {
    match status.as_u16() {
        429 => (Throttled, No),
        401 | 403 => (Unauthorised, No),
        408 => (Transient, Maybe),
        400..=499 => (Refused, No),
        _ => (Transient, Maybe),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_codes_are_what_the_manual_says() {
        for (code, kind, accepted) in [
            ("Throttling", Throttled, No),
            ("Throttling.User", Throttled, No),
            ("Throttling.Api", Throttled, No),
            ("ServiceUnavailable", Transient, Maybe),
            ("InternalError", Transient, Maybe),
            ("InvalidTimeStamp.Expired", Unauthorised, No),
            ("SignatureNonceUsed", Transient, Maybe),
            ("SignatureDoesNotMatch", Unauthorised, No),
            ("InvalidAccessKeyId.NotFound", Unauthorised, No),
            ("Forbidden.RAM", Unauthorised, No),
            ("InvalidSecurityToken.Expired", Unauthorised, No),
            ("NoPermission", Unauthorised, No),
            ("MissingParameter", Refused, No),
            ("InvalidParameter", Refused, No),
            ("InvalidParameter.InstanceIds", Refused, No),
            ("InvalidApi.NotFound", Refused, No),
            ("InvalidInstanceId.NotFound", NotFound, No),
            ("IncorrectInstanceStatus", NotReady, No),
        ] {
            let row = known(code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!((row.kind, row.accepted), (kind, accepted), "{code}");
            assert!(!row.meaning.is_empty());
        }
        assert_eq!(known("SomethingNew"), None);
    }

    #[test]
    fn no_row_is_hidden_by_one_above_it() {
        for (place, row) in TABLE.iter().enumerate() {
            let (Fits::Exactly(text) | Fits::Beginning(text) | Fits::Containing(text)) = row.fits;
            let first = known(text).unwrap();
            assert!(
                std::ptr::eq(first, row) || matches!(row.fits, Fits::Containing(_)),
                "row {place}: {text}"
            );
        }
    }
}
