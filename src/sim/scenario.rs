//! What happens to the world by itself: a list of events, written as JSON.
//!
//! Invariants: an unknown key is an error; which phones a fraction means follows from the seed. Not here: what phones do then (`world`).
//!
//! ```json
//! [ { "at": "30s", "phone": "AC32010000007", "set": { "timezone": "Asia/Tokyo" } },
//!   { "at": "1m",  "fraction": 0.1, "offline": "60s" },
//!   { "at": "2m",  "faults": { "lost": 0.05 } },
//!   { "at": "3m",  "callbacks": true } ]
//! ```

use super::faults::Faults;
use serde::{Deserialize, Deserializer};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::time::Duration;

/// A stretch of time; in files `90`, `"250ms"`, `"30s"`, `"5m"`, `"1h"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Seconds(f64),
            Text(String),
        }
        let (number, unit) = match Form::deserialize(deserializer)? {
            Form::Seconds(seconds) => (Some(seconds), 1.0),
            Form::Text(text) => {
                let (number, unit) = match text.trim() {
                    text if text.ends_with("ms") => (text.trim_end_matches("ms"), 0.001),
                    text if text.ends_with('h') => (text.trim_end_matches('h'), 3600.0),
                    text if text.ends_with('m') => (text.trim_end_matches('m'), 60.0),
                    text => (text.trim_end_matches('s'), 1.0),
                };
                (number.trim().parse::<f64>().ok(), unit)
            }
        };
        number
            .and_then(|number| Duration::try_from_secs_f64(number * unit).ok())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a duration is written 250ms, 30s, 5m or 1h"))
    }
}

/// Something that happens at a moment after the world's beginning. Without `phone`, `phones` and `fraction` it happens to every phone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// When.
    pub at: Span,
    /// To this phone.
    #[serde(default)]
    pub phone: Option<SmolStr>,
    /// To these phones.
    #[serde(default)]
    pub phones: Vec<SmolStr>,
    /// To this share of all phones.
    #[serde(default)]
    pub fraction: Option<f64>,
    /// Values that change behind the client's back.
    #[serde(default)]
    pub set: Option<Drift>,
    /// The phones lose their connection for so long.
    #[serde(default)]
    pub offline: Option<Span>,
    /// The phones get this status.
    #[serde(default)]
    pub status: Option<i16>,
    /// Somebody looks at the phones, or no longer.
    #[serde(default)]
    pub streaming: Option<bool>,
    /// The phones restart by themselves.
    #[serde(default)]
    pub restart: bool,
    /// Somebody wipes the phones.
    #[serde(default)]
    pub wipe: bool,
    /// Somebody installs the catalogue's app of this package.
    #[serde(default)]
    pub install: Option<SmolStr>,
    /// Somebody removes this package.
    #[serde(default)]
    pub uninstall: Option<SmolStr>,
    /// Another client runs a job on the phones for so long.
    #[serde(default)]
    pub other_job: Option<Span>,
    /// The phones leave the account.
    #[serde(default)]
    pub remove: bool,
    /// The vendor gives the phones other codes: the old ones with an `R` after them.
    #[serde(default)]
    pub recode: bool,
    /// From now on these faults happen.
    #[serde(default)]
    pub faults: Option<Faults>,
    /// From now on callbacks are sent to whoever fetches them, or no longer; to all clients of the account together.
    #[serde(default)]
    pub callbacks: Option<bool>,
}

/// Values that change behind the client's back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    /// The time zone.
    #[serde(default)]
    pub timezone: Option<SmolStr>,
    /// The language.
    #[serde(default)]
    pub language: Option<SmolStr>,
    /// ADB.
    #[serde(default)]
    pub adb: Option<bool>,
    /// Properties, at once and to stay.
    #[serde(default)]
    pub properties: BTreeMap<SmolStr, SmolStr>,
    /// Android settings, `global/name`.
    #[serde(default)]
    pub settings: BTreeMap<SmolStr, SmolStr>,
    /// Id of an image.
    #[serde(default)]
    pub image: Option<SmolStr>,
    /// The provider's group.
    #[serde(default)]
    pub group: Option<u32>,
}

/// The text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not the JSON it should be.
    #[error("the scenario is not a list of events")]
    Json(#[from] serde_json::Error),
    /// An event that cannot be.
    #[error("event {number}: {problem}")]
    Event {
        /// Counted from 1.
        number: usize,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a scenario file.
///
/// # Errors
/// Text that is no list of events, or rates outside 0 to 1.
pub fn parse(text: &str) -> Result<Vec<Event>, ScenarioError> {
    let events: Vec<Event> = serde_json::from_str(text)?;
    for (place, event) in events.iter().enumerate() {
        let problem = match (&event.faults, event.fraction) {
            (_, Some(fraction)) if !(0.0..=1.0).contains(&fraction) => {
                Some(format!("fraction {fraction} is not from 0 to 1"))
            }
            (Some(faults), _) => faults.check().err().map(|error| error.to_string()),
            (None, _) => None,
        };
        if let Some(problem) = problem {
            return Err(ScenarioError::Event {
                number: place + 1,
                problem,
            });
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read() {
        let events = parse(
            r#"[{"at":"30s","phone":"A","set":{"timezone":"Asia/Tokyo"}},
                {"at":90,"fraction":0.1,"offline":"1m"},
                {"at":"250ms","faults":{"lost":0.5,"5xx":0.1}},
                {"at":0,"callbacks":true,"faults":{"callback-late":0.5,"callback-late-by":"2m"}}]"#,
        )
        .unwrap();
        assert_eq!(
            events[0].set.as_ref().unwrap().timezone.as_deref(),
            Some("Asia/Tokyo")
        );
        assert_eq!(events[1].at, Span(Duration::from_secs(90)));
        assert_eq!(events[1].offline, Some(Span(Duration::from_secs(60))));
        assert_eq!(events[2].faults.as_ref().unwrap().lost, 0.5);
        assert_eq!(events[3].callbacks, Some(true));
        let late = events[3].faults.as_ref().unwrap();
        assert_eq!(late.callback_late_by, Span(Duration::from_secs(120)));
    }

    #[test]
    fn every_scenario_of_the_project_is_one() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
        let files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.len() >= 5, "{files:?}");
        for file in files {
            let events = parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
            assert!(!events.is_empty(), "{}", file.display());
        }
    }

    #[test]
    fn slips_are_refused() {
        for wrong in [
            "{}",
            r#"[{"at":"30s","phnoe":"A"}]"#,
            r#"[{"at":"soon"}]"#,
            r#"[{"at":1,"fraction":2}]"#,
            r#"[{"at":1,"faults":{"lost":3}}]"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
