//! Each count has a case that trips it, and its neighbors that do not.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    evidence::{Arrival, LedgerEntry, Record, Submission, Trouble, Writing},
    figures::Count,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// One tenant, built up line by line.
pub(super) struct Tenant(pub(super) Evidence);

impl Default for Tenant {
    /// Its records state their particulars at once.
    fn default() -> Self {
        Self(Evidence { writing: Writing { states_at_once: true, ..Writing::default() }, ..Evidence::default() })
    }
}

impl Tenant {
    /// A submission of client 1 to isolate `m`, with the comment `c`.
    pub(super) fn asks(self, tag: &str) -> Self {
        self.asks_as(tag, |_| ())
    }

    pub(super) fn asks_as(mut self, tag: &str, change: impl FnOnce(&mut Submission)) -> Self {
        let mut submission = Submission {
            tag: tag.to_owned(),
            incarnation: 1,
            machine: "m".to_owned(),
            action_type: "Isolate".to_owned(),
            body: json!({"Comment": "c", "IsolationType": "Full"}),
            resend_if_lost: false,
            written: SECOND * 10,
            latest: SECOND * 310,
            departed: None,
        };
        change(&mut submission);
        self.0.submissions.push(submission);
        self
    }

    /// A POST of `tag` that is received ten seconds in, with the body that its submission says.
    pub(super) fn post(self, id: &str, status: u16, effect: Effect, action: &str) -> Self {
        self.post_at(10, id, status, effect, action)
    }

    pub(super) fn post_at(mut self, at: u32, id: &str, status: u16, effect: Effect, action: &str) -> Self {
        let tag = id.split('.').next().unwrap();
        if let Some(asked) = self.0.submissions.iter_mut().find(|submission| submission.tag == tag) {
            asked.departed = asked.departed.or(Some(SECOND * at));
        }
        let asked = self.0.submissions.iter().find(|submission| submission.tag == tag);
        let body = asked.map_or(json!({"Comment": "c", "IsolationType": "Full"}), |submission| submission.body.clone());
        self.0.ledger.push(LedgerEntry {
            path: "/api/machines/m/isolate".to_owned(),
            client_request_id: Some(id.to_owned()),
            body: body.to_string(),
            status,
            effect,
            action_id: Some(action.to_owned()).filter(|action| !action.is_empty()),
            at: SECOND * at,
            departed: None,
            ended: None,
            fault: None,
        });
        if effect == Effect::Created {
            self.0.records.push(Record {
                id: action.to_owned(),
                machine: "m".to_owned(),
                action_type: "Isolate".to_owned(),
                status: "Succeeded".to_owned(),
                updated: SECOND * (at + 30),
                comment: body.get("Comment").and_then(Value::as_str).map(|comment| format!("{comment} ")),
                external_id: body.get("ExternalId").and_then(Value::as_str).map(str::to_owned),
                states: true,
            });
        }
        self
    }

    pub(super) fn record(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(self.0.records.last_mut().unwrap());
        self
    }

    pub(super) fn says(self, tag: &str, said: Said) -> Self {
        self.says_as(tag, 1, said)
    }

    fn says_as(mut self, tag: &str, incarnation: u32, said: Said) -> Self {
        let tag = tag.to_owned();
        self.0.claims.push(Claim { tag, incarnation, at: SECOND * 100, by_intent: false, said });
        self
    }

    fn arrives(mut self, operation: &str, times: impl IntoIterator<Item = Duration>) -> Self {
        let operation = operation.to_owned();
        self.0.arrivals.extend(times.into_iter().map(|at| Arrival {
            incarnation: 1,
            operation: operation.clone(),
            at,
            over_quota: false,
            given_up: false,
        }));
        self
    }

    #[track_caller]
    pub(super) fn is_clean(&self) {
        assert_eq!(judge(&self.0).findings, []);
    }

    #[track_caller]
    pub(super) fn is(&self, count: Count) {
        let findings = judge(&self.0).findings;
        assert_eq!(findings.iter().map(|finding| finding.count).collect::<Vec<_>>(), [count], "{findings:?}");
    }
}

