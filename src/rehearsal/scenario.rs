//! What happens in one run.
//!
//! Invariants: everything that looks like chance follows from the seed; a scenario is plain data that can be printed and shrunk. Not here: doing it (`run`).

use super::invariant::Invariant;
use super::profile::Profile;
use crate::model::fleet::ProviderKind;
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::sim::faults::Kind;
use crate::time::delay::hash;
use std::fmt;
use std::time::Duration;

/// 2027-01-15T08:00:00Z: where every world begins.
pub const BEGINNING: Timestamp = Timestamp(1_800_000_000_000);

/// Under which name a death is counted after which the clock is wrong.
pub(super) const CLOCK: &str = "crash with a wrong clock";

/// One account of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPlan {
    /// Its name.
    pub name: &'static str,
    /// Its provider.
    pub provider: ProviderKind,
    /// Its phones; three quarters of them are managed.
    pub phones: u32,
}

/// The accounts of a run of this seed: often one provider, sometimes two, sometimes all of them, and so many phones in all.
///
/// # Guarantees
/// Over many seeds each provider is met equally often; every account has four phones at least, one of them unmanaged.
pub fn cast(seed: u64, providers: &[ProviderKind], phones: u32) -> Vec<AccountPlan> {
    let count = u64::try_from(providers.len()).unwrap_or(1).max(1);
    let together = match hash("how many providers", 0, seed) % 8 {
        0..=4 => 1,
        5..=6 => 2,
        _ => count,
    };
    let together = usize::try_from(together.min(count)).unwrap_or(1);
    let first = usize::try_from(hash("which providers", 0, seed) % count).unwrap_or(0);
    let between = usize::try_from(1 + hash("and which", 0, seed) % (count - 1).max(1)).unwrap_or(1);
    let each = phones / u32::try_from(together).unwrap_or(1);
    (0..together)
        .filter_map(|number| {
            let step = if together == 2 { between } else { 1 };
            let provider = *providers.get((first + number * step) % providers.len())?;
            Some(AccountPlan {
                name: provider.as_str(),
                provider,
                phones: each.max(4),
            })
        })
        .collect()
}

/// One run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Decides everything that looks like chance.
    pub seed: u64,
    /// The accounts.
    pub accounts: Vec<AccountPlan>,
    /// How long things go wrong.
    pub hours: f64,
    /// How long nothing may happen after everything is as wished.
    pub quiet: Duration,
    /// How often what goes wrong.
    pub profile: Profile,
    /// How often the manifests are edited while things go wrong.
    pub editions: u32,
    /// Whether callbacks are registered where a vendor has them; faults that befall them register them too.
    pub callbacks: bool,
    /// Edits of the manifests at moments of their own, beside those.
    pub edits: Vec<Duration>,
    /// What happens at points of the run, whatever the rates say.
    pub mischief: Vec<(Point, Mischief)>,
    /// The run ends as soon as one of these is broken.
    pub ends_at: Vec<Invariant>,
    /// Whether points, jobs and phones are written down for plans (`reference`).
    pub record: bool,
    /// The numbers.
    pub settings: Settings,
}

/// A point of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The request of this number leaves (counted from 1).
    Request(u64),
    /// The journal is written for this time (counted from 1).
    Write(u64),
    /// The program has waited for this time (counted from 1): between two of its turns.
    Wait(u64),
}

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
    /// The connection is refused.
    Refused,
    /// The request is lost on its way.
    RequestLost,
    /// The request arrives so much later, in seconds.
    Delayed(u32),
    /// A proxy sends the request twice; the copy arrives so much later, in seconds.
    Doubled(u32),
    /// A fault of the vendor's: answers lost, garbled, HTML, 429, 5xx, pages cut, doubled, emptied, jobs that fail or hang.
    Vendor(Kind),
    /// The same for every phone that the request concerns.
    Everywhere(Kind),
    /// The process dies before the request leaves, or before anything is written.
    CrashBefore,
    /// The process dies when the request has left, or when everything is written and before that is known.
    CrashAfter,
    /// The process dies when the answer is there.
    CrashOnAnswer,
    /// The process dies, after what it wrote is durable; the clocks of those after it are wrong by so many seconds until nothing goes wrong any more.
    CrashWithClock(i32),
    /// The process is asked to end.
    Stop,
    /// The manifests are changed.
    Edit,
    /// The manifests are changed to something wrong.
    BadEdit,
    /// The disk is full.
    DiskFull,
    /// Writing fails at the last moment: it may be on disk or not.
    SyncFails,
    /// From now on the disk can only be read, for five minutes.
    ReadOnly,
    /// Something happens to a phone.
    World(Deed),
}

/// What happens to a phone by itself or by other people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Somebody changes values.
    Drift,
    /// It loses its connection.
    Cut,
    /// It vanishes for a while; one half comes back with another code.
    Vanish,
    /// Another client works on it.
    Other,
    /// It restarts by itself, and is abnormal for a while (11→14→10).
    Fall,
}

