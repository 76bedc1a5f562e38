//! Claims fed to the judge: true ones pass, each wrong one is noticed.

use jiff::Timestamp;

use super::*;
use crate::{
    clock::seconds,
    report::Asked,
    server::{Broken, Kind, Particulars, Settings, Stated, Version},
};

const MACHINE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
const START: Timestamp = Timestamp::UNIX_EPOCH;

fn at(second: u64) -> Timestamp {
    START + seconds(second)
}

fn scope(scope: &str) -> Particulars {
    Particulars { scope: Some(scope.to_owned()), file: None }
}

/// A tenant, and what the client said; each test adds what it is about.
struct Case {
    tenant: Tenant,
    reports: Vec<Report>,
    ids_generated: bool,
}

impl Case {
    fn new() -> Self {
        let settings = Settings { seed: 1, version: Version::Http1, percent: 0.0, dates: true, page: 100 };
        Self { tenant: Tenant::new(settings), reports: Vec::new(), ids_generated: false }
    }

    /// A record that is shown as it is, at once, with the particulars once it has started after 60 s.
    fn record(&mut self, maker: Maker, created: u64, change: impl FnOnce(&mut Record)) -> usize {
        let rng = &mut fastrand::Rng::with_seed(u64::try_from(self.tenant.records.len()).unwrap());
        let of = (Kind::Isolate, MACHINE);
        let mut record = Record::ours(rng, of, ("Case 1", None), scope("Full"), maker, at(created));
        record.visible = [at(created); 2];
        (record.starts, record.ends, record.end) = (at(created + 60), at(created + 90), "Succeeded");
        record.shown.comment = Some("Case 1 ".to_owned());
        record.shown.external_id = None;
        record.shown.requestor = Some("SOC Automation".to_owned());
        (record.shown.creation, record.shown.stated, record.shown.broken) = (true, Stated::Later, None);
        change(&mut record);
        self.tenant.keep(record)
    }

    fn arrival(&mut self, submission: u64, second: u64, fault: Option<Fault>, effect: Option<usize>) {
        let status = if effect.is_some() { 201 } else { 500 };
        self.tenant.arrivals.push(Arrival {
            at: at(second),
            submission: Some(submission),
            kind: Kind::Isolate,
            machine: MACHINE.to_owned(),
            body: r#"{"Comment": "Case 1", "IsolationType": "Full"}"#.to_owned(),
            fault,
            effect,
            shown: effect,
            status,
            whole: fault.is_none(),
        });
    }

    fn report(&mut self, submission: u64, claim: Claim) -> &mut Report {
        let asked = Asked {
            kind: Kind::Isolate,
            machine: MACHINE.to_owned(),
            comment: "Case 1".to_owned(),
            particulars: scope("Full"),
            resend_if_lost: false,
        };
        let (began, claimed) = (at(1_000), at(1_200));
        let words = String::new();
        let first_attempt = Some(began);
        self.reports.push(Report { submission, asked, began, first_attempt, claimed, claim, waited: None, words });
        self.reports.last_mut().unwrap()
    }

    fn id(&self, place: usize) -> String {
        self.tenant.records[place].id.clone()
    }

    fn judged(&self) -> Verdict {
        judge(&self.reports, &self.tenant, self.ids_generated)
    }

    fn falls(&self) -> Vec<Fall> {
        self.judged().falls.into_iter().map(|(fall, ..)| fall).collect()
    }
}

/// A submission whose POST made a record, with no fault.
fn clean() -> (Case, usize) {
    let mut case = Case::new();
    let own = case.record(Maker::Submission(1), 1_000, |_| {});
    case.arrival(1, 1_000, None, Some(own));
    (case, own)
}

/// A submission whose response was lost after the effect.
fn lost(change: impl FnOnce(&mut Record)) -> (Case, usize) {
    let mut case = Case::new();
    let own = case.record(Maker::Submission(1), 1_000, change);
    case.arrival(1, 1_000, Some(Fault::CloseAfter), Some(own));
    (case, own)
}

