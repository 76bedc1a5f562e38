//! The lines of the two rules: each has a case that trips it, and a neighbor that does not.

use serde_json::{Value, json};

use super::{
    tests::{SECOND, Tenant, error, submitted, with_id},
    *,
};
use crate::{
    evidence::{Submission, Trouble, Writing},
    figures::Count,
};

/// Two submissions of two clients in the same words; the first made `a` and the second says that it recovered it.
fn recovers_another(change: impl FnOnce(&mut Submission)) -> Tenant {
    let tenant = Tenant::default().asks_as("s1", |submission| submission.incarnation = 2);
    let tenant = tenant.post("s1.1", 201, Effect::Created, "a").asks_as("s2", change);
    tenant.post_at(12, "s2.1", 0, Effect::None, "").says("s2", submitted(Origin::Recovered, "a"))
}

fn same(_: &mut Submission) {}

fn writes(mut tenant: Tenant, change: impl FnOnce(&mut Writing)) -> Tenant {
    change(&mut tenant.0.writing);
    tenant
}

#[test]
fn recovered_comment_ignores_outer_whitespace() {
    let recovered = |asked: &'static str, shown: Option<&str>| {
        let tenant = Tenant::default().asks_as("s1", |submission| submission.body["Comment"] = asked.into());
        let tenant = tenant.post("s1.1", 0, Effect::Created, "a").says("s1", submitted(Origin::Recovered, "a"));
        tenant.record(|record| record.comment = shown.map(str::to_owned))
    };
    recovered("one\ntwo", Some(" one\r\ntwo\r\n")).is_clean();
    for shown in [None, Some(""), Some("on"), Some("ONE\ntwo")] {
        recovered("one\ntwo", shown).is(Count::FalseClaim);
    }
    let long = "Contain the host as the runbook of the night shift says, and tell the owner";
    let cut = "Contain the host as the runbook of the night shift says, and tell the";
    recovered(long, Some(cut)).is(Count::FalseClaim);
}

#[test]
fn generated_id_outranks_only_the_comment() {
    let recovered = || {
        let tenant = Tenant::default().asks_as("s1", with_id("de4ec7ed-1"));
        let tenant = tenant.post("s1.1", 0, Effect::Created, "a").says("s1", submitted(Origin::Recovered, "a"));
        tenant.record(|record| record.comment = None)
    };
    recovered().is_clean();
    recovered().record(|record| record.external_id = None).is(Count::FalseClaim);
    recovered().record(|record| record.machine = "n".to_owned()).is(Count::WrongOk);
    recovered().record(|record| record.action_type = "Unisolate".to_owned()).is(Count::WrongOk);
}

#[test]
fn recovered_shows_no_other_external_id() {
    let shows =
        |id: &'static str| recovers_another(same).record(move |record| record.external_id = Some(id.to_owned()));
    recovers_another(same).is_clean();
    shows("INC0000001").is(Count::FalseClaim);
    recovers_another(with_id("de4ec7ed-2")).record(|record| record.external_id = None).is_clean();
    recovers_another(with_id("de4ec7ed-2"))
        .record(|record| record.external_id = Some("x".to_owned()))
        .is(Count::FalseClaim);
}

#[test]
fn recovered_is_within_its_time() {
    let made_at = |second| {
        let tenant = Tenant::default().asks_as("s1", |submission| submission.incarnation = 2);
        let tenant = tenant.post_at(second, "s1.1", 201, Effect::Created, "a").asks("s2");
        tenant.post_at(100, "s2.1", 0, Effect::None, "").says("s2", submitted(Origin::Recovered, "a"))
    };
    made_at(93).is_clean();
    made_at(92).is(Count::FalseClaim);
    writes(made_at(92), |writing| writing.clock_error = SECOND).is_clean();
    // Its intent is valid until second 310; then come an attempt, and the grace of both attempts.
    made_at(580).is_clean();
    made_at(600).is(Count::FalseClaim);
}

