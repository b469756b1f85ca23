//! The operation protocol as a model: three phones, a vendor, a network that outlives its sender, crashes, and time in slots.
//!
//! Time: a request arrives in the slot it was sent in or in one of the next [`LIFE`]; a job ends in the slot it began in or in one of the next [`DEADLINE`],
//! or hangs for ever without effect. Within a slot everything happens in every order. A doubt is settled more than `LIFE + DEADLINE` slots after it began,
//! counted anew by each process, as in `controller::core::doubt`.
//!
//! Steps that commute with every other are taken together with the one before, so that the whole space can be seen: an order is intended and sent (a crash in
//! between is a crash after which the request never arrives); an answer is heard when the request arrives, or lost (a crash before it is heard is a crash
//! before the request arrives); a job's end is polled, and a success read back, at once (a crash changes neither phase, and the next order may wait).
//!
//! Invariants: an operation moves by the program's own transition table only; what a crash leaves is what is durable; the vendor and the network know
//! nothing of what the program believes. Not here: what is checked of it (`model_check`), several attributes of one phone, edits, batches that wait.

use super::table::{Happens, Stage, Taken, holds, next};
use phonefleet::model::operation::Outcome;
use std::sync::Arc;

/// Phones of the fleet.
pub(super) const PHONES: usize = 3;
/// Slots after the one it was sent in, in which a request may still arrive.
const LIFE: u8 = 1;
/// Slots after the one it began in, in which a job may still run.
const DEADLINE: u8 = 1;
/// A doubt of this age is one of any greater age.
const OLDEST: u8 = LIFE + DEADLINE + 1;

/// What is wished of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// An absolute write that costs nothing.
    Live,
    /// The same, done when the answer comes: there is no job.
    AtOnce,
    /// Costly, and can be read back.
    Costly,
    /// Costly, and nothing shows whether it happened.
    Blind,
}

/// When another tool starts a job of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    Never,
    /// While no operation of ours is open on the phone.
    Before,
    /// At any time.
    Anytime,
}

/// A mistake that the protocol could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The request leaves, the intent is written with its answer.
    NoIntent,
    /// A doubt is settled at once.
    NoSettle,
    /// A doubt is settled when the request cannot arrive any more; a job may still run.
    HalfSettle,
    /// No answer counts as a refusal.
    LostIsRefused,
    /// A row that is missing in the answer counts as a refusal.
    MissingIsRefused,
    /// A search takes any job of that kind, however old.
    AdoptAny,
    /// A restart begins with nothing.
    ForgetOnCrash,
    /// A doubt does not keep other work from the phone.
    DoubtIsFree,
    /// Costly work in doubt is sent again after the settle time, evidence or not.
    BlindAgain,
    /// Costly work in doubt is left alone, and nobody is told.
    NeverParks,
    /// "Same task exists" is taken for one's own success to come.
    BusyIsOurs,
    /// Done is believed.
    NoReading,
    /// A job that was given up is searched for again.
    SearchAgain,
}

/// A property, as a bit of [`State::broken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    SingleFlight = 1,
    IntentFirst = 2,
    CostlyOnce = 4,
    NoOrphan = 8,
    Settle = 16,
    NoFalseSuccess = 32,
    Legal = 64,
}

/// Whose job or request it is, seen from the operation that was intended last on the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Whose {
    /// That operation's.
    Last,
    /// An earlier one's.
    Past,
    /// Ours, and nothing durable knows of it.
    Orphan,
    /// Another tool's.
    Stranger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Course {
    /// For so many slots more at most.
    Running(u8),
    Done,
    Failed,
    Hung,
}

/// The last job on a phone; the vendor's list shows it also when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Job {
    pub(super) whose: Whose,
    /// It began after the open operation was intended: what a search goes by.
    newer: bool,
    pub(super) course: Course,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Phone {
    // Durable, at our side.
    pub(super) stage: Stage,
    durable: bool,
    confirmed: bool,
    pub(super) stuck: bool,
    // Of this process.
    age: u8,
    searchable: bool,
    held: bool,
    // The world.
    shown: bool,
    effects: u8,
    job: Option<Job>,
}

