//! Zenlayer's rows as ours: instances as phones, runs as jobs.
//!
//! Invariants: a word we do not know means "wait", never failure and never success; a page's `totalCount` can say that there is more, never that there is not;
//! a job is one instance of one run. Not here: sending (`mod`), the JSON (`wire`).

use super::book::moment;
use super::wire::{Instance, Invocation, Page, Run, Tag};
use crate::model::attribute::Attribute;
use crate::model::id::{JobId, PhoneId, ProviderGroup};
use crate::model::observed::{
    Cursor, Listed, Observation, Observed, PhoneReading, ReadKind, RunState,
};
use crate::model::stamp::{Timestamp, millis};
use crate::provider::refusal::cleaned;
use crate::provider::{Found, JobRef, JobReport, JobState};
use rustc_hash::{FxHashMap, FxHashSet};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;
use std::time::Duration;

/// How far a creation time, in whole seconds by another clock, may lie before the moment of the submit.
const CLOCK_SLACK: Duration = Duration::from_secs(10);
/// A submit's runs, where it arrived more than once, are made within this time.
const ARRIVES_WITHIN: Duration = Duration::from_secs(120);

/// Where a listing goes on: the page that comes next, and how many rows there were so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) page: u32,
    pub(super) seen: usize,
}

impl Place {
    /// The beginning.
    pub(super) const FIRST: Self = Self { page: 1, seen: 0 };

    /// What a cursor says.
    pub(super) fn of(cursor: &Cursor) -> Option<Self> {
        let (page, seen) = cursor.0.split_once(':')?;
        let page = page.parse().ok().filter(|page| *page > 0)?;
        let seen = seen.parse().ok()?;
        Some(Self { page, seen })
    }

    /// The next page, if there may be one: after a full page, and where the vendor says that there are more rows than it has shown.
    fn next<T>(self, rows: &[T], total: Option<i64>, asked: u32) -> Option<Cursor> {
        let seen = self.seen + rows.len();
        let full = rows.len() >= usize::try_from(asked).unwrap_or(usize::MAX);
        let more = total
            .and_then(|total| usize::try_from(total).ok())
            .is_some_and(|total| total > seen);
        (full || (more && !rows.is_empty()))
            .then(|| Cursor(format_smolstr!("{}:{seen}", self.page + 1)))
    }
}

/// A page of instances. `group`: the key of the tag that tells a phone's group, if not its resource group does. `None`: there is no page in the answer.
pub(super) fn listing(
    page: Page<Instance>,
    place: Place,
    asked: u32,
    group: Option<&str>,
) -> Option<Observation> {
    let rows = page.data_set?;
    let next = place.next(&rows, page.total_count, asked);
    // A total that is smaller than the rows beside it says nothing.
    let seen = place.seen + rows.len();
    let total = page.total_count.and_then(|total| u64::try_from(total).ok());
    let total = total.filter(|total| usize::try_from(*total).is_ok_and(|total| total >= seen));
    let mut without_agent = 0_u32;
    let rows = rows
        .into_iter()
        .filter_map(|row| {
            let reading = phone(row, group)?;
            let told = reading.listed.as_ref();
            let broken = told.is_some_and(|listed| listed.state == RunState::Abnormal);
            without_agent += u32::from(broken);
            Some(reading)
        })
        .collect();
    if without_agent > 0 {
        tracing::info!(
            phones = without_agent,
            "Instances failed, or have no guest agent (enableAgent is false): no command can run there until they are reinstalled with the agent."
        );
    }
    Some(Observation {
        kind: ReadKind::Listing,
        rows,
        next,
        total,
        apps: Vec::new(),
        images: Vec::new(),
    })
}

fn phone(row: Instance, group: Option<&str>) -> Option<PhoneReading> {
    let Instance {
        instance_id,
        status,
        image_id,
        image_name,
        enable_agent,
        resource_group_id,
        tags,
    } = row;
    let provider_group = match group {
        None => resource_group_id,
        Some(key) => tag(tags, key),
    };
    let image = (image_id.is_some() || image_name.is_some()).then_some(Observed::Image {
        id: image_id,
        version: image_name,
    });
    Some(PhoneReading {
        phone: PhoneId::new(instance_id?),
        listed: Some(Listed {
            state: run_state(status.as_deref(), enable_agent),
            in_use: None,
            provider_group: provider_group.map(ProviderGroup::new),
        }),
        values: vec![(Attribute::Image, image.unwrap_or(Observed::Missing))],
        apps: None,
    })
}

