//! Intents: their validity, and their recovery by another client.

use std::time::Duration;

use defender_actions::{ErrorKind, Intent, Origin, UnknownReason, transport::Clock};

use crate::{
    service::{Break, Repeats, Service},
    submissions::{machine, tokens},
};

#[tokio::test]
async fn unsent_intent_stays_unknown() {
    let service = Service::new(Repeats::Refused);
    let intent = service.client().machine(machine()).unrestrict_code_execution("Cleaned").intent().unwrap();
    let error = service.clock().run(service.client().recover(intent).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn application_intent_is_recovered() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let client = service.client_with(&tokens()[1]);
    let request = client.machine(machine()).isolate("c");
    let intent: Intent = serde_json::from_value(serde_json::to_value(request.intent().unwrap()).unwrap()).unwrap();
    let dropped = service
        .clock()
        .run(futures_util::future::select(Box::pin(request.send()), service.clock().sleep(Duration::ZERO)));
    drop(dropped.await);
    let submitted = service.clock().run(service.client_with(&tokens()[1]).recover(intent).send()).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Recovered);
}

#[tokio::test]
async fn later_action_is_not_recovered() {
    let service = Service::new(Repeats::Taken);
    let client = service.client();
    let intent = client.machine(machine()).unrestrict_code_execution("c").intent().unwrap();
    service.clock().advance(Duration::from_secs(3_600));
    let later = service.client().machine(machine()).unrestrict_code_execution("c").send();
    assert_eq!(service.clock().run(later).await.unwrap().origin(), Origin::Created);
    let error = service.clock().run(client.recover(intent).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
}

#[tokio::test]
async fn expired_intent_is_not_sent() {
    let service = Service::new(Repeats::Taken);
    let request = |valid: Option<u64>| {
        let request = service.client().machine(machine()).unrestrict_code_execution("c");
        let request = match valid {
            Some(seconds) => request.valid_for(Duration::from_secs(seconds)),
            None => request,
        };
        let _ = request.intent().unwrap();
        request
    };
    for (valid, after, sent) in
        [(None, 299, true), (None, 300, false), (Some(3_600), 3_599, true), (Some(10), 11, false)]
    {
        let request = request(valid);
        let before = service.ledger().0;
        service.clock().advance(Duration::from_secs(after));
        let outcome = service.clock().run(request.send()).await;
        assert_eq!(service.ledger().0 - before, usize::from(sent), "{valid:?} {after}");
        if !sent {
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), error.never_sent()), (ErrorKind::IntentExpired, true));
        }
    }
    // Without a stored intent, the request is valid from the await on.
    let late = service.client().machine(machine()).unrestrict_code_execution("c");
    service.clock().advance(Duration::from_secs(9_999));
    assert!(service.clock().run(late.send()).await.is_ok());
}

#[tokio::test]
async fn expired_intent_causes_no_resend() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    let request = service.client().machine(machine()).unrestrict_code_execution("c").resend_if_lost();
    let error = service.clock().run(request.valid_for(Duration::from_secs(60)).send()).await.unwrap_err();
    assert_eq!((error.reason(), service.ledger().0), (Some(UnknownReason::NothingFound), 1));
}

#[tokio::test]
async fn changed_request_has_new_intent() {
    let service = Service::new(Repeats::Taken);
    let client = service.client_that_generates();
    let request = client.machine(machine()).isolate("c");
    let full = request.intent().unwrap();
    assert_eq!(request.intent().unwrap(), full, "the request is bound to the first intent");
    let request = request.selective();
    let selective = request.intent().unwrap();
    assert_ne!(selective.external_id(), full.external_id());
    let submitted = service.clock().run(request.send()).await.unwrap();
    assert_eq!(submitted.action().external_id.as_deref(), selective.external_id());
}
