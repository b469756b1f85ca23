//! Small sorted maps of texts: what one phone has beside the defaults that all phones share.
//!
//! Invariants: names are unique and sorted; an empty map costs no memory beside itself. Not here: what the names mean (`phone`).

use smol_str::SmolStr;

/// A sorted list of names with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(SmolStr, SmolStr)>);

impl Values {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&SmolStr> {
        let place = self.place(name).ok()?;
        Some(&self.0[place].1)
    }

    /// Gives `name` this value.
    pub fn set(&mut self, name: impl Into<SmolStr>, value: impl Into<SmolStr>) {
        let name = name.into();
        match self.place(&name) {
            Ok(place) => self.0[place].1 = value.into(),
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (name, value.into()));
            }
        }
    }

    /// Takes `name` out; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let place = self.place(name);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    /// Takes out what does not satisfy `keep`.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
        self.0.shrink_to_fit();
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

impl<N: Into<SmolStr>, V: Into<SmolStr>> FromIterator<(N, V)> for Values {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(items: I) -> Self {
        let mut values = Self::default();
        for (name, value) in items {
            values.set(name, value);
        }
        values
    }
}
