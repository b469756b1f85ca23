//! Inventories: what we know about phones, from CSV files.
//!
//! Invariants: a phone stands in at most one row of all inventories; every mistake names file, row and column.
//! Not here: which group claims a phone (`select`), what variables do (`variables`).

use super::account::known_account;
use super::document::{Document, beside};
use super::fields::{self, Fields};
use super::finding::{Mark, Sink, Sources};
use crate::model::id::{AccountName, PhoneId, PhoneKey};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::path::PathBuf;
use std::sync::Arc;

/// Mistakes of one CSV file after which its reading stops.
const MOST_FINDINGS: usize = 50;

/// What an Inventory document says.
pub(super) struct InventorySpec {
    pub(super) csv: (PathBuf, Mark),
    id: (SmolStr, Mark),
    account: Option<(SmolStr, Mark)>,
    alias: Option<(SmolStr, Mark)>,
    labels: Vec<(SmolStr, Mark)>,
}

/// Reads an Inventory document.
pub(super) fn inventory(
    document: &Document<'_>,
    sources: &Sources,
    sink: &mut Sink,
) -> Option<InventorySpec> {
    let mut spec = Fields::open(document.spec, "Inventory", sink)?;
    let mut column = |key, needed, sink: &mut Sink| {
        let node = if needed {
            spec.need(key, sink)
        } else {
            spec.get(key, sink)
        }?;
        Some((fields::text(node, key, sink)?, node.at))
    };
    let csv = column("csv", true, sink);
    let id = column("id", true, sink);
    let account = column("account", false, sink);
    let alias = column("name", false, sink);
    let labels = spec
        .get("labels", sink)
        .map_or_else(Vec::new, |node| fields::texts(node, "labels", sink));
    spec.finish(sink);
    let (csv, at) = csv?;
    let path = beside(sources.path(at.file), &csv);
    Some(InventorySpec {
        csv: (PathBuf::from(path.as_str()), at),
        id: id?,
        account,
        alias,
        labels,
    })
}

/// The columns of one CSV file.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) path: Arc<str>,
    headers: Vec<SmolStr>,
    labels: Vec<usize>,
    vars: Vec<usize>,
}

/// What a column is to variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// `$(labels.NAME)`.
    Label,
    /// `$(vars.NAME)`.
    Var,
}

impl Table {
    fn columns(&self, kind: Column) -> &[usize] {
        match kind {
            Column::Label => &self.labels,
            Column::Var => &self.vars,
        }
    }

    /// Names of the columns of a kind.
    pub(super) fn names(&self, kind: Column) -> Vec<&str> {
        self.columns(kind)
            .iter()
            .map(|at| self.headers[*at].as_str())
            .collect()
    }

    fn position(&self, kind: Column, name: &str) -> Option<usize> {
        self.columns(kind)
            .iter()
            .copied()
            .find(|at| self.headers[*at] == name)
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) table: Arc<Table>,
    cells: Box<[SmolStr]>,
    /// Line in the file, from 1.
    pub(super) line: u32,
    alias: Option<usize>,
}

impl Row {
    /// The cell of a column.
    pub(super) fn cell(&self, kind: Column, name: &str) -> Option<&SmolStr> {
        self.table.position(kind, name).map(|at| &self.cells[at])
    }

    /// All cells of a kind, with their columns' names.
    pub(super) fn cells(&self, kind: Column) -> impl Iterator<Item = (&SmolStr, &SmolStr)> {
        let table = &self.table;
        table
            .columns(kind)
            .iter()
            .map(|at| (&table.headers[*at], &self.cells[*at]))
    }

    /// The human name.
    pub(super) fn alias(&self) -> Option<&SmolStr> {
        self.alias.map(|at| &self.cells[at])
    }

    /// File and row, for people.
    pub(super) fn place(&self) -> String {
        format!("{} row {}", self.table.path, self.line)
    }
}

/// All rows of all inventories.
pub(super) type Rows = FxHashMap<PhoneKey, Row>;

/// Where the columns of an inventory stand.
struct Layout {
    table: Arc<Table>,
    id: usize,
    account: Option<usize>,
    alias: Option<usize>,
    /// Without an `account` column: the only Account.
    only: Option<SmolStr>,
}

