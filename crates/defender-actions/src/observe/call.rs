//! The report of a call.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use defender_transport::{Clock, extensions::CallStats};
use http::Method;

use crate::{
    Observer,
    client::operation::Operation,
    observe::{CallEnded, End},
};

/// Report of a call in progress. A call that is dropped is reported, too.
pub(crate) struct CallReport<'a> {
    observer: &'a dyn Observer,
    clock: &'a dyn Clock,
    method: Method,
    template: Cow<'static, str>,
    stats: CallStats,
    began: Duration,
    is_over: AtomicBool,
}

impl<'a> CallReport<'a> {
    /// Begins the report, if there is an observer.
    pub(crate) fn begin(
        observer: Option<&'a Arc<dyn Observer>>,
        clock: &'a Arc<dyn Clock>,
        operation: &Operation,
    ) -> Option<Self> {
        let observer = observer?;
        let (stats, began) = (CallStats::default(), clock.elapsed());
        let (method, template) = (operation.method.clone(), operation.observed_template());
        Some(Self {
            observer: &**observer,
            clock: &**clock,
            method,
            template,
            stats,
            began,
            is_over: AtomicBool::new(false),
        })
    }

    /// Returns the counters for the request.
    pub(crate) fn stats(&self) -> CallStats {
        self.stats.clone()
    }

    /// Reports the end, unless it has been reported.
    pub(crate) fn ended(&self, status: Option<u16>, end: End) {
        // Before the observer is called, which may panic.
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        self.observer.call_ended(&CallEnded {
            method: self.method.as_str(),
            template: &self.template,
            status,
            end,
            duration: self.clock.elapsed().saturating_sub(self.began),
            queue_wait: self.stats.queue_wait(),
            attempts: self.stats.attempts(),
            throttled: self.stats.throttled(),
        });
    }
}

impl Drop for CallReport<'_> {
    fn drop(&mut self) {
        self.ended(None, End::Dropped);
    }
}