#[test]
fn true_claims_pass() {
    let (mut case, own) = clean();
    let id = case.id(own);
    case.report(1, Claim::Created(id.clone())).waited = Some(Waited::Succeeded(id.clone()));
    assert_eq!(case.falls(), []);
    let (mut case, own) = lost(|_| {});
    let id = case.id(own);
    case.report(1, Claim::Recovered(id));
    let verdict = case.judged();
    assert!(verdict.holds() && verdict.falls.is_empty());
    assert_eq!((verdict.lost, verdict.eligible), (1, (1, 1)));
}

#[test]
fn created_by_somebody_else_is_wrong() {
    for stranger in [Maker::Other, Maker::Submission(2)] {
        let (mut case, _) = clean();
        // Before the window, so that it can be told.
        let other = case.record(stranger, 900, |_| {});
        let id = case.id(other);
        for claim in [Claim::Created(id.clone()), Claim::Recovered(id.clone())] {
            case.report(1, claim);
            assert_eq!(case.falls()[0], Fall::Wrong, "{stranger:?}");
            case.reports.clear();
        }
    }
}

#[test]
fn stranger_in_window_is_not_promised() {
    let (mut case, _) = clean();
    let other = case.record(Maker::Other, 1_010, |_| {});
    let id = case.id(other);
    case.report(1, Claim::Recovered(id));
    let verdict = case.judged();
    assert_eq!((verdict.falls.len(), verdict.unpromised.len()), (0, 1));
    case.tenant.records[other].maker = Maker::Submission(2);
    assert_eq!(case.falls()[0], Fall::Wrong, "the client knows its own submissions");
    case.tenant.records[other].maker = Maker::Other;
    case.tenant.records[other].shown.comment = Some("Case 2".to_owned());
    assert_eq!(case.falls()[0], Fall::Wrong, "another comment tells it");
}

#[test]
fn like_record_is_not_a_wrong_one() {
    let (mut case, _) = clean();
    let other = case.record(Maker::Submission(2), 1_010, |_| {});
    let id = case.id(other);
    case.report(2, Claim::Unknown("NothingFound".to_owned()));
    case.report(1, Claim::Created(id.clone()));
    let verdict = case.judged();
    assert_eq!((verdict.count(Fall::Wrong), verdict.unpromised.len()), (0, 1));
    case.reports[1].claim = Claim::Recovered(id);
    assert_eq!(case.judged().count(Fall::Wrong), 1, "recovery waits for like submissions");
    let other_particulars = scope("Selective");
    case.reports[1].claim = Claim::Created(case.id(other));
    case.reports[0].asked.particulars = other_particulars;
    assert_eq!(case.judged().count(Fall::Wrong), 1, "it asked for something else");
}

#[test]
fn unknown_record_is_wrong() {
    let (mut case, _) = clean();
    case.report(1, Claim::Created("00000000-0000-4000-8000-000000000000".to_owned()));
    assert_eq!(case.falls(), [Fall::Wrong]);
}

#[test]
fn joined_must_be_under_way_and_alike() {
    let mut case = Case::new();
    case.arrival(1, 1_000, None, None);
    let ended = case.record(Maker::Other, 100, |_| {});
    let pending = case.record(Maker::Other, 990, |_| {});
    let stated = case.record(Maker::Other, 920, |record| record.particulars = scope("Selective"));
    let unstated = case.record(Maker::Other, 990, |record| record.particulars = scope("Selective"));
    for (place, falls) in [(ended, 1), (pending, 0), (stated, 1), (unstated, 0)] {
        let id = case.id(place);
        case.report(1, Claim::Joined(id));
        assert_eq!(case.falls().len(), falls, "{place}");
        case.reports.clear();
    }
}

#[test]
fn other_machine_is_wrong() {
    let (mut case, own) = clean();
    let id = case.id(own);
    case.report(1, Claim::Joined(id)).asked.machine = "f46b9bb259ed4a7fb9981b73510e3cc7aa81ec1f".to_owned();
    assert_eq!(case.falls(), [Fall::Wrong]);
}

