//! The progress of an action by the clock.

use std::time::Duration;

use jiff::Timestamp;

/// The time that a live-response session waits for a machine that is offline:
/// <https://learn.microsoft.com/defender-endpoint/api/run-live-response>, as of 2025-12-31.
pub(crate) const TWO_HOURS: Duration = Duration::from_secs(2 * 3_600);

/// The time that any other action waits:
/// <https://learn.microsoft.com/defender-endpoint/respond-machine-alerts> has three days. Captures show a quarter of an hour more, which this leaves out.
pub(crate) const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 3_600);

/// `errorHResult` of an action that timed out, 0x80190198, as captures have it.
const TIMED_OUT: i32 = -2_145_844_840;
/// `errorHResult` of an action that was cancelled, `E_ABORT` 0x80004004, as captures have it.
const ABORTED: i32 = -2_147_467_260;

/// The durations of an action's two passing states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) pending_for: Duration,
    pub(crate) running_for: Duration,
}

/// The end of an action that nobody cancels.
///
/// The names are those of `status` in <https://learn.microsoft.com/defender-endpoint/api/machineaction>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It ends as `Succeeded`. The default.
    #[default]
    Succeeded,
    /// It ends as `Failed`, with this `errorHResult`, which is a signed number in JSON.
    Failed {
        /// Such as `-2147024891`, which is 0x80070005, access denied.
        error_hresult: i32,
    },
    /// It stays `Pending` for three days, a live-response session for two hours, and ends as `TimeOut`: as on an offline
    /// machine, but also if the machine is online.
    TimedOut,
    /// It ends as `Cancelled` without a request; a live-response command of it is `Completed` nevertheless.
    Cancelled,
}

/// The states of one action, on the clock's own time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    born: Duration,
    starts: Duration,
    /// The time at which it ends by itself; a cancellation ends it earlier.
    runs_until: Duration,
    ends: Duration,
    outcome: Outcome,
    /// The outcome if its machine is online again before it ends; `None` if it does not wait for its machine.
    after_waiting: Option<Outcome>,
}

impl Life {
    /// One that begins at this pace. `patience` is the time until it times out, if that is its outcome.
    pub(crate) fn new(born: Duration, pace: Pace, patience: Duration, outcome: Outcome) -> Self {
        match outcome {
            Outcome::TimedOut => Self::waiting(born, patience, outcome),
            _ => Self::running(born, pace, outcome),
        }
    }

    /// One that waits for its machine and times out after `patience`, or has this outcome if it begins before. It does not
    /// begin if the outcome is to time out.
    pub(crate) fn waiting(born: Duration, patience: Duration, outcome: Outcome) -> Self {
        Self {
            born,
            starts: Duration::MAX,
            runs_until: Duration::MAX,
            ends: born.saturating_add(patience),
            outcome: Outcome::TimedOut,
            after_waiting: Some(outcome).filter(|outcome| *outcome != Outcome::TimedOut),
        }
    }

    fn running(born: Duration, pace: Pace, outcome: Outcome) -> Self {
        let starts = born.saturating_add(pace.pending_for);
        let ends = starts.saturating_add(pace.running_for);
        Self { born, starts, runs_until: ends, ends, outcome, after_waiting: None }
    }

    /// One that has ended so at `ended`, before anybody looked.
    pub(crate) fn over(ended: Duration, outcome: Outcome) -> Self {
        Self { born: ended, starts: ended, runs_until: ended, ends: ended, outcome, after_waiting: None }
    }

