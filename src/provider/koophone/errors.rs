//! KooPhone's error codes, as data: what kind each is, and whether the vendor can have done something.
//!
//! Invariants: codes are unique and sorted; the number at the end of a code decides, however its beginning is spelled; a code that is not here is Transient,
//! and may have been accepted. Not here: HTTP statuses without a code (`answer`).
//! Source: the error tables of the vendor's manuals, which break off after 3009.

use crate::provider::Accepted::{self, Maybe, No};
use crate::provider::ErrorKind::{
    self, NotFound, NotReady, Refused, Throttled, Transient, Unauthorised,
};

/// Whose code it is: their numbers overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// The service: `KOOPHONE.API.1000`, `KooPhone.API.1000`, `KP.API.1000`, `common.00001000`.
    Service,
    /// The gateway before it: `APIGW.0301`.
    Gateway,
    /// A phone's own host, in a job's row: `CPS0005`.
    Host,
}

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Whose code it is.
    pub(super) family: Family,
    /// The number at its end.
    pub(super) number: u32,
    /// What kind of error it is.
    pub(super) kind: ErrorKind,
    /// Whether something can have been done.
    pub(super) accepted: Accepted,
    /// What it means, where the answer has no words of its own.
    pub(super) meaning: &'static str,
}

const fn service(number: u32, kind: ErrorKind, accepted: Accepted, meaning: &'static str) -> Row {
    Row {
        family: Family::Service,
        number,
        kind,
        accepted,
        meaning,
    }
}

const fn gateway(number: u32, kind: ErrorKind, accepted: Accepted, meaning: &'static str) -> Row {
    Row {
        family: Family::Gateway,
        ..service(number, kind, accepted, meaning)
    }
}

/// All known codes, sorted.
pub(super) static TABLE: &[Row] = &[
    service(0, Unauthorised, No, "the tenant is missing"),
    service(1, Unauthorised, No, "the header x-tenant-id is missing"),
    service(2, Refused, No, "the header x-request-id is missing"),
    service(4, Unauthorised, No, "the project is missing"),
    service(5, Refused, No, "a header is missing"),
    service(1000, Refused, No, "a parameter is wrong"),
    // Of one phone: a right it lacks there must not stop the whole account.
    service(1001, Refused, No, "no permission on a phone"),
    service(1002, Refused, No, "the phones are in different regions"),
    service(1004, Unauthorised, No, "the service is not subscribed"),
    service(1012, Refused, No, "not all phones are this tenant's"),
    service(1323, NotFound, No, "no such install task"),
    service(2001, NotFound, No, "no such cloud app"),
    service(2002, Refused, No, "the cloud app is not authorised"),
    service(2003, NotReady, No, "no phone is idle"),
    service(2004, NotReady, No, "the phone is frozen"),
    service(2005, NotReady, No, "the phone is being restored"),
    service(2006, NotReady, No, "the phone is being backed up"),
    service(3002, Refused, No, "no such specification in this region"),
    service(3003, Refused, No, "an OS version is needed"),
    service(3006, Refused, No, "period out of range"),
    service(3007, Refused, No, "period out of range"),
    service(3008, Refused, No, "fast_install is neither 0 nor 1"),
    service(4001, NotFound, No, "no such phone"),
    service(
        5001,
        Refused,
        No,
        "a phone paid on demand cannot be deleted",
    ),
    service(5002, Refused, No, "a time has a wrong format"),
    service(5004, Refused, No, "the end lies before the start"),
    service(5005, NotReady, No, "not all phones are running"),
    service(9999, Transient, Maybe, "internal error"),
    gateway(101, Refused, No, "no such API"),
    // The gateway's general code; the HTTP status tells more, see `judge`.
    gateway(201, Refused, No, "bad request"),
    gateway(301, Unauthorised, No, "wrong IAM credentials"),
    gateway(302, Unauthorised, No, "not authorised for this API"),
    gateway(303, Unauthorised, No, "wrong app credentials"),
    gateway(308, Throttled, No, "over the rate limit"),
    Row {
        family: Family::Host,
        ..service(5, NotFound, No, "no such phone")
    },
];

