//! Steps of a worker after an event.

use std::{sync::Arc, time::Duration};

use defender_store::RowState;
use jiff::{SignedDuration, Timestamp};

use super::{
    context::{Row, Step},
    event::RunEventKind as Kind,
    row::RowError,
    wait::Happened,
    worker::{CLAIM_AGAIN, GIVE_UP, LONGEST_READ, OUTAGE_ENDS, SEND_AGAIN, Worker},
};
use crate::{Error, inbox::Note};

impl Worker {
    pub(super) async fn follow(&mut self, happened: Happened) -> Result<(), Error> {
        match happened {
            Happened::Time => Ok(()),
            Happened::Note(note) => self.note(note).await,
            Happened::Step((index, step)) => {
                let again = self.claimed_again.remove(&index);
                let step = step?;
                // After a submission or an end, only the claim of a later attempt is left to do.
                let again = again.filter(|stored| match &step {
                    Step::Submitted { row, .. } | Step::Ended { row, .. } => stored.attempt > row.claimed_attempt,
                    _ => true,
                });
                let step = match (step, &again) {
                    (step @ Step::Submitted { .. }, None) => return self.stepped(step).await,
                    // Another worker has ended the attempt before this one had the response of the store.
                    (Step::Submitted { .. }, Some(_)) => Step::Lost,
                    (step, _) => step,
                };
                self.held.remove(&index);
                self.stepped(step).await?;
                match again {
                    Some(stored) if self.failure.is_none() => self.take(stored).await,
                    _ => Ok(()),
                }
            }
            Happened::Read(read) => {
                let (set, ended, is_of_list) = *read;
                if ended.iter().any(|(_, outcome)| outcome.is_ok()) {
                    self.outage = None;
                }
                self.set = Some(set);
                self.read_delay = (self.read_delay * 3 / 2).min(LONGEST_READ);
                self.read_at = self.now().saturating_add(self.read_delay);
                for (index, outcome) in ended {
                    if let Some(row) = self.waiting.remove(&index) {
                        let end = Arc::clone(&self.context).ended(row, outcome, is_of_list);
                        self.ends.push(Box::pin(async move { (index, end.await) }));
                    }
                }
                Ok(())
            }
        }
    }

    pub(super) async fn note(&mut self, note: Note) -> Result<(), Error> {
        match note {
            Note::Halted => self.halted().await,
            Note::Departed(index) => {
                if let Some(row) = self.claimed.remove(&index) {
                    self.tell(Kind::Sent { row });
                }
                Ok(())
            }
        }
    }

    async fn stepped(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Submitted { row, awaited, is_news } => {
                if is_news {
                    self.outage = None;
                }
                let attempt = &row.document.attempt;
                if let (true, Some(origin), Some(action_id)) = (is_news, attempt.origin, attempt.action_id.clone()) {
                    self.tell(Kind::Submitted { row: row.for_event(), origin, action_id });
                }
                if self.waiting.is_empty() {
                    self.read_soon();
                }
                self.added.push((row.index, *awaited));
                self.waiting.insert(row.index, *row);
                if self.rows.is_empty() && self.now() < self.claim_at {
                    // The last of the wave: its end is what the run waits for.
                    self.read_soon();
                }
                Ok(())
            }
            Step::Ended { row, state, is_halted } => {
                self.tell(ended(&row, state));
                if self.rows.is_empty() && self.waiting.is_empty() {
                    // The next wave may begin.
                    self.claim_at = Duration::ZERO;
                }
                if is_halted { self.halted().await } else { Ok(()) }
            }
            Step::Planned { again_in } => {
                if let Some(until) = self.pause(again_in) {
                    self.tell(Kind::WaitingForQuota { until });
                }
                Ok(())
            }
            Step::Unreachable { error } => {
                // After a long time, the service may have been reached meanwhile: by another worker, or by a request that was refused.
                let now = self.now();
                let goes_on = |(_, last): &(Duration, Duration)| now.saturating_sub(*last) <= OUTAGE_ENDS;
                let since = self.outage.filter(goes_on).map_or(now, |(since, _)| since);
                self.outage = Some((since, now));
                if now.saturating_sub(since) >= GIVE_UP {
                    return Err(*error);
                }
                if let Some(until) = self.pause(SEND_AGAIN) {
                    self.tell(Kind::WaitingForService { until, error: error.to_string() });
                }
                Ok(())
            }
            Step::Halted => self.halted().await,
            Step::Later => {
                self.claim_at = self.now().saturating_add(CLAIM_AGAIN);
                Ok(())
            }
            Step::Lost => Ok(()),
        }
    }

    /// Sends no row for this time. Returns its end, if it is later than that of an earlier pause.
    fn pause(&mut self, time: Duration) -> Option<Timestamp> {
        self.claim_at = Duration::ZERO;
        let until = self.now().saturating_add(time);
        if until <= self.send_at || time.is_zero() {
            return None;
        }
        self.send_at = until;
        let time = SignedDuration::try_from(time).unwrap_or_default();
        Some(self.context.clock().now().saturating_add(time).unwrap_or(Timestamp::MAX))
    }
}

/// Returns the event of an ended row.
fn ended(row: &Row, state: RowState) -> Kind {
    let attempt = &row.document.attempt;
    let error = || attempt.error.clone().unwrap_or_else(|| RowError::of_line(""));
    let (row, status, action_id) = (row.for_event(), attempt.status.clone(), attempt.action_id.clone());
    match state {
        RowState::Failed => Kind::Failed { row, status, error: error() },
        RowState::Unknown => Kind::Unknown { row, error: error() },
        _ => Kind::Succeeded { row, action_id },
    }
}
