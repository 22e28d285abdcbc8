//! Publishers that number their requests, and how far each has got: a request that comes again, because its
//! answer was lost, is not taken twice. It knows no channel and no request.

use std::collections::HashMap;

/// The most publishers that are remembered. Of more, those are forgotten that were heard of longest ago.
const MAX_PUBLISHERS: usize = 1_024;

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

/// The last request of a publisher that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) sequence: u64,
    /// The id of its last event; 0 where that is not known.
    pub(crate) last_id: u64,
    noted: u64,
}

impl Publishers {
    /// Of a request that was taken before, the id of its last event if that is still known.
    pub(crate) fn repeated(&self, claim: &Claim) -> Option<Option<u64>> {
        let known = self.known.get(&claim.publisher)?;
        (claim.sequence <= known.sequence)
            .then_some(known.last_id)
            .map(|id| Some(id).filter(|id| claim.sequence == known.sequence && *id > 0))
    }

    /// Notes that a request was taken. Gives what was known before, for [`Self::undo`].
    pub(crate) fn note(&mut self, claim: &Claim, last_id: u64) -> Option<Known> {
        self.notes += 1;
        if self.known.len() >= MAX_PUBLISHERS && !self.known.contains_key(&claim.publisher) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.noted);
            if let Some(oldest) = oldest.map(|(publisher, _)| publisher.clone()) {
                self.known.remove(&oldest);
            }
        }
        let known = Known { sequence: claim.sequence, last_id, noted: self.notes };
        self.known.insert(claim.publisher.clone(), known)
    }

    /// The request was not taken after all.
    pub(crate) fn undo(&mut self, claim: &Claim, before: Option<Known>) {
        match before {
            Some(known) => self.known.insert(claim.publisher.clone(), known),
            None => self.known.remove(&claim.publisher),
        };
    }

    /// All of them, those that were heard of last come last.
    pub(crate) fn all(&self) -> Vec<(&str, Known)> {
        let mut all: Vec<_> = self.known.iter().map(|(name, known)| (&**name, *known)).collect();
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
        assert_eq!(publishers.repeated(&claim("a", 1)), None);
        publishers.note(&claim("a", 1), 10);
        let before = publishers.note(&claim("a", 2), 12);
        assert_eq!(publishers.repeated(&claim("a", 2)), Some(Some(12)));
        assert_eq!(publishers.repeated(&claim("a", 1)), Some(None), "it was taken, too");
        assert_eq!(publishers.repeated(&claim("a", 3)), None);
        assert_eq!(publishers.repeated(&claim("b", 1)), None, "that is another one");
        publishers.undo(&claim("a", 2), before);
        assert_eq!(publishers.repeated(&claim("a", 2)), None);
        publishers.note(&claim("b", 7), 1);
        publishers.undo(&claim("b", 7), None);
        assert_eq!(publishers.all().len(), 1);
    }

    #[test]
    fn who_was_heard_of_longest_ago_is_forgotten() {
        let mut publishers = Publishers::default();
        for number in 0..MAX_PUBLISHERS {
            publishers.note(&claim(&number.to_string(), 1), 1);
        }
        publishers.note(&claim("0", 2), 2);
        publishers.note(&claim("new", 1), 3);
        assert_eq!(publishers.repeated(&claim("0", 2)), Some(Some(2)));
        assert_eq!(publishers.repeated(&claim("1", 1)), None);
        assert_eq!(publishers.all().len(), MAX_PUBLISHERS);
        assert_eq!(publishers.all().last().map(|of| of.0), Some("new"));
    }
}
