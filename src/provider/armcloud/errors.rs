//! ArmCloud's error codes, as data: what kind each is, and whether the vendor can have done something.
//!
//! Invariants: codes are unique and sorted; a code that is not here is Transient, and may have been accepted. Not here: HTTP statuses (`answer`).
//! Source: the error tables of the vendor's manuals and of its sister deployments, and what public clients report.

use crate::provider::Accepted::{self, Maybe, No};
use crate::provider::ErrorKind::{
    self, Busy, NotFound, NotReady, Refused, Throttled, Transient, Unauthorised,
};

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The vendor's code.
    pub(super) code: i64,
    /// What kind of error it is.
    pub(super) kind: ErrorKind,
    /// Whether something can have been done.
    pub(super) accepted: Accepted,
    /// What it means, where the answer has no words of its own.
    pub(super) meaning: &'static str,
}

const fn row(code: i64, kind: ErrorKind, accepted: Accepted, meaning: &'static str) -> Row {
    Row {
        code,
        kind,
        accepted,
        meaning,
    }
}

/// All known codes, sorted.
pub(super) static TABLE: &[Row] = &[
    row(401, Unauthorised, No, "not authorised"),
    row(403, Unauthorised, No, "forbidden"),
    row(404, Refused, No, "no such path"),
    row(429, Throttled, No, "rate limit"),
    // The general code: bad parameters, unsupported country, and "busy"; see `judge`.
    row(500, Refused, Maybe, "general failure"),
    row(1104, Refused, No, "a required parameter is empty"),
    row(
        1116,
        Unauthorised,
        No,
        "this address is not on the account's allow list",
    ),
    row(1218, Throttled, No, "called too often for this phone"),
    row(2019, Unauthorised, No, "signature check failed"),
    row(2020, NotFound, No, "no such phone"),
    row(2031, Unauthorised, No, "unknown access key"),
    row(2032, Unauthorised, No, "authorization is missing"),
    row(2033, Unauthorised, No, "timestamp expired or malformed"),
    row(10001, Transient, Maybe, "restart failed"),
    row(10002, Transient, Maybe, "reset failed"),
    row(100_000, Refused, No, "wrong parameters"),
    // Also "no data centre ordered": a right this one call lacks must not stop the whole account.
    row(100_001, Refused, No, "no permission"),
    row(100_002, Transient, No, "no request object"),
    row(100_003, Unauthorised, No, "authorization header is missing"),
    row(100_004, Unauthorised, No, "invalid key or signature"),
    row(100_005, Unauthorised, No, "signature check failed"),
    row(100_006, Unauthorised, No, "token is missing"),
    row(100_007, Unauthorised, No, "token is invalid"),
    row(100_008, Unauthorised, No, "token check failed"),
    row(100_009, Unauthorised, No, "account data is missing"),
    row(100_010, Transient, Maybe, "processing failed"),
    row(100_011, Busy, No, "the same request is in progress"),
    row(100_012, Refused, No, "HTTP method is not supported"),
    row(100_013, Refused, No, "parameter type or format"),
    row(110_001, Transient, Maybe, "screenshot failed"),
    row(110_003, Transient, Maybe, "shell command failed"),
    row(110_004, Transient, Maybe, "restart command failed"),
    row(110_005, Transient, Maybe, "reset command failed"),
    row(110_006, Transient, Maybe, "download failed"),
    row(110_007, Transient, Maybe, "uninstall failed"),
    row(110_008, Transient, Maybe, "start of the app failed"),
    row(110_009, Transient, Maybe, "restart of the app failed"),
    row(110_010, Transient, Maybe, "stop of the app failed"),
    row(110_011, Transient, Maybe, "change of properties failed"),
    row(110_012, Transient, Maybe, "command timed out"),
    row(110_013, NotFound, No, "no such phone"),
    row(110_014, Throttled, No, "submitted too often"),
    row(110_027, Refused, No, "a phone is named twice"),
    row(110_028, NotFound, No, "no such phone"),
    row(110_030, Refused, No, "power reset: bad request"),
    row(110_031, NotReady, No, "phone is not ready"),
    row(110_032, NotFound, No, "power reset: unknown address"),
    row(110_033, Transient, Maybe, "power reset failed"),
    row(
        110_037,
        NotReady,
        No,
        "image upgrade: wrong state of the phone",
    ),
    row(
        110_038,
        NotReady,
        No,
        "image upgrade: wrong state of the phone",
    ),
    row(110_039, Transient, Maybe, "could not add the task"),
    row(110_040, Unauthorised, No, "no such account"),
    row(110_041, NotFound, No, "no such image"),
    row(
        110_042,
        NotFound,
        No,
        "a phone of another account is in the list",
    ),
    row(110_044, Refused, No, "unknown specification"),
    row(110_045, Refused, No, "unknown screen layout"),
    row(110_051, Refused, No, "no blacklist for this specification"),
    row(110_052, Transient, Maybe, "blacklist command failed"),
    row(110_060, NotFound, No, "unknown board"),
    row(
        110_064,
        Refused,
        No,
        "phone is not fit for a real-device image",
    ),
    row(110_065, Refused, No, "parameters do not comply"),
    row(110_071, Refused, No, "phone has no net storage"),
    row(110_074, Transient, No, "no compute unit is free"),
    row(110_075, Transient, No, "no address is free"),
    row(110_076, Refused, No, "ARM subnet is missing"),
    row(110_077, Transient, No, "no MAC address is free"),
    row(110_079, NotReady, No, "compute is not yet released"),
    row(110_080, NotFound, No, "no such list"),
    row(110_084, NotFound, No, "list was deleted"),
    row(110_085, Refused, No, "name is taken"),
    row(110_089, Refused, No, "package name is missing"),
    row(110_095, NotReady, No, "nothing can be booted"),
    row(110_099, NotFound, No, "unknown template"),
    row(110_101, Refused, No, "no matching board"),
    row(111_070, Busy, No, "the phone is booting"),
    row(
        111_071,
        NotReady,
        No,
        "phone is neither off nor failed to boot",
    ),
    row(111_074, Transient, Maybe, "batch boot failed"),
    row(111_076, Busy, No, "the phone is shutting down"),
    row(111_079, NotReady, No, "board is offline"),
    row(111_081, Refused, No, "net storage 1.0 is not supported"),
    row(120_004, Transient, Maybe, "stopping the stream failed"),
    row(120_005, NotFound, No, "no such phone"),
    row(120_006, Unauthorised, No, "token is bound to another user"),
    row(120_007, Refused, No, "feature is not configured"),
    row(120_008, Unauthorised, No, "token is not ours"),
    row(140_005, NotFound, No, "file is not available"),
    row(140_006, Refused, No, "bad path"),
    row(220_001, NotReady, No, "phone is not off"),
    row(220_003, Refused, No, "storage size is not supported"),
    row(220_009, Refused, No, "storage is full or not ours"),
    row(220_010, NotReady, No, "storage is in use"),
    row(220_011, Throttled, No, "operated too often"),
    row(
        220_025,
        Busy,
        No,
        "another task is waiting or running on this phone",
    ),
    row(220_026, Refused, No, "backup has a wrong type"),
    row(220_027, NotFound, No, "backup file is gone"),
    row(220_029, NotReady, No, "phone is not running"),
    row(
        220_030,
        NotReady,
        No,
        "phone is neither running nor abnormal",
    ),
    row(220_031, Refused, No, "backup is not ours"),
    row(220_032, NotFound, No, "unknown backup"),
    row(220_033, Refused, No, "phone is too old for backups"),
    row(2_200_014, NotReady, No, "no compute is free"),
];

