//! Canonical forms: the one spelling that equal meanings share, on the wished and on the observed side.
//!
//! Invariants: `canonical(canonical(x)) == canonical(x)`; every function is pure and total. Wished values must be valid; observed values that are
//! not valid stay as they are (`*_or_text`). Not here: where a value was said (`manifest`).

use super::codes;
use icu_locale_core::LanguageIdentifier;
use rustc_hash::FxHashMap;
use smol_str::{SmolStr, ToSmolStr};
use std::cmp::Ordering;
use std::sync::LazyLock;

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

impl Invalid {
    fn new(text: &str, problem: impl Into<String>) -> Self {
        Self {
            text: text.to_owned(),
            problem: problem.into(),
            suggestion: None,
        }
    }

    fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

/// The word of `known` that is nearest to `text`, if one is near enough to be what was meant.
pub fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    if let Some(same) = known.iter().find(|word| word.eq_ignore_ascii_case(text)) {
        return Some(same);
    }
    // Two letters swapped; short words have too few letters for a ratio.
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let letters = sorted(text);
    if let Some(swapped) = known.iter().find(|word| sorted(word) == letters) {
        return Some(swapped);
    }
    similar::get_close_matches(text, known, 1, 0.7).pop()
}

/// Every zone of the bundled database: lower case → canonical case.
static ZONES: LazyLock<FxHashMap<String, SmolStr>> = LazyLock::new(|| {
    jiff::tz::TimeZoneDatabase::bundled()
        .available()
        .filter(|name| name.as_str() != "Factory")
        .map(|name| (name.as_str().to_ascii_lowercase(), name.as_str().into()))
        .collect()
});

fn zone_suggestion(text: &str) -> Option<&'static str> {
    let wanted = text.trim().to_ascii_lowercase().replace(' ', "_");
    if let Some(name) = ZONES.get(&wanted) {
        return Some(name);
    }
    let mut names: Vec<&'static str> = ZONES.values().map(SmolStr::as_str).collect();
    names.sort_unstable();
    let city = wanted.rsplit('/').next().unwrap_or(&wanted);
    let same_city = |name: &&str| {
        name.rsplit('/')
            .next()
            .is_some_and(|end| end.eq_ignore_ascii_case(city))
    };
    names
        .iter()
        .copied()
        .find(|name| name.contains('/') && same_city(name))
        .or_else(|| nearest(text, &names))
}

/// IANA zone name in its canonical case (`europe/berlin` → `Europe/Berlin`).
///
/// # Errors
/// The bundled database has no such zone.
pub fn timezone(text: &str) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    zone(trimmed)
        .ok_or_else(|| Invalid::new(text, "is no IANA time zone").suggest(zone_suggestion(trimmed)))
}

fn zone(trimmed: &str) -> Option<SmolStr> {
    ZONES.get(&trimmed.to_ascii_lowercase()).cloned()
}

/// BCP 47 tag in canonical case, of a language and region that Android knows (`en_SG` and `pt-br` are read as `en-SG` and `pt-BR`).
///
/// # Errors
/// Not a tag, or an unknown language or region.
pub fn language(text: &str) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    tag(trimmed)
        .map_err(|problem| Invalid::new(text, problem).suggest(language_suggestion(trimmed)))
}

fn tag(trimmed: &str) -> Result<SmolStr, &'static str> {
    let Ok(mut tag) = LanguageIdentifier::try_from_str(&trimmed.replace('_', "-")) else {
        return Err("is no language tag such as en-US");
    };
    if let Some(code) = codes::instead(codes::OLD_LANGUAGES, tag.language.as_str()) {
        tag.language = code.parse().unwrap_or(tag.language);
    }
    if !codes::has(codes::LANGUAGES, tag.language.as_str()) {
        return Err("is of no language that Android knows");
    }
    if let Some(region) = tag.region {
        let region = region.as_str();
        if !codes::has(codes::COUNTRIES, region) && !codes::has(codes::AREAS, region) {
            return Err("is of no region that Android knows");
        }
        if let Some(script) = tag.script
            && codes::IMPLIED_SCRIPTS.contains(&(tag.language.as_str(), script.as_str(), region))
        {
            tag.script = None;
        }
    }
    Ok(tag.to_smolstr())
}

