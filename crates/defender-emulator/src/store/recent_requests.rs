//! The requests that were received, for a test in another language to read.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// The number of requests kept; the oldest go first.
const KEPT: usize = 10_000;

/// The last requests, GETs too, without tokens and bodies.
#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The number of the oldest that is kept.
    first: usize,
    lines: VecDeque<Value>,
}

impl RequestLog {
    pub(crate) fn add(&self, line: Value) {
        let mut kept = self.locked();
        if kept.lines.len() == KEPT {
            kept.lines.pop_front();
            kept.first += 1;
        }
        kept.lines.push_back(line);
    }

    /// Those from the one of this number on, with the number of the first.
    pub(crate) fn from(&self, number: usize) -> (usize, Vec<Value>) {
        let kept = self.locked();
        let skipped = number.saturating_sub(kept.first);
        (kept.first.max(number), kept.lines.iter().skip(skipped).cloned().collect())
    }

    pub(crate) fn clear(&self) {
        *self.locked() = Kept::default();
    }

    fn locked(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_requests_are_forgotten() {
        let log = RequestLog::default();
        (0..KEPT + 5).for_each(|number| log.add(number.into()));
        let (first, lines) = log.from(0);
        assert_eq!((first, lines.len(), &lines[0]), (5, KEPT, &Value::from(5)));
        assert_eq!(log.from(KEPT + 4), (KEPT + 4, vec![Value::from(KEPT + 4)]));
        assert_eq!(log.from(KEPT + 99).1, Vec::<Value>::new());
    }
}
