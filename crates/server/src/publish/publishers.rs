//! Publishers that number their requests, and how far each has got: a request that comes again, because its
//! answer was lost, is not taken twice. It knows no channel and no request.

use std::collections::HashMap;

/// The most publishers that are remembered. Of more, those are forgotten that were heard of longest ago.
const MAX_PUBLISHERS: usize = 1_024;

/// The most rows of numbers without a gap that are remembered of each: of one that counts, there is one.
const MAX_ROWS: usize = 32;

/// Which request of which publisher this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) publisher: Box<str>,
    pub(crate) sequence: u64,
}

/// How far each has got.
#[derive(Debug, Default)]
pub(crate) struct Publishers {
    known: HashMap<Box<str>, Known>,
    /// Counts what is noted.
    notes: u64,
}

/// What is known of the requests of a publisher that were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Their numbers, from the first to the last of each row without a gap. Before the first row it is no longer
    /// known; what is in none behind that was not taken.
    pub(crate) taken: Vec<(u64, u64)>,
    /// The id of the last event of that with the largest number; 0 where that is not known.
    pub(crate) last_id: u64,
    noted: u64,
}

/// Whether a request was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    New,
    /// With the id of its last event, if that is still known.
    Taken(Option<u64>),
    /// It is no longer known.
    Forgotten,
}

impl Known {
    pub(crate) fn restored(taken: Vec<(u64, u64)>, last_id: u64) -> Self {
        Self { taken, last_id, noted: 0 }
    }

    /// The largest number.
    fn last(&self) -> Option<u64> {
        self.taken.last().map(|row| row.1)
    }

    fn take(&mut self, number: u64) {
        let at = self.taken.partition_point(|row| row.1 < number);
        if self.taken.get(at).is_some_and(|row| row.0 <= number) {
            return;
        }
        let joins_next = self.taken.get(at).is_some_and(|row| row.0 - 1 == number);
        let before = at.checked_sub(1).filter(|&before| self.taken[before].1 + 1 == number);
        match (before, joins_next) {
            (Some(before), true) => self.taken[before].1 = self.taken.remove(at).1,
            (Some(before), false) => self.taken[before].1 = number,
            (None, true) => self.taken[at].0 = number,
            (None, false) => self.taken.insert(at, (number, number)),
        }
        let too_many = self.taken.len().saturating_sub(MAX_ROWS);
        self.taken.drain(..too_many);
    }

    fn give_back(&mut self, number: u64) {
        let at = self.taken.partition_point(|row| row.1 < number);
        let Some(&(first, last)) = self.taken.get(at).filter(|row| row.0 <= number) else { return };
        let rest = [(first, number.wrapping_sub(1)), (number.wrapping_add(1), last)];
        let is_there = [first < number, number < last];
        let rest = rest.into_iter().zip(is_there).filter_map(|(row, is)| is.then_some(row));
        self.taken.splice(at..=at, rest);
    }
}

impl Publishers {
    /// Whether a request was taken before.
    pub(crate) fn standing(&self, claim: &Claim) -> Standing {
        let Some(known) = self.known.get(&claim.publisher) else { return Standing::New };
        match known.taken.iter().rfind(|row| row.0 <= claim.sequence) {
            Some(row) if claim.sequence <= row.1 => {
                let is_last = known.last() == Some(claim.sequence);
                Standing::Taken(Some(known.last_id).filter(|id| is_last && *id > 0))
            }
            Some(_) => Standing::New,
            None => Standing::Forgotten,
        }
    }

    /// Notes that a request was taken. Gives the id that was the last before, for [`Self::undo`].
    pub(crate) fn note(&mut self, claim: &Claim, last_id: u64) -> Option<u64> {
        self.notes += 1;
        if let Some(known) = self.known.get_mut(&claim.publisher) {
            let before = known.last_id;
            known.noted = self.notes;
            if known.last().is_none_or(|last| last < claim.sequence) {
                known.last_id = last_id;
            }
            known.take(claim.sequence);
            return Some(before);
        }
        let row = (claim.sequence, claim.sequence);
        self.insert(claim.publisher.clone(), Known::restored(vec![row], last_id));
        None
    }

    /// Brings back what was known of one, later than what is known now.
    pub(crate) fn restore(&mut self, publisher: Box<str>, known: Known) {
        self.notes += 1;
        if !known.taken.is_empty() {
            self.insert(publisher, known);
        }
    }

