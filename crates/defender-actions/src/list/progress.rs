//! Progress of a list: repeated rows are omitted, and endless lists are recognized.

use defender_model::Page;

use crate::list::dedup::RowDedup;

/// Maximum number of consecutive pages without a new row; one more ends the list. A service that filters page by page may return empty
/// pages, and new rows push others onto later pages, so that all rows of a page may be repeated.
pub(super) const MAX_IDLE: u32 = 10;

/// Paths, pages and rows that were read before.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Requested paths.
    paths: RowDedup,
    /// Pages, each by the hash of all its rows.
    pages: RowDedup,
    rows: RowDedup,
    /// Consecutive pages without a new row.
    idle: u32,
}

impl Progress {
    /// Records the request of this path.
    pub(super) fn record_request(&mut self, path: &str) {
        self.paths.insert(self.paths.hash(path));
    }

    /// Returns whether this path was requested before.
    pub(super) fn was_requested(&self, path: &str) -> bool {
        self.paths.contains(self.paths.hash(path))
    }

    /// Removes repeated rows from a page, and records the others unless the page is the last.
    pub(super) fn dedup<R>(&mut self, page: &mut Page<R>, id: fn(&R) -> &str, is_last: bool) {
        if is_last && self.rows.is_empty() {
            return; // Most lists have one page and need no memory.
        }
        let rows: Vec<u64> = page.value.iter().map(|row| self.rows.hash(id(row))).collect();
        // An unreadable row is identified by its whole text, and is never removed.
        let unreadable: Vec<u64> =
            page.unreadable.iter().map(|row| self.rows.hash((row.raw.to_string(), "unreadable"))).collect();
        let page_hash = self.pages.hash((&rows, &unreadable));
        let is_new = |hash: &u64| !self.rows.contains(*hash);
        let has_new_row = !self.pages.contains(page_hash) && rows.iter().chain(&unreadable).any(is_new);
        let mut hashes = rows.iter();
        page.value.retain(|_| hashes.next().is_none_or(is_new));
        self.idle = if has_new_row { 0 } else { self.idle.saturating_add(1) };
        self.pages.insert(page_hash);
        rows.into_iter().chain(unreadable).for_each(|hash| self.rows.insert(hash));
    }

    /// Returns whether too many consecutive pages had no new row.
    pub(super) fn is_stuck(&self) -> bool {
        self.idle > MAX_IDLE
    }
}