#[test]
fn second_candidate_forbids_recovery() {
    let beside = |comment: &str| {
        let tenant = Tenant::default().asks("s1").post("s1.1", 0, Effect::Created, "a");
        let tenant = tenant.asks_as("s2", |submission| submission.incarnation = 2);
        let mut tenant = tenant.post_at(12, "s2.1", 201, Effect::Created, "b");
        tenant.0.records[1].comment = Some(comment.to_owned());
        tenant.says("s1", submitted(Origin::Recovered, "a"))
    };
    let later = |mut tenant: Tenant, second| {
        tenant.0.claims[0].at = SECOND * second;
        tenant
    };
    later(beside("c"), 1_000).is(Count::FalseClaim);
    later(beside("other"), 1_000).is_clean();
    // The list that decided may be older than the other.
    later(beside("c"), 100).is_clean();
}

#[test]
fn hidden_rows_need_a_generated_id() {
    let hides = |tenant: Tenant| writes(tenant, |writing| writing.hides_rows = true);
    let tenant = |change: fn(&mut Submission)| {
        let tenant = Tenant::default().asks_as("s1", change).post("s1.1", 0, Effect::Created, "a");
        hides(tenant.says("s1", submitted(Origin::Recovered, "a")))
    };
    tenant(same).is(Count::FalseClaim);
    tenant(|submission| submission.body["ExternalId"] = "de4ec7ed-1".into()).is_clean();
}

#[test]
fn unstated_particulars_are_promised_within_client() {
    let selective = |submission: &mut Submission| submission.body["IsolationType"] = "Selective".into();
    let unstated = |tenant: Tenant| writes(tenant, |writing| writing.states_at_once = false);
    recovers_another(selective).is(Count::FalseClaim);
    let tenant = unstated(recovers_another(selective));
    assert_eq!(judge(&tenant.0).figures.unpromised, 1);
    tenant.is_clean();
    let rivals = |asked_by| {
        let mut tenant = unstated(recovers_another(selective));
        tenant.0.submissions[0].incarnation = asked_by;
        tenant
    };
    rivals(1).is(Count::FalseClaim);
    rivals(3).is_clean();
}

#[test]
fn second_request_waits_for_candidates() {
    let resent = |made_by: &str, second| {
        let tenant = Tenant::default().asks_as("s1", |submission| submission.resend_if_lost = true);
        let tenant = tenant.post("s1.1", 0, Effect::None, "").asks_as("s2", |submission| submission.incarnation = 2);
        let id = format!("{made_by}.9");
        tenant.post_at(second, &id, 201, Effect::Created, "a").post_at(400, "s1.2", 201, Effect::None, "")
    };
    // Whosoever it is, and whatever it says: only what is to be seen after the grace is the documented late one.
    resent("s2", 130).record(|record| record.comment = Some("other".to_owned())).is(Count::SentTwice);
    resent("s2", 131).is_clean();
    resent("s2", 130).record(|record| record.machine = "n".to_owned()).is_clean();
    resent("s2", 9).is_clean();
    writes(resent("s2", 130), |writing| writing.read_lag = SECOND).is_clean();
    let own = |second| {
        let tenant = Tenant::default().asks_as("s1", |submission| submission.resend_if_lost = true);
        tenant.post_at(second, "s1.1", 0, Effect::Created, "a").post_at(400, "s1.2", 429, Effect::None, "")
    };
    own(10).is(Count::SentTwice);
    // What the second request made itself was not there before it.
    let tenant = Tenant::default().asks_as("s1", |submission| submission.resend_if_lost = true);
    tenant.post("s1.1", 0, Effect::None, "").post_at(130, "s1.2", 201, Effect::Created, "a").is_clean();
    // It was sent long before it arrived.
    let mut late = own(200);
    late.0.ledger[0].departed = Some(SECOND * 10);
    late.is_clean();
}

