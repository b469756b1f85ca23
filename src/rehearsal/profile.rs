//! Named mixtures of faults.
//!
//! Invariants: every fault can be switched by itself; a profile prints as the text that gives it. Not here: what a fault does (`network`, `sim::faults`).

use crate::sim::faults::{Faults, FaultsError, Kind};
use std::fmt;

macro_rules! disturbances {
    ($($(#[doc = $doc:literal])+ $field:ident: $name:literal;)*) => {
        /// How often things go wrong that do not happen inside a vendor: shares of requests, or times an hour.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct Disturbances { $($(#[doc = $doc])+ pub $field: f64,)* }

        impl Disturbances {
            /// Name and rate of each.
            pub fn list(&self) -> Vec<(&'static str, f64)> {
                vec![$(($name, self.$field),)*]
            }

            /// The rate of this name.
            pub fn rate_mut(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

disturbances! {
    /// Share of requests that are lost on their way.
    request_lost: "request-lost";
    /// Share of requests that arrive up to 55 s late.
    request_delayed: "request-delayed";
    /// Share of requests that a proxy sends twice, the copy up to 50 s later.
    request_doubled: "request-doubled";
    /// Crashes an hour, at any moment.
    crash: "crash";
    /// Share of requests at which the process dies: before they leave, after, or when the answer is there.
    crash_at_request: "crash-at-request";
    /// Share of writes to the journal at which the process dies: before or after they are durable.
    crash_at_write: "crash-at-write";
    /// Stops (SIGTERM) an hour.
    stop: "stop";
    /// Share of writes to the journal that fail because the disk is full, or at its fsync.
    disk: "disk";
    /// Times an hour that phones change behind our back.
    drift: "drift";
    /// Times an hour that a phone loses its connection.
    cut: "cut";
    /// Times an hour that a phone vanishes for a while; one half comes back with another code.
    vanish: "vanish";
    /// Times an hour that another client works on a phone.
    other: "other";
    /// Times an hour that a phone restarts by itself and is abnormal for a while (11→14→10).
    fall: "fall";
    /// Share of restarts of the process at which the clock has jumped.
    clock: "clock";
    /// Wrong manifests an hour.
    bad_edit: "bad-edit";
}

/// A mixture of faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Inside the vendors.
    pub vendor: Faults,
    /// Everywhere else.
    pub around: Disturbances,
}

/// Faults inside vendors that never make sense in a mixture: `late` is done by the network, the others are covered by their finer kinds.
const NOT_MIXED: [Kind; 2] = [Kind::Late, Kind::ServerError];

const NETWORK: &str = "refused=0.01,lost=0.02,5xx-before=0.01,5xx-after=0.01,throttle=0.005,throttle-bare=0.005,throttle-lying=0.002,html=0.005,garbled=0.005,huge=0.002,slow=0.02,request-lost=0.01,request-delayed=0.01,request-doubled=0.01";
const VENDOR: &str = "fail=0.01,hang=0.003,no-effect=0.003,fail-done=0.003,twice=0.003,revert=0.003,lag=0.02,missing-row=0.005,offline=0.01,abnormal=0.05,stale=0.02,short-page=0.01,empty-page=0.005,doubled-page=0.01";
const CRASH: &str =
    "crash=3,crash-at-request=0.003,crash-at-write=0.003,stop=1,disk=0.002,clock=0.2";
const WORLD: &str = "drift=4,cut=4,vanish=1,other=3,fall=2,bad-edit=1";
const CALLBACKS: &str = "callback-lost=0.05,callback-doubled=0.02,callback-late=0.1,callback-forged=0.02,callback-foreign=0.02";

impl Profile {
    /// Names of the mixtures, and what they hold.
    pub const NAMED: [(&'static str, &'static str); 7] = [
        ("none", "nothing goes wrong"),
        ("network", "requests and answers"),
        ("vendor", "jobs, phones and lists"),
        ("crash", "deaths, stops, disks and clocks"),
        ("world", "what other people do"),
        ("callbacks", "what vendors tell unasked"),
        ("all", "everything together"),
    ];

    /// A mixture by its name, or a list as `lost=0.05,crash=2`; a name may stand in the list.
    ///
    /// # Errors
    /// A name that is no fault, or a rate that is none.
    pub fn parse(text: &str) -> Result<Self, FaultsError> {
        let mut profile = Self::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let mixture = match part {
                "none" => "",
                "network" => NETWORK,
                "vendor" => VENDOR,
                "crash" => CRASH,
                "world" => WORLD,
                "callbacks" => CALLBACKS,
                "all" => {
                    profile = Self::parse("network,vendor,crash,world,callbacks")?;
                    continue;
                }
                other => other,
            };
            profile.add(mixture)?;
        }
        Ok(profile)
    }

    fn add(&mut self, text: &str) -> Result<(), FaultsError> {
        let mut vendor = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return Err(FaultsError(format!(
                    "{part:?} is neither a profile ({}) nor NAME=RATE",
                    Self::NAMED.map(|(name, _)| name).join(", ")
                )));
            };
            match self.around.rate_mut(name.trim()) {
                Some(rate) => {
                    *rate = value
                        .trim()
                        .parse()
                        .ok()
                        .filter(|rate: &f64| rate.is_finite() && *rate >= 0.0)
                        .ok_or_else(|| FaultsError(format!("{name} = {value} is no rate")))?;
                }
                None => vendor.push(part),
            }
        }
        self.vendor = merged(&self.vendor, &Faults::parse(&vendor.join(","))?);
        Ok(())
    }

    /// Whether callbacks are lost, doubled, late or forged: they must be registered for that.
    pub fn befalls_callbacks(&self) -> bool {
        let mut kinds = Kind::OF_CALLBACKS.into_iter();
        kinds.any(|kind| self.vendor.rate(kind) > 0.0)
    }

    /// Names of what is switched on.
    pub fn switched_on(&self) -> Vec<&'static str> {
        let vendor = Kind::ALL
            .into_iter()
            .filter(|kind| self.vendor.rate(*kind) > 0.0)
            .map(Kind::as_str);
        let around = self.around.list().into_iter();
        vendor
            .chain(around.filter(|(_, rate)| *rate > 0.0).map(|(name, _)| name))
            .collect()
    }

    /// The same without this one.
    pub fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        if let Some(rate) = other.around.rate_mut(name) {
            *rate = 0.0;
        }
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == name) {
            *other.vendor.rate_mut(kind) = 0.0;
        }
        other
    }
}

