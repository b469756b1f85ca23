//! The numbers that govern pace and patience; all of them settings, with the defaults of the design (section 7).
//!
//! Invariants: every duration is positive; defaults are the documented ones. Not here: limits that a vendor documents (`capability`).

use std::time::Duration;

/// A setting that was named or written wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No setting has this name.
    #[error("no setting is called {0:?}")]
    Unknown(String),
    /// The text is no value of the setting's kind.
    #[error("{name}: {text:?} is no {kind}")]
    Malformed {
        /// The setting.
        name: &'static str,
        /// What was written.
        text: String,
        /// What is expected.
        kind: &'static str,
    },
}

trait FromText: Sized {
    const KIND: &'static str;
    fn from_text(text: &str) -> Option<Self>;
    fn to_text(&self) -> String;
}

impl FromText for Duration {
    const KIND: &'static str = "duration above zero (30s, 5m, 1h30m)";
    fn from_text(text: &str) -> Option<Self> {
        let span: jiff::SignedDuration = text.parse().ok()?;
        Self::try_from(span).ok().filter(|d| !d.is_zero())
    }
    fn to_text(&self) -> String {
        jiff::SignedDuration::try_from(*self)
            .map_or_else(|_| "for ever".to_owned(), |span| format!("{span:#}"))
    }
}

impl FromText for u32 {
    const KIND: &'static str = "whole number";
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl FromText for u64 {
    const KIND: &'static str = "whole number";
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr;)*) => {
        /// The numbers that govern pace and patience.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings { $($(#[doc = $doc])+ pub $name: $kind,)* }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Settings {
            /// Name (as in Rust, snake case) and meaning of each setting.
            pub const FIELDS: &'static [(&'static str, &'static str)] = &[$((stringify!($name), concat!($($doc,)+)),)*];

            /// Sets one of them from text.
            ///
            /// # Errors
            /// No such setting, or no value of its kind.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
                match name {
                    $(stringify!($name) => {
                        self.$name = <$kind>::from_text(text).ok_or_else(|| SettingError::Malformed {
                            name: stringify!($name), text: text.to_owned(), kind: <$kind as FromText>::KIND,
                        })?;
                    })*
                    _ => return Err(SettingError::Unknown(name.to_owned())),
                }
                Ok(())
            }

            /// Name and value of each, as text that [`Settings::set`] takes.
            pub fn list(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), self.$name.to_text()),)*]
            }
        }
    };
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

settings! {
    /// One request may take this long.
    request_timeout: Duration = secs(30);
    /// A request may still take effect this long after it was sent.
    request_life: Duration = secs(60);
    /// Routine reading of everything managed (`run`).
    read_interval: Duration = secs(300);
    /// Spread of the routine reading, in percent either way.
    read_jitter_percent: u32 = 20;
    /// Age at which a listing is too old to decide on.
    listing_freshness: Duration = secs(60);
    /// Age at which properties and apps are too old to decide on.
    reading_freshness: Duration = secs(600);
    /// Deadline of jobs that change settings.
    settings_deadline: Duration = secs(120);
    /// Deadline of jobs that install or remove apps.
    apps_deadline: Duration = secs(900);
    /// Deadline of jobs that change image or identity, or restart.
    image_deadline: Duration = secs(1800);
    /// Successes without effect before `NoEffect`.
    no_effect_after: u32 = 3;
    /// Corrections within `contested_within` before `Contested`.
    contested_after: u32 = 5;
    /// Window of `contested_after`.
    contested_within: Duration = secs(3600);
    /// Failures in a row before `Quarantined`.
    quarantine_after: u32 = 6;
    /// First delay after a failure and of the quarantine.
    quarantine_first: Duration = secs(60);
    /// Longest delay of the quarantine.
    quarantine_most: Duration = secs(3600);
    /// First delay after a failed or refused attempt.
    retry_first: Duration = secs(2);
    /// Longest delay after a failed or refused attempt.
    retry_most: Duration = secs(60);
    /// Complete listings at least this far apart must miss a phone before it is absent: two, or three where the vendor tells no total.
    absent_after: Duration = secs(60);
    /// What was written shows in reads after this long at most.
    read_lag: Duration = secs(30);
    /// Longest time between two polls of one job.
    poll_most: Duration = secs(30);
    /// A change that waits for a phone in use waits at most this long.
    in_use_most: Duration = secs(14_400);
    /// `apply` waits this long for vendor reasons.
    patience: Duration = secs(600);
    /// Quiet period after a file change before manifests are read (`run`).
    quiet_period: Duration = Duration::from_millis(100);
    /// Seed of all jitter.
    seed: u64 = 0;
}