#[test]
fn other_generated_id_permits_second_request() {
    let resent = |shown: &'static str| {
        let tenant = Tenant::default().asks_as("s1", |submission| {
            submission.resend_if_lost = true;
            submission.body["ExternalId"] = "de4ec7ed-1".into();
        });
        let tenant = tenant.asks_as("s2", with_id("de4ec7ed-2")).post("s1.1", 0, Effect::None, "");
        let tenant = tenant.post_at(20, "s2.1", 201, Effect::Created, "a");
        let tenant = tenant.record(|record| record.external_id = Some(shown.to_owned()));
        tenant.post_at(400, "s1.2", 201, Effect::None, "")
    };
    resent("de4ec7ed-2").is_clean();
    resent("9d0cbf0e-6a1b-4c4e-8f0b-4f1a2b3c4d5e").is(Count::SentTwice);
}

#[test]
fn response_about_another_proves_nothing() {
    for origin in [Origin::Created, Origin::Joined] {
        for fault in ["OtherMachine", "OtherType"] {
            let mut tenant = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a");
            tenant.0.ledger[0].fault = Some(fault.to_owned());
            tenant.says("s1", submitted(origin, "a")).is(Count::WrongOk);
        }
    }
    // Nobody can know that an id does not exist. Whether the action had ended well can be known from the response.
    let misnamed = |said| {
        let mut tenant = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a");
        tenant.0.ledger[0].fault = Some("OtherRecord".to_owned());
        tenant.says("s1", said)
    };
    misnamed(submitted(Origin::Created, "z")).is_clean();
    let succeeded = || misnamed(Said::Succeeded { id: "z".to_owned(), of_submission: true });
    succeeded().is_clean();
    succeeded().record(|record| record.status = "Failed".to_owned()).is(Count::WrongOk);
}

#[test]
fn created_shows_comment_or_generated_id() {
    let created = |change: fn(&mut Submission)| {
        let tenant = Tenant::default().asks_as("s1", change).post("s1.1", 201, Effect::Created, "a");
        tenant.record(|record| record.comment = None)
    };
    created(same).says("s1", submitted(Origin::Created, "a")).is(Count::FalseClaim);
    created(same).says("s1", submitted(Origin::Joined, "a")).is_clean();
    let generated = |submission: &mut Submission| submission.body["ExternalId"] = "de4ec7ed-1".into();
    created(generated).says("s1", submitted(Origin::Created, "a")).is_clean();
    created(generated).says("s1", submitted(Origin::Joined, "a")).is(Count::FalseClaim);
}

#[test]
fn wait_proves_what_it_waited_for() {
    let waits = |change: fn(&mut Submission), of_submission| {
        let tenant = Tenant::default().asks_as("s1", |submission| submission.incarnation = 2);
        let tenant = tenant.post("s1.1", 201, Effect::Created, "a").asks_as("s2", change);
        let tenant = tenant.post_at(12, "s2.1", 201, Effect::Joined, "a");
        let tenant = writes(tenant, |writing| writing.states_at_once = false);
        tenant.says("s2", Said::Succeeded { id: "a".to_owned(), of_submission })
    };
    let selective = |submission: &mut Submission| submission.body["IsolationType"] = "Selective".into();
    let other = |submission: &mut Submission| submission.body["Comment"] = "other".into();
    waits(same, true).is_clean();
    waits(other, true).is_clean();
    waits(selective, true).is(Count::WrongOk);
    // A wait by a bare id requires only that the action ended well.
    waits(selective, false).is_clean();
    waits(other, true).record(|record| record.states = false).is(Count::WrongOk);
    waits(selective, true).record(|record| record.states = false).is_clean();
    waits(|submission| submission.machine = "n".to_owned(), true).is(Count::WrongOk);
    // It stated them only after it had ended.
    writes(waits(selective, true), |writing| writing.states_after = SECOND * 31).is_clean();
}

#[test]
fn wait_ends_only_by_service_state() {
    let ended = |kind| {
        let tenant = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a");
        tenant.says("s1", submitted(Origin::Created, "a")).says("s1", error(kind, |_| ()))
    };
    ended("Forbidden").is(Count::FalseClaim);
    ended("Refused").is(Count::FalseClaim);
    ended("WaitTimeout").is_clean();
}