/// A request on its way, for the phones that are not `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Request {
    life: u8,
    /// Somebody waits for the answer.
    awaited: bool,
    of: [Option<Whose>; PHONES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Row {
    Job,
    Done,
    ExistsNamed,
    ExistsUnnamed,
    Refused,
    Missing,
}

/// Everything: our side, the network, the vendor, and what may still go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) phones: [Phone; PHONES],
    pub(super) requests: Vec<Request>,
    crashes: u8,
    losses: u8,
    failures: u8,
    strangers: u8,
    pub(super) broken: u8,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Intends an order for these phones and sends it.
    Order([bool; PHONES]),
    /// Arrives, and the answer is heard if somebody waits for it. `named`: a vendor that says "same task exists" names it.
    Arrive {
        request: usize,
        named: bool,
    },
    /// Arrives, and the answer leaves one phone out.
    ArriveShort {
        request: usize,
        phone: usize,
    },
    /// Arrives, and the answer is lost.
    ArriveUnheard(usize),
    /// Refused as a whole, nothing done.
    Refuse(usize),
    /// Nobody waits for it any more; it may still arrive.
    TimeOut(usize),
    End(usize),
    Fail(usize),
    EndInVain(usize),
    Hang(usize),
    Find(usize),
    Read(usize),
    Settle(usize),
    Resolve(usize),
    Stranger(usize),
    Crash,
    Slot,
}

/// The model.
#[derive(Clone, Debug)]
pub(super) struct Protocol {
    pub(super) calls: [Call; PHONES],
    pub(super) crashes: u8,
    /// Requests that come too late or never, answers and rows of answers that are lost.
    pub(super) losses: u8,
    /// Refusals, and jobs that fail, hang, or end without effect.
    pub(super) failures: u8,
    pub(super) stranger: Stranger,
    pub(super) flaw: Option<Flaw>,
    pub(super) taken: Arc<Taken>,
}

