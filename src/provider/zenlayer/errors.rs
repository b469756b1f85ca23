//! Zenlayer's error codes, as data: what kind each is, and whether the vendor can have done something.
//!
//! Invariants: codes are unique and sorted; a code that is not here is judged by how it begins and ends, and at last by the HTTP status: what was refused as
//! wrong (4xx) was not done, anything else may have been. Not here: answers that are not the API's (`answer`).
//! Source: the error tables of zos and zec, the codes common to all services in the vendor's SDKs, and what its Terraform provider waits for.

use crate::provider::Accepted::{self, Maybe, No};
use crate::provider::ErrorKind::{
    self, Busy, NotFound, NotReady, Refused, Throttled, Transient, Unauthorised,
};
use http::StatusCode;

/// The stored command is gone.
pub(super) const COMMAND_GONE: &str = "INVALID_COMMAND_NOT_FOUND";
/// The stored command is under way somewhere.
pub(super) const COMMAND_RUNS: &str = "INVALID_COMMAND_INVOCATION_RUNNING_EXIST";

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The vendor's code.
    pub(super) code: &'static str,
    /// What kind of error it is.
    pub(super) kind: ErrorKind,
    /// Whether something can have been done.
    pub(super) accepted: Accepted,
    /// What it means, where the answer has no words of its own.
    pub(super) meaning: &'static str,
}

const fn row(
    code: &'static str,
    kind: ErrorKind,
    accepted: Accepted,
    meaning: &'static str,
) -> Row {
    Row {
        code,
        kind,
        accepted,
        meaning,
    }
}

/// All known codes, sorted.
pub(super) static TABLE: &[Row] = &[
    row(
        "AUTHFAILURE_INVALID_AUTHORIZATION",
        Unauthorised,
        No,
        "the authorization is not in the vendor's form",
    ),
    row(
        "AUTHFAILURE_SIGNATURE_EXPIRED",
        Unauthorised,
        No,
        "the signature is more than five minutes from the vendor's clock",
    ),
    row(
        "AUTHFAILURE_SIGNATURE_FAILURE",
        Unauthorised,
        No,
        "the signature is wrong",
    ),
    row(
        "AUTHFAILURE_UNAUTHORIZED_OPERATION",
        Unauthorised,
        No,
        "the key may not make this call",
    ),
    row(
        "INTERNAL_SERVER_ERROR",
        Transient,
        Maybe,
        "internal error of the vendor",
    ),
    row(COMMAND_RUNS, Busy, No, "the stored command is under way"),
    row(COMMAND_GONE, NotFound, No, "no such stored command"),
    row(
        "INVALID_COMMAND_NOT_SUPPORT_OS",
        Refused,
        No,
        "the instance's system does not take shell commands",
    ),
    row(
        "INVALID_INSTANCE_NOT_FOUND",
        NotFound,
        No,
        "no such instance",
    ),
    row(
        "INVALID_INSTANCE_NOT_RUNNING",
        NotReady,
        No,
        "the instance does not run",
    ),
    row(
        "INVALID_INSTANCE_QGA_REQUIRED",
        Refused,
        No,
        "the instance has no guest agent (QGA): reinstall it with the agent enabled",
    ),
    row(
        "INVALID_OPERATION_TIMEOUT",
        Transient,
        Maybe,
        "the operation took too long",
    ),
    row("INVALID_PARAMETER_VALUE", Refused, No, "a wrong parameter"),
    row("MISSING_PARAMETER", Refused, No, "a parameter is missing"),
    row(
        "OPERATION_DENIED_INSTANCE_NOT_RUNNING",
        NotReady,
        No,
        "the instance does not run",
    ),
    row(
        "OPERATION_DENIED_INSTANCE_RECYCLED",
        NotFound,
        No,
        "the instance is in the recycle bin",
    ),
    row(
        "OPERATION_FAILED_FOR_RECYCLE_RESOURCE",
        NotFound,
        No,
        "the instance is in the recycle bin",
    ),
    row(
        "OPERATION_FAILED_RESOURCE_GROUP_NOT_FOUND",
        NotFound,
        No,
        "no such resource group",
    ),
    row(
        "OPERATION_FAILED_RESOURCE_NOT_FOUND",
        NotFound,
        No,
        "no such resource",
    ),
    row(
        "REQUEST_BLOCKED",
        Unauthorised,
        No,
        "the vendor blocks this account or address",
    ),
    row("REQUEST_LIMIT_EXCEEDED", Throttled, No, "too many requests"),
    row(
        "REQUEST_TIMED_OUT",
        Transient,
        Maybe,
        "the request took too long",
    ),
    row(
        "SERVICE_TEMPORARY_UNAVAILABLE",
        Transient,
        Maybe,
        "the service is unavailable for the moment",
    ),
];

