//! Submissions that are lost, like each other, and claimed.

use serde_json::json;

use super::*;
use crate::submit::particulars::RuleOfIntent;

fn intent(kind: &str, comment: &str) -> Arc<Expected> {
    valid_from(0, kind, comment)
}

/// Valid for 300 s.
fn valid_from(second: i64, kind: &str, comment: &str) -> Arc<Expected> {
    let valid = (at(second).wall, std::time::Duration::from_secs(300));
    let body = json!({"Comment": comment, "IsolationType": kind});
    let intent = Arc::new(Intent::new("m1".parse().unwrap(), "Isolate", body, false, valid));
    let rule = RuleOfIntent::new(Arc::clone(&intent), std::iter::empty());
    Arc::new(Expected { submission: Submission::Intent(intent), rule })
}

fn at(second: i64) -> Moment {
    Moment { wall: Timestamp::from_second(second).unwrap(), elapsed: SignedDuration::from_secs(second) }
}

fn id(id: &str) -> ActionId {
    id.parse().unwrap()
}

#[test]
fn record_is_claimed_once() {
    let registry = SubmissionRegistry::default();
    let (first, second) = (registry.open(&intent("Full", "c")), registry.open(&intent("Full", "c")));
    assert!(first.claim(&id("a"), at(0)) && first.claim(&id("a"), at(1)));
    assert!(!second.claim(&id("a"), at(2)));
    assert!(second.is_claimed_by_another(&id("a")) && !first.is_claimed_by_another(&id("a")));
    assert!(!second.claim(&id("A"), at(2)) && second.is_claimed_by_another(&id("A")), "an id in another letter case");
    first.settle();
    assert!(second.is_claimed_by_another(&id("a")), "a claim outlives its submission");
}

#[test]
fn claims_last_a_day() {
    let registry = SubmissionRegistry::default();
    let (first, second) = (registry.open(&intent("Full", "c")), registry.open(&intent("Full", "c")));
    assert!(first.claim(&id("a"), at(0)));
    for number in 0..5_000 {
        assert!(second.claim(&id(&format!("b{number}")), at(23 * 3_600)));
    }
    assert!(second.is_claimed_by_another(&id("a")), "the claim is forgotten too early");
}

#[test]
fn lost_submissions_are_removed_once() {
    let registry = SubmissionRegistry::default();
    let lose = |second: i64| {
        let lost = registry.open(&valid_from(second, "Full", "c"));
        lost.send_times().left(at(second));
    };
    (0..1_000).for_each(lose);
    let lengths = || {
        let state = registry.state();
        (state.open.len(), state.unsettled.len())
    };
    assert_eq!(lengths(), (1_000, 1_000));
    // Four hours after the first hundred.
    lose(4 * 3_600 + 99);
    assert_eq!(lengths(), (901, 901));
}

#[test]
fn rival_is_sent_and_unsettled() {
    let registry = SubmissionRegistry::default();
    let ours = intent("Full", "c");
    let in_flight = registry.open(&ours);
    let rival = registry.open(&intent("Selective", " c\r\n"));
    assert!(!in_flight.has_rival(&ours.submission, at(1)), "no attempt was sent");
    rival.send_times().left(at(1));
    assert!(in_flight.has_rival(&ours.submission, at(1)) && !in_flight.has_twin(&ours.submission, at(1)));
    rival.lost();
    assert!(in_flight.has_rival(&ours.submission, at(1)));
    drop(rival);
    assert!(
        in_flight.has_rival(&ours.submission, at(4 * 3_600))
            && !in_flight.has_rival(&ours.submission, at(4 * 3_600 + 1))
    );
    let settled = registry.open(&intent("Selective", "c"));
    settled.send_times().left(at(4 * 3_600 + 1));
    settled.settle();
    drop(settled);
    assert!(!in_flight.has_rival(&ours.submission, at(4 * 3_600 + 1)));
}

#[test]
fn twin_is_like_and_unsettled() {
    let registry = SubmissionRegistry::default();
    let ours = intent("Full", "c");
    let in_flight = registry.open(&ours);
    let twin = registry.open(&valid_from(1, "Full", "c"));
    assert!(!in_flight.has_twin(&ours.submission, at(1)), "no attempt was sent");
    twin.send_times().left(at(1));
    assert!(in_flight.has_twin(&ours.submission, at(1)) && !in_flight.has_rival(&ours.submission, at(1)));
    twin.lost();
    assert!(in_flight.has_twin(&ours.submission, at(1)));
    drop(twin);
    assert!(in_flight.has_twin(&ours.submission, at(4 * 3_600)), "it stays a twin for any length of the search");
    assert!(!in_flight.has_twin(&ours.submission, at(4 * 3_600 + 1)));
    let settled = registry.open(&valid_from(2, "Full", "c"));
    settled.send_times().left(at(4 * 3_600 + 1));
    settled.settle();
    drop(settled);
    assert!(!in_flight.has_twin(&ours.submission, at(4 * 3_600 + 1)));
}

#[test]
fn distant_submissions_are_not_twins() {
    let has_twin = |other: i64| {
        let registry = SubmissionRegistry::default();
        let ours = valid_from(7_200, "Full", "c");
        let in_flight = registry.open(&ours);
        let twin = registry.open(&valid_from(other, "Full", "c"));
        twin.send_times().left(at(other));
        drop(twin);
        in_flight.has_twin(&ours.submission, at(9_000))
    };
    assert!(has_twin(7_200 - 1_500) && !has_twin(7_200 - 1_501));
    assert!(has_twin(7_200 + 1_500) && !has_twin(7_200 + 1_501));
}
