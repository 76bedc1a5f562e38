//! Ordered outcomes of actions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::lifecycle::Outcome;

/// The ordered outcomes, in their order.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(Mutex<Vec<Arc<Mutex<Rule>>>>);

#[derive(Debug)]
struct Rule {
    outcome: Outcome,
    machine: Option<String>,
    type_name: Option<String>,
    left: Option<u32>,
}

/// An ordered outcome, to be narrowed: see [`Emulator::outcome`](crate::Emulator::outcome).
///
/// It holds for every action that is created later, until it is narrowed.
#[derive(Clone, Debug)]
pub struct OutcomeRule(Arc<Mutex<Rule>>);

impl Outcomes {
    pub(crate) fn add(&self, outcome: Outcome) -> OutcomeRule {
        let rule = Arc::new(Mutex::new(Rule { outcome, machine: None, type_name: None, left: None }));
        locked(&self.0).push(Arc::clone(&rule));
        OutcomeRule(rule)
    }

    /// Forgets all ordered outcomes.
    pub(crate) fn clear(&self) {
        locked(&self.0).clear();
    }

    /// Returns the first ordered outcome that fits an action of this type on this machine and is not used up.
    pub(crate) fn next(&self, machine: &str, type_name: &str) -> Option<Outcome> {
        for rule in locked(&self.0).iter() {
            let mut rule = locked(rule);
            let is_for_it = rule.machine.as_deref().is_none_or(|id| id == machine)
                && rule.type_name.as_deref().is_none_or(|name| name == type_name);
            match &mut rule.left {
                _ if !is_for_it => {}
                Some(0) => {}
                Some(left) => {
                    *left -= 1;
                    return Some(rule.outcome);
                }
                None => return Some(rule.outcome),
            }
        }
        None
    }
}

#[expect(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "the rule holds already")]
impl OutcomeRule {
    /// Only on the machine of this id.
    pub fn on_machine(self, id: impl Into<String>) -> Self {
        locked(&self.0).machine = Some(id.into());
        self
    }

    /// Only for actions of this `type`, such as `Isolate`.
    pub fn of_type(self, type_name: impl Into<String>) -> Self {
        locked(&self.0).type_name = Some(type_name.into());
        self
    }

    /// Only so many times.
    pub fn times(self, times: u32) -> Self {
        locked(&self.0).left = Some(times);
        self
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_fitting_outcome_is_taken() {
        let outcomes = Outcomes::default();
        outcomes.add(Outcome::TimedOut).on_machine("a").times(1);
        outcomes.add(Outcome::Cancelled).of_type("Isolate");
        assert_eq!(outcomes.next("b", "Offboard"), None);
        assert_eq!(outcomes.next("b", "Isolate"), Some(Outcome::Cancelled));
        assert_eq!(outcomes.next("a", "Isolate"), Some(Outcome::TimedOut));
        assert_eq!(outcomes.next("a", "Isolate"), Some(Outcome::Cancelled));
    }
}