    /// Returns the `status` at `elapsed`.
    pub(crate) fn status(&self, elapsed: Duration) -> &'static str {
        if elapsed >= self.ends {
            self.last_status()
        } else if elapsed >= self.starts {
            "InProgress"
        } else {
            "Pending"
        }
    }

    /// Returns the `status` in which it ends.
    pub(crate) fn last_status(&self) -> &'static str {
        match self.outcome {
            Outcome::Succeeded => "Succeeded",
            Outcome::Failed { .. } => "Failed",
            Outcome::TimedOut => "TimeOut",
            Outcome::Cancelled => "Cancelled",
        }
    }

    /// Returns the age at which it reached its state at `elapsed`.
    pub(crate) fn since(&self, elapsed: Duration) -> Duration {
        let came = if elapsed >= self.ends {
            self.ends
        } else if elapsed >= self.starts {
            self.starts
        } else {
            self.born
        };
        came.saturating_sub(self.born)
    }

    pub(crate) fn is_active(&self, elapsed: Duration) -> bool {
        elapsed < self.ends
    }

    /// Returns the time at which it ends, if nothing comes between.
    pub(crate) fn ends(&self) -> Duration {
        self.ends
    }

    pub(crate) fn born(&self) -> Duration {
        self.born
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the error code at `elapsed`, or 0.
    pub(crate) fn error_hresult(&self, elapsed: Duration) -> i32 {
        match self.outcome {
            _ if self.is_active(elapsed) => 0,
            Outcome::Succeeded => 0,
            Outcome::Failed { error_hresult } => error_hresult,
            Outcome::TimedOut => TIMED_OUT,
            Outcome::Cancelled => ABORTED,
        }
    }

    /// Ends it at `elapsed`.
    pub(crate) fn cancel(&mut self, elapsed: Duration) {
        self.ends = elapsed;
        self.outcome = Outcome::Cancelled;
    }

    /// Continues it from `elapsed`: the machine is online again. Returns `false` if it did not wait for that.
    pub(crate) fn resume(&mut self, elapsed: Duration, pace: Pace) -> bool {
        let Some(outcome) = self.after_waiting else { return false };
        *self = Self { born: self.born, ..Self::running(elapsed, pace, outcome) };
        true
    }

    /// Returns the time in which it runs, without a cancellation; `None` if it never begins.
    pub(crate) fn run(&self) -> Option<(Duration, Duration)> {
        (self.starts < Duration::MAX).then_some((self.starts, self.runs_until))
    }

    /// Returns the end of its work so far at `elapsed`: a cancelled action does no more.
    pub(crate) fn worked(&self, elapsed: Duration) -> Duration {
        elapsed.min(self.ends)
    }
}

/// The time and pace of a start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) now: Timestamp,
    pub(crate) elapsed: Duration,
    pub(crate) pace: Pace,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { pending_for: Duration::from_secs(1), running_for: Duration::from_secs(2) };

    fn words(outcome: Outcome, seconds: &[u64]) -> Vec<&'static str> {
        let life = Life::new(Duration::from_secs(10), PACE, THREE_DAYS, outcome);
        seconds.iter().map(|second| life.status(Duration::from_secs(10 + second))).collect()
    }

    #[test]
    fn it_waits_runs_and_ends() {
        assert_eq!(words(Outcome::Succeeded, &[0, 1, 2, 3]), ["Pending", "InProgress", "InProgress", "Succeeded"]);
        assert_eq!(words(Outcome::Failed { error_hresult: -1 }, &[2, 3]), ["InProgress", "Failed"]);
        assert_eq!(words(Outcome::Cancelled, &[2, 3]), ["InProgress", "Cancelled"]);
        assert_eq!(words(Outcome::TimedOut, &[3, 259_199, 259_200]), ["Pending", "Pending", "TimeOut"]);
    }

    #[test]
    fn error_code_appears_at_the_end() {
        let life = Life::new(Duration::ZERO, PACE, THREE_DAYS, Outcome::Failed { error_hresult: -7 });
        assert_eq!([2, 3].map(|second| life.error_hresult(Duration::from_secs(second))), [0, -7]);
    }

    #[test]
    fn cancelled_ends_and_waiting_resumes() {
        let mut life = Life::waiting(Duration::ZERO, THREE_DAYS, Outcome::Succeeded);
        assert!(life.resume(Duration::from_secs(100), PACE));
        assert!(!life.resume(Duration::from_secs(100), PACE), "it waits no more");
        assert_eq!(life.status(Duration::from_secs(101)), "InProgress");
        life.cancel(Duration::from_secs(102));
        assert_eq!(life.status(Duration::from_secs(102)), "Cancelled");
        assert_eq!(life.since(Duration::from_secs(200)), Duration::from_secs(102));
    }
}
