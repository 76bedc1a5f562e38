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
        let quota = quotas.entry(request.key.clone()).or_insert_with(Quota::new);
        Ok(quota.reserve(request, now))
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        let now = self.clock.elapsed();
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        // A refusal closes the key also if this store has not granted a permit.
        let quota = quotas.entry(key.clone()).or_insert_with(Quota::new);
        quota.release(ended, now);
        if quota.is_idle(now) {
            quotas.remove(key);
        }
        Ok(())
    }
}

impl Quota {
    /// Returns a quota without limits. Each ask has its own.
    fn new() -> Self {
        Self { log: Log::new(&[]), gate: Gate::default(), under_way: BTreeMap::new(), next: 0 }
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
        self.lapse(now);
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
                    PermitOutcome::NeverSent => Ended::NeverSent,
                    PermitOutcome::Unanswered => Ended::Unanswered,
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

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{extensions::RateLimit, testing::ManualClock};

    const SECOND: Duration = Duration::from_secs(1);

    /// Store with a key of 10 calls a second, whose permits lapse after a minute.
    struct Stage {
        clock: ManualClock,
        store: MemoryQuotaStore,
        key: QuotaKey,
    }

    impl Stage {
        fn new() -> Self {
            let clock = ManualClock::new();
            Self { store: MemoryQuotaStore::new(clock.clone()), clock, key: "key".into() }
        }

        fn ask(&self) -> (PermitId, Permits) {
            let (id, limits) = (PermitId::generate(), [RateLimit { calls: 10, per: SECOND }]);
            let request = PermitRequest { key: &self.key, limits: &limits, permits: &[id], hold: SECOND * 60 };
            (id, self.store.reserve(&request).now_or_never().unwrap().unwrap())
        }

        fn release(&self, id: PermitId, outcome: PermitOutcome) {
            let ended = [EndedPermit { id, outcome, ago: Duration::ZERO }];
            self.store.release(&self.key, &ended).now_or_never().unwrap().unwrap();
        }
    }

    #[test]
    fn unknown_refusal_closes_the_key() {
        let stage = Stage::new();
        stage.release(PermitId::generate(), PermitOutcome::Refused { retry_after: SECOND * 7 });
        assert_eq!(stage.ask().1, Permits { granted: 0, retry_after: Some(SECOND * 7) });
        stage.clock.advance(SECOND * 7);
        assert_eq!(stage.ask().1.granted, 1);
        assert_eq!(stage.ask().1.granted, 0, "one probe");
    }

    #[test]
    fn lapsed_probe_opens_nothing() {
        let stage = Stage::new();
        stage.release(PermitId::generate(), PermitOutcome::Refused { retry_after: SECOND });
        stage.clock.advance(SECOND);
        let (probe, permits) = stage.ask();
        assert_eq!(permits.granted, 1);
        stage.clock.advance(SECOND * 60);
        stage.release(probe, PermitOutcome::Answered);
        assert_eq!((stage.ask().1.granted, stage.ask().1.granted), (1, 0), "the next permit is the probe");
    }
}
