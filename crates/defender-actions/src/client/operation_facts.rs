//! Facts about the operations, as the layers read them.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use defender_transport::extensions::{RateLimit, RateLimitScope, Shared, Timeouts, UrlTemplate};
use http::Extensions;

use crate::{
    BodyLimits,
    client::operation::{Operation, Template},
};

/// Number of paths whose facts are kept. The service has fewer.
const MOST: usize = 256;

/// Extensions of the requests of each operation that the client has called.
///
/// Without them each call would join and copy the names of its operation and box each fact: of its 112,000 instructions this saves
/// 6,000.
#[derive(Debug)]
pub(crate) struct OperationFacts {
    limits: BodyLimits,
    /// Time limit of a call that sets none.
    total_timeout: Duration,
    known: RwLock<BTreeMap<Template, Vec<(Operation, Shared)>>>,
}

impl OperationFacts {
    pub(crate) fn new(limits: BodyLimits, total_timeout: Duration) -> Self {
        Self { limits, total_timeout, known: RwLock::default() }
    }

    pub(crate) fn of(&self, operation: &Operation) -> Shared {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let facts = known.get(&operation.template).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, shared)) = facts.iter().find(|(known, _)| known == operation) {
            return shared.clone();
        }
        drop(known);
        let shared = self.shared(operation);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MOST {
            known.entry(operation.template.clone()).or_default().push((operation.clone(), shared.clone()));
        }
        shared
    }

    fn shared(&self, operation: &Operation) -> Shared {
        let limits = operation.quota.iter().map(|limit| RateLimit { calls: limit.calls, per: limit.per }).collect();
        let mut common = Extensions::new();
        common.insert(operation.idempotency);
        common.insert(self.limits.read(operation.read));
        common.insert(RateLimitScope { key: operation.queue().into(), limits });
        common.insert(Timeouts::default().total(self.total_timeout));
        common.insert(UrlTemplate(operation.template.path().into()));
        Shared::new(common)
    }
}

#[cfg(test)]
mod tests {
    use defender_transport::extensions::{self, Idempotency};
    use http::Request;

    use super::*;

    fn template(shared: Shared) -> String {
        let request = Request::get("/").extension(shared).body(()).unwrap();
        extensions::of::<UrlTemplate, _>(&request).unwrap().0.to_string()
    }

    #[test]
    fn calls_of_an_operation_share_facts() {
        let facts = OperationFacts::new(BodyLimits::default(), Duration::from_secs(300));
        for _ in 0..3 {
            facts.of(&Operation::GET_ACTION);
            let changed = Operation { idempotency: Idempotency::NonIdempotent, ..Operation::GET_ACTION };
            let request = Request::get("/").extension(facts.of(&changed)).body(()).unwrap();
            assert_eq!(Idempotency::of(&request), Idempotency::NonIdempotent);
        }
        assert_eq!(facts.known.read().unwrap()[&Operation::GET_ACTION.template].len(), 2);
    }

    #[test]
    fn unknown_operations_are_kept_in_bounded_number() {
        let facts = OperationFacts::new(BodyLimits::default(), Duration::from_secs(300));
        for number in 0..2 * MOST {
            let path = format!("/unknown{number}");
            let operation = Operation { template: Template::Path(path.clone().into()), ..Operation::GET_ACTION };
            assert_eq!(template(facts.of(&operation)), path);
        }
        assert_eq!(facts.known.read().unwrap().len(), MOST);
    }
}