pub(super) fn submitted(origin: Origin, id: &str) -> Said {
    Said::Submitted { origin, id: id.to_owned() }
}

pub(super) fn error(kind: &str, change: impl FnOnce(&mut Trouble)) -> Said {
    let mut trouble = Trouble { kind: kind.to_owned(), ..Trouble::default() };
    change(&mut trouble);
    Said::Error(trouble)
}

fn unknown() -> Said {
    error("OutcomeUnknown", |trouble| trouble.unknown = true)
}

pub(super) fn with_id(id: &str) -> impl FnOnce(&mut Submission) {
    move |submission| submission.body["ExternalId"] = Value::from(id)
}

#[test]
fn one_post_with_its_action_passes() {
    let tenant = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a");
    let tenant = tenant
        .says("s1", submitted(Origin::Created, "a"))
        .says("s1", Said::Succeeded { id: "a".to_owned(), of_submission: true });
    tenant.is_clean();
    let figures = judge(&tenant.0).figures;
    assert_eq!((figures.seeds, figures.actions, figures.posts, figures.effects, figures.ways.created), (1, 1, 1, 1, 1));
}

#[test]
fn recovery_by_another_process_is_counted() {
    let tenant = || Tenant::default().asks("s1").post("s1.1", 0, Effect::Created, "a");
    let ways =
        |incarnation| judge(&tenant().says_as("s1", incarnation, submitted(Origin::Recovered, "a")).0).figures.ways;
    let own = tenant().0.submissions[0].incarnation;
    assert_eq!((ways(own).recovered, ways(own).found_by_another), (1, 0));
    assert_eq!((ways(own + 1).recovered, ways(own + 1).found_by_another), (1, 1));
}

#[test]
fn post_after_doubt_is_sent_twice() {
    for status in [0, 200, 201, 400, 408, 500, 502, 503, 504] {
        let tenant = Tenant::default().asks("s1").post("s1.1", status, Effect::None, "");
        tenant.post("s1.2", 0, Effect::None, "").is(Count::SentTwice);
    }
    for refused in [401, 425, 429] {
        let tenant =
            Tenant::default().asks("s1").post("s1.1", refused, Effect::None, "").post("s1.2", 429, Effect::None, "");
        let tenant = tenant.post("s1.3", 201, Effect::Created, "a");
        tenant.is_clean();
        tenant.post("s1.4", 429, Effect::None, "").is(Count::SentTwice);
    }
    // Another submission's is another's.
    let tenant = Tenant::default().asks("s1").asks("s2").post("s1.1", 0, Effect::None, "");
    tenant.post("s2.1", 201, Effect::Created, "a").is_clean();
}

#[test]
fn resend_permits_second_but_no_third() {
    let tenant = Tenant::default().asks_as("s1", |submission| submission.resend_if_lost = true);
    let tenant = tenant.post("s1.1", 0, Effect::None, "").post("s1.2", 0, Effect::None, "");
    tenant.is_clean();
    tenant.post("s1.3", 0, Effect::None, "").is(Count::SentTwice);
}

#[test]
fn a_cancelling_is_sent_once_too() {
    let tenant = Tenant::default().post("k1.1", 0, Effect::None, "").post("k1.2", 200, Effect::Cancelled, "a");
    tenant.is(Count::SentTwice);
}

#[test]
fn successful_wait_needs_a_successful_action() {
    let succeeded = || {
        let tenant = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a");
        tenant
            .says("s1", submitted(Origin::Created, "a"))
            .says("s1", Said::Succeeded { id: "a".to_owned(), of_submission: true })
    };
    succeeded().is_clean();
    for status in ["Failed", "TimeOut", "Cancelled", "Pending", "InProgress"] {
        succeeded().record(|record| record.status = status.to_owned()).is(Count::WrongOk);
    }
    // It succeeded, but later than the client said.
    succeeded().record(|record| record.updated = SECOND * 101).is(Count::WrongOk);
    Tenant::default().says("s1", Said::Succeeded { id: "b".to_owned(), of_submission: true }).is(Count::WrongOk);
}

