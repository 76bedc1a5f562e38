//! A machine action, and how it looks.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    action_kind::ActionKind,
    life::Life,
    live_response::Command,
    spelling::{Spelling, date},
};

/// One action of one machine.
#[derive(Clone, Debug)]
pub(crate) struct MachineAction {
    pub(crate) id: Uuid,
    pub(crate) kind: &'static ActionKind,
    pub(crate) requestor: Arc<str>,
    pub(crate) comment: Option<Arc<str>>,
    pub(crate) external_id: Option<Arc<str>>,
    pub(crate) scope: Option<&'static str>,
    pub(crate) sha1: Option<Arc<str>>,
    pub(crate) commands: Arc<[Command]>,
    /// The machine's place among all.
    pub(crate) machine: usize,
    pub(crate) machine_id: Arc<str>,
    pub(crate) computer_dns_name: Arc<str>,
    /// When it was made, on the wall; with no more digits than are written.
    pub(crate) created: Timestamp,
    pub(crate) digits: u8,
    pub(crate) life: Life,
    pub(crate) cancellation: Option<Box<Cancellation>>,
}

/// Who cancelled it.
#[derive(Clone, Debug)]
pub(crate) struct Cancellation {
    pub(crate) requestor: Arc<str>,
    pub(crate) comment: Option<Arc<str>>,
    pub(crate) at: Timestamp,
}

/// Who looks. Straight after the POST the service does not know the machine's name yet, as captures show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    JustCreated,
    Later,
}

impl MachineAction {
    /// The record by itself, with its context; `base_url` stands in the place of the service's own.
    pub(crate) fn entity(&self, base_url: &str, spelling: Spelling, elapsed: Duration, view: View) -> Value {
        let context = format!("{base_url}/api/$metadata#MachineActions/$entity");
        let mut record = Map::new();
        record.insert("@odata.context".to_owned(), context.into());
        record.extend(self.row(spelling, elapsed, view));
        Value::Object(record)
    }

    /// Whether reads and lists know of it yet.
    pub(crate) fn is_visible(&self, elapsed: Duration, read_lag: Duration) -> bool {
        elapsed.saturating_sub(self.life.born()) >= read_lag
    }

    /// When it last changed.
    pub(crate) fn updated(&self, elapsed: Duration) -> Timestamp {
        match &self.cancellation {
            // In captures the two differ by one tick.
            Some(cancellation) => cancellation.at.checked_add(Duration::from_nanos(100)).unwrap_or(Timestamp::MAX),
            None => self.created.checked_add(self.life.since(elapsed)).unwrap_or(Timestamp::MAX),
        }
    }

    /// The twenty fields of live captures, which the table in
    /// <https://learn.microsoft.com/defender-endpoint/api/machineaction> has but for `errorHResult` and
    /// `troubleshootInfo`.
    pub(crate) fn row(&self, spelling: Spelling, elapsed: Duration, view: View) -> Map<String, Value> {
        let written = |time: Timestamp| date(time, self.digits);
        let cancellation = self.cancellation.as_deref();
        let count = self.commands.len();
        let commands = self.commands.iter().enumerate();
        let commands: Vec<_> = commands
            .map(|(index, command)| command.to_json((index, count), &self.life, elapsed, self.created, &written))
            .collect();
        let file = self.sha1.as_ref().map(|sha1| json!({ "fileIdentifier": **sha1, "fileIdentifierType": "Sha1" }));
        let record = json!({
            "id": self.id.to_string(),
            "type": self.kind.word,
            "title": null,
            "requestor": *self.requestor,
            "requestorComment": self.comment.as_deref(),
            "status": self.life.status(elapsed),
            "machineId": *self.machine_id,
            "computerDnsName": (view == View::Later).then_some(&*self.computer_dns_name),
            "creationDateTimeUtc": written(self.created),
            "lastUpdateDateTimeUtc": written(self.updated(elapsed)),
            "cancellationRequestor": cancellation.map(|cancellation| &*cancellation.requestor),
            "cancellationComment": cancellation.and_then(|cancellation| cancellation.comment.as_deref()),
            "cancellationDateTimeUtc": cancellation.map(|cancellation| written(cancellation.at)),
            "errorHResult": self.life.error_hresult(elapsed),
            "scope": self.scope,
            "externalId": self.external_id.as_deref(),
            "requestSource": "PublicApi",
            "relatedFileInfo": file,
            "commands": commands,
            "troubleshootInfo": null,
        });
        let Value::Object(mut record) = record else { return Map::new() };
        spelling.apply(&mut record);
        record
    }
}
