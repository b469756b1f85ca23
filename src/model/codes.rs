//! Lists behind the canonical forms: countries, languages and regions that Android knows, and near words for mistakes.
//!
//! Invariants: every list is sorted and without duplicates (a test proves it), so look-ups are binary searches.
//! Not here: the forms themselves (`canonical`).

/// ISO 3166-1 alpha-2 codes, and `XK` (Kosovo), which Android and the mobile networks use too.
pub(super) const COUNTRIES: &[&str] = &[
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ",
    "BA", "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS",
    "BT", "BV", "BW", "BY", "BZ", "CA", "CC", "CD", "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN",
    "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE", "DJ", "DK", "DM", "DO", "DZ", "EC", "EE",
    "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA", "GB", "GD", "GE", "GF",
    "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK", "HM",
    "HN", "HR", "HT", "HU", "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM",
    "JO", "JP", "KE", "KG", "KH", "KI", "KM", "KN", "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC",
    "LI", "LK", "LR", "LS", "LT", "LU", "LV", "LY", "MA", "MC", "MD", "ME", "MF", "MG", "MH", "MK",
    "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS", "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA",
    "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ", "OM", "PA", "PE", "PF", "PG",
    "PH", "PK", "PL", "PM", "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS", "RU", "RW",
    "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI", "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS",
    "ST", "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK", "TL", "TM", "TN", "TO",
    "TR", "TT", "TV", "TW", "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI",
    "VN", "VU", "WF", "WS", "XK", "YE", "YT", "ZA", "ZM", "ZW",
];

/// Regions of a language tag that are no countries.
pub(super) const AREAS: &[&str] = &["001", "150", "419"];

/// Languages with locale data in Android (its ICU), by the code that BCP 47 prefers.
pub(super) const LANGUAGES: &[&str] = &[
    "af", "agq", "ak", "am", "ar", "as", "asa", "ast", "az", "ba", "bas", "be", "bem", "bez", "bg",
    "bm", "bn", "bo", "br", "brx", "bs", "ca", "ccp", "ce", "ceb", "cgg", "chr", "ckb", "co", "cs",
    "cv", "cy", "da", "dav", "de", "dje", "doi", "dsb", "dua", "dyo", "dz", "ebu", "ee", "el",
    "en", "eo", "es", "et", "eu", "ewo", "fa", "ff", "fi", "fil", "fo", "fr", "fur", "fy", "ga",
    "gd", "gl", "gn", "gsw", "gu", "guz", "gv", "ha", "haw", "he", "hi", "hmn", "hr", "hsb", "ht",
    "hu", "hy", "ia", "id", "ig", "ii", "is", "it", "iu", "ja", "jgo", "jmc", "jv", "ka", "kab",
    "kam", "kde", "kea", "kgp", "khq", "ki", "kk", "kkj", "kl", "kln", "km", "kn", "ko", "kok",
    "ks", "ksb", "ksf", "ksh", "ku", "kw", "kxv", "ky", "la", "lag", "lb", "lg", "lkt", "ln", "lo",
    "lrc", "lt", "lu", "luo", "luy", "lv", "mai", "mas", "mer", "mfe", "mg", "mgh", "mgo", "mi",
    "mk", "ml", "mn", "mni", "mr", "ms", "mt", "mua", "my", "mzn", "naq", "nb", "nd", "nds", "ne",
    "nl", "nmg", "nn", "nnh", "no", "nus", "ny", "nyn", "om", "or", "os", "pa", "pcm", "pl", "prg",
    "ps", "pt", "qu", "raj", "rm", "rn", "ro", "rof", "ru", "rw", "rwk", "sa", "sah", "saq", "sat",
    "sbp", "sc", "sd", "se", "seh", "ses", "sg", "shi", "si", "sk", "sl", "sm", "smn", "sn", "so",
    "sq", "sr", "st", "su", "sv", "sw", "szl", "ta", "te", "teo", "tg", "th", "ti", "tk", "tn",
    "to", "tok", "tr", "tt", "twq", "tzm", "ug", "uk", "ur", "uz", "vai", "vec", "vi", "vmw", "vo",
    "vun", "wae", "wo", "xh", "xnr", "xog", "yav", "yi", "yo", "yrl", "yue", "za", "zgh", "zh",
    "zu",
];

/// Codes that Java and old Android write, and what BCP 47 prefers.
pub(super) const OLD_LANGUAGES: &[(&str, &str)] =
    &[("in", "id"), ("iw", "he"), ("ji", "yi"), ("tl", "fil")];

/// Language, script and region where the script goes without saying: Android writes `zh-Hans-CN` where `zh-CN` was set.
pub(super) const IMPLIED_SCRIPTS: &[(&str, &str, &str)] = &[
    ("sr", "Cyrl", "RS"),
    ("zh", "Hans", "CN"),
    ("zh", "Hans", "SG"),
    ("zh", "Hant", "HK"),
    ("zh", "Hant", "MO"),
    ("zh", "Hant", "TW"),
];

/// What people write for a language, and the tag they mean.
pub(super) const LANGUAGE_SLIPS: &[(&str, &str)] = &[
    ("arabic", "ar"),
    ("chinese", "zh-CN"),
    ("cn", "zh-CN"),
    ("cz", "cs-CZ"),
    ("dk", "da-DK"),
    ("english", "en-US"),
    ("french", "fr-FR"),
    ("german", "de-DE"),
    ("gr", "el-GR"),
    ("indonesian", "id-ID"),
    ("italian", "it-IT"),
    ("japanese", "ja-JP"),
    ("jp", "ja-JP"),
    ("korean", "ko-KR"),
    ("kr", "ko-KR"),
    ("malay", "ms-MY"),
    ("portuguese", "pt-BR"),
    ("russian", "ru-RU"),
    ("spanish", "es-ES"),
    ("thai", "th-TH"),
    ("ua", "uk-UA"),
    ("vietnamese", "vi-VN"),
    ("vn", "vi-VN"),
];

/// What people write for a country, and the code they mean.
pub(super) const COUNTRY_SLIPS: &[(&str, &str)] = &[
    ("CHN", "CN"),
    ("EL", "GR"),
    ("GBR", "GB"),
    ("GERMANY", "DE"),
    ("JAPAN", "JP"),
    ("SINGAPORE", "SG"),
    ("UK", "GB"),
    ("USA", "US"),
];

/// Whether a sorted list has this word.
pub(super) fn has(list: &[&str], word: &str) -> bool {
    list.binary_search(&word).is_ok()
}

/// What stands for this word in a sorted table.
pub(super) fn instead(table: &[(&'static str, &'static str)], word: &str) -> Option<&'static str> {
    table
        .binary_search_by(|(from, _)| (*from).cmp(word))
        .ok()
        .map(|at| table[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rising<T: Ord>(list: &[T]) -> bool {
        list.windows(2).all(|pair| pair[0] < pair[1])
    }

    #[test]
    fn lists_are_sorted_and_without_duplicates() {
        assert!(rising(COUNTRIES));
        assert!(rising(AREAS));
        assert!(rising(LANGUAGES));
        assert!(rising(OLD_LANGUAGES));
        assert!(rising(IMPLIED_SCRIPTS));
        assert!(rising(LANGUAGE_SLIPS));
        assert!(rising(COUNTRY_SLIPS));
        assert_eq!(COUNTRIES.len(), 250);
    }
}