#[test]
fn end_and_cancellation_match_emulator() {
    let tenant = |said| Tenant::default().post("s1.1", 201, Effect::Created, "a").says("w1", said);
    let ended = |status: &str| Said::Ended { id: "a".to_owned(), status: status.to_owned() };
    tenant(ended("Succeeded")).is_clean();
    tenant(ended("Failed")).is(Count::FalseClaim);
    tenant(Said::Cancelled { id: "a".to_owned() }).is(Count::WrongOk);
    tenant(Said::Cancelled { id: "a".to_owned() }).record(|record| record.status = "Cancelled".to_owned()).is_clean();
}

#[test]
fn created_is_own_or_alike() {
    let says = |tenant: Tenant| tenant.says("s2", submitted(Origin::Created, "a"));
    let others = || Tenant::default().asks_as("s1", |submission| submission.incarnation = 2);
    // Made by another, and its own POST never had anything to do with it.
    says(others().asks("s2").post("s1.1", 201, Effect::Created, "a")).is(Count::WrongOk);
    says(others().asks("s2").post("s1.1", 201, Effect::Created, "a").post("s2.1", 0, Effect::None, ""))
        .is(Count::WrongOk);
    says(Tenant::default().asks("s2").post("s2.1", 201, Effect::None, "")).is(Count::WrongOk);
    // The response had it: within the few seconds that the documentation names, and not later.
    let answered = |at, tenant: Tenant| {
        says(tenant.post("s1.1", 201, Effect::Created, "a").post_at(at, "s2.1", 201, Effect::Joined, "a"))
    };
    answered(12, others().asks("s2")).is_clean();
    answered(18, others().asks("s2")).is(Count::WrongOk);
    // If responses were long on their way, the client knows the service's clock no better than that.
    let mut late = others().asks("s2");
    late.0.lateness = Duration::from_secs(2);
    answered(18, late).is_clean();
    // Its record says nothing of an id that was sent.
    answered(12, others().asks_as("s2", with_id("t"))).is_clean();
    // Other words, or an id of its own, would tell.
    let in_other_words = |submission: &mut Submission| submission.body["Comment"] = "other".into();
    answered(12, others().asks_as("s2", in_other_words)).is(Count::FalseClaim);
    answered(12, Tenant::default().asks_as("s1", with_id("t")).asks("s2")).is(Count::WrongOk);
    // A request of the same client with other particulars tells too, unless its action states none and it has no outcome.
    let beside = |states: bool, said: Said| {
        let selective = |submission: &mut Submission| submission.body["IsolationType"] = "Selective".into();
        let tenant = Tenant::default().asks("s1").asks_as("s2", selective).post("s1.1", 0, Effect::Created, "a");
        let mut tenant = tenant.record(|record| record.states = states).says("s1", said);
        tenant.0.writing.states_at_once = states;
        says(tenant.post_at(11, "s2.1", 201, Effect::Joined, "a"))
    };
    beside(false, unknown()).is_clean();
    beside(false, submitted(Origin::Joined, "a")).is(Count::WrongOk);
    beside(true, unknown()).is(Count::WrongOk);
}

#[test]
fn one_action_has_one_holder() {
    let tenant = || Tenant::default().asks("s1").asks("s2").post("s1.1", 201, Effect::Created, "a");
    let tenant = || tenant().post_at(11, "s2.1", 201, Effect::Joined, "a").says("s1", submitted(Origin::Created, "a"));
    tenant().says("s2", submitted(Origin::Created, "a")).is(Count::FalseClaim);
    tenant().says("s2", submitted(Origin::Joined, "a")).is_clean();
    // Another client cannot know of it.
    tenant().says_as("s2", 2, submitted(Origin::Created, "a")).is_clean();
}

