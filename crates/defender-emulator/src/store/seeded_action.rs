//! An action of the initial state.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use crate::store::{
    action::{Cancellation, Given, MachineAction, RelatedFile, TypeName},
    action_kind::ActionKind,
    lifecycle::{Life, Outcome, Pace, Started, THREE_DAYS, TWO_HOURS},
    live_response::{self, Command, GivenCommand},
    machine_record::time,
    machines::Machines,
};

/// One action. What is not the service's is `outcome`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Action {
    #[serde(rename = "@odata.context")]
    _context: Option<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "guid")]
    pub(crate) id: Option<Uuid>,
    #[serde(rename = "type")]
    kind: String,
    pub(crate) machine_id: String,
    title: Option<String>,
    requestor: Option<String>,
    requestor_comment: Option<String>,
    status: Option<String>,
    computer_dns_name: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub(crate) creation_date_time_utc: Option<Timestamp>,
    #[serde(default, deserialize_with = "time", alias = "lastUpdateTimeUtc")]
    last_update_date_time_utc: Option<Timestamp>,
    cancellation_requestor: Option<String>,
    cancellation_comment: Option<String>,
    #[serde(default, deserialize_with = "time")]
    cancellation_date_time_utc: Option<Timestamp>,
    #[serde(rename = "errorHResult")]
    error_hresult: Option<i32>,
    scope: Option<String>,
    #[serde(alias = "externalID")]
    external_id: Option<String>,
    request_source: Option<String>,
    related_file_info: Option<FileInfo>,
    #[serde(default)]
    pub(crate) commands: Vec<Commanded>,
    #[serde(default)]
    troubleshoot_info: Value,
    /// Its end, if it has not ended.
    #[serde(default)]
    outcome: Ending,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Ending {
    #[default]
    Succeeded,
    Failed,
    TimeOut,
    Cancelled,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileInfo {
    file_identifier: String,
    file_identifier_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Commanded {
    #[serde(rename = "index")]
    _index: Option<u32>,
    pub(crate) command: Value,
    command_status: Option<String>,
    #[serde(default, deserialize_with = "time")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    end_time: Option<Timestamp>,
    #[serde(default)]
    errors: Vec<String>,
}

fn guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parsed = text.map(|text| text.parse().map_err(|_| serde::de::Error::custom(format!("{text} is not a GUID"))));
    parsed.transpose()
}

impl Action {
    /// As it is at the start. `None` where there is no such machine, which was checked.
    pub(crate) fn made(&self, machines: &Machines, requestor: &str, started: Started) -> Option<MachineAction> {
        let (place, machine) = machines.find(&self.machine_id)?;
        let created = self.creation_date_time_utc.unwrap_or(started.now);
        let kind = ActionKind::ALL.iter().find(|kind| kind.type_name == self.kind);
        let cancellation = Cancellation {
            requestor: self.cancellation_requestor.as_deref().map(Arc::from),
            comment: self.cancellation_comment.as_deref().map(Arc::from),
            at: self.cancellation_date_time_utc,
        };
        let was_cancelled = self.cancellation_requestor.is_some()
            || self.cancellation_comment.is_some()
            || self.cancellation_date_time_utc.is_some();
        let offline = machine.offline_since.is_some();
        let (life, other) = self.life(created, offline, started);
        let file = self.related_file_info.as_ref().map(|file| RelatedFile {
            file_identifier: file.file_identifier.clone(),
            file_identifier_type: Cow::Owned(file.file_identifier_type.clone()),
        });
        Some(MachineAction {
            id: self.id.unwrap_or_else(Uuid::new_v4),
            type_name: kind.map_or_else(|| TypeName::Other(Arc::from(self.kind.as_str())), TypeName::Known),
            requestor: Arc::from(self.requestor.as_deref().unwrap_or(requestor)),
            comment: self.requestor_comment.as_deref().map(Arc::from),
            external_id: self.external_id.as_deref().map(Arc::from),
            title: None,
            request_source: None,
            scope: self.scope.clone().map(Cow::Owned),
            file: file.map(Arc::new),
            commands: self.commands.iter().filter_map(Commanded::made).collect(),
            machine: place,
            machine_id: Arc::clone(&machine.id),
            computer_dns_name: match &self.computer_dns_name {
                Some(name) => Arc::from(name.as_str()),
                None => Arc::clone(&machine.computer_dns_name),
            },
            created,
            began: started.now,
            digits: 7,
            number: 0,
            life,
            cancellation: was_cancelled.then(|| Box::new(cancellation)),
            is_old: true,
            given: Some(Box::new(Given {
                status: other.map(Arc::from),
                updated: self.last_update_date_time_utc.unwrap_or(created),
                error_hresult: self.error_hresult,
                request_source: self.request_source.clone(),
                title: self.title.clone(),
                troubleshoot_info: self.troubleshoot_info.clone(),
            })),
        })
    }

    /// Returns its life, and its status if that is unknown here.
    fn life(&self, created: Timestamp, offline: bool, started: Started) -> (Life, Option<&str>) {
        let Started { now, elapsed, pace } = started;
        let failed = Outcome::Failed { error_hresult: self.error_hresult.unwrap_or(-1) };
        let age = now.duration_since(created).unsigned_abs();
        let patience = if self.kind == "LiveResponse" { TWO_HOURS } else { THREE_DAYS };
        let patience = patience.saturating_sub(age);
        let outcome = match self.outcome {
            Ending::Succeeded => Outcome::Succeeded,
            Ending::Failed => failed,
            Ending::TimeOut => Outcome::TimedOut,
            Ending::Cancelled => Outcome::Cancelled,
        };
        // Of two that succeeded, the later one decides the state of the machine.
        let changed = self.last_update_date_time_utc.unwrap_or(created);
        let ended = elapsed.saturating_sub(now.duration_since(changed).try_into().unwrap_or_default());
        let over = |outcome| (Life::over(ended, outcome), None);
        let moving = |pace| Life::new(elapsed, pace, patience, outcome);
        match self.status.as_deref().unwrap_or("Pending") {
            "Pending" if offline => (Life::waiting(elapsed, patience, outcome), None),
            "Pending" => (moving(pace), None),
            "InProgress" => (moving(Pace { pending_for: Duration::ZERO, ..pace }), None),
            "Succeeded" => over(Outcome::Succeeded),
            "Failed" => over(failed),
            "TimeOut" => over(Outcome::TimedOut),
            "Cancelled" => over(Outcome::Cancelled),
            other => (Life::waiting(elapsed, Duration::MAX, Outcome::TimedOut), Some(other)),
        }
    }
}

impl Commanded {
    fn made(&self) -> Option<Command> {
        let given = self.command_status.as_ref().map(|status| GivenCommand {
            status: status.clone(),
            start: self.start_time,
            end: self.end_time,
            errors: self.errors.clone(),
        });
        Some(Command { given: given.map(Box::new), ..live_response::command(self.command.clone()).ok()? })
    }
}