/// Family and number of a code; `None`: it does not end in a number.
pub(super) fn split(code: &str) -> Option<(Family, u32)> {
    let code = code.trim();
    let head = code.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = code[head.len()..].parse().ok()?;
    let begins = |with: &str| {
        head.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let family = if begins("APIGW") {
        Family::Gateway
    } else if begins("CPS") {
        Family::Host
    } else {
        Family::Service
    };
    Some((family, number))
}

/// What a code means that came with this HTTP status.
pub(super) fn judge(code: &str, status: u16) -> Row {
    let known = split(code).and_then(|key| {
        let place = TABLE.binary_search_by_key(&key, |row| (row.family, row.number));
        place.ok().map(|place| TABLE[place])
    });
    match known {
        Some(row) if row.family == Family::Gateway && row.number == 201 && status >= 500 => Row {
            kind: Transient,
            accepted: Maybe,
            meaning: "the service behind the gateway does not answer",
            ..row
        },
        Some(row) => row,
        None => service(
            u32::MAX,
            Transient,
            Maybe,
            "a code that is not in the manuals",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        let key = |row: &Row| (row.family, row.number);
        assert!(TABLE.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
        assert!(TABLE.iter().all(|row| !row.meaning.is_empty()));
    }

    #[test]
    fn every_code_of_the_manuals_is_there() {
        let codes = [
            ("KOOPHONE.API.0000", Unauthorised, No),
            ("KOOPHONE.API.0001", Unauthorised, No),
            ("KOOPHONE.API.0002", Refused, No),
            ("KOOPHONE.API.0004", Unauthorised, No),
            ("KOOPHONE.API.0005", Refused, No),
            ("KOOPHONE.API.1000", Refused, No),
            ("KOOPHONE.API.1001", Refused, No),
            ("KOOPHONE.API.1002", Refused, No),
            ("KOOPHONE.API.1004", Unauthorised, No),
            ("KOOPHONE.API.1012", Refused, No),
            ("KOOPHONE.API.1323", NotFound, No),
            ("KOOPHONE.API.2001", NotFound, No),
            ("KOOPHONE.API.2002", Refused, No),
            ("KOOPHONE.API.2003", NotReady, No),
            ("KOOPHONE.API.2004", NotReady, No),
            ("KOOPHONE.API.2005", NotReady, No),
            ("KOOPHONE.API.2006", NotReady, No),
            ("KOOPHONE.API.3002", Refused, No),
            ("KOOPHONE.API.3003", Refused, No),
            ("KOOPHONE.API.3006", Refused, No),
            ("KOOPHONE.API.3007", Refused, No),
            ("KOOPHONE.API.3008", Refused, No),
            ("KOOPHONE.API.4001", NotFound, No),
            ("KOOPHONE.API.5001", Refused, No),
            ("KOOPHONE.API.5002", Refused, No),
            ("KOOPHONE.API.5004", Refused, No),
            ("KOOPHONE.API.5005", NotReady, No),
            ("KOOPHONE.API.9999", Transient, Maybe),
            ("CPS0005", NotFound, No),
            ("APIGW.0101", Refused, No),
            ("APIGW.0301", Unauthorised, No),
            ("APIGW.0302", Unauthorised, No),
            ("APIGW.0303", Unauthorised, No),
            ("APIGW.0308", Throttled, No),
        ];
        for (code, kind, accepted) in codes {
            let row = judge(code, 200);
            assert_eq!((row.kind, row.accepted), (kind, accepted), "{code}");
            assert_ne!(row.number, u32::MAX, "{code}");
        }
        // And the gateway's general code, which is judged by its status below.
        assert_eq!(TABLE.len(), codes.len() + 1);
    }

    #[test]
    fn the_number_decides_however_the_rest_is_spelled() {
        for code in [
            "KOOPHONE.API.4001",
            "KooPhone.API.4001",
            "koophone.api.4001",
            "KP.API.4001",
            "common.00004001",
            "4001",
        ] {
            assert_eq!(judge(code, 200).meaning, "no such phone", "{code}");
        }
        assert_eq!(judge("apigw.0301", 401).kind, Unauthorised);
        assert_eq!(judge("cps0005", 200).kind, NotFound);
        assert_eq!(judge("KOOPHONE.API.0301", 200).number, u32::MAX);
    }

    #[test]
    fn the_gateway_tells_a_bad_request_from_a_dead_service_by_its_status() {
        for status in [400, 413, 414, 494] {
            let row = judge("APIGW.0201", status);
            assert_eq!((row.kind, row.accepted), (Refused, No), "{status}");
        }
        for status in [502, 504] {
            let row = judge("APIGW.0201", status);
            assert_eq!((row.kind, row.accepted), (Transient, Maybe), "{status}");
        }
    }

    #[test]
    fn unknown_codes_are_tolerated() {
        for code in [
            "KOOPHONE.API.7777",
            "",
            "odd",
            "99999999999999999999",
            "-1x",
        ] {
            let row = judge(code, 200);
            assert_eq!((row.kind, row.accepted), (Transient, Maybe), "{code}");
        }
    }
}