fn tag(tags: Vec<Tag>, key: &str) -> Option<SmolStr> {
    tags.into_iter()
        .find(|tag| tag.key.as_deref() == Some(key))?
        .value
}

/// The states are those of the vendor's Terraform provider.
fn run_state(status: Option<&str>, agent: Option<bool>) -> RunState {
    match status.map(str::to_ascii_uppercase).as_deref() {
        Some("RUNNING") if agent == Some(false) => RunState::Abnormal,
        Some("RUNNING") => RunState::Running,
        Some("BOOTING" | "REBOOTING") => RunState::Restarting,
        Some("REBUILDING") => RunState::Changing,
        Some("PENDING" | "DEPLOYING" | "STOPPING" | "RESIZING") => RunState::NotReady,
        Some("CREATE_FAILED" | "REINSTALL_FAILED") => RunState::Abnormal,
        Some("STOPPED") => RunState::Off,
        Some("RELEASING" | "RECYCLE" | "RECYCLING") => RunState::Gone,
        Some(_) | None => RunState::Unknown,
    }
}

/// The job of one phone of a run.
pub(super) fn job(run: &str, phone: &PhoneId) -> JobId {
    JobId::new(format!("{run}/{phone}"))
}

/// The run of a job.
pub(super) fn run_of(job: &JobId) -> &str {
    job.submit()
}

/// Where the jobs stand, as far as the answer tells.
pub(super) fn reports(rows: &[Invocation], jobs: &[JobRef]) -> Vec<JobReport> {
    let mut runs: FxHashMap<(&str, &str), (&Invocation, &Run)> = FxHashMap::default();
    for row in rows {
        let Some(id) = row.invocation_id.as_deref() else {
            continue;
        };
        for run in row.invocation_instances.iter().flatten() {
            if let Some(instance) = run.instance_id.as_deref() {
                runs.insert((id, instance), (row, run));
            }
        }
    }
    jobs.iter()
        .filter_map(|job| {
            let (row, run) = runs.get(&(run_of(&job.job), job.phone.as_str()))?;
            Some(JobReport {
                job: job.job.clone(),
                phone: job.phone.clone(),
                state: state(row.invocation_status.as_deref(), run),
            })
        })
        .collect()
}

/// Where a word of the vendor's stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Open,
    Success,
    Failure,
    Unknown,
}

fn word(status: Option<&str>) -> Word {
    let status = status.unwrap_or_default().trim().to_ascii_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| status.contains(part));
    if status == "success" {
        Word::Success
    } else if status == "pending" || status.ends_with("ing") {
        Word::Open
    } else if says(&["fail", "error", "timeout", "timedout", "timed_out"])
        || says(&["cancel", "abort", "terminated", "exception"])
    {
        Word::Failure
    } else {
        Word::Unknown
    }
}

/// A run on one instance has ended well when it says `Success` and its script's exit status is 0 or not told. A word we do not know means that it goes on for
/// as long as the run as a whole does. That the instance does not exist any more (`instanceExist`) says nothing of what was done on it: it may have ended well
/// before, and an instance that is missing for a while comes back.
fn state(whole: Option<&str>, run: &Run) -> JobState {
    let ended = match (word(run.task_status.as_deref()), word(whole)) {
        (Word::Open, _) | (Word::Unknown, Word::Open | Word::Unknown) => return JobState::Open,
        // Without a word that we know it shares the whole run's.
        (Word::Success, _) | (Word::Unknown, Word::Success) => run.exit_code.unwrap_or(0) == 0,
        (Word::Failure, _) | (Word::Unknown, Word::Failure) => false,
    };
    if ended {
        return JobState::Succeeded(Some(run.output.clone().unwrap_or_default()));
    }
    let mut words = run.task_status.as_deref().unwrap_or("Failed").to_owned();
    if let Some(code) = run.exit_code {
        words.extend([", exit status ", &code.to_string()]);
    }
    if let Some(code) = &run.error_code {
        words.push_str(", ");
        words.push_str(code);
    }
    let said = [&run.output_error, &run.output];
    if let Some(text) = said
        .into_iter()
        .flatten()
        .find(|text| !text.trim().is_empty())
    {
        words.push_str(": ");
        words.push_str(text);
    }
    JobState::Failed(cleaned(&words, 280))
}