/// Codes that are words.
static WORDS: &[(&str, Row)] = &[(
    "PAD_NOT_RUNNING",
    row(0, NotReady, No, "phone is not running"),
)];

/// What a code and its words mean.
pub(super) fn judge(code: &str, words: &str) -> Row {
    let known = code
        .parse()
        .ok()
        .and_then(|code| {
            TABLE
                .binary_search_by_key(&code, |row| row.code)
                .ok()
                .and_then(|index| TABLE.get(index))
        })
        .or_else(|| {
            WORDS
                .iter()
                .find(|(word, _)| *word == code)
                .map(|(_, row)| row)
        });
    match known {
        // The general code is "busy" as often as it is "bad parameter"; only the words tell. So says whoever operates it.
        Some(row) if row.code == 500 && words.to_ascii_lowercase().contains("busy") => Row {
            kind: Transient,
            ..*row
        },
        Some(row) => *row,
        None => row(0, Transient, Maybe, "a code that is not in the manuals"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn every_code_of_the_manuals_is_there() {
        for code in [
            429, 500, 1104, 1116, 1218, 2019, 2020, 2031, 2032, 2033, 10001, 10002, 100000, 100001,
            100002, 100003, 100004, 100005, 100006, 100007, 100008, 100009, 100010, 100011, 100012,
            100013, 110001, 110003, 110004, 110005, 110006, 110007, 110008, 110009, 110010, 110011,
            110012, 110013, 110014, 110027, 110028, 110030, 110031, 110032, 110033, 110037, 110038,
            110039, 110040, 110041, 110042, 110044, 110045, 110051, 110052, 110060, 110064, 110065,
            110071, 110074, 110075, 110076, 110077, 110079, 110080, 110084, 110085, 110089, 110095,
            110099, 110101, 111070, 111071, 111074, 111076, 111079, 111081, 120004, 120005, 120006,
            120007, 120008, 140005, 140006, 220001, 220003, 220009, 220010, 220011, 220025, 220026,
            220027, 220029, 220030, 220031, 220032, 220033, 2200014,
        ] {
            assert_eq!(judge(&code.to_string(), "").code, code);
            assert!(!judge(&code.to_string(), "").meaning.is_empty());
        }
    }

    #[test]
    fn busy_is_told_by_words_and_unknown_codes_are_tolerated() {
        assert_eq!(judge("500", "System is BUSY").kind, Transient);
        assert_eq!(judge("500", "unsupported country").kind, Refused);
        assert_eq!(judge("PAD_NOT_RUNNING", "").kind, NotReady);
        for unknown in ["31337", "-1", "SOMETHING", ""] {
            let row = judge(unknown, "");
            assert_eq!((row.kind, row.accepted), (Transient, Maybe));
        }
    }

    #[test]
    fn what_the_vendor_did_not_start_may_be_sent_again() {
        for code in ["429", "100011", "110014", "110031", "220025"] {
            assert_eq!(judge(code, "").accepted, No);
        }
    }
}
