//! A disk that loses power: what was synced stays; of what was not, any part may have reached it, in any order, torn at sectors.
//!
//! A file's content is durable when the file was synced, its name when the folder was. Names reach the disk in order (as with a journaling file system),
//! contents in any. Sectors that a file grew by and that were not written hold zeros, or anything.
//!
//! Invariants: nothing that was synced is lost. Not here: disks that say that they synced and did not.

use super::record::Step;
use std::collections::BTreeMap;
use std::path::Path;

/// What a disk writes whole.
const SECTOR: usize = 512;

/// What becomes of the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// None arrived.
    Nothing,
    /// All did.
    Everything,
    /// The first ones did, the last of them in part.
    Beginning,
    /// Some did.
    Some,
    /// Some sectors of each did, the others are old, zeros, or anything.
    Torn,
}

impl Cut {
    pub(super) const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Everything,
        Self::Beginning,
        Self::Some,
        Self::Torn,
    ];
}

/// Numbers that follow from a seed.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64)).unwrap()
    }

    fn half(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    waiting: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Naming {
    Make(String, usize),
    Remove(String),
    Rename(String, String),
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Make(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

/// One folder on a disk.
#[derive(Debug)]
pub(super) struct Disk {
    folder: String,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    waiting: Vec<Naming>,
}

impl Disk {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_str().unwrap().to_owned(),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Whether the disk waits for anything.
    pub(super) fn is_dirty(&self) -> bool {
        !self.waiting.is_empty() || self.files.iter().any(|file| !file.waiting.is_empty())
    }

    /// The name of a file of the folder itself.
    fn name<'a>(&self, path: &'a str) -> Option<&'a str> {
        let name = path.strip_prefix(&self.folder)?.strip_prefix('/')?;
        // What readers share in memory is not kept.
        (!name.contains('/') && !name.ends_with("-shm")).then_some(name)
    }

    fn file(&mut self, path: &str) -> Option<&mut File> {
        let number = *self.names.get(self.name(path)?)?;
        self.files.get_mut(number)
    }

    fn change(&mut self, path: &str, change: Change) {
        if let Some(file) = self.file(path) {
            file.waiting.push(change);
        }
    }

    fn named(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.waiting.push(naming);
    }

    /// Takes in what the process did.
    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Open {
                path,
                made,
                emptied,
            } => {
                let name = self.name(path).map(str::to_owned);
                if let Some(name) = name
                    && *made
                    && !self.names.contains_key(&name)
                {
                    self.files.push(File::default());
                    self.named(Naming::Make(name, self.files.len() - 1));
                }
                if *emptied {
                    self.change(path, Change::Length(0));
                }
            }
            Step::Write { path, at, bytes } => {
                let at = usize::try_from(*at).unwrap();
                let bytes = bytes.clone();
                self.change(path, Change::Write { at, bytes });
            }
            Step::Cut { path, length } => {
                self.change(path, Change::Length(usize::try_from(*length).unwrap()));
            }
            Step::Sync(path) if *path == self.folder => {
                self.durable = self.names.clone();
                self.waiting.clear();
            }
            Step::Sync(path) => {
                if let Some(file) = self.file(path) {
                    for change in std::mem::take(&mut file.waiting) {
                        change.apply(&mut file.durable);
                    }
                }
            }
            Step::Remove(path) => {
                if let Some(name) = self.name(path).map(str::to_owned) {
                    self.named(Naming::Remove(name));
                }
            }
            Step::Rename(from, to) => {
                let names = self.name(from).zip(self.name(to));
                if let Some((from, to)) = names.map(|(from, to)| (from.to_owned(), to.to_owned())) {
                    self.named(Naming::Rename(from, to));
                }
            }
            Step::Said(_) => {}
        }
    }

    /// What stands on the disk when power comes back.
    pub(super) fn image(&self, cut: Cut, dice: &mut Dice) -> BTreeMap<String, Vec<u8>> {
        let kept = match cut {
            Cut::Nothing => 0,
            Cut::Everything => self.waiting.len(),
            Cut::Beginning | Cut::Some | Cut::Torn => dice.below(self.waiting.len() + 1),
        };
        let mut names = self.durable.clone();
        for naming in &self.waiting[..kept] {
            naming.apply(&mut names);
        }
        names
            .into_iter()
            .map(|(name, file)| (name, self.files[file].after(cut, dice)))
            .collect()
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length, 0),
        }
    }

    /// A part of it: up to a byte.
    fn begun(&self, dice: &mut Dice) -> Self {
        match self {
            Self::Write { at, bytes } => Self::Write {
                at: *at,
                bytes: bytes[..dice.below(bytes.len() + 1)].to_vec(),
            },
            Self::Length(length) => Self::Length(*length),
        }
    }

    /// Some sectors of it.
    fn torn(&self, content: &mut Vec<u8>, dice: &mut Dice) {
        let Self::Write { at, bytes } = self else {
            self.apply(content);
            return;
        };
        let before = content.len();
        let mut from = 0;
        while from < bytes.len() {
            let sector_end = ((at + from) / SECTOR + 1) * SECTOR - at;
            let to = sector_end.min(bytes.len());
            let new = at + from >= before;
            let part = if dice.half() {
                Some(bytes[from..to].to_vec())
            } else if new && dice.half() {
                Some((from..to).map(|_| dice.next().to_le_bytes()[0]).collect())
            } else {
                None
            };
            if let Some(bytes) = part {
                let at = at + from;
                Self::Write { at, bytes }.apply(content);
            }
            from = to;
        }
    }
}

impl File {
    fn after(&self, cut: Cut, dice: &mut Dice) -> Vec<u8> {
        let mut content = self.durable.clone();
        match cut {
            Cut::Nothing => {}
            Cut::Everything => {
                for change in &self.waiting {
                    change.apply(&mut content);
                }
            }
            Cut::Beginning => {
                let whole = dice.below(self.waiting.len() + 1);
                for change in &self.waiting[..whole] {
                    change.apply(&mut content);
                }
                if let Some(change) = self.waiting.get(whole) {
                    change.begun(dice).apply(&mut content);
                }
            }
            Cut::Some => {
                for change in &self.waiting {
                    if dice.half() {
                        change.apply(&mut content);
                    }
                }
            }
            Cut::Torn => {
                for change in &self.waiting {
                    change.torn(&mut content, dice);
                }
            }
        }
        content
    }
}