fn language_suggestion(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase().replace('_', "-");
    if let Some(tag) = codes::instead(codes::LANGUAGE_SLIPS, &lower) {
        return Some(tag.to_owned());
    }
    let (first, region) = lower.split_once('-')?;
    let upper = region.to_ascii_uppercase();
    let region = codes::instead(codes::COUNTRY_SLIPS, &upper).unwrap_or(&upper);
    let first = codes::instead(codes::LANGUAGE_SLIPS, first)
        .and_then(|tag| tag.split('-').next())
        .unwrap_or(first);
    let guess = format!("{first}-{region}");
    (guess != text && tag(&guess).is_ok()).then_some(guess)
}

/// Observed zone: canonical if it is one, else the text.
pub fn timezone_or_text(text: &str) -> SmolStr {
    let trimmed = text.trim();
    zone(trimmed).unwrap_or_else(|| trimmed.into())
}

/// Observed language: canonical if it is one, else the text.
pub fn language_or_text(text: &str) -> SmolStr {
    let trimmed = text.trim();
    tag(trimmed).unwrap_or_else(|_| trimmed.into())
}

/// The digit that makes `digits` (which lack it) pass the Luhn check; `None` if they are no digits.
fn luhn_digit(digits: &str) -> Option<char> {
    let mut sum = 0;
    for (at, digit) in digits.chars().rev().enumerate() {
        let digit = digit.to_digit(10)?;
        let doubled = digit * 2;
        sum += match (at % 2, doubled > 9) {
            (0, true) => doubled - 9,
            (0, false) => doubled,
            _ => digit,
        };
    }
    char::from_digit((10 - sum % 10) % 10, 10)
}

fn luhn_checked(text: &str, digits: &str) -> Result<SmolStr, Invalid> {
    let (body, last) = digits.split_at(digits.len() - 1);
    match luhn_digit(body) {
        Some(right) if last.starts_with(right) => Ok(digits.into()),
        Some(right) => Err(Invalid::new(
            text,
            format!("has a wrong check digit: the last digit should be {right}"),
        )
        .suggest(Some(format!("{body}{right}")))),
        None => Err(Invalid::new(text, "is not all digits")),
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// IMEI: 15 digits, the last a Luhn check digit.
///
/// # Errors
/// Wrong length, no digits, or a wrong check digit (the right one is suggested).
pub fn imei(text: &str) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    if !all_digits(trimmed) {
        return Err(Invalid::new(text, "is no IMEI: not all digits"));
    }
    match trimmed.len() {
        15 => luhn_checked(text, trimmed),
        14 => Err(
            Invalid::new(text, "is no IMEI: 14 digits, the check digit is missing")
                .suggest(luhn_digit(trimmed).map(|digit| format!("{trimmed}{digit}"))),
        ),
        many => Err(Invalid::new(
            text,
            format!("is no IMEI: {many} digits instead of 15"),
        )),
    }
}

/// ICCID: 18 to 22 digits starting with 89 (an `F` filler at the end is dropped); with 19 or 20 digits the last is a Luhn check digit.
///
/// # Errors
/// Wrong length, no digits, or a wrong check digit.
pub fn iccid(text: &str) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    let digits = trimmed
        .strip_suffix('F')
        .or_else(|| trimmed.strip_suffix('f'))
        .unwrap_or(trimmed);
    if !all_digits(digits) {
        return Err(Invalid::new(text, "is no ICCID: not all digits"));
    }
    if !digits.starts_with("89") {
        return Err(Invalid::new(text, "is no ICCID: it must start with 89"));
    }
    match digits.len() {
        19 | 20 => luhn_checked(text, digits),
        18 | 21 | 22 => Ok(digits.into()),
        many => Err(Invalid::new(
            text,
            format!("is no ICCID: {many} digits instead of 18 to 22"),
        )),
    }
}

