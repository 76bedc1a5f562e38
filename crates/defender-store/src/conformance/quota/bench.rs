//! The tools of a clause: a key of its own, and the handles of the store.

use std::{sync::Arc, time::Duration};

use defender_transport::{
    Clock, EndedPermit, PermitId, PermitOutcome, PermitRequest, Permits, QuotaStore,
    extensions::{QuotaKey, RateLimit},
};

use crate::conformance::verdict::Stop;

pub(super) struct Bench<'a> {
    stores: &'a [Arc<dyn QuotaStore>],
    pub(super) clock: &'a dyn Clock,
    pub(super) unit: Duration,
    key: QuotaKey,
}

/// Times before and after a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) before: Duration,
    pub(super) after: Duration,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        stores: &'a [Arc<dyn QuotaStore>],
        clock: &'a dyn Clock,
        unit: Duration,
        clause: &'static str,
    ) -> Self {
        let key = QuotaKey::from(format!("conformance/{clause}/{}", PermitId::generate()));
        Self { stores, clock, unit, key }
    }

    /// The same with another key.
    pub(super) fn other_key(&self) -> Self {
        Self { key: QuotaKey::from(format!("{}/other", self.key)), ..*self }
    }

    /// Calls in a window of this many units.
    pub(super) fn limit(&self, calls: u32, units: u32) -> RateLimit {
        RateLimit { calls, per: self.unit.saturating_mul(units) }
    }

    /// A time after which no clause looks.
    pub(super) fn long(&self) -> Duration {
        self.unit.saturating_mul(1_000)
    }

    /// Asks for permits that are held for long.
    pub(super) async fn ask(&self, handle: usize, ids: &[PermitId], limits: &[RateLimit]) -> Result<Permits, Stop> {
        self.ask_for(handle, ids, limits, self.long()).await
    }

    pub(super) async fn ask_for(
        &self,
        handle: usize,
        permits: &[PermitId],
        limits: &[RateLimit],
        hold: Duration,
    ) -> Result<Permits, Stop> {
        let request = PermitRequest { key: &self.key, limits, permits, hold };
        let permits = self.store(handle)?.reserve(&request).await;
        let permits = permits.map_err(|error| Stop::Broken(format!("an ask failed: {error}")))?;
        let count = request.permits.len();
        let is_complete = permits.granted == count;
        if permits.granted > count || permits.retry_after.is_none() != is_complete {
            return Err(Stop::Broken(format!("{count} permits were asked for, and the response was {permits:?}")));
        }
        Ok(permits)
    }

    /// Asks for one more permit.
    pub(super) async fn one(&self, handle: usize, limits: &[RateLimit]) -> Result<bool, Stop> {
        Ok(self.ask(handle, &ids::<1>(), limits).await?.granted == 1)
    }

    /// Reports the end of an attempt, now.
    pub(super) async fn end(&self, handle: usize, id: PermitId, outcome: PermitOutcome) -> Result<Span, Stop> {
        self.report(handle, &[EndedPermit { id, outcome, ago: Duration::ZERO }]).await
    }

    /// Reports the ends of several attempts with the same outcome.
    pub(super) async fn end_all(&self, handle: usize, ids: &[PermitId], outcome: PermitOutcome) -> Result<Span, Stop> {
        let ended: Vec<_> = ids.iter().map(|&id| EndedPermit { id, outcome, ago: Duration::ZERO }).collect();
        self.report(handle, &ended).await
    }

    pub(super) async fn report(&self, handle: usize, ended: &[EndedPermit]) -> Result<Span, Stop> {
        let before = self.clock.elapsed();
        let done = self.store(handle)?.release(&self.key, ended).await;
        done.map_err(|error| Stop::Broken(format!("a release failed: {error}")))?;
        Ok(Span { before, after: self.clock.elapsed() })
    }

    /// Checks that the next permit is not granted before `until`. Returns the minimum wait.
    pub(super) async fn refused(
        &self,
        handle: usize,
        limits: &[RateLimit],
        until: Duration,
        why: &str,
    ) -> Result<Duration, Stop> {
        self.refused_among(handle, &ids::<1>(), limits, until, why).await
    }

    pub(super) async fn refused_among(
        &self,
        handle: usize,
        ids: &[PermitId],
        limits: &[RateLimit],
        until: Duration,
        why: &str,
    ) -> Result<Duration, Stop> {
        let permits = self.ask(handle, ids, limits).await?;
        match permits.retry_after {
            Some(wait) if permits.granted == 0 => Ok(wait),
            _ if self.clock.elapsed() < until => Err(Stop::Broken(format!("a permit was granted, although {why}"))),
            _ => Err(Stop::TooSlow),
        }
    }

    /// Waits until the time has certainly passed on the clock of the store.
    pub(super) async fn pass(&self, moment: Duration) {
        self.clock.sleep_until(moment.saturating_add(self.margin())).await;
    }

    pub(super) fn margin(&self) -> Duration {
        self.unit / 50
    }

    /// The handles.
    pub(super) fn stores(&self) -> &'a [Arc<dyn QuotaStore>] {
        self.stores
    }

    fn store(&self, handle: usize) -> Result<&dyn QuotaStore, Stop> {
        let handle = handle.checked_rem(self.stores.len()).and_then(|handle| self.stores.get(handle));
        handle.map(Arc::as_ref).ok_or_else(|| Stop::Broken("the suite has no store".to_owned()))
    }
}

/// New ids of permits.
pub(super) fn ids<const COUNT: usize>() -> [PermitId; COUNT] {
    std::array::from_fn(|_| PermitId::generate())
}
