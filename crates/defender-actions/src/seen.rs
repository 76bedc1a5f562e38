//! Which rows of a list have come already.

use std::collections::{HashSet, VecDeque};

/// This many ids are remembered: those of the ten largest pages that the service gives.
const MOST: usize = 100_000;

/// The ids of the pages before, the latest of them: new rows push others onto later pages, where they come again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pages: VecDeque<HashSet<String>>,
    count: usize,
}

impl Seen {
    /// Whether a page before had it.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.pages.iter().any(|page| page.contains(id))
    }

    /// Remembers a page, and forgets the oldest where they are too many.
    pub(crate) fn note(&mut self, page: HashSet<String>) {
        self.count = self.count.saturating_add(page.len());
        self.pages.push_back(page);
        while self.count > MOST
            && self.pages.len() > 1
            && let Some(oldest) = self.pages.pop_front()
        {
            self.count = self.count.saturating_sub(oldest.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_pages_are_remembered_and_no_more_than_there_is_room_for() {
        let page = |number: usize| (0..10_000).map(|row| format!("{number}-{row}")).collect::<HashSet<_>>();
        let mut seen = Seen::default();
        (0..15).for_each(|number| seen.note(page(number)));
        assert!(seen.has("14-9999") && seen.has("5-0") && !seen.has("4-0"));
        assert_eq!((seen.count, seen.pages.len()), (100_000, 10));
    }
}