/// What codes mean that are not in the table, by how they begin.
static BEGINNINGS: &[(&str, Row)] = &[
    (
        "AUTHFAILURE",
        row("", Unauthorised, No, "credentials are refused"),
    ),
    (
        "INVALID_PARAMETER",
        row("", Refused, No, "a wrong parameter"),
    ),
    ("OPERATION_DENIED", row("", Refused, No, "not allowed")),
    ("REQUEST_LIMIT", row("", Throttled, No, "too many requests")),
];

/// The same by how they end.
static ENDINGS: &[(&str, Row)] = &[
    ("_NOT_FOUND", row("", NotFound, No, "it does not exist")),
    ("_NOT_RUNNING", row("", NotReady, No, "it does not run")),
    ("_TIMEOUT", row("", Transient, Maybe, "it took too long")),
];

/// What a code means, with the HTTP status it came with.
pub(super) fn judge(code: &str, status: StatusCode) -> Row {
    if let Ok(place) = TABLE.binary_search_by_key(&code, |row| row.code) {
        return TABLE[place];
    }
    let begins = BEGINNINGS
        .iter()
        .find(|(begins, _)| code.starts_with(begins));
    let ends = ENDINGS.iter().find(|(ends, _)| code.ends_with(ends));
    begins
        .or(ends)
        .map_or_else(|| by_status(status), |(_, row)| *row)
}

/// What an answer means that has no code, or none that says anything.
pub(super) fn by_status(status: StatusCode) -> Row {
    match status {
        StatusCode::TOO_MANY_REQUESTS => row("", Throttled, No, "too many requests"),
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => {
            row("", Unauthorised, No, "the vendor lets us not in")
        }
        StatusCode::REQUEST_TIMEOUT => row("", Transient, Maybe, "the request took too long"),
        _ if status.is_client_error() => row("", Refused, No, "refused"),
        _ => row("", Transient, Maybe, "an error of the vendor"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(TABLE.iter().all(|row| !row.meaning.is_empty()));
    }

    #[test]
    fn every_documented_code_has_its_kind() {
        let cases = [
            ("INVALID_COMMAND_NOT_FOUND", 404, NotFound, No),
            ("INVALID_COMMAND_NOT_SUPPORT_OS", 400, Refused, No),
            ("INVALID_INSTANCE_NOT_FOUND", 404, NotFound, No),
            ("INVALID_INSTANCE_NOT_RUNNING", 400, NotReady, No),
            ("INVALID_INSTANCE_QGA_REQUIRED", 400, Refused, No),
            ("INVALID_COMMAND_INVOCATION_RUNNING_EXIST", 400, Busy, No),
            ("OPERATION_DENIED_INSTANCE_RECYCLED", 403, NotFound, No),
            ("OPERATION_DENIED_INSTANCE_NOT_RUNNING", 403, NotReady, No),
            ("REQUEST_LIMIT_EXCEEDED", 429, Throttled, No),
            ("REQUEST_BLOCKED", 451, Unauthorised, No),
            ("SERVICE_TEMPORARY_UNAVAILABLE", 503, Transient, Maybe),
            ("INTERNAL_SERVER_ERROR", 500, Transient, Maybe),
            ("REQUEST_TIMED_OUT", 408, Transient, Maybe),
            ("AUTHFAILURE_SIGNATURE_FAILURE", 401, Unauthorised, No),
            ("AUTHFAILURE_SIGNATURE_EXPIRED", 401, Unauthorised, No),
        ];
        for (code, status, kind, accepted) in cases {
            let row = judge(code, StatusCode::from_u16(status).unwrap());
            assert_eq!((row.code, row.kind, row.accepted), (code, kind, accepted));
        }
    }

    #[test]
    fn unknown_codes_are_judged_by_their_words_and_status() {
        let cases = [
            ("AUTHFAILURE_SOMETHING_NEW", 400, Unauthorised, No),
            ("INVALID_PARAMETER_EXCEED_LENGTH", 400, Refused, No),
            ("INVALID_ZONE_NOT_FOUND", 404, NotFound, No),
            ("OPERATION_DENIED_X", 403, Refused, No),
            ("STRANGE", 400, Refused, No),
            ("STRANGE", 500, Transient, Maybe),
            ("", 200, Transient, Maybe),
            ("", 429, Throttled, No),
        ];
        for (code, status, kind, accepted) in cases {
            let row = judge(code, StatusCode::from_u16(status).unwrap());
            assert_eq!(
                (row.kind, row.accepted),
                (kind, accepted),
                "{code} {status}"
            );
        }
    }
}