impl Protocol {
    pub(super) fn begin(&self) -> State {
        let phone = Phone {
            stage: Stage::Idle,
            durable: true,
            confirmed: false,
            stuck: false,
            age: 0,
            searchable: false,
            held: false,
            shown: false,
            effects: 0,
            job: None,
        };
        State {
            phones: [phone; PHONES],
            requests: Vec::new(),
            crashes: self.crashes,
            losses: self.losses,
            failures: self.failures,
            strangers: u8::from(self.stranger != Stranger::Never),
            broken: 0,
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn readable(&self, phone: usize) -> bool {
        self.calls[phone] != Call::Blind
    }

    fn costly(&self, phone: usize) -> bool {
        matches!(self.calls[phone], Call::Costly | Call::Blind)
    }

    /// The phone is as wished, as far as anybody can tell.
    pub(super) fn satisfied(&self, phone: usize, state: &State) -> bool {
        let it = &state.phones[phone];
        if self.readable(phone) {
            it.shown
        } else {
            it.confirmed
        }
    }

    /// A new operation may be intended on the phone: it differs, nothing of ours is open there.
    fn due(&self, phone: usize, state: &State) -> bool {
        let it = &state.phones[phone];
        let free =
            it.stage == Stage::Idle || (self.has(Flaw::DoubtIsFree) && it.stage == Stage::Unknown);
        free && !it.held && !it.stuck && !self.satisfied(phone, state)
    }

    fn settled(&self, age: u8) -> bool {
        if self.has(Flaw::NoSettle) {
            return true;
        }
        let time = if self.has(Flaw::HalfSettle) {
            LIFE
        } else {
            LIFE + DEADLINE
        };
        age > time
    }

    pub(super) fn list(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken != 0 {
            return;
        }
        if state.crashes > 0 {
            actions.push(Action::Crash);
        }
        self.list_orders(state, actions);
        self.list_network(state, actions);
        for phone in 0..PHONES {
            self.list_vendor(phone, state, actions);
            self.list_controller(phone, state, actions);
        }
        if state.slot_may_end() {
            actions.push(Action::Slot);
        }
    }

    fn list_orders(&self, state: &State, actions: &mut Vec<Action>) {
        let due: [bool; PHONES] = std::array::from_fn(|phone| self.due(phone, state));
        for subset in 1..1_usize << PHONES {
            let phones: [bool; PHONES] = std::array::from_fn(|phone| subset >> phone & 1 == 1);
            let fits = (0..PHONES).all(|phone| !phones[phone] || due[phone]);
            let calls = (0..PHONES).filter(|phone| phones[*phone]);
            let mut calls = calls.map(|phone| self.calls[phone]);
            let first = calls.next();
            if fits && calls.all(|call| Some(call) == first) {
                actions.push(Action::Order(phones));
            }
        }
    }

    fn list_network(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, request) in state.requests.iter().enumerate() {
            let busy = (0..PHONES).any(|phone| request.of[phone].is_some() && state.busy(phone));
            actions.push(Action::Arrive {
                request: number,
                named: true,
            });
            if busy && request.awaited {
                actions.push(Action::Arrive {
                    request: number,
                    named: false,
                });
            }
            if request.awaited && state.losses > 0 {
                actions.push(Action::ArriveUnheard(number));
                actions.push(Action::TimeOut(number));
                for phone in (0..PHONES).filter(|phone| request.of[*phone].is_some()) {
                    actions.push(Action::ArriveShort {
                        request: number,
                        phone,
                    });
                }
            }
            if request.awaited && state.failures > 0 {
                actions.push(Action::Refuse(number));
            }
        }
    }

    fn list_vendor(&self, phone: usize, state: &State, actions: &mut Vec<Action>) {
        let it = &state.phones[phone];
        let running = it
            .job
            .filter(|job| matches!(job.course, Course::Running(_)));
        if let Some(job) = running {
            actions.push(Action::End(phone));
            if state.failures > 0 {
                actions.push(Action::Fail(phone));
                actions.push(Action::Hang(phone));
                if self.readable(phone) && job.whose != Whose::Stranger {
                    actions.push(Action::EndInVain(phone));
                }
            }
        }
        let free = it.job.is_none_or(|job| {
            !matches!(job.course, Course::Running(_))
                && (it.stage == Stage::Idle || job.whose != Whose::Last)
        });
        let may = match self.stranger {
            Stranger::Never => false,
            Stranger::Before => it.stage == Stage::Idle,
            Stranger::Anytime => true,
        };
        if may && free && state.strangers > 0 {
            actions.push(Action::Stranger(phone));
        }
    }

    fn list_controller(&self, phone: usize, state: &State, actions: &mut Vec<Action>) {
        let it = &state.phones[phone];
        match it.stage {
            Stage::Unknown => {
                let listed = it.job.is_some_and(|job| {
                    job.whose != Whose::Orphan && (job.newer || self.has(Flaw::AdoptAny))
                });
                if it.searchable && listed {
                    actions.push(Action::Find(phone));
                }
                let over = match self.costly(phone) {
                    true => self.settled(it.age),
                    false => it.age > LIFE,
                };
                if it.shown && self.readable(phone) && over {
                    actions.push(Action::Read(phone));
                } else if self.settled(it.age)
                    && (self.readable(phone) || !self.has(Flaw::NeverParks))
                {
                    actions.push(Action::Settle(phone));
                }
            }
            Stage::Parked => actions.push(Action::Resolve(phone)),
            Stage::Idle
            | Stage::Intended
            | Stage::Submitted
            | Stage::Following
            | Stage::Succeeded => {}
        }
    }

    /// What a step leads to.
    pub(super) fn step(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        match action {
            Action::Order(phones) => {
                self.intend(&mut state, phones);
                self.send(&mut state, phones);
            }
            Action::Arrive { request, named } => {
                let (rows, awaited) = self.arrive(&mut state, request, named);
                if awaited {
                    self.answered(&mut state, rows);
                }
            }
            Action::ArriveShort { request, phone } => {
                state.losses -= 1;
                let (mut rows, _) = self.arrive(&mut state, request, true);
                rows[phone] = Some(Row::Missing);
                self.answered(&mut state, rows);
            }
            Action::ArriveUnheard(request) => {
                state.losses -= 1;
                let (rows, _) = self.arrive(&mut state, request, true);
                for phone in (0..PHONES).filter(|phone| rows[*phone].is_some()) {
                    self.lost(&mut state, phone);
                }
            }
            Action::Refuse(request) => self.refuse(&mut state, request),
            Action::TimeOut(request) => self.time_out(&mut state, request),
            Action::Find(phone) => self.find(&mut state, phone),
            Action::Read(phone) => self.read(&mut state, phone),
            Action::Settle(phone) => self.settle(&mut state, phone),
            Action::Resolve(phone) => self.resolve(&mut state, phone),
            Action::Stranger(phone) => state.stranger_begins(phone),
            Action::End(phone) => self.end(&mut state, phone, Course::Done, true),
            Action::EndInVain(phone) => self.end(&mut state, phone, Course::Done, false),
            Action::Fail(phone) => self.end(&mut state, phone, Course::Failed, false),
            Action::Hang(phone) => self.end(&mut state, phone, Course::Hung, false),
            Action::Crash => self.crash(&mut state),
            Action::Slot => state.next_slot(),
        }
        for phone in 0..PHONES {
            self.poll(&mut state, phone);
            self.tidy(&mut state, phone);
        }
        state.canonical(self.calls)
    }

    fn refuse(&self, state: &mut State, request: usize) {
        state.failures -= 1;
        let request = state.requests.remove(request);
        let rows = request.of.map(|whose| whose.map(|_| Row::Refused));
        self.answered(state, rows);
    }

    fn time_out(&self, state: &mut State, request: usize) {
        state.losses -= 1;
        state.requests[request].awaited = false;
        for phone in 0..PHONES {
            if state.requests[request].of[phone] == Some(Whose::Last) {
                self.lost(state, phone);
            }
        }
    }

    /// A person who looked at the phone answers.
    fn resolve(&self, state: &mut State, phone: usize) {
        let word = if state.phones[phone].effects > 0 {
            Happens::ResolvedYes
        } else {
            Happens::ResolvedNo
        };
        self.happen(state, phone, word);
    }

    /// What cannot matter any more is the same for all.
    fn tidy(&self, state: &mut State, phone: usize) {
        if state.phones[phone].stage == Stage::Idle && !state.busy(phone) {
            let finished = state.phones[phone].stuck || self.satisfied(phone, state);
            let it = &mut state.phones[phone];
            if finished {
                it.job = None;
                it.held = false;
            }
        }
    }

    fn happen(&self, state: &mut State, phone: usize, happens: Happens) {
        let edge = (state.phones[phone].stage, happens);
        if edge.0 == Stage::Idle {
            state.breaks(Rule::NoOrphan);
            return;
        }
        let Some(next) = next(edge) else {
            state.breaks(Rule::Legal);
            return;
        };
        self.taken.take(edge);
        let job = state.phones[phone].job;
        if happens == Happens::Accepted && job.is_none_or(|job| job.whose != Whose::Last) {
            state.breaks(Rule::NoOrphan);
        }
        let it = &mut state.phones[phone];
        it.durable = true;
        match next {
            Ok(stage) => it.stage = stage,
            Err(outcome) => {
                it.stage = Stage::Idle;
                it.age = 0;
                it.searchable = false;
                self.over(state, phone, outcome);
            }
        }
    }

    /// The operation is over on the phone: is that true?
    fn over(&self, state: &mut State, phone: usize, outcome: Outcome) {
        let it = state.phones[phone];
        let under_way = state.under_way(phone, Whose::Last);
        let ours = it.job.is_some_and(|job| job.whose == Whose::Last);
        match outcome {
            Outcome::Verified => {
                let proven = it.shown || !self.readable(phone);
                if !proven || (!self.readable(phone) && it.effects == 0) {
                    state.breaks(Rule::NoFalseSuccess);
                }
            }
            Outcome::NoEffect => state.phones[phone].stuck = self.costly(phone),
            Outcome::Failed => {
                if !ours || under_way {
                    state.breaks(Rule::NoOrphan);
                }
            }
            Outcome::Refused => {
                if ours || under_way {
                    state.breaks(Rule::NoOrphan);
                }
            }
            Outcome::Busy => {
                if under_way {
                    state.breaks(Rule::NoOrphan);
                }
            }
            Outcome::Settled => {
                if under_way {
                    state.breaks(Rule::Settle);
                }
            }
            Outcome::Happened => state.phones[phone].confirmed = true,
            Outcome::NotHappened => {}
        }
    }

    fn intend(&self, state: &mut State, phones: [bool; PHONES]) {
        for phone in (0..PHONES).filter(|phone| phones[*phone]) {
            if holds(state.phones[phone].stage) {
                state.breaks(Rule::SingleFlight);
            }
            let it = &mut state.phones[phone];
            it.stage = Stage::Intended;
            it.durable = !self.has(Flaw::NoIntent);
            it.age = 0;
            if let Some(job) = &mut it.job {
                job.newer = false;
                if job.whose == Whose::Last {
                    job.whose = Whose::Past;
                }
            }
            for request in &mut state.requests {
                if request.of[phone] == Some(Whose::Last) {
                    request.of[phone] = Some(Whose::Past);
                }
            }
        }
    }

    fn send(&self, state: &mut State, phones: [bool; PHONES]) {
        for phone in (0..PHONES).filter(|phone| phones[*phone]) {
            let it = &state.phones[phone];
            if !it.durable || it.stage != Stage::Intended {
                state.breaks(Rule::IntentFirst);
            }
            // What was sent before must be over: whatever it was, it may still arrive or run.
            if state.under_way(phone, Whose::Past) {
                state.breaks(Rule::Settle);
            }
        }
        state.requests.push(Request {
            life: LIFE,
            awaited: true,
            of: phones.map(|sent| sent.then_some(Whose::Last)),
        });
    }

    fn arrive(
        &self,
        state: &mut State,
        request: usize,
        named: bool,
    ) -> ([Option<Row>; PHONES], bool) {
        let request = state.requests.remove(request);
        let mut rows = [None; PHONES];
        for (phone, row) in rows.iter_mut().enumerate() {
            if let Some(whose) = request.of[phone] {
                *row = Some(self.accept(state, phone, whose, named));
            }
        }
        (rows, request.awaited)
    }

    /// What the vendor does with one phone of a request.
    fn accept(&self, state: &mut State, phone: usize, whose: Whose, named: bool) -> Row {
        let it = state.phones[phone];
        if state.busy(phone) {
            let ours = it.job.is_some_and(|job| job.whose != Whose::Stranger);
            if ours {
                state.breaks(Rule::SingleFlight);
            }
            return if named {
                Row::ExistsNamed
            } else {
                Row::ExistsUnnamed
            };
        }
        if whose != Whose::Last || it.stage == Stage::Idle {
            // Something begins that no open operation stands for.
            state.breaks(Rule::NoOrphan);
        }
        if self.calls[phone] == Call::AtOnce {
            self.takes_effect(state, phone);
            return Row::Done;
        }
        state.phones[phone].job = Some(Job {
            whose,
            newer: true,
            course: Course::Running(DEADLINE),
        });
        Row::Job
    }

    fn takes_effect(&self, state: &mut State, phone: usize) {
        let it = &mut state.phones[phone];
        it.shown = true;
        if self.costly(phone) {
            it.effects = (it.effects + 1).min(2);
        }
        if it.effects > 1 {
            state.breaks(Rule::CostlyOnce);
        }
    }

    fn lost(&self, state: &mut State, phone: usize) {
        if self.has(Flaw::LostIsRefused) {
            self.happen(state, phone, Happens::Refused);
            return;
        }
        self.doubt(state, phone, true);
    }

    fn doubt(&self, state: &mut State, phone: usize, searchable: bool) {
        self.happen(state, phone, Happens::Lost);
        let it = &mut state.phones[phone];
        it.age = 0;
        it.searchable = searchable && it.stage == Stage::Unknown;
    }

    fn answered(&self, state: &mut State, rows: [Option<Row>; PHONES]) {
        for (phone, row) in rows.into_iter().enumerate() {
            let Some(row) = row else { continue };
            match row {
                Row::Job => self.happen(state, phone, Happens::Accepted),
                Row::Done => {
                    self.happen(state, phone, Happens::Done);
                    self.read(state, phone);
                }
                Row::ExistsNamed if self.has(Flaw::BusyIsOurs) => {
                    self.happen(state, phone, Happens::Accepted);
                }
                Row::ExistsNamed => self.happen(state, phone, Happens::ExistsNamed),
                Row::ExistsUnnamed => self.happen(state, phone, Happens::ExistsUnnamed),
                Row::Refused => self.happen(state, phone, Happens::Refused),
                Row::Missing if self.has(Flaw::MissingIsRefused) => {
                    self.happen(state, phone, Happens::Refused);
                }
                Row::Missing => self.doubt(state, phone, true),
            }
            state.phones[phone].held =
                matches!(row, Row::ExistsNamed | Row::ExistsUnnamed | Row::Refused);
        }
    }

    fn end(&self, state: &mut State, phone: usize, course: Course, effect: bool) {
        state.failures -= u8::from(!effect);
        let Some(job) = &mut state.phones[phone].job else {
            return;
        };
        job.course = course;
        if effect && job.whose != Whose::Stranger {
            self.takes_effect(state, phone);
        }
    }

    /// Hears of a job that is over, and reads back what it did.
    fn poll(&self, state: &mut State, phone: usize) {
        let it = state.phones[phone];
        let Some(job) = it.job else { return };
        if !matches!(it.stage, Stage::Submitted | Stage::Following) {
            return;
        }
        match job.course {
            Course::Running(_) => {}
            Course::Done => {
                self.happen(state, phone, Happens::Succeeded);
                if it.stage == Stage::Submitted {
                    state.phones[phone].confirmed = !self.readable(phone);
                    self.read(state, phone);
                }
            }
            Course::Failed => self.happen(state, phone, Happens::Failed),
            // Past its deadline. It is not searched for: the list would give the same job again.
            Course::Hung => self.doubt(state, phone, self.has(Flaw::SearchAgain)),
        }
    }

    fn find(&self, state: &mut State, phone: usize) {
        let job = state.phones[phone].job;
        let ours = job.is_some_and(|job| job.whose == Whose::Last);
        if !ours && self.stranger != Stranger::Anytime {
            state.breaks(Rule::NoOrphan);
        }
        self.happen(state, phone, Happens::Found);
    }

    fn read(&self, state: &mut State, phone: usize) {
        let it = state.phones[phone];
        let shows = it.shown || !self.readable(phone) || self.has(Flaw::NoReading);
        let word = if shows {
            Happens::Verified
        } else {
            Happens::NoEffect
        };
        self.happen(state, phone, word);
    }

    /// The settle time is over and the wanted value does not show.
    fn settle(&self, state: &mut State, phone: usize) {
        let park = !self.readable(phone) && !self.has(Flaw::BlindAgain);
        let word = if park {
            Happens::Parked
        } else {
            Happens::Settled
        };
        self.happen(state, phone, word);
    }

    /// The process dies and the next one begins with what is durable.
    fn crash(&self, state: &mut State) {
        state.crashes -= 1;
        for request in &mut state.requests {
            request.awaited = false;
        }
        for phone in 0..PHONES {
            let it = &mut state.phones[phone];
            it.held = false;
            it.age = 0;
            // Only what was just lost is searched for: `adopt_open_operations`.
            it.searchable = false;
            if !it.durable || self.has(Flaw::ForgetOnCrash) {
                state.forget(phone);
            } else if it.stage == Stage::Intended {
                self.doubt(state, phone, true);
            }
        }
    }
}

impl State {
    fn breaks(&mut self, rule: Rule) {
        self.broken |= rule as u8;
    }

