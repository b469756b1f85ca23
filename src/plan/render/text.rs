//! A plan as text for people.
//!
//! Invariants: costly lines are never cut; lines are wrapped at 80 columns where they can be; the last line is [`super::verdict`]. Not here: words (`words`).

use super::lines::{Line, Mark, lines};
use super::words;
use crate::model::condition::Reason;
use crate::plan::preview::{Plan, WaitingGroup};
use anstyle::{AnsiColor, Style as Paint};

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With colours.
    pub color: bool,
    /// Lines of a section that cost nothing, at most; the rest is counted.
    pub limit: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: true,
            limit: 40,
        }
    }
}

const WIDTH: usize = 80;

/// Names of phones on one line, at most.
const NAMES: usize = 4;

pub(super) fn render(plan: &Plan, style: Style) -> String {
    let mut page = Page {
        style,
        text: String::new(),
    };
    page.header(plan);
    page.changes(plan);
    page.waiting(plan);
    page.rest(plan);
    page.line(0, &page.paint(bold(), &words::verdict(plan)));
    page.text
}

struct Page {
    style: Style,
    text: String,
}

fn bold() -> Paint {
    Paint::new().bold()
}

fn dim() -> Paint {
    Paint::new().dimmed()
}

fn mark_paint(mark: Mark) -> Paint {
    match mark {
        Mark::Costs => AnsiColor::Red.on_default().bold(),
        Mark::Change => AnsiColor::Yellow.on_default(),
        Mark::Add => AnsiColor::Green.on_default(),
        Mark::Remove => AnsiColor::Red.on_default(),
    }
}