/// Rates of the second where it has any, else of the first; durations of the second.
fn merged(first: &Faults, second: &Faults) -> Faults {
    let mut all = second.clone();
    for kind in Kind::ALL
        .into_iter()
        .filter(|kind| !NOT_MIXED.contains(kind))
    {
        if all.rate(kind) == 0.0 {
            *all.rate_mut(kind) = first.rate(kind);
        }
    }
    all
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vendor = Kind::ALL
            .into_iter()
            .map(|kind| (kind.as_str(), self.vendor.rate(kind)));
        let mut on = vendor
            .chain(self.around.list())
            .filter(|(_, rate)| *rate > 0.0)
            .peekable();
        if on.peek().is_none() {
            return f.write_str("none");
        }
        for (place, (name, rate)) in on.enumerate() {
            write!(f, "{}{name}={rate}", if place > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_prints_as_the_text_that_gives_it() {
        for (name, _) in Profile::NAMED {
            let profile = Profile::parse(name).unwrap();
            assert_eq!(
                Profile::parse(&profile.to_string()).unwrap(),
                profile,
                "{name}"
            );
        }
        let mixed = Profile::parse("network,crash=7,lost=0.5").unwrap();
        assert_eq!((mixed.around.crash, mixed.vendor.lost), (7.0, 0.5));
        assert!(mixed.vendor.refused > 0.0);
    }

    #[test]
    fn everything_can_be_switched_off_by_itself() {
        let all = Profile::parse("all").unwrap();
        let names = all.switched_on();
        assert!(names.len() >= 35, "{names:?}");
        for name in &names {
            let without = all.without(name);
            assert_eq!(without.switched_on().len(), names.len() - 1, "{name}");
        }
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for wrong in [
            "lots",
            "lost",
            "lost=2",
            "crash=-1",
            "crash=often",
            "crash=inf",
        ] {
            assert!(Profile::parse(wrong).is_err(), "{wrong}");
        }
    }
}