#[test]
fn unreported_effect_is_lost() {
    let tenant = |said| Tenant::default().asks("s1").post("s1.1", 0, Effect::Created, "a").says("s1", said);
    tenant(unknown()).is_clean();
    tenant(Said::Nothing).is_clean();
    tenant(error("WaitTimeout", |trouble| trouble.action = Some("a".to_owned()))).is_clean();
    tenant(error("Refused", |_| ())).is(Count::LostSilently);
    tenant(error("Conflict", |trouble| trouble.action = Some("b".to_owned()))).is(Count::LostSilently);
    tenant(error("ConnectFailed", |trouble| trouble.never_sent = true)).is(Count::LostSilently);
    // What had been told before is not lost by a later error.
    let told = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a");
    told.says("s1", submitted(Origin::Created, "a")).says("s1", error("WaitTimeout", |_| ())).is_clean();
    // A response with an existing action is no effect.
    let joined = Tenant::default().asks("s0").post("s0.1", 201, Effect::Created, "a").asks("s1");
    joined.post_at(12, "s1.1", 0, Effect::Joined, "a").says("s1", error("Refused", |_| ())).is_clean();
}

#[test]
fn unreported_cancellation_is_lost() {
    let tenant = |said| {
        let tenant = Tenant::default()
            .post("s1.1", 201, Effect::Created, "a")
            .record(|record| record.status = "Cancelled".to_owned());
        tenant.post_at(12, "k1.1", 0, Effect::Cancelled, "a").says("k1", said)
    };
    tenant(unknown()).is_clean();
    tenant(Said::Cancelled { id: "a".to_owned() }).is_clean();
    tenant(error("Refused", |trouble| trouble.action = Some("a".to_owned()))).is(Count::LostSilently);
}

#[test]
fn never_sent_is_false_once_received() {
    let never = || error("Throttled", |trouble| trouble.never_sent = true);
    let tenant = |status| Tenant::default().asks("s1").post("s1.1", status, Effect::None, "").says("s1", never());
    tenant(429).is_clean();
    tenant(0).is(Count::FalseClaim);
    tenant(503).is(Count::FalseClaim);
    Tenant::default().asks("s1").says("s1", never()).is_clean();
}

#[test]
fn recovered_is_own_or_alike() {
    let says = |tenant: Tenant| tenant.says("s2", submitted(Origin::Recovered, "a"));
    says(Tenant::default().asks("s2").post("s2.1", 0, Effect::Created, "a")).is_clean();
    let others = || {
        Tenant::default().asks_as("s1", |submission| submission.incarnation = 2).post("s1.1", 201, Effect::Created, "a")
    };
    let lost = |at, tenant: Tenant| says(tenant.post_at(at, "s2.1", 0, Effect::None, ""));
    lost(12, others().asks("s2")).is_clean();
    lost(18, others().asks("s2")).is(Count::FalseClaim);
    lost(12, others().asks_as("s2", with_id("t"))).is_clean();
    lost(12, others().asks_as("s2", |submission| submission.body["Comment"] = "other".into())).is(Count::FalseClaim);
    lost(12, others().asks_as("s2", |submission| submission.body["IsolationType"] = "Selective".into()))
        .is(Count::FalseClaim);
    lost(12, others().asks_as("s2", |submission| submission.machine = "n".to_owned())).is(Count::WrongOk);
    lost(12, others().asks_as("s2", |submission| submission.action_type = "Unisolate".to_owned())).is(Count::WrongOk);
    says(Tenant::default().asks("s2").post("s2.1", 0, Effect::None, "")).is(Count::WrongOk);
}

