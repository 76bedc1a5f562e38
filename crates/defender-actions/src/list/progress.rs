//! Progress of a list: each row once, and no page for ever.

use defender_model::Page;

use crate::list::dedup::RowDedup;

/// This many pages in a row may bring nothing new: empty ones, which a service may give that filters as it goes, and those whose
/// rows have all come before, since new rows push others onto later pages. One more ends the list.
pub(super) const MOST_IDLE: u32 = 10;

/// What came on the pages before.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Paths that were asked for.
    paths: RowDedup,
    /// Pages, by all their rows.
    pages: RowDedup,
    rows: RowDedup,
    /// Pages in a row that brought nothing new.
    idle: u32,
}

impl Progress {
    /// Notes that the page of this path is asked for.
    pub(super) fn asks(&mut self, path: &str) {
        self.paths.note(self.paths.hash(path));
    }

    /// Returns whether the page of this path was asked for before.
    pub(super) fn has_asked(&self, path: &str) -> bool {
        self.paths.has(self.paths.hash(path))
    }

    /// Leaves out the rows that came on pages before, and remembers the others unless the page is the last.
    pub(super) fn take<R>(&mut self, page: &mut Page<R>, id: fn(&R) -> &str, is_last: bool) {
        if is_last && self.rows.is_empty() {
            return; // Most lists are one page, and need no memory.
        }
        let rows: Vec<u64> = page.value.iter().map(|row| self.rows.hash(id(row))).collect();
        // One that cannot be read is known by all that it says, and is never left out.
        let odd: Vec<u64> =
            page.unreadable.iter().map(|row| self.rows.hash((row.raw.to_string(), "unreadable"))).collect();
        let whole = self.pages.hash((&rows, &odd));
        let is_new = |hash: &u64| !self.rows.has(*hash);
        let brings_new = !self.pages.has(whole) && rows.iter().chain(&odd).any(is_new);
        let mut hashes = rows.iter();
        page.value.retain(|_| hashes.next().is_none_or(is_new));
        self.idle = if brings_new { 0 } else { self.idle.saturating_add(1) };
        self.pages.note(whole);
        rows.into_iter().chain(odd).for_each(|hash| self.rows.note(hash));
    }

    /// Returns whether too many pages in a row have brought nothing new.
    pub(super) fn is_stuck(&self) -> bool {
        self.idle > MOST_IDLE
    }
}
