//! The least number of calls that converging takes, computed from a capability table and from what the phones lack; never from the code under test.
//!
//! Not here: what was really called (the simulator's report).

use phonefleet::model::attribute::Attribute;
use phonefleet::model::capability::{Capabilities, ReadMethod};
use phonefleet::model::fleet::AppSource;
use phonefleet::model::observed::ReadKind;
use phonefleet::model::value::{Value, Wish};
use std::collections::BTreeMap;

/// One thing that is wished, and how many phones lack it.
pub(crate) struct Need {
    pub(crate) attribute: Attribute,
    pub(crate) wish: Wish,
    pub(crate) source: Option<AppSource>,
    pub(crate) phones: u64,
}

/// The least a vendor's limits allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Least {
    /// Reads before and after: the listing once, the rest twice, catalogues once.
    pub(crate) reads: u64,
    /// Orders, each for as many phones and attributes as the call takes.
    pub(crate) writes: u64,
    /// Requests that prepare the different calls, and clear away after them.
    pub(crate) preparing: u64,
    /// Jobs.
    pub(crate) jobs: u64,
    /// Polls, if every job were asked about once.
    pub(crate) polls: u64,
}

impl Least {
    /// Calls, polls apart.
    pub(crate) fn calls(&self) -> u64 {
        self.reads + self.writes + self.preparing
    }

    /// For so many phones that have these needs.
    pub(crate) fn of(table: &'static Capabilities, phones: u64, needs: &[Need]) -> Self {
        let mut least = Self::default();
        let size = |kind: ReadKind| {
            let read = table.read(kind).expect("a read");
            (
                u64::from(read.max_phones),
                u64::from(read.max_attributes),
                read,
            )
        };
        let (rows, _, _) = size(ReadKind::Listing);
        least.reads += phones.div_ceil(rows);
        let mut kinds: BTreeMap<ReadKind, Vec<&Need>> = BTreeMap::new();
        for need in needs {
            let row = table.of(&need.attribute).expect("a row");
            if let ReadMethod::By(kind) = row.read
                && kind != ReadKind::Listing
            {
                kinds.entry(kind).or_default().push(need);
            }
        }
        for (kind, needs) in &kinds {
            let (batch, attributes, read) = size(*kind);
            let count = needs.len() as u64;
            let rounds = count.div_ceil(attributes);
            least.reads += phones.div_ceil(batch) * rounds;
            // After: what was written, of the phones it was written to.
            least.reads += if attributes == 1 {
                needs.iter().map(|need| need.phones.div_ceil(batch)).sum()
            } else {
                let most = needs.iter().map(|need| need.phones).max().unwrap_or(0);
                most.div_ceil(batch) * rounds
            };
            let script = u64::from(read.requests - 1);
            least.preparing += script * rounds;
            if read.job {
                least.jobs += 2 * phones * rounds;
            }
        }
        let from_catalogue =
            |need: &&Need| matches!(need.source, Some(AppSource::Catalogue { .. }));
        if needs.iter().any(|need| from_catalogue(&need))
            && table.read(ReadKind::AppCatalogue).is_some()
        {
            least.reads += 1;
        }
        // Equal calls of one stage for the same phones go together, as far as the call takes several attributes.
        let mut steps: BTreeMap<_, u64> = BTreeMap::new();
        for need in needs {
            let row = table.of(&need.attribute).expect("a row");
            let name = table
                .route(&need.attribute, &need.wish, need.source.as_ref())
                .expect("a route");
            let alone = need.source.as_ref().map(|_| &need.attribute);
            *steps
                .entry((row.stage, name, need.phones, alone))
                .or_default() += 1;
        }
        // Whether phones are back from a restart is seen in a listing.
        least.reads += u64::from(restarts(table, needs)) * phones.div_ceil(rows);
        for ((_, name, phones, _), attributes) in steps {
            let call = table.call(name).expect("a call");
            let rounds = attributes.div_ceil(u64::from(call.max_attributes));
            least.writes += phones.div_ceil(u64::from(call.max_phones)) * rounds;
            // What is prepared for a call of its own is cleared away once more.
            let prepared = u64::from(call.requests - 1);
            least.preparing += (prepared + u64::from(prepared > 0 && table.tidies)) * rounds;
            least.jobs += phones * rounds;
        }
        least.preparing += u64::from(table.tidies);
        least.polls = least.jobs.div_ceil(u64::from(table.limits.poll_batch));
        least
    }
}

/// Whether something that is wished restarts the phones.
fn restarts(table: &Capabilities, needs: &[Need]) -> bool {
    needs.iter().any(|need| {
        let costs = table.costs(&need.attribute, &need.wish);
        !costs.is_live() && !matches!(need.wish, Wish::Set(Value::App(_)))
    })
}
