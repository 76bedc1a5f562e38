//! Claims of rows by a worker.

use std::sync::Arc;

use defender_store::{RowState, StoredRow};

use super::{
    context::{Claims, Row},
    event::RunEventKind as Kind,
    worker::{CLAIM_AGAIN, LEASE, Worker},
};
use crate::Error;

impl Worker {
    /// Claims rows, as many as may be sent soon.
    pub(super) async fn claim(&mut self) -> Result<(), Error> {
        let wanted = self.wanted().await?;
        if wanted == 0 {
            return Ok(());
        }
        let claimed = self.context.store.claim_rows(&self.context.run, self.lease(LEASE), wanted).await;
        let claimed = claimed.map_err(|error| {
            // Rows whose leases had ended may be the worker's again, and other workers may have had them meanwhile.
            self.held.values().for_each(Claims::add);
            self.context.store_failed(error)
        })?;
        // At once, since the worker may fail before it comes to the last of them.
        for claims in claimed.iter().filter_map(|stored| self.held.get(&stored.index)) {
            claims.add();
        }
        let now = self.now();
        if claimed.len() < wanted && now >= self.send_at {
            self.claim_at = now.saturating_add(CLAIM_AGAIN);
        }
        for stored in claimed {
            self.take(stored).await?;
        }
        Ok(())
    }

    /// Begins with a claimed row.
    pub(super) async fn take(&mut self, stored: StoredRow) -> Result<(), Error> {
        let index = stored.index;
        if self.held.contains_key(&index) {
            // Its lease has ended, or the store has it back, and the worker does not know yet.
            self.claimed_again.insert(index, stored);
            return Ok(());
        }
        if self.now() < self.send_at && stored.state == RowState::Planned {
            return self.context.give_back(&stored).await;
        }
        if self.wave.is_none_or(|wave| wave < stored.wave) {
            self.wave_ended();
            self.wave = Some(stored.wave);
            self.tell(Kind::WaveBegan { wave: stored.wave });
        }
        let row = Row::of(&stored)?;
        self.held.insert(index, row.claims.clone());
        self.claimed.insert(index, row.for_event());
        let step = Arc::clone(&self.context).advance(row, stored.state);
        self.rows.push(Box::pin(async move { (index, step.await) }));
        Ok(())
    }

    /// Returns how many rows are claimed now. While no request is sent, these are the rows that other workers have sent, and may have
    /// left.
    async fn wanted(&mut self) -> Result<usize, Error> {
        let (now, wanted) = (self.now(), self.most.saturating_sub(self.rows.len()));
        if now >= self.send_at {
            if now < self.claim_at || wanted == 0 {
                return Ok(0);
            }
            if self.is_halted {
                // Another process may have resumed the run. Until this worker knows, it denies each request.
                self.look().await?;
            }
            return Ok(wanted);
        }
        if now < self.take_over_at || wanted == 0 {
            return Ok(0);
        }
        let counts = self.look().await?.counts;
        self.take_over_at = self.now().saturating_add(CLAIM_AGAIN);
        let of_all = usize::try_from(counts.sending.saturating_add(counts.submitted)).unwrap_or(usize::MAX);
        Ok(of_all.saturating_sub(self.waiting.len()).min(wanted))
    }
}