/// When the runs were made, as far as that is told in the manual's form.
pub(super) fn created(rows: &[Invocation]) -> impl Iterator<Item = (&str, Timestamp)> {
    rows.iter().filter_map(|row| {
        let at = moment(row.create_time.as_deref()?)?;
        Some((row.invocation_id.as_deref()?, at))
    })
}

/// What is known of a submit whose runs are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    /// What the command's name begins with, see [`script::writes`](super::script::writes).
    pub(super) family: &'a str,
    /// On these phones.
    pub(super) phones: &'a [PhoneId],
    /// When it was sent.
    pub(super) sent: Timestamp,
    /// What the vendor's times are ahead of UTC, in milliseconds.
    pub(super) zone: i64,
}

impl Search<'_> {
    /// Whether a run that was made at this moment (as if it were UTC) can be the one.
    fn fits(&self, created: Timestamp) -> bool {
        created.0 - self.zone - self.sent.0 >= -millis(CLOCK_SLACK)
    }

    /// The jobs of the submit. Nothing else of ours is started on a phone until the outcome is known, so a run that writes the same there and was made after
    /// the submit is of it; where there are several, which a request that arrived twice makes, the first one: it had the phone before the others.
    pub(super) fn found(&self, rows: &[Invocation]) -> Found {
        let known: FxHashSet<&str> = self.phones.iter().map(PhoneId::as_str).collect();
        let mut made: BTreeMap<PhoneId, Vec<(Timestamp, &str)>> = BTreeMap::new();
        for row in rows {
            let name = row.command_name.as_deref().unwrap_or_default();
            let created = row.create_time.as_deref().and_then(moment);
            let ours = name.starts_with(self.family);
            let (true, Some(created), Some(id)) = (ours, created, row.invocation_id.as_deref())
            else {
                continue;
            };
            if !self.fits(created) {
                continue;
            }
            for run in row.invocation_instances.iter().flatten() {
                let Some(instance) = run.instance_id.as_deref() else {
                    continue;
                };
                if known.contains(instance) {
                    let runs = made.entry(PhoneId::new(instance)).or_default();
                    runs.push((created, id));
                }
            }
        }
        let jobs = made
            .into_iter()
            .filter_map(|(phone, runs)| {
                let id = first_of_newest(&runs)?;
                let job = job(id, &phone);
                Some((phone, job))
            })
            .collect();
        Found::Jobs(jobs)
    }
}

/// The first of those runs that were made at about the time of the newest one: the clock may have been wrong when the submit was sent.
fn first_of_newest<'a>(runs: &[(Timestamp, &'a str)]) -> Option<&'a str> {
    let newest = runs.iter().max()?.0;
    let together = runs
        .iter()
        .filter(|(created, _)| created.after(ARRIVES_WITHIN) >= newest);
    together.min().map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use super::super::book::zone_of;
    use super::*;
    use proptest::prelude::*;

    const SENT: Timestamp = Timestamp(1_768_464_000_000);

    fn search(zone: i64) -> Search<'static> {
        Search {
            family: "",
            phones: &[],
            sent: SENT,
            zone,
        }
    }

    proptest! {
        #[test]
        fn a_run_of_the_submit_fits_in_every_zone(quarters in -48_i64..=56, late in 0_i64..60) {
            let zone = quarters * 15 * 60_000;
            let created = Timestamp(SENT.0 + zone + late * 1000);
            prop_assert!(search(zone).fits(created));
            prop_assert_eq!(zone_of(created.0 - SENT.0), zone);
        }

        #[test]
        fn what_was_before_is_not_it(before in 11_i64..100_000) {
            let created = Timestamp(SENT.0 + 8 * 3_600_000 - before * 1000);
            prop_assert!(!search(8 * 3_600_000).fits(created));
        }

        #[test]
        fn cursors_come_back(page in 1_u32..100_000, seen in 0_usize..10_000_000) {
            let place = Place { page, seen };
            let rows = vec![(); 3];
            let next = place.next(&rows, None, 3).unwrap();
            prop_assert_eq!(Place::of(&next), Some(Place { page: page + 1, seen: seen + 3 }));
        }
    }
}
