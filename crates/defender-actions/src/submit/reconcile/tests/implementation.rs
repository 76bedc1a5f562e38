//! The implementation behind the trait of the model. It converts records and decides nothing.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
    time::Duration,
};

use defender_model::{
    ActionId, ActionStatus, ActionType, Isolate, IsolationType, LiveResponse, LiveResponseCommand, MachineAction,
    RestrictCodeExecution,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    model::GRACE,
    rules::{Accepted, Attempt, Decision, Principal, Refusal, Refused, Rules, Subject},
    service::{ExternalId, Kind, Machine, Ms, Name, Record, Scope, TypeName},
};
use crate::{
    Intent,
    submit::{
        particulars::ParticularsRule,
        reconcile::{self, Comparison, ComparisonInput, Finding, Names, Window},
        submission::Submission,
    },
};

pub(super) const OURS: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
const OTHER: &str = "2e5bc9d7e413ddd7902c2932e418702b84d0cc07";
pub(super) const OWN_GUID: &str = "0d1e2f3a-0000-4000-8000-000000000001";
const OTHER_GUID: &str = "0d1e2f3a-0000-4000-8000-000000000002";
pub(super) const OWN_MAIL: &str = "ann@contoso.com";

/// Time on the service's clock, or on ours if no `Date` gives it.
pub(super) fn time(ms: Ms) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
}

fn external_id(id: ExternalId) -> Cow<'static, str> {
    match id {
        ExternalId::Given => "T-1".into(),
        ExternalId::Generated(number) => format!("de4ec7ed-0000-8000-8000-{number:012x}").into(),
        ExternalId::Filled => "svc-1".into(),
        ExternalId::Uuid => "de4ec7ee-0000-4000-8000-000000000007".into(),
    }
}