/// Digits only, between `least` and `most` of them.
///
/// # Errors
/// Anything else.
pub fn digits(text: &str, least: usize, most: usize) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    if all_digits(trimmed) && (least..=most).contains(&trimmed.len()) {
        return Ok(trimmed.into());
    }
    let wanted = if least == most {
        format!("is not {least} digits")
    } else {
        format!("is not {least} to {most} digits")
    };
    Err(Invalid::new(text, wanted))
}

/// Places after the decimal point that are kept.
const PLACES: usize = 7;
/// One, in units of the last place.
const ONE: i128 = 10_000_000;

/// Decimal number within bounds, up to seven places, without needless zeros or sign (`01.50` → `1.5`, `-0` → `0`).
///
/// # Errors
/// No decimal number, or out of bounds.
pub fn decimal(text: &str, least: i64, most: i64) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    let (negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let fraction = fraction.trim_end_matches('0');
    let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let some_digit = unsigned.bytes().any(|byte| byte.is_ascii_digit());
    if !some_digit || !only_digits(whole) || !only_digits(fraction) {
        return Err(Invalid::new(text, "is no decimal number"));
    }
    if fraction.len() > PLACES {
        return Err(Invalid::new(text, "has more than seven decimal places"));
    }
    let outside = || Invalid::new(text, format!("is not between {least} and {most}"));
    let whole = whole.trim_start_matches('0');
    if whole.len() > 19 {
        return Err(outside());
    }
    let number = |part: &str| part.parse::<i128>().unwrap_or(0);
    let units = number(whole) * ONE + number(&format!("{fraction:0<PLACES$}"));
    let units = if negative { -units } else { units };
    if units < i128::from(least) * ONE || units > i128::from(most) * ONE {
        return Err(outside());
    }
    let sign = if units < 0 { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(if fraction.is_empty() {
        smol_str::format_smolstr!("{sign}{whole}")
    } else {
        smol_str::format_smolstr!("{sign}{whole}.{fraction}")
    })
}

/// Android package name.
///
/// # Errors
/// Not of the form `letter[letters digits _](.letter…)+`, or over 223 characters.
pub fn package(text: &str) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    let good = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if trimmed.len() > 223 {
        return Err(Invalid::new(text, "is longer than 223 characters"));
    }
    // The framework itself is the one package without a dot.
    if trimmed == "android" || (trimmed.contains('.') && trimmed.split('.').all(good)) {
        return Ok(trimmed.into());
    }
    Err(Invalid::new(
        text,
        "is no Android package such as com.example.maps",
    ))
}

/// ISO 3166 country in upper case (`sg` → `SG`).
///
/// # Errors
/// Not a country.
pub fn country(text: &str) -> Result<SmolStr, Invalid> {
    let upper = text.trim().to_ascii_uppercase();
    if codes::has(codes::COUNTRIES, &upper) {
        return Ok(upper.into());
    }
    Err(
        Invalid::new(text, "is no two-letter country code (ISO 3166)")
            .suggest(codes::instead(codes::COUNTRY_SLIPS, &upper)),
    )
}

/// Number as text (`007` → `7`), or the text itself where it is no whole number. For values that vendors send now as text, now as number.
pub fn number_or_text(text: &str) -> SmolStr {
    let trimmed = text.trim();
    trimmed
        .parse::<i64>()
        .map_or_else(|_| trimmed.into(), |number| number.to_string().into())
}

/// Compares dotted versions by their numbers (`1.10` is later than `1.9`). A part is its leading number, then the rest as text (`2-rc1` follows `2`);
/// missing parts count as 0. A total order.
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    let mut left = left.trim().split('.');
    let mut right = right.trim().split('.');
    loop {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => (a.unwrap_or("0"), b.unwrap_or("0")),
        };
        match version_part(a).cmp(&version_part(b)) {
            Ordering::Equal => {}
            unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
        }
    }
}