#[test]
fn joined_action_existed_and_was_requested() {
    let tenant = |at, change: fn(&mut Submission)| {
        let tenant = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a").asks_as("s2", change);
        tenant.post_at(at, "s2.1", 400, Effect::None, "").says("s2", submitted(Origin::Joined, "a"))
    };
    let same = |_: &mut Submission| ();
    tenant(30, same).is_clean();
    tenant(30, |submission| submission.body["Comment"] = "other".into()).is_clean();
    tenant(30, |submission| submission.body["IsolationType"] = "Selective".into()).is(Count::FalseClaim);
    tenant(30, |submission| submission.machine = "n".to_owned()).is(Count::WrongOk);
    // It had ended. One that was made since is under way, too.
    tenant(60, same).is(Count::FalseClaim);
    tenant(1, same).is_clean();
    let own = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a");
    own.says("s1", submitted(Origin::Joined, "a")).is(Count::FalseClaim);
    // Nobody can tell two of the same words apart: the other took this one's action, and each has one.
    let twins = Tenant::default().asks("s1").asks("s2").post("s1.1", 201, Effect::Created, "a");
    let twins = twins.post("s2.1", 201, Effect::Joined, "a").says("s2", submitted(Origin::Created, "a"));
    twins.says("s1", submitted(Origin::Joined, "a")).is_clean();
    // What another client holds is no reason.
    let twins = Tenant::default().asks("s1").asks_as("s2", |submission| submission.incarnation = 2);
    let twins = twins.post("s1.1", 201, Effect::Created, "a").post("s2.1", 201, Effect::Joined, "a");
    let twins = twins.says_as("s2", 2, submitted(Origin::Created, "a"));
    twins.says("s1", submitted(Origin::Joined, "a")).is(Count::FalseClaim);
}

#[test]
fn two_sessions_are_never_joined() {
    let session = |submission: &mut Submission| {
        submission.action_type = "LiveResponse".to_owned();
        submission.body = json!({"Comment": "c", "Commands": []});
    };
    let tenant = Tenant::default().asks_as("s1", session).post("s1.1", 201, Effect::Created, "a");
    let tenant = tenant.record(|record| record.action_type = "LiveResponse".to_owned()).asks_as("s2", session);
    tenant.post_at(20, "s2.1", 400, Effect::None, "").says("s2", submitted(Origin::Joined, "a")).is(Count::FalseClaim);
}

#[test]
fn full_window_may_begin_anywhere() {
    let every = |step: u64, count: u64| (0..count).map(move |number| Duration::from_millis(step * number));
    Tenant::default().arrives("Isolate", every(600, 1_000)).is_clean();
    Tenant::default().arrives("Isolate", every(599, 101)).is(Count::QuotaPassed);
    Tenant::default().arrives("GetAction", every(2_399, 1_501)).is(Count::QuotaPassed);
    Tenant::default().arrives("GetAction", every(2_400, 1_501)).is_clean();
    Tenant::default().arrives("RunLiveResponse", every(5_000, 11)).is(Count::QuotaPassed);
    Tenant::default().arrives("GetPackageUri", every(29_000, 3)).is(Count::QuotaPassed);
    Tenant::default().arrives("Token", every(0, 5_000)).is_clean();
    let mut given_up = Tenant::default().arrives("Isolate", every(599, 101));
    given_up.0.arrivals[50].given_up = true;
    given_up.is_clean();
    let mut two_clients = Tenant::default().arrives("Isolate", every(400, 120));
    two_clients.0.arrivals.iter_mut().step_by(2).for_each(|arrival| arrival.incarnation = 2);
    two_clients.is_clean();
}

#[test]
fn sole_client_stays_within_quota() {
    let mut tenant = Tenant::default().arrives("Isolate", [SECOND]);
    tenant.0.arrivals[0].over_quota = true;
    tenant.is_clean();
    tenant.0.alone = true;
    tenant.is(Count::QuotaPassed);
    // Of what it had given up it does not know when it arrives, for as long as that counts and for that operation.
    let late = |operation, second| {
        let mut tenant = Tenant::default().arrives(operation, [SECOND]).arrives("Isolate", [SECOND * second]);
        tenant.0.arrivals[0].given_up = true;
        tenant.0.arrivals[1].over_quota = true;
        tenant.0.alone = true;
        tenant
    };
    late("Isolate", 3_600).is_clean();
    late("Isolate", 3_601).is(Count::QuotaPassed);
    late("GetAction", 3_600).is(Count::QuotaPassed);
}

#[test]
fn the_busiest_hour_is_found() {
    let every = |step: u64, count: u64| (0..count).map(move |number| Duration::from_secs(step * number));
    let tenant = Tenant::default().arrives("Isolate", every(3_600, 9)).arrives("GetAction", every(4, 2_000));
    assert_eq!(quota::busiest_hour(&tenant.0), 900);
}