#[test]
fn refusal_is_certain_of_one_request() {
    for kind in ["Conflict", "AlreadyInProgress"] {
        let tenant = || Tenant::default().asks_as("s1", |submission| submission.resend_if_lost = true);
        let refused = || error(kind, |_| ());
        tenant().post("s1.1", 400, Effect::None, "").says("s1", refused()).is_clean();
        tenant().post("s1.1", 201, Effect::None, "").says("s1", refused()).is(Count::FalseClaim);
        let second = tenant().post("s1.1", 0, Effect::None, "").post_at(400, "s1.2", 400, Effect::None, "");
        second.says("s1", refused()).is(Count::FalseClaim);
    }
}

#[test]
fn page_of_proxy_is_no_acceptance() {
    let unreadable = |fault: Option<&str>| {
        let mut tenant = Tenant::default().asks("s1").post("s1.1", 200, Effect::None, "");
        tenant.0.ledger[0].fault = fault.map(str::to_owned);
        tenant.says("s1", error("InvalidResponse", |trouble| trouble.unknown = true))
    };
    unreadable(Some("BlockPage(200)")).is(Count::FalseClaim);
    unreadable(Some("GarbageJson")).is_clean();
}

#[test]
fn nothing_found_has_no_candidates() {
    let unknown = |reason: &str, change: fn(&mut Trouble)| {
        let mut trouble = Trouble { unknown: true, reason: Some(reason.to_owned()), ..Trouble::default() };
        change(&mut trouble);
        Said::Error(trouble)
    };
    let nothing = || unknown("NothingFound", |_| ());
    let lost = |at| Tenant::default().asks("s1").post_at(at, "s1.1", 0, Effect::Created, "a");
    lost(10).says("s1", nothing()).is(Count::FalseClaim);
    writes(lost(10), |writing| writing.read_lag = SECOND * 121).says("s1", nothing()).is_clean();
    let recovers = |at: u32| {
        let mut tenant = lost(10).says("s1", Said::Nothing).says("s1", nothing());
        tenant.0.claims[0].at = SECOND * at;
        tenant.0.claims[1].by_intent = true;
        tenant
    };
    recovers(9).is_clean();
    recovers(11).is(Count::FalseClaim);
    let may_be = |change: fn(&mut Trouble)| lost(10).says("s1", unknown("MayBeOurs", change));
    may_be(|_| ()).is(Count::FalseClaim);
    may_be(|trouble| trouble.has_row = true).is_clean();
    may_be(|trouble| trouble.candidates = vec!["a".to_owned()]).is_clean();
}

#[test]
fn refused_submission_joins_no_unstated_particulars() {
    let joins = |change: fn(&mut Submission), status, effect, action: &str| {
        let tenant = Tenant::default().asks("s1").post("s1.1", 201, Effect::Created, "a").asks_as("s2", change);
        let tenant = writes(tenant, |writing| writing.states_at_once = false);
        tenant.post_at(20, "s2.1", status, effect, action).says("s2", submitted(Origin::Joined, "a"))
    };
    let selective = |submission: &mut Submission| submission.body["IsolationType"] = "Selective".into();
    let selective_and_other = |submission: &mut Submission| {
        submission.body = json!({"Comment": Value::from("other"), "IsolationType": "Selective"});
    };
    joins(selective, 400, Effect::None, "").is_clean();
    joins(selective_and_other, 400, Effect::None, "").is(Count::FalseClaim);
    joins(selective_and_other, 201, Effect::Joined, "a").is_clean();
}

#[test]
fn second_sendings_are_counted() {
    let tenant = Tenant::default().asks_as("s1", |submission| submission.resend_if_lost = true);
    let tenant = tenant.post("s1.1", 0, Effect::None, "").post_at(400, "s1.2", 0, Effect::None, "");
    assert_eq!(judge(&tenant.0).figures.resent, 1);
}
