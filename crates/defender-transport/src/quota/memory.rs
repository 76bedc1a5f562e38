//! The quota store of one process.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    gate::{Ended, Gate},
    log::{Log, Room},
    store::{EndedPermit, PermitId, PermitOutcome, PermitRequest, Permits, QuotaStore, QuotaStoreError},
};
use crate::{Clock, extensions::QuotaKey};

/// Quota store in the memory of one process.
///
/// Several clients of one application and tenant share their quota with it. It is the reference for other stores, and for tests
/// in virtual time.
#[derive(Clone)]
pub struct MemoryQuotaStore {
    clock: Arc<dyn Clock>,
    quotas: Arc<Mutex<BTreeMap<QuotaKey, Quota>>>,
}

/// Interval at which a probe of another asker is looked for.
const PROBE_POLL: Duration = Duration::from_secs(1);

/// State of one key.
#[derive(Debug)]
struct Quota {
    log: Log,
    gate: Gate,
    /// Permits that are granted and not released, with their number and the time at which they lapse.
    under_way: BTreeMap<PermitId, (u64, Duration)>,
    /// Number of the next permit.
    next: u64,
}

impl MemoryQuotaStore {
    /// Creates an empty store. Times are taken from `clock`.
    #[must_use]
    pub fn new(clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), quotas: Arc::default() }
    }
}

#[async_trait]
impl QuotaStore for MemoryQuotaStore {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        let now = self.clock.elapsed();
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        let quota = quotas.entry(request.key.clone()).or_insert_with(|| Quota::new(request));
        Ok(quota.reserve(request, now))
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        let now = self.clock.elapsed();
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(quota) = quotas.get_mut(key) {
            quota.release(ended, now);
            if quota.is_idle(now) {
                quotas.remove(key);
            }
        }
        Ok(())
    }
}

impl Quota {
    fn new(request: &PermitRequest<'_>) -> Self {
        Self { log: Log::new(request.limits), gate: Gate::default(), under_way: BTreeMap::new(), next: 0 }
    }

    fn reserve(&mut self, request: &PermitRequest<'_>, now: Duration) -> Permits {
        self.lapse(now);
        self.log.set_windows(request.limits);
        let mut granted = 0_usize;
        for id in request.permits {
            if !self.under_way.contains_key(id) {
                let has_room = matches!(self.log.room(), Room::At(at) if at <= now);
                if !has_room || self.gate.opens().is_none_or(|opens| opens > now) {
                    break;
                }
                let number = self.next;
                self.next = self.next.wrapping_add(1);
                self.log.depart();
                self.gate.pass(number);
                self.under_way.insert(*id, (number, now.saturating_add(request.hold)));
            }
            granted = granted.saturating_add(1);
        }
        let retry_after = (granted < request.permits.len()).then(|| {
            let start = self.gate.opens().map_or(now.saturating_add(PROBE_POLL), |opens| opens.max(now));
            self.log.no_room_before(0, start, now).saturating_sub(now)
        });
        Permits { granted, retry_after }
    }

    fn release(&mut self, ended: &[EndedPermit], now: Duration) {
        for EndedPermit { id, outcome, ago } in ended {
            let number = self.under_way.remove(id).map(|(number, _)| number);
            match (outcome, number) {
                (_, None) => {}
                (PermitOutcome::NeverSent, Some(_)) => self.log.take_back(),
                (_, Some(_)) => self.log.end(now.saturating_sub(*ago)),
            }
            // A permit that has lapsed has no number, and is no probe.
            let number = number.unwrap_or(u64::MAX);
            self.gate.end(
                number,
                match *outcome {
                    PermitOutcome::NeverSent | PermitOutcome::Unanswered => Ended::Unanswered,
                    PermitOutcome::Answered => Ended::Answered,
                    PermitOutcome::Refused { retry_after } => Ended::Refused { until: now.saturating_add(retry_after) },
                },
            );
        }
    }

    /// Ends the permits whose time is over.
    fn lapse(&mut self, now: Duration) {
        let Self { log, gate, under_way, .. } = self;
        under_way.retain(|_, (number, until)| {
            let is_held = *until > now;
            if !is_held {
                log.end(*until);
                gate.end(*number, Ended::Unanswered);
            }
            is_held
        });
    }

    /// Returns true if a new quota would behave in the same way.
    fn is_idle(&self, now: Duration) -> bool {
        self.under_way.is_empty() && self.gate == Gate::Open && self.log.is_over(now)
    }
}

impl fmt::Debug for MemoryQuotaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.quotas.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("MemoryQuotaStore").field("keys", &keys).finish_non_exhaustive()
    }
}