static EMPTY: LazyLock<MachineAction> = LazyLock::new(|| serde_json::from_str(r#"{"id": "a"}"#).unwrap());

/// Record as the client decodes it. An unreadable row has machine, type and creation.
pub(super) fn machine_action(kind: Kind, record: &Record) -> MachineAction {
    let id: ActionId = format!("a{}", record.id).parse().unwrap();
    let type_name = match (record.type_name, kind) {
        (None, _) => "",
        (Some(TypeName::Ours), Kind::Scoped) => "isolate",
        (Some(TypeName::Ours), Kind::Plain) => "RestrictCodeExecution",
        (Some(TypeName::Ours), Kind::NoRule) => "Live Response",
        (Some(TypeName::Other), _) => "RunAntiVirusScan",
        (Some(TypeName::Unknown), _) => "IsolateMachine",
    };
    let machine = match record.machine {
        None | Some(Machine::Odd) => None,
        Some(Machine::Ours) => Some(OURS.to_uppercase()),
        Some(Machine::Other) => Some(OTHER.to_owned()),
    };
    let requestor = record.requestor.map(|name| match name {
        Name::Display => "Contoso Response",
        Name::OwnGuid => OWN_GUID,
        Name::OtherGuid => OTHER_GUID,
        Name::OwnMail => "Ann@Contoso.com ",
        Name::OtherMail => "bob@contoso.com",
    });
    let scope = record.scope.map(|scope| match scope {
        Scope::Full => "Full",
        Scope::Selective => "Selective",
    });
    let status = if record.ended.is_some() { ActionStatus::Succeeded } else { ActionStatus::Pending };
    let mut action = EMPTY.clone();
    action.id = id;
    action.action_type = ActionType::from(type_name);
    action.machine_id = machine.map(|machine| machine.parse().unwrap());
    action.status = status;
    if record.machine == Some(Machine::Odd) {
        action.extra.insert("machineId".to_owned(), json!({"id": OURS}));
    }
    action.creation_date_time_utc = record.created.map(time);
    action.last_update_date_time_utc = record.ended.map(time);
    action.scope = scope.map(str::to_owned);
    action.requestor_comment = record.comment.map(str::to_owned);
    action.requestor = requestor.map(str::to_owned);
    action.external_id = record.external_id.map(|id| external_id(id).into_owned());
    action
}

/// Subject as the client knows it.
struct Known {
    submission: Submission,
    rule: Box<dyn ParticularsRule>,
    names: Names,
    window: Window,
}

impl Known {
    fn of(subject: &Subject) -> Self {
        let comment = subject.comment;
        let (action_type, rule): (_, Box<dyn ParticularsRule>) = match (subject.kind, subject.scope) {
            (Kind::Scoped, Scope::Full) => ("Isolate", Box::new(Isolate::new(comment, IsolationType::Full).unwrap())),
            (Kind::Scoped, Scope::Selective) => {
                ("Isolate", Box::new(Isolate::new(comment, IsolationType::Selective).unwrap()))
            }
            (Kind::Plain, _) => ("RestrictCodeExecution", Box::new(RestrictCodeExecution::new(comment).unwrap())),
            (Kind::NoRule, _) => {
                let script = [LiveResponseCommand::run_script("a.ps1")];
                ("LiveResponse", Box::new(LiveResponse::new(comment, script).unwrap()))
            }
        };
        let body = match subject.external_id {
            None => json!({"Comment": subject.comment}),
            Some(id) => json!({"Comment": subject.comment, "ExternalId": external_id(id)}),
        };
        let is_generated = matches!(subject.external_id, Some(ExternalId::Generated(_)));
        let valid = (time(subject.first_attempt), Duration::from_secs(300));
        let names: &[&str] = match subject.principal {
            // A name of neither form confirms, and excludes no display name.
            Principal::GuidAndMail => &[OWN_GUID, OWN_MAIL, r"CONTOSO\ann"],
            Principal::Guid => &[OWN_GUID],
            Principal::Unknown => &[],
        };
        let intent = Intent::new(OURS.parse().unwrap(), action_type, body, is_generated, valid);
        Self {
            submission: Submission::Intent(Arc::new(intent)),
            rule,
            names: Names::new(names),
            window: window(subject),
        }
    }

    fn compare(&self, subject: &Subject, record: &Record, filtered: bool) -> Comparison {
        let input = ComparisonInput {
            submission: &self.submission,
            rule: &*self.rule,
            names: &self.names,
            window: &self.window,
            filtered,
            seen_before: subject.seen.contains(record.id),
            claimed: subject.claimed.contains(record.id),
            has_rival: subject.has_rival,
            is_recovery: subject.is_recovery,
        };
        let action = machine_action(subject.kind, record);
        if record.readable { Comparison::of(&input, &action) } else { Comparison::of_unreadable(&input, &action) }
    }
}

/// Window by the client's reading of the service's clock.
fn window(subject: &Subject) -> Window {
    let grace = SignedDuration::from_millis(GRACE);
    let day = 24 * 3_600_000;
    match subject.date_ahead.filter(|ahead| ahead.abs() <= day).map(SignedDuration::from_millis) {
        Some(ahead) => {
            let (first, end) = (SignedDuration::from_millis(subject.first_attempt), subject.closes);
            Window::on_service_clock(time(0) + ahead, time(0) + ahead, first, SignedDuration::from_millis(end) + grace)
        }
        None => Window::on_own_clock(time(subject.first_attempt), time(subject.closes) + grace),
    }
}

/// Implementation of the rules in the crate.
#[derive(Debug)]
pub(super) struct Implementation;

impl Rules for Implementation {
    fn may_be_ours(&self, subject: &Subject, record: &Record) -> bool {
        reconcile::may_be_ours(&Known::of(subject).compare(subject, record, true))
    }

    fn decide(&self, subject: &Subject, rows: &[Record]) -> Decision {
        let known = Known::of(subject);
        let compared: Vec<_> = rows.iter().map(|record| known.compare(subject, record, true)).collect();
        match reconcile::find(&compared) {
            Finding::Ours(index) => Decision::Recovered(rows[index].id),
            Finding::MayBeOurs => Decision::MayBeOurs,
            Finding::Nothing => Decision::Nothing,
        }
    }

    fn accepted(&self, subject: &Subject, record: &Record) -> Accepted {
        let compared = Known::of(subject).compare(subject, record, false);
        match reconcile::accepted(&compared, record.ended.is_some()) {
            reconcile::Accepted::Created => Accepted::Created,
            reconcile::Accepted::Joined => Accepted::Joined,
            reconcile::Accepted::Another => Accepted::OtherRecord,
        }
    }

    fn refused(&self, subject: &Subject, refusal: Refusal<'_>) -> Refused {
        let known = Known::of(subject);
        let day = 24 * 3_600_000;
        let date = refusal.date.filter(|date| (date - refusal.at).abs() <= day).map(time);
        let was_pending =
            |record: &&Record| record.readable && reconcile::was_pending(&machine_action(subject.kind, record), date);
        let mut rows: Vec<_> = refusal.rows.iter().filter(was_pending).collect();
        rows.sort_by_key(|record| std::cmp::Reverse((record.created, record.id)));
        let compared: Vec<_> = rows.iter().map(|record| known.compare(subject, record, true)).collect();
        let id = |index: usize| rows[index].id;
        match (reconcile::refused(&compared), refusal.attempt) {
            (reconcile::Refusal::Joined(index), _) => Refused::Joined(id(index)),
            (reconcile::Refusal::NotVisible, _) if !refusal.is_last => Refused::Undecided,
            (_, Attempt::Second) => Refused::Unknown,
            (reconcile::Refusal::Conflict(index), _) => Refused::Conflict(id(index)),
            (reconcile::Refusal::InProgress(index), _) => Refused::AlreadyInProgress(Some(id(index))),
            (reconcile::Refusal::NotVisible, _) => Refused::AlreadyInProgress(None),
        }
    }

    fn wait_ends(&self, subject: &Subject, record: &Record) -> bool {
        let compared = Known::of(subject).compare(subject, record, false);
        reconcile::is_another(&compared, record.ended.is_some())
    }
}