#[test]
fn wait_must_succeed_on_its_action() {
    let waited = |change: &dyn Fn(&mut Record)| {
        let mut case = Case::new();
        let own = case.record(Maker::Submission(1), 1_000, |record| change(record));
        case.arrival(1, 1_000, None, Some(own));
        let id = case.id(own);
        case.report(1, Claim::Created(id.clone())).waited = Some(Waited::Succeeded(id.clone()));
        (case.falls(), case.judged().unpromised.len())
    };
    assert_eq!(waited(&|_| {}), (vec![], 0));
    assert_eq!(waited(&|record| record.end = "Failed"), (vec![Fall::Wrong], 0));
    assert_eq!(waited(&|record| record.particulars = scope("Selective")), (vec![Fall::Wrong], 0));
    let unstated = |record: &mut Record| {
        record.particulars = scope("Selective");
        record.shown.stated = Stated::Never;
    };
    assert_eq!(waited(&unstated), (vec![], 1));
}

#[test]
fn denied_effect_is_noticed() {
    let (mut case, _) = clean();
    case.report(1, Claim::NotTaken { kind: "Conflict".to_owned(), never_sent: false });
    assert_eq!(case.falls(), [Fall::Denied]);
    let mut case = Case::new();
    case.arrival(1, 1_000, Some(Fault::StatusBefore(500)), None);
    case.report(1, Claim::NotTaken { kind: "Request".to_owned(), never_sent: true });
    assert_eq!(case.falls(), [Fall::Denied], "it was sent");
}

#[test]
fn second_post_after_an_effect_is_twice() {
    let (mut case, own) = lost(|_| {});
    let second = case.record(Maker::Submission(1), 1_130, |_| {});
    case.arrival(1, 1_130, None, Some(second));
    let id = case.id(second);
    case.report(1, Claim::Created(id)).asked.resend_if_lost = true;
    assert_eq!(case.falls(), [Fall::Twice]);
    // The documented late one: nobody could see it when the grace was over.
    case.tenant.records[own].visible = [at(1_121), at(1_050)];
    assert_eq!((case.falls(), case.judged().late), (vec![], 1));
    case.reports[0].asked.resend_if_lost = false;
    assert_eq!(case.falls(), [Fall::Twice, Fall::Blind]);
}

#[test]
fn second_post_in_doubt_is_blind() {
    let second = |status, whole: bool, resend| {
        let mut case = Case::new();
        let fault = (!whole).then_some(Fault::CloseBefore);
        case.arrival(1, 1_000, fault, None);
        case.tenant.arrivals[0].status = status;
        case.arrival(1, 1_010, Some(Fault::StatusBefore(500)), None);
        case.report(1, Claim::Unknown("NothingFound".to_owned())).asked.resend_if_lost = resend;
        case.falls()
    };
    assert_eq!(second(429, true, false), []);
    assert_eq!(second(401, true, false), []);
    assert_eq!(second(429, false, false), [Fall::Blind], "the refusal never arrived");
    assert_eq!(second(503, true, false), [Fall::Blind]);
    assert_eq!(second(503, true, true), []);
}

