//! Faults: ordered ones, and those that chance draws.

pub(crate) mod altered;
pub(crate) mod block_page;
pub(crate) mod json;
pub(crate) mod kind;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::{faults::kind::Fault, http::operation::Operation, rng::Rng};

/// The armed faults, in the order in which they were ordered.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Arc<Mutex<Rule>>>>,
    /// A seed, and what happens to how many in 1.
    chaos: Option<(u64, f64)>,
    rng: Option<Mutex<Rng>>,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    operation: Option<Operation>,
    machine: Option<String>,
    left: Option<u32>,
}

/// An armed fault, to be narrowed: see [`Emulator::fault`](crate::Emulator::fault).
///
/// It holds at once, for every request, until it is narrowed.
#[derive(Clone, Debug)]
pub struct FaultRule(Arc<Mutex<Rule>>);

impl Faults {
    /// With faults by chance, if a seed and a rate are given.
    pub(crate) fn new(chaos: Option<(u64, f64)>) -> Self {
        let rng = chaos.map(|(seed, _)| Mutex::new(Rng::new(seed)));
        Self { rules: Mutex::default(), chaos, rng }
    }

    pub(crate) fn add(&self, fault: Fault) -> FaultRule {
        let rule = Arc::new(Mutex::new(Rule { fault, operation: None, machine: None, left: None }));
        locked(&self.rules).push(Arc::clone(&rule));
        FaultRule(rule)
    }

    /// Returns the fault of this request: the first armed one that fits, or else one by chance. `machine` returns the
    /// machine of the request, and is called only where a fault is limited to one.
    pub(crate) fn of_request(
        &self,
        operation: Option<Operation>,
        machine: impl Fn() -> Option<Arc<str>>,
    ) -> Option<Fault> {
        let fits = |rule: &Rule| {
            !rule.fault.is_of_connections()
                && rule.operation.is_none_or(|wanted| Some(wanted) == operation)
                && rule.machine.as_deref().is_none_or(|wanted| machine().as_deref() == Some(wanted))
        };
        self.told(fits).or_else(|| self.by_chance(Fault::OF_REQUESTS, operation, 1.0))
    }

    /// Returns the fault of this connection.
    pub(crate) fn of_connection(&self) -> Option<Fault> {
        let told = self.told(|rule| rule.fault.is_of_connections());
        told.or_else(|| self.by_chance(Fault::OF_CONNECTIONS, None, 1.0))
    }

    /// Returns the fault of a connection that an in-process caller would make. Such a caller knows the operation and makes one
    /// connection for each request, so that chance gets its share of them and no more.
    pub(crate) fn of_way(&self, operation: Option<Operation>) -> Option<Fault> {
        let told = self.told(|rule| {
            rule.fault.is_of_connections() && rule.operation.is_none_or(|wanted| Some(wanted) == operation)
        });
        told.or_else(|| self.by_chance(Fault::OF_CONNECTIONS, operation, 0.1))
    }

    /// Returns the armed faults, in their order.
    pub(crate) fn armed(&self) -> Vec<Value> {
        let rules = locked(&self.rules);
        let rules = rules.iter().map(|rule| locked(rule));
        let armed = rules.filter(|rule| rule.left != Some(0)).map(|rule| {
            let mut order = rule.fault.to_json();
            order.insert("on".to_owned(), rule.operation.map(|operation| format!("{operation:?}")).into());
            order.insert("machineId".to_owned(), rule.machine.clone().into());
            order.insert("times".to_owned(), rule.left.into());
            order.into_iter().filter(|(_, value)| !value.is_null()).collect()
        });
        armed.collect()
    }

    /// Disarms all faults, and restarts chance from its seed.
    pub(crate) fn reset(&self) {
        self.stop();
        if let (Some(rng), Some((seed, _))) = (&self.rng, self.chaos) {
            *locked(rng) = Rng::new(seed);
        }
    }