/// Length and digits of the leading number (which orders numbers of any size), and the rest.
fn version_part(part: &str) -> (usize, &str, &str) {
    let end = part
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(part.len());
    let (number, rest) = part.split_at(end);
    let number = number.trim_start_matches('0');
    (number.len(), number, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hint(result: Result<SmolStr, Invalid>) -> Option<String> {
        result.expect_err("should be invalid").suggestion
    }

    #[test]
    fn zones() {
        assert_eq!(timezone(" europe/berlin ").unwrap(), "Europe/Berlin");
        assert_eq!(timezone("UTC").unwrap(), "UTC");
        assert_eq!(
            timezone("America/argentina/UShuaia").unwrap(),
            "America/Argentina/Ushuaia"
        );
        assert_eq!(
            hint(timezone("Asia/Singapur")).as_deref(),
            Some("Asia/Singapore")
        );
        assert_eq!(hint(timezone("Berlin")).as_deref(), Some("Europe/Berlin"));
        assert_eq!(
            hint(timezone("America/New York")).as_deref(),
            Some("America/New_York")
        );
        assert_eq!(hint(timezone("Mars/Phobos")), None);
        assert!(timezone("GMT+1").is_err());
        assert!(timezone("Factory").is_err());
        assert!(timezone("").is_err());
        assert_eq!(timezone_or_text(" GMT+1 "), "GMT+1");
        assert_eq!(
            timezone("x").unwrap_err().to_string(),
            "\"x\" is no IANA time zone"
        );
    }

    #[test]
    fn languages() {
        assert_eq!(language("en_SG").unwrap(), "en-SG");
        assert_eq!(language("PT-br").unwrap(), "pt-BR");
        assert_eq!(language("zh-hans-cn").unwrap(), "zh-CN");
        assert_eq!(language("zh-Hant-CN").unwrap(), "zh-Hant-CN");
        assert_eq!(language("iw-IL").unwrap(), "he-IL");
        assert_eq!(language("es-419").unwrap(), "es-419");
        assert_eq!(language("ja").unwrap(), "ja");
        assert_eq!(hint(language("english")).as_deref(), Some("en-US"));
        assert_eq!(hint(language("en-UK")).as_deref(), Some("en-GB"));
        assert_eq!(hint(language("jp-JP")).as_deref(), Some("ja-JP"));
        assert!(language("xx-YY").is_err());
        assert!(language("en-ZZ").is_err());
        assert!(language("en--US").is_err());
        assert!(language("en-US-u-mu-celsius").is_err());
        assert!(language("").is_err());
        assert_eq!(language_or_text("en--US"), "en--US");
    }

    #[test]
    fn phone_numbers_of_things() {
        assert_eq!(imei("490154203237518").unwrap(), "490154203237518");
        assert_eq!(
            hint(imei("490154203237519")).as_deref(),
            Some("490154203237518")
        );
        assert_eq!(
            hint(imei("49015420323751")).as_deref(),
            Some("490154203237518")
        );
        assert!(imei("8.68E+14").is_err());
        assert!(imei("4901542032375180").is_err());
        assert_eq!(iccid("8944500102198304826").unwrap(), "8944500102198304826");
        assert_eq!(
            iccid("8944500102198304826F").unwrap(),
            "8944500102198304826"
        );
        assert_eq!(
            hint(iccid("8944500102198304827")).as_deref(),
            Some("8944500102198304826")
        );
        assert!(iccid("1244500102198304826").is_err());
        assert!(iccid("89").is_err());
        assert_eq!(digits(" 310 ", 3, 3).unwrap(), "310");
        assert!(digits("31x", 3, 3).is_err());
        assert!(digits("31", 3, 3).is_err());
    }

    #[test]
    fn numbers_packages_countries() {
        for (text, want) in [
            ("01.50", "1.5"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("+1", "1"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-0.50", "-0.5"),
            ("1.3521000", "1.3521"),
            ("90", "90"),
        ] {
            assert_eq!(decimal(text, -90, 90).unwrap(), want, "{text}");
        }
        for text in [
            "90.0000001",
            "-91",
            "1e3",
            ".",
            "",
            "-",
            "1.2.3",
            "0.12345678",
            "NaN",
            "99999999999999999999999999",
        ] {
            assert!(decimal(text, -90, 90).is_err(), "{text}");
        }
        assert_eq!(package("com.example.maps").unwrap(), "com.example.maps");
        for text in ["maps", "com..maps", "com.1maps", "com.ma-ps", ""] {
            assert!(package(text).is_err(), "{text}");
        }
        assert_eq!(country("sg").unwrap(), "SG");
        assert_eq!(hint(country("UK")).as_deref(), Some("GB"));
        assert!(country("ZZ").is_err());
    }

    #[test]
    fn versions() {
        use Ordering::{Equal, Greater, Less};
        for (left, right, want) in [
            ("1.10", "1.9", Greater),
            ("1.0", "1", Equal),
            ("1.4.2", "1.4.2-rc1", Less),
            ("01.2", "1.2", Equal),
            (
                "1.99999999999999999999999",
                "1.100000000000000000000000",
                Less,
            ),
            ("2", "10", Less),
            ("10", "1a", Greater),
            ("a", "b", Less),
        ] {
            assert_eq!(compare_versions(left, right), want, "{left} {right}");
            assert_eq!(
                compare_versions(right, left),
                want.reverse(),
                "{right} {left}"
            );
        }
    }

    proptest! {
        #[test]
        fn canonical_of_canonical_is_canonical(text in "\\PC{0,24}") {
            let same = |form: &dyn Fn(&str) -> Result<SmolStr, Invalid>| {
                if let Ok(once) = form(&text) {
                    prop_assert_eq!(form(&once).unwrap(), once);
                }
                Ok(())
            };
            same(&timezone)?;
            same(&language)?;
            same(&imei)?;
            same(&iccid)?;
            same(&package)?;
            same(&country)?;
            same(&|text| decimal(text, -180, 180))?;
            prop_assert_eq!(language_or_text(&language_or_text(&text)), language_or_text(&text));
            prop_assert_eq!(timezone_or_text(&timezone_or_text(&text)), timezone_or_text(&text));
            prop_assert_eq!(number_or_text(&number_or_text(&text)), number_or_text(&text));
        }

        #[test]
        fn tags_keep_their_form(text in "[a-zA-Z]{2,3}([-_][A-Za-z]{4})?([-_]([a-zA-Z]{2}|[0-9]{3}))?") {
            if let Ok(once) = language(&text) {
                prop_assert_eq!(language(&once).unwrap(), once);
            }
        }

        #[test]
        fn decimals_keep_their_form(text in "[-+]?[0-9]{0,4}(\\.[0-9]{0,9})?") {
            if let Ok(once) = decimal(&text, -500, 500) {
                prop_assert_eq!(decimal(&once, -500, 500).unwrap(), once);
            }
        }

        #[test]
        fn zones_in_any_case_are_one(pick in any::<prop::sample::Index>(), upper in any::<bool>()) {
            let mut names: Vec<_> = ZONES.values().collect();
            names.sort();
            let name = pick.get(&names);
            let text = if upper { name.to_uppercase() } else { name.to_lowercase() };
            prop_assert_eq!(&timezone(&text).unwrap(), *name);
        }

        #[test]
        fn one_digit_makes_an_imei(body in "[0-9]{14}") {
            let right = luhn_digit(&body).unwrap();
            for digit in '0'..='9' {
                prop_assert_eq!(imei(&format!("{body}{digit}")).is_ok(), digit == right);
            }
        }

        #[test]
        fn version_order_is_total(a in "[0-9a]{0,2}(\\.[0-9a]{1,2}){0,2}", b in "[0-9a]{0,2}(\\.[0-9a]{1,2}){0,2}", c in "[0-9a]{0,2}(\\.[0-9a]{1,2}){0,2}") {
            prop_assert_eq!(compare_versions(&a, &b), compare_versions(&b, &a).reverse());
            if compare_versions(&a, &b).is_le() && compare_versions(&b, &c).is_le() {
                prop_assert!(compare_versions(&a, &c).is_le());
            }
        }
    }
}