impl Page {
    fn paint(&self, paint: Paint, text: &str) -> String {
        if self.style.color {
            format!("{paint}{text}{paint:#}")
        } else {
            text.to_owned()
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Plain text over as many lines as it takes; those after the first stand two columns further in.
    fn wrapped(&mut self, indent: usize, text: &str) {
        let text = words::plain(text);
        let mut row = String::new();
        let mut indent_now = indent;
        for word in text.split(' ') {
            let length = indent_now + row.chars().count() + 1 + word.chars().count();
            if !row.is_empty() && length > WIDTH {
                self.line(indent_now, &row);
                row.clear();
                indent_now = indent + 2;
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        self.line(indent_now, &row);
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        let text = self.paint(bold(), text);
        self.line(0, &text);
    }

    fn header(&mut self, plan: &Plan) {
        self.line(0, &words::header(plan));
        self.line(0, &words::tally(plan));
        for (kind, phones) in &plan.header.unread {
            let what = format!(
                "not read: {} of {}",
                words::read(*kind),
                words::counted(*phones, "phone")
            );
            self.line(0, &what);
        }
    }

    fn changes(&mut self, plan: &Plan) {
        if plan.steps.is_empty() {
            return;
        }
        self.heading("Changes");
        let lines = lines(plan.steps.iter().flat_map(|step| &step.changes));
        self.lines(2, &lines, self.style.limit);
    }

    /// Lines under each other; of those that cost nothing at most `limit`.
    fn lines(&mut self, indent: usize, lines: &[Line<'_>], limit: usize) {
        let mut free = 0;
        let mut cut = (0, 0);
        for line in lines {
            if line.mark != Mark::Costs {
                free += 1;
                if free > limit {
                    cut = (cut.0 + 1, cut.1 + line.phones);
                    continue;
                }
            }
            self.change(indent, line);
        }
        if cut.0 > 0 {
            let rest = format!(
                "… and {} more ({})",
                words::count(cut.0),
                words::counted(cut.1, "change")
            );
            self.line(indent, &rest);
        }
    }

    fn change(&mut self, indent: usize, line: &Line<'_>) {
        let what = words::plain(&format!("{}: {}", line.who(), line.what()));
        let notes = words::plain(&line.notes());
        let sign = self.paint(mark_paint(line.mark), &line.mark.sign().to_string());
        let dimmed = self.paint(dim(), &notes);
        let width = indent + 2 + what.chars().count();
        if width + 2 + notes.chars().count() <= WIDTH {
            self.line(indent, &format!("{sign} {what}  {dimmed}"));
        } else {
            self.line(indent, &format!("{sign} {what}"));
            self.line(indent + 4, &dimmed);
        }
        if !line.afterwards.is_empty() {
            let again: Vec<String> = line.afterwards.iter().map(ToString::to_string).collect();
            self.wrapped(
                indent + 4,
                &format!("to be done again afterwards: {}", again.join(", ")),
            );
        }
    }

    fn waiting(&mut self, plan: &Plan) {
        if plan.waiting.is_empty() {
            return;
        }
        self.heading("Waiting");
        for groups in plan.waiting.chunk_by(|a, b| a.reason == b.reason) {
            let reason = groups[0].reason;
            self.reason(reason);
            // What waits with one sentence stands under it together.
            let mut details: Vec<&str> = groups.iter().map(|group| &*group.detail).collect();
            details.sort_unstable();
            details.dedup();
            let shown = details.len().min(self.style.limit.max(1));
            for detail in &details[..shown] {
                let same: Vec<&WaitingGroup> = groups
                    .iter()
                    .filter(|group| group.detail == *detail)
                    .collect();
                self.detail(plan, detail, &same);
            }
            // Costs are never cut, whatever is said of them.
            let hidden: Vec<&WaitingGroup> = groups
                .iter()
                .filter(|group| details[shown..].contains(&&*group.detail))
                .collect();
            if !hidden.is_empty() {
                let costly = lines(hidden.iter().flat_map(|group| &group.changes))
                    .into_iter()
                    .filter(|line| line.mark == Mark::Costs)
                    .collect::<Vec<_>>();
                self.lines(6, &costly, 0);
                let rest = format!("… and {} more", words::amount(hidden.len()));
                self.line(4, &rest);
            }
        }
    }

    fn reason(&mut self, reason: Reason) {
        let name = self.paint(bold(), reason.as_str());
        let who = words::actor(reason.actor());
        self.line(2, &format!("{name}: waits for {who}"));
        self.wrapped(4, &format!("next: {}", reason.next_step()));
    }

    fn detail(&mut self, plan: &Plan, detail: &str, groups: &[&WaitingGroup]) {
        let mut phones: Vec<_> = groups
            .iter()
            .flat_map(|group| group.phones.iter().cloned())
            .collect();
        phones.sort_unstable();
        phones.dedup();
        let until = groups.iter().filter_map(|group| group.until).min();
        let until = until.map_or_else(String::new, |until| {
            format!(", for {}", words::time(until.since(plan.at)))
        });
        let text = match phones.len() {
            0 => format!("{detail}{until}"),
            1 => format!("{}: {detail}{until}", phones[0]),
            many => format!(
                "{} phones: {detail}{until} ({})",
                words::amount(many),
                words::names(&phones, NAMES)
            ),
        };
        self.wrapped(4, &text);
        let lines = lines(groups.iter().flat_map(|group| &group.changes));
        self.lines(6, &lines, self.style.limit.min(5));
    }

    fn rest(&mut self, plan: &Plan) {
        if !plan.released.is_empty() {
            self.heading("Released: no longer managed, stays as it is on the phones");
            for released in plan.released.iter().take(self.style.limit) {
                let number = u64::try_from(released.phones.len()).unwrap_or(u64::MAX);
                let who = words::phones(number, released.phones.first());
                self.wrapped(
                    2,
                    &format!("{who} of {}: {}", released.group, released.attribute),
                );
            }
            if let Some(more) = plan.released.len().checked_sub(self.style.limit + 1) {
                self.line(2, &format!("… and {} more", words::amount(more + 1)));
            }
        }
        if !plan.skipped.is_empty() {
            self.heading("Left out: the provider lacks it, and the group says `unsupported: skip`");
            for skipped in plan.skipped.iter().take(self.style.limit) {
                self.wrapped(2, &words::skipped(skipped));
            }
            if let Some(more) = plan.skipped.len().checked_sub(self.style.limit + 1) {
                self.line(2, &format!("… and {} more", words::amount(more + 1)));
            }
        }
        if !plan.renamed.is_empty() {
            self.heading("Codes that the vendor changed");
            for renamed in plan.renamed.iter().take(self.style.limit) {
                self.wrapped(2, &words::renamed(renamed));
            }
            if let Some(more) = plan.renamed.len().checked_sub(self.style.limit + 1) {
                self.line(2, &format!("… and {} more", words::amount(more + 1)));
            }
        }
        if !plan.unknown.is_empty() {
            self.heading("Unknown: cannot be read, and nothing is remembered of it");
            let unknown: Vec<String> = plan
                .unknown
                .iter()
                .map(|(attribute, phones)| {
                    format!("{attribute} of {}", words::counted(*phones, "phone"))
                })
                .collect();
            self.wrapped(2, &unknown.join(", "));
        }
        if !plan.steps.is_empty() {
            self.heading("Forecast");
            self.wrapped(2, &words::forecast(plan));
        }
        self.text.push('\n');
    }
}