impl Deed {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::Drift,
        Self::Cut,
        Self::Vanish,
        Self::Other,
        Self::Fall,
    ];

    /// As it stands in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Cut => "cut",
            Self::Vanish => "vanish",
            Self::Other => "other",
            Self::Fall => "fall",
        }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            accounts: vec![AccountPlan {
                name: "lab",
                provider: ProviderKind::ArmCloud,
                phones: 100,
            }],
            hours: 1.0,
            quiet: Duration::from_secs(3_600),
            profile: Profile::default(),
            editions: 2,
            callbacks: false,
            edits: Vec::new(),
            mischief: Vec::new(),
            ends_at: Vec::new(),
            record: false,
            settings: Settings::default(),
        }
    }
}

impl Scenario {
    /// The same with another seed.
    pub fn with_seed(&self, seed: u64) -> Self {
        Self {
            seed,
            ..self.clone()
        }
    }

    /// How far the clock of a process is wrong that starts after so many writes and waits, in milliseconds, as planned.
    pub(super) fn planned_shift(&self, writes: u64, waits: u64) -> i64 {
        let mut planned = self.mischief.iter();
        let shift = planned.find_map(|(point, mischief)| {
            let Mischief::CrashWithClock(seconds) = mischief else {
                return None;
            };
            let passed = match point {
                Point::Write(number) => *number <= writes,
                Point::Wait(number) => *number <= waits,
                Point::Request(_) => false,
            };
            passed.then_some(i64::from(*seconds) * 1_000)
        });
        shift.unwrap_or(0)
    }

    /// What was planned for a point.
    pub(super) fn at(&self, point: Point) -> impl Iterator<Item = Mischief> + '_ {
        let planned = self.mischief.iter();
        planned
            .filter(move |(at, _)| *at == point)
            .map(|(_, mischief)| *mischief)
    }

    /// A number from 0 to below `below` that depends on the seed and on what it is for.
    pub(super) fn draw(&self, purpose: &str, number: u64, below: u64) -> u64 {
        hash(purpose, number, self.seed) % below.max(1)
    }

    /// How long things go wrong.
    pub(super) fn span(&self) -> Duration {
        Duration::from_secs_f64((self.hours * 3_600.0).clamp(0.0, 1e9))
    }

    /// Moments at which something happens about so often an hour, while things go wrong: a number and when.
    pub(super) fn moments(&self, purpose: &str, per_hour: f64) -> Vec<(u64, Timestamp)> {
        let span = u64::try_from(self.span().as_millis()).unwrap_or(0);
        let expected = per_hour * self.hours;
        let whole = expected.floor();
        let more = share(self.draw(purpose, u64::MAX, 1 << 32)) < expected - whole;
        let mut count = 0;
        while f64::from(count) < whole {
            count += 1;
        }
        count += u32::from(more);
        let mut moments: Vec<(u64, Timestamp)> = (0..u64::from(count))
            .map(|number| {
                let after = self.draw(purpose, number, span);
                (number, BEGINNING.after(Duration::from_millis(after)))
            })
            .collect();
        moments.sort_unstable_by_key(|(number, at)| (*at, *number));
        moments
    }
}

/// A 32-bit number as a share of one.
fn share(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.seed)?;
        for account in &self.accounts {
            write!(f, ", {} {} phones", account.phones, account.provider)?;
        }
        write!(
            f,
            ", {} h, {} editions, faults {}",
            self.hours, self.editions, self.profile
        )?;
        for (point, mischief) in &self.mischief {
            write!(f, ", {mischief:?} at {point:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_provider_is_met_alone_with_another_and_with_all() {
        let mut met: BTreeMap<(ProviderKind, usize), u32> = BTreeMap::new();
        for seed in 0..2_000 {
            let accounts = cast(seed, &ProviderKind::ALL, 100);
            let mut providers: Vec<ProviderKind> =
                accounts.iter().map(|account| account.provider).collect();
            providers.dedup();
            assert_eq!(providers.len(), accounts.len(), "seed {seed}: {accounts:?}");
            let phones: u32 = accounts.iter().map(|account| account.phones).sum();
            assert!((96..=100).contains(&phones), "seed {seed}: {phones}");
            for provider in providers {
                *met.entry((provider, accounts.len())).or_default() += 1;
            }
        }
        for provider in ProviderKind::ALL {
            for (together, least) in [(1, 150), (2, 100), (6, 150)] {
                let times = met.get(&(provider, together)).copied().unwrap_or(0);
                assert!(times >= least, "{provider}, {together} together: {times}");
            }
        }
        let one = cast(3, &[ProviderKind::Zenlayer], 10);
        assert_eq!((one.len(), one[0].phones), (1, 10));
    }
}