/// Reads the rows of one CSV file, given as text that is in `sources` as `file`.
pub(super) struct CsvReader<'a> {
    pub(super) file: u32,
    pub(super) text: &'a str,
    pub(super) path: Arc<str>,
    pub(super) accounts: &'a [SmolStr],
}

impl CsvReader<'_> {
    /// Adds the file's rows, and gives its columns.
    pub(super) fn read(
        &self,
        spec: &InventorySpec,
        rows: &mut Rows,
        sink: &mut Sink,
    ) -> Option<Arc<Table>> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        let first = text.lines().next().unwrap_or_default();
        let delimiter = delimiter(first);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let Ok(headers) = reader.headers() else {
            sink.say(self.at(1, 1), "bad-csv", "the first row cannot be read");
            sink.rows_torn = true;
            return None;
        };
        let headers: Vec<SmolStr> = headers.iter().map(SmolStr::from).collect();
        let before = sink.problems.len();
        let Some(layout) = self.layout(spec, headers, sink) else {
            sink.rows_torn = true;
            return None;
        };
        for record in reader.records() {
            match record {
                Ok(record) => self.row(&record, &layout, rows, sink),
                Err(error) => {
                    let line = error.position().map_or(1, csv::Position::line);
                    let message = format!("the row cannot be read: {error}");
                    sink.say(self.at(small(line), 1), "bad-csv", message);
                }
            }
            if sink.problems.len() - before >= MOST_FINDINGS {
                let message =
                    format!("after {MOST_FINDINGS} mistakes the rest of this file was not read");
                sink.say(self.at(0, 1), "more-findings", message);
                break;
            }
        }
        sink.rows_torn |= sink.problems.len() > before;
        Some(layout.table)
    }

    fn at(&self, line: u32, column: u32) -> Mark {
        Mark {
            file: self.file,
            line,
            column,
        }
    }

    fn layout(
        &self,
        spec: &InventorySpec,
        headers: Vec<SmolStr>,
        sink: &mut Sink,
    ) -> Option<Layout> {
        for (at, header) in headers.iter().enumerate() {
            if header.is_empty() {
                sink.say(
                    self.at(1, 1),
                    "bad-csv",
                    format!("column {} has no name", at + 1),
                );
            } else if headers[..at].contains(header) {
                let message = format!("two columns are called {header:?}");
                sink.say(self.at(1, 1), "duplicate-column", message);
            }
        }
        let known: Vec<&str> = headers.iter().map(SmolStr::as_str).collect();
        let find = |(name, at): &(SmolStr, Mark), sink: &mut Sink| {
            let found = headers.iter().position(|header| header == name);
            if found.is_none() {
                let message = format!("{} has no column {name:?}", self.path);
                sink.say(*at, "unknown-column", message)
                    .did_you_mean(name, &known);
            }
            found
        };
        let id = find(&spec.id, sink);
        let account = spec.account.as_ref().map(|column| find(column, sink));
        let alias = spec.alias.as_ref().and_then(|column| find(column, sink));
        let labels: Vec<usize> = spec
            .labels
            .iter()
            .filter_map(|column| find(column, sink))
            .collect();
        let only = match (account, self.accounts) {
            (Some(found), _) => {
                found?;
                None
            }
            (None, [only]) => Some(only.clone()),
            (None, _) => {
                sink.say(
                    spec.csv.1,
                    "missing-field",
                    "`account` is missing, and there is not exactly one Account",
                )
                .hint("add `account: COLUMN`, the column that names each phone's Account");
                return None;
            }
        };
        let id = id?;
        let account = account.flatten();
        let special = [Some(id), account, alias];
        let vars = (0..headers.len())
            .filter(|at| !labels.contains(at) && !special.contains(&Some(*at)))
            .collect();
        let table = Table {
            path: self.path.clone(),
            headers,
            labels,
            vars,
        };
        Some(Layout {
            table: Arc::new(table),
            id,
            account,
            alias,
            only,
        })
    }

    fn row(&self, record: &csv::StringRecord, layout: &Layout, rows: &mut Rows, sink: &mut Sink) {
        let table = &layout.table;
        let line = small(record.position().map_or(0, csv::Position::line));
        let wanted = table.headers.len();
        if record.len() != wanted {
            let cells = record.len();
            sink.say(
                self.at(line, 1),
                "row-length",
                format!("row {line} has {cells} cells, the first row has {wanted}"),
            );
            return;
        }
        let mut whole = true;
        for (at, cell) in record.iter().enumerate() {
            whole &= self.check_cell(cell, (line, at), table, sink);
        }
        if !whole {
            return;
        }
        let account = match (&layout.only, layout.account) {
            (Some(only), _) => only.as_str(),
            (None, Some(at)) => &record[at],
            (None, None) => return,
        };
        if !self.accounts.iter().any(|known| known == account) {
            let column = layout.account.unwrap_or_default();
            let at = self.at(line, self.column(line, column));
            known_account(account, at, self.accounts, sink);
            return;
        }
        let key = PhoneKey {
            account: AccountName::new(account),
            phone: PhoneId::new(&record[layout.id]),
        };
        if let Some(other) = rows.get(&key) {
            let message = format!("phone {key} stands twice; first in {}", other.place());
            let column = self.column(line, layout.id);
            sink.say(self.at(line, column), "duplicate-phone", message)
                .hint("remove one of the two rows");
            return;
        }
        let row = Row {
            table: table.clone(),
            cells: record.iter().map(SmolStr::from).collect(),
            line,
            alias: layout.alias,
        };
        rows.insert(key, row);
    }

    /// Whether the cell in this line and column is good.
    fn check_cell(&self, cell: &str, place: (u32, usize), table: &Table, sink: &mut Sink) -> bool {
        let (line, at) = place;
        let name = &table.headers[at];
        if cell.is_empty() {
            let mark = self.at(line, self.column(line, at));
            sink.say(mark, "empty-cell", format!("row {line} has an empty cell in column {name:?}"))
                .hint("fill it in; to put an attribute back to the provider's default list it under `reset`, to leave it alone under `ignore`");
            return false;
        }
        let damage = if is_scientific(cell) {
            Some("a spreadsheet has rounded a long number")
        } else if cell.starts_with('#') && cell.ends_with(['!', '?', 'A']) {
            Some("a spreadsheet has left an error there")
        } else if cell.chars().any(char::is_control) {
            Some("it contains a line break or another control character")
        } else {
            None
        };
        let Some(damage) = damage else { return true };
        let mark = self.at(line, self.column(line, at));
        sink.say(
            mark,
            "spreadsheet-damage",
            format!("row {line}, column {name:?}: {cell:?}: {damage}"),
        )
        .hint(
            "format the column as text in the spreadsheet, put the true value in, and export again",
        );
        false
    }

    /// Where a cell starts in its line, counted in characters from 1.
    fn column(&self, line: u32, cell: usize) -> u32 {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        let delimiter = char::from(delimiter(text.lines().next().unwrap_or_default()));
        let Some(line) = text.lines().nth((line as usize).saturating_sub(1)) else {
            return 1;
        };
        let (mut quoted, mut seen) = (false, 0);
        for (at, c) in line.chars().enumerate() {
            if seen == cell {
                return u32::try_from(at + 1).unwrap_or(1);
            }
            match c {
                '"' => quoted = !quoted,
                c if c == delimiter && !quoted => seen += 1,
                _ => {}
            }
        }
        u32::try_from(line.chars().count() + 1).unwrap_or(1)
    }
}

fn small(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

/// Comma, semicolon or tab, whichever the first row has most of.
fn delimiter(first: &str) -> u8 {
    let count = |c: char| first.matches(c).count();
    let (comma, semicolon, tab) = (count(','), count(';'), count('\t'));
    if semicolon > comma && semicolon >= tab {
        b';'
    } else if tab > comma {
        b'\t'
    } else {
        b','
    }
}

/// `8.68E+14`, `8,68E+14`: a long number as a spreadsheet shows it.
fn is_scientific(cell: &str) -> bool {
    let Some((number, exponent)) = cell.split_once(['E', 'e']) else {
        return false;
    };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = number.split_once(['.', ',']);
    let (whole, fraction) = fraction.unwrap_or((number, "0"));
    let plus = cell.contains('+');
    digits(exponent) && digits(fraction) && digits(whole) && (plus || number.contains(['.', ',']))
}