    /// Disarms the ordered faults; chance stays.
    pub(crate) fn stop(&self) {
        locked(&self.rules).clear();
    }

    fn by_chance(&self, faults: &[Fault], operation: Option<Operation>, share: f64) -> Option<Fault> {
        let (mut rng, (_, rate)) = (locked(self.rng.as_ref()?), self.chaos?);
        if !rng.chance(rate * share) {
            return None;
        }
        let drawn = || faults.iter().filter(|fault| fault.is_drawn_for(operation));
        let choice = rng.below(u64::try_from(drawn().count()).ok()?);
        drawn().nth(usize::try_from(choice).ok()?).copied()
    }

    fn told(&self, fits: impl Fn(&Rule) -> bool) -> Option<Fault> {
        for rule in locked(&self.rules).iter() {
            let mut rule = locked(rule);
            if !fits(&rule) || rule.left == Some(0) {
                continue;
            }
            rule.left = rule.left.map(|left| left - 1);
            return Some(rule.fault);
        }
        None
    }
}

#[expect(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "the rule holds already")]
impl FaultRule {
    /// Only with requests of this operation.
    pub fn on(self, operation: Operation) -> Self {
        locked(&self.0).operation = Some(operation);
        self
    }

    /// Only with requests about the machine of this id: about itself, or an action of its. Lists are about none.
    pub fn on_machine(self, id: impl Into<String>) -> Self {
        locked(&self.0).machine = Some(id.into());
        self
    }

    /// Only so many times.
    pub fn times(self, times: u32) -> Self {
        locked(&self.0).left = Some(times);
        self
    }

    /// No more.
    pub fn stop(self) {
        locked(&self.0).left = Some(0);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_in_order_and_as_often_as_ordered() {
        let faults = Faults::default();
        faults.add(Fault::Html502).on(Operation::Isolate).times(2);
        let last = faults.add(Fault::Hang);
        let next = |operation| faults.of_request(Some(operation), || None);
        assert_eq!(next(Operation::GetAction), Some(Fault::Hang));
        assert_eq!(next(Operation::Isolate), Some(Fault::Html502));
        assert_eq!(next(Operation::Isolate), Some(Fault::Html502));
        assert_eq!(next(Operation::Isolate), Some(Fault::Hang));
        last.stop();
        assert_eq!(next(Operation::Isolate), None);
    }

    #[test]
    fn connections_and_requests_do_not_take_each_others() {
        let faults = Faults::default();
        faults.add(Fault::RefuseConnection).times(1);
        assert_eq!(faults.of_request(None, || None), None);
        assert_eq!(faults.of_connection(), Some(Fault::RefuseConnection));
        assert_eq!(faults.of_connection(), None);
    }

    #[test]
    fn chance_draws_what_fits_the_operation() {
        let faults = Faults::new(Some((3, 1.0)));
        let drawn = |operation| -> Vec<Fault> {
            (0..2_000).filter_map(|_| faults.of_request(Some(operation), || None)).collect()
        };
        let (lists, posts, files) =
            (drawn(Operation::ListActions), drawn(Operation::Isolate), drawn(Operation::DownloadBlob));
        assert!(lists.contains(&Fault::CircularLinks) && lists.contains(&Fault::BlockPage(200)));
        assert!(!lists.contains(&Fault::OtherMachine) && !lists.contains(&Fault::OtherRecord));
        assert!(posts.contains(&Fault::OtherType) && !posts.contains(&Fault::RepeatedPage));
        assert!(files.contains(&Fault::BlockPage(403)) && !files.contains(&Fault::BlockPage(200)));
    }

    #[test]
    fn chance_keeps_its_rate_and_its_seed() {
        let draw = |seed| {
            let faults = Faults::new(Some((seed, 0.5)));
            (0..200).map(|_| faults.of_request(None, || None)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let happened = draw(1).into_iter().flatten().count();
        assert!((60..140).contains(&happened), "{happened}");
    }
}