    fn insert(&mut self, publisher: Box<str>, known: Known) {
        if self.known.len() >= MAX_PUBLISHERS && !self.known.contains_key(&publisher) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.noted);
            if let Some(oldest) = oldest.map(|(publisher, _)| publisher.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(publisher, Known { noted: self.notes, ..known });
    }

    /// The request was not taken after all.
    pub(crate) fn undo(&mut self, claim: &Claim, before: Option<u64>) {
        match (before, self.known.get_mut(&claim.publisher)) {
            (Some(last_id), Some(known)) => {
                known.last_id = last_id;
                known.give_back(claim.sequence);
            }
            _ => drop(self.known.remove(&claim.publisher)),
        }
    }

    /// All of them, those that were heard of last come last.
    pub(crate) fn all(&self) -> Vec<(&str, &Known)> {
        let mut all: Vec<_> = self.known.iter().map(|(name, known)| (&**name, known)).collect();
        all.sort_unstable_by_key(|(_, known)| known.noted);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(publisher: &str, sequence: u64) -> Claim {
        Claim { publisher: publisher.into(), sequence }
    }

    #[test]
    fn a_request_that_comes_again_is_known() {
        let mut publishers = Publishers::default();
        assert_eq!(publishers.standing(&claim("a", 1)), Standing::New);
        publishers.note(&claim("a", 1), 10);
        let before = publishers.note(&claim("a", 2), 12);
        assert_eq!(publishers.standing(&claim("a", 2)), Standing::Taken(Some(12)));
        assert_eq!(publishers.standing(&claim("a", 1)), Standing::Taken(None));
        assert_eq!(publishers.standing(&claim("a", 3)), Standing::New);
        assert_eq!(publishers.standing(&claim("b", 1)), Standing::New, "that is another one");
        publishers.undo(&claim("a", 2), before);
        assert_eq!(publishers.standing(&claim("a", 2)), Standing::New);
        assert_eq!(publishers.standing(&claim("a", 1)), Standing::Taken(Some(10)));
        publishers.note(&claim("b", 7), 1);
        publishers.undo(&claim("b", 7), None);
        assert_eq!(publishers.all().len(), 1);
    }

    #[test]
    fn one_that_was_not_taken_never_counts_as_taken() {
        let mut publishers = Publishers::default();
        for number in [5, 6, 8, 9, 12] {
            publishers.note(&claim("a", number), number);
        }
        let standings = |publishers: &Publishers, numbers: [u64; 9]| {
            numbers.map(|number| match publishers.standing(&claim("a", number)) {
                Standing::New => 'n',
                Standing::Taken(_) => 't',
                Standing::Forgotten => 'f',
            })
        };
        let numbers = [4, 5, 6, 7, 8, 9, 10, 12, 13];
        assert_eq!(standings(&publishers, numbers), ['f', 't', 't', 'n', 't', 't', 'n', 't', 'n']);
        publishers.note(&claim("a", 7), 99);
        assert_eq!(publishers.all()[0].1.taken, [(5, 9), (12, 12)]);
        assert_eq!(publishers.standing(&claim("a", 12)), Standing::Taken(Some(12)));
        publishers.undo(&claim("a", 8), Some(12));
        assert_eq!(publishers.all()[0].1.taken, [(5, 7), (9, 9), (12, 12)]);
        for number in 0..100 {
            publishers.note(&claim("a", 20 + 2 * number), 1);
        }
        assert_eq!(publishers.all()[0].1.taken.len(), MAX_ROWS);
        assert_eq!(publishers.standing(&claim("a", 20)), Standing::Forgotten);
        assert_eq!(publishers.standing(&claim("a", 217)), Standing::New);
    }

    #[test]
    fn who_was_heard_of_longest_ago_is_forgotten() {
        let mut publishers = Publishers::default();
        for number in 0..MAX_PUBLISHERS {
            publishers.note(&claim(&number.to_string(), 1), 1);
        }
        publishers.note(&claim("0", 2), 2);
        publishers.note(&claim("new", 1), 3);
        assert_eq!(publishers.standing(&claim("0", 2)), Standing::Taken(Some(2)));
        assert_eq!(publishers.standing(&claim("1", 1)), Standing::New);
        assert_eq!(publishers.all().len(), MAX_PUBLISHERS);
        assert_eq!(publishers.all().last().map(|of| of.0), Some("new"));
    }
}