    fn stranger_begins(&mut self, phone: usize) {
        self.strangers -= 1;
        let it = &mut self.phones[phone];
        it.job = Some(Job {
            whose: Whose::Stranger,
            newer: it.stage != Stage::Idle,
            course: Course::Running(DEADLINE),
        });
    }

    fn busy(&self, phone: usize) -> bool {
        self.phones[phone]
            .job
            .is_some_and(|job| matches!(job.course, Course::Running(_)))
    }

    /// A request on its way, or a job that runs.
    fn under_way(&self, phone: usize, whose: Whose) -> bool {
        let on_its_way = self
            .requests
            .iter()
            .any(|request| request.of[phone] == Some(whose));
        let runs = self.busy(phone) && self.phones[phone].job.is_some_and(|job| job.whose == whose);
        on_its_way || runs
    }

    fn forget(&mut self, phone: usize) {
        if self.phones[phone].stage == Stage::Idle {
            return;
        }
        self.phones[phone].stage = Stage::Idle;
        self.phones[phone].durable = true;
        for request in &mut self.requests {
            if request.of[phone] == Some(Whose::Last) {
                request.of[phone] = Some(Whose::Orphan);
            }
        }
        let mut open = false;
        if let Some(job) = &mut self.phones[phone].job
            && job.whose == Whose::Last
        {
            job.whose = Whose::Orphan;
            open = matches!(job.course, Course::Running(_));
        }
        if open {
            self.breaks(Rule::NoOrphan);
        }
    }

