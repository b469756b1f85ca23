//! One HTTP exchange with a vendor, as far as all adapters are alike: a request sent in a span of its own, dated and judged; and the checks of what the
//! controller asks for.
//!
//! Invariants: a request is sent once; what is logged is the call's name, how many phones it is about, and how it ended, never a header or a body. Not here:
//! making and signing requests, envelopes and codes (each adapter's own).

use super::asked::Asked;
use super::refusal::our_bug;
use super::registry::Outfit;
use super::{CallError, JobRef, ReadRequest};
use crate::model::capability::Capabilities;
use crate::model::id::PhoneId;
use crate::model::observed::{Cursor, ReadKind};
use crate::model::stamp::Timestamp;
use crate::transport::{Request, Response};
use http::{HeaderMap, HeaderValue};
use tracing::Instrument;

/// A payload with what came around it.
pub(in crate::provider) struct Answered<T> {
    /// What the answer says.
    pub(in crate::provider) payload: T,
    /// Its headers.
    pub(in crate::provider) headers: HeaderMap,
    /// When the request was sent.
    pub(in crate::provider) sent: Timestamp,
    /// When the answer was there.
    pub(in crate::provider) at: Timestamp,
}

/// Sends one request and judges its answer.
///
/// # Errors
/// No complete answer, or what `judge` makes of it.
pub(in crate::provider) async fn send<T>(
    outfit: &Outfit,
    call: &str,
    asked: &Asked<'_>,
    request: Request,
    judge: impl FnOnce(&Response, Timestamp) -> Result<T, CallError>,
) -> Result<Answered<T>, CallError> {
    let span = tracing::info_span!(
        "http_call",
        call,
        phones = asked.phones.len(),
        status = tracing::field::Empty,
        ms = tracing::field::Empty,
    );
    let within = span.clone();
    let exchange = async move {
        let sent = outfit.clock.now();
        let answer = outfit.transport.send(request).await;
        let at = outfit.clock.now();
        let ms = u64::try_from(at.since(sent).as_millis()).unwrap_or(u64::MAX);
        within.record("ms", ms);
        let response = answer.map_err(|error| {
            tracing::debug!("The call got no complete answer.");
            asked.broken(&error)
        })?;
        within.record("status", response.status().as_u16());
        match judge(&response, at) {
            Ok(payload) => {
                tracing::debug!("The call was answered.");
                Ok(Answered {
                    payload,
                    headers: response.into_parts().0.headers,
                    sent,
                    at,
                })
            }
            Err(error) => {
                tracing::debug!(code = error.code.as_deref(), kind = ?error.kind, "The call was answered with an error.");
                Err(error)
            }
        }
    };
    exchange.instrument(span).await
}

/// A header value that is not shown.
///
/// # Errors
/// Characters that no header takes (our bug: credentials are checked when an account is opened).
pub(in crate::provider) fn sensitive(text: &str) -> Result<HeaderValue, CallError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| our_bug("a secret cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The phones of a request, at most as many as the read takes.
///
/// # Errors
/// None, or too many (our bug).
pub(in crate::provider) fn checked_phones<'a>(
    request: &'a ReadRequest,
    capabilities: &Capabilities,
) -> Result<&'a [PhoneId], CallError> {
    let per_phone = match request.kind {
        ReadKind::Usage | ReadKind::Properties | ReadKind::Apps | ReadKind::Shell => true,
        ReadKind::Listing | ReadKind::AppCatalogue | ReadKind::ImageCatalogue => false,
    };
    let most = capabilities
        .read(request.kind)
        .map_or(0, |read| usize::try_from(read.max_phones).unwrap_or(0));
    let count = request.phones.len();
    if per_phone && (count == 0 || count > most) {
        return Err(our_bug(format!(
            "{count} phones in one {:?} read, which takes 1 to {most}",
            request.kind
        )));
    }
    Ok(&request.phones)
}

/// The number of the page that is asked for, where pages have numbers.
///
/// # Errors
/// A cursor that is none of ours (our bug).
pub(in crate::provider) fn page_number(request: &ReadRequest) -> Result<u32, CallError> {
    match &request.cursor {
        None => Ok(1),
        Some(Cursor(text)) => text
            .parse()
            .ok()
            .filter(|page| *page > 0)
            .ok_or_else(|| our_bug(format!("{text:?} is no page"))),
    }
}

/// That a poll asks for some jobs, and for no more than the vendor takes.
///
/// # Errors
/// It does not (our bug).
pub(in crate::provider) fn check_jobs(
    jobs: &[JobRef],
    capabilities: &Capabilities,
) -> Result<(), CallError> {
    let most = usize::try_from(capabilities.limits.poll_batch).unwrap_or(usize::MAX);
    if jobs.is_empty() || jobs.len() > most {
        return Err(our_bug(format!(
            "{} jobs in one poll, which takes 1 to {most}",
            jobs.len()
        )));
    }
    Ok(())
}

/// A read that this vendor does not have was asked for.
pub(in crate::provider) fn lacking(kind: ReadKind) -> CallError {
    our_bug(format!("there is no {kind:?} read here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::alibaba;

    #[test]
    fn pages_and_numbers_of_phones_and_jobs_are_checked() {
        let request = |kind, phones: usize, cursor: Option<&str>| ReadRequest {
            kind,
            phones: (0..phones)
                .map(|number| PhoneId::new(number.to_string()))
                .collect(),
            attributes: [].into(),
            cursor: cursor.map(|text| Cursor(text.into())),
        };
        let table = alibaba::capabilities();
        for (kind, phones, good) in [
            (ReadKind::Shell, 0, false),
            (ReadKind::Shell, 50, true),
            (ReadKind::Shell, 51, false),
            (ReadKind::Listing, 0, true),
            (ReadKind::Apps, 1, false),
        ] {
            let checked = request(kind, phones, None);
            assert_eq!(checked_phones(&checked, table).is_ok(), good, "{kind:?}");
        }
        for (cursor, page) in [
            (None, Some(1)),
            (Some("7"), Some(7)),
            (Some("0"), None),
            (Some("x"), None),
        ] {
            let asked = request(ReadKind::Listing, 0, cursor);
            assert_eq!(page_number(&asked).ok(), page, "{cursor:?}");
        }
        let job = JobRef {
            job: crate::model::id::JobId::new("t-1"),
            phone: "acp-1".into(),
            call: "RunCommand".into(),
        };
        assert!(check_jobs(&[], table).is_err());
        assert!(check_jobs(&vec![job.clone(); 100], table).is_ok());
        assert!(check_jobs(&vec![job; 101], table).is_err());
    }

    #[test]
    fn a_secret_in_a_header_is_not_shown() {
        assert!(sensitive("key").unwrap().is_sensitive());
        assert!(sensitive("two\nlines").is_err());
    }
}