#[test]
fn unrecovered_record_names_its_line() {
    let line = |change: &dyn Fn(&mut Record)| {
        let (mut case, _) = lost(|record| change(record));
        case.report(1, Claim::Unknown("MayBeOurs".to_owned()));
        let verdict = case.judged();
        (verdict.unrecovered[0].1, verdict.eligible.0, verdict.holds())
    };
    let (none, eligible, holds) = line(&|_| {});
    assert_eq!((none, eligible, holds), ("no line of the rule failed", 1, false));
    let (later, eligible, _) = line(&|record| record.slips = vec![at(1_100), at(1_300)]);
    assert_eq!((later, eligible), ("no line of the rule failed", 1), "the last list showed it whole");
    for (start, change) in [
        ("its row", &(|record: &mut Record| record.shown.broken = Some(Broken::Date)) as &dyn Fn(&mut Record)),
        ("its row could not", &|record| record.slips = vec![at(1_190)]),
        ("window: it took effect late", &|record| record.visible[1] = at(1_125)),
        ("comment: the record states another", &|record| record.shown.comment = Some("Case 1&amp;".to_owned())),
        ("comment: the record does not", &|record| record.shown.comment = None),
        ("creation", &|record| record.shown.creation = false),
        ("external id", &|record| record.shown.external_id = Some("T-1".to_owned())),
    ] {
        let (line, ..) = line(change);
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn neighbor_excuses_and_others_do_not() {
    let beside = |change: &dyn Fn(&mut Record)| {
        let (mut case, _) = lost(|_| {});
        case.record(Maker::Other, 1_020, |record| change(record));
        case.report(1, Claim::Unknown("MayBeOurs".to_owned()));
        case.judged().eligible.0
    };
    assert_eq!(beside(&|_| {}), 0, "the same comment in the window");
    assert_eq!(beside(&|record| record.shown.broken = Some(Broken::Text)), 0);
    assert_eq!(beside(&|record| record.shown.comment = Some("Case 2".to_owned())), 1);
    assert_eq!(beside(&|record| record.created = at(900)), 1, "before the window");
    let guid = "11111111-2222-4333-8444-555555555555";
    assert_eq!(beside(&|record| record.shown.requestor = Some(guid.to_owned())), 1, "another application");
    assert_eq!(beside(&|record| record.shown.requestor = Some("a@contoso.com".to_owned())), 0, "another form");
    assert_eq!(beside(&|record| record.particulars = scope("Selective")), 1);
}

#[test]
fn record_of_another_answer_names_the_claim() {
    let (mut case, own) = lost(|_| {});
    case.report(1, Claim::Unknown("MayBeOurs".to_owned()));
    let id = case.id(own);
    case.report(2, Claim::Joined(id));
    let verdict = case.judged();
    assert_eq!(verdict.eligible.0, 0);
    assert!(verdict.unrecovered[0].1.starts_with("claim"), "{:?}", verdict.unrecovered);
}

#[test]
fn rival_wants_particulars_stated() {
    let (mut case, own) = lost(|record| record.shown.stated = Stated::Never);
    case.report(1, Claim::Unknown("MayBeOurs".to_owned()));
    case.report(2, Claim::Unknown("NothingFound".to_owned())).asked.particulars = scope("Selective");
    assert!(case.judged().unrecovered[0].1.starts_with("particulars"));
    case.tenant.records[own].shown.stated = Stated::AtOnce;
    assert_eq!(case.judged().unrecovered[0].1, "no line of the rule failed");
    case.reports[1].asked.particulars = scope("Full");
    assert!(case.judged().unrecovered[0].1.starts_with("claim: a like submission"));
    assert_eq!(case.judged().eligible.0, 1, "it counts as recoverable");
}

#[test]
fn echoed_id_must_be_recovered() {
    let (mut case, own) = lost(|record| {
        record.shown.external_id = Some("de4ec7ed-1".to_owned());
        record.shown.comment = None;
    });
    case.ids_generated = true;
    case.tenant.arrivals[0].body = r#"{"Comment": "Case 1", "ExternalId": "de4ec7ed-1"}"#.to_owned();
    case.report(1, Claim::Unknown("MayBeOurs".to_owned()));
    let verdict = case.judged();
    assert_eq!((verdict.echoed, verdict.holds()), ((1, 0), false));
    case.reports[0].claim = Claim::Recovered(case.id(own));
    assert_eq!(case.judged().echoed, (1, 1));
}

#[test]
fn quota_breach_is_noticed() {
    let mut case = Case::new();
    case.tenant.over_quota = 1;
    assert_eq!(case.falls(), [Fall::OverQuota]);
    assert!(!case.judged().holds());
}