    /// Time goes on when nothing is due in this slot, and when something waits for it.
    fn slot_may_end(&self) -> bool {
        let urgent =
            self.requests
                .iter()
                .any(|request| request.life == 0 && request.awaited)
                || self.phones.iter().any(
                    |phone| matches!(phone.job, Some(job) if job.course == Course::Running(0)),
                );
        let waits = !self.requests.is_empty()
            || (0..PHONES).any(|phone| {
                let it = &self.phones[phone];
                self.busy(phone) || it.held || (it.stage == Stage::Unknown && it.age < OLDEST)
            });
        waits && !urgent
    }

    fn next_slot(&mut self) {
        self.requests.retain(|request| request.life > 0);
        for request in &mut self.requests {
            request.life -= 1;
        }
        for phone in &mut self.phones {
            phone.held = false;
            if phone.stage == Stage::Unknown {
                phone.age = (phone.age + 1).min(OLDEST);
            }
            if let Some(Job {
                course: Course::Running(left),
                ..
            }) = &mut phone.job
            {
                *left -= 1;
            }
        }
    }

    /// The same state with phones of one kind in a fixed order: which of them is which does not matter.
    fn canonical(mut self, calls: [Call; PHONES]) -> Self {
        let key = |request: &Request| {
            let count = |whose| request.of.iter().filter(|of| **of == Some(whose)).count();
            (
                request.life,
                request.awaited,
                count(Whose::Last),
                count(Whose::Past),
            )
        };
        self.requests.sort_unstable_by_key(key);
        for (low, high) in [(0, 1), (1, 2), (0, 1)] {
            if calls[low] == calls[high] && self.before(high, low) {
                self.swap(low, high);
            }
        }
        self.requests.sort_unstable();
        self
    }

    fn before(&self, one: usize, other: usize) -> bool {
        let phones = self.phones[one].cmp(&self.phones[other]);
        let requests = || {
            let of = |phone: usize| self.requests.iter().map(move |request| request.of[phone]);
            of(one).cmp(of(other))
        };
        phones.then_with(requests).is_lt()
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.phones.swap(one, other);
        for request in &mut self.requests {
            request.of.swap(one, other);
        }
    }
}
