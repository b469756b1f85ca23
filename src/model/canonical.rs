//! Canonical forms: the one spelling that equal meanings share, on the wished and on the observed side.
//!
//! Invariants: `canonical(canonical(x)) == canonical(x)`; every function is pure and total. Wished values must be valid; observed values that are
//! not valid stay as they are (`*_or_text`). Not here: where a value was said (`manifest`).

use smol_str::SmolStr;

/// A text that is no value of its kind. Shown after the field's name: "timezone: {text:?} {problem}".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} {problem}")]
pub struct Invalid {
    /// What was written.
    pub text: String,
    /// What is wrong with it ("is no IANA time zone").
    pub problem: String,
    /// What may have been meant, if anything is near.
    pub suggestion: Option<String>,
}

/// IANA zone name in its canonical case (`europe/berlin` → `Europe/Berlin`).
///
/// # Errors
/// The bundled database has no such zone.
pub fn timezone(text: &str) -> Result<SmolStr, Invalid> {
    unimplemented!("{text}")
}

/// BCP 47 tag in canonical case, of a language and region that Android knows (`en_SG` and `pt-br` are read as `en-SG` and `pt-BR`).
///
/// # Errors
/// Not a tag, or an unknown language or region.
pub fn language(text: &str) -> Result<SmolStr, Invalid> {
    unimplemented!("{text}")
}

/// Observed zone: canonical if it is one, else the text.
pub fn timezone_or_text(text: &str) -> SmolStr {
    timezone(text).unwrap_or_else(|_| text.trim().into())
}

/// Observed language: canonical if it is one, else the text.
pub fn language_or_text(text: &str) -> SmolStr {
    language(text).unwrap_or_else(|_| text.trim().into())
}

/// IMEI: 15 digits, the last a Luhn check digit.
///
/// # Errors
/// Wrong length, no digits, or a wrong check digit (the right one is suggested).
pub fn imei(text: &str) -> Result<SmolStr, Invalid> {
    unimplemented!("{text}")
}

/// ICCID: 18 to 22 digits starting with 89 (an `F` filler at the end is dropped); with 19 or 20 digits the last is a Luhn check digit.
///
/// # Errors
/// Wrong length, no digits, or a wrong check digit.
pub fn iccid(text: &str) -> Result<SmolStr, Invalid> {
    unimplemented!("{text}")
}

/// Digits only, between `least` and `most` of them.
///
/// # Errors
/// Anything else.
pub fn digits(text: &str, least: usize, most: usize) -> Result<SmolStr, Invalid> {
    unimplemented!("{text} {least} {most}")
}

/// Decimal number within bounds, up to seven places, without needless zeros or sign (`01.50` → `1.5`, `-0` → `0`).
///
/// # Errors
/// No decimal number, or out of bounds.
pub fn decimal(text: &str, least: i64, most: i64) -> Result<SmolStr, Invalid> {
    unimplemented!("{text} {least} {most}")
}

/// Android package name.
///
/// # Errors
/// Not of the form `letter[letters digits _](.letter…)+`, or over 223 characters.
pub fn package(text: &str) -> Result<SmolStr, Invalid> {
    unimplemented!("{text}")
}

/// ISO 3166 country in upper case (`sg` → `SG`).
///
/// # Errors
/// Not a country.
pub fn country(text: &str) -> Result<SmolStr, Invalid> {
    unimplemented!("{text}")
}

/// Number as text (`007` → `7`), or the text itself where it is no whole number. For values that vendors send now as text, now as number.
pub fn number_or_text(text: &str) -> SmolStr {
    let trimmed = text.trim();
    trimmed
        .parse::<i64>()
        .map_or_else(|_| trimmed.into(), |number| number.to_string().into())
}

/// Compares dotted versions by their numbers (`1.10` is later than `1.9`); parts that are no numbers compare as text, missing parts as 0.
pub fn compare_versions(left: &str, right: &str) -> std::cmp::Ordering {
    unimplemented!("{left} {right}")
}
