//! What an emulator begins with, as it is told in JSON.

use std::{borrow::Cow, collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Error,
    action_kind::ActionKind,
    identity::MACHINES,
    library::{Library, LibraryFile},
    life::{Life, Outcome, Pace, THREE_DAYS},
    live_response::{self, Command, ToldCommand},
    machine::Machines,
    machine_action::{Cancellation, MachineAction, RelatedFile, Told, Word},
    machine_record::{Record, time},
};

/// What an [`Emulator`](crate::Emulator) begins with: machines, actions in any state, and files of the library.
///
/// Its rows are written as the API writes them, so that what was captured can be put in; every field may be left out but an
/// action's `type` and `machineId`, a machine's `id` and a file's `fileName`. Where machines are told, they are all that there
/// are; otherwise there are the built-in ones.
///
/// ```
/// use defender_emulator::{Emulator, State};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let state = State::from_json(
///     r#"{
///       "machines": [{"id": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "computerDnsName": "till-1", "offline": true}],
///       "actions": [{"type": "Isolate", "machineId": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "status": "Pending"}],
///       "libraryFiles": [{"fileName": "collect.ps1", "content": "Get-Process"}]
///     }"#,
/// )?;
/// let emulator = Emulator::builder().state(state).in_process()?;
/// assert_eq!(emulator.machine_ids(), ["1e5bc9d7e413ddd7902c2932e418702b84d0cc07"]);
/// assert!(!emulator.machine(emulator.machine_ids()[0]).is_some_and(|machine| machine.online));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct State(Arc<File>);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    machines: Option<Vec<Record>>,
    actions: Vec<Action>,
    library_files: Vec<Stored>,
}

/// One action. What is not the service's is `outcome`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Action {
    #[serde(rename = "@odata.context")]
    _context: Option<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "guid")]
    id: Option<Uuid>,
    #[serde(rename = "type")]
    kind: String,
    machine_id: String,
    title: Option<String>,
    requestor: Option<String>,
    requestor_comment: Option<String>,
    status: Option<String>,
    computer_dns_name: Option<String>,
    #[serde(default, deserialize_with = "time")]
    creation_date_time_utc: Option<Timestamp>,
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
    commands: Vec<Commanded>,
    #[serde(default)]
    troubleshoot_info: Value,
    /// How it will end, where it has not.
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
struct Commanded {
    #[serde(rename = "index")]
    _index: Option<u32>,
    command: Value,
    command_status: Option<String>,
    #[serde(default, deserialize_with = "time")]
    start_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    end_time: Option<Timestamp>,
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stored {
    file_name: String,
    #[serde(default)]
    content: String,
    description: Option<String>,
    #[serde(default, deserialize_with = "time")]
    creation_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    last_updated_time: Option<Timestamp>,
    created_by: Option<String>,
    #[serde(default)]
    has_parameters: bool,
    parameters_description: Option<String>,
}

fn guid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parsed = text.map(|text| text.parse().map_err(|_| serde::de::Error::custom(format!("{text} is no GUID"))));
    parsed.transpose()
}

/// When and how an emulator starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub(crate) now: Timestamp,
    pub(crate) elapsed: Duration,
    pub(crate) pace: Pace,
}

impl State {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is no JSON, has a field that is not known or of another type, says the same id twice, or speaks of a machine that
    /// it does not tell; the message says where, such as `actions[1].machineId`.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        Self::read(text).map_err(|why| Error::state("the state", &why))
    }

    /// Reads it from a file.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json), and where the file cannot be read; the message has its path.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let named = format!("the state file {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| Error::state(&named, &error.to_string()))?;
        Self::read(&text).map_err(|why| Error::state(&named, &why))
    }

    fn read(text: &str) -> Result<Self, String> {
        // A list would be taken for the fields in their order.
        if text.trim_start().starts_with('[') {
            return Err("it is a list, and not an object".to_owned());
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let file: File = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let place = error.path().to_string();
            if place == "." { error.inner().to_string() } else { format!("{place}: {}", error.inner()) }
        })?;
        reader.end().map_err(|error| error.to_string())?;
        file.check()?;
        Ok(Self(Arc::new(file)))
    }

    /// What is wrong with it at this time, if anything: nothing is from the future.
    pub(crate) fn check_at(&self, now: Timestamp) -> Result<(), Error> {
        let late = |action: &Action| action.creation_date_time_utc.is_some_and(|created| created > now);
        match self.0.actions.iter().position(late) {
            None => Ok(()),
            Some(place) => Err(Error::state(
                "the state",
                &format!(
                    "actions[{place}].creationDateTimeUtc: it is later than the emulator's clock, which shows {now}"
                ),
            )),
        }
    }

    /// The machines, if any are told.
    pub(crate) fn machines(&self, now: Timestamp) -> Option<Machines> {
        self.0.machines.clone().map(|records| Machines::told(records, now))
    }

    pub(crate) fn actions(&self, machines: &Machines, client_id: &str, started: Started) -> Vec<MachineAction> {
        self.0.actions.iter().filter_map(|action| action.made(machines, client_id, started)).collect()
    }

    pub(crate) fn library(&self, client_id: &str, now: Timestamp) -> Library {
        let stored = |file: &Stored| {
            let stored = LibraryFile::new(file.content.as_bytes())
                .described(file.description.clone(), file.has_parameters, file.parameters_description.clone())
                .by(file.created_by.clone().unwrap_or_else(|| client_id.to_owned()))
                .at(file.creation_time.unwrap_or(now), file.last_updated_time.or(file.creation_time).unwrap_or(now));
            (file.file_name.clone(), stored)
        };
        self.0.library_files.iter().map(stored).collect()
    }
}

impl File {
    /// What cannot be, though each row by itself could.
    fn check(&self) -> Result<(), String> {
        let mut known: BTreeSet<&str> = BTreeSet::new();
        for (place, machine) in self.machines.iter().flatten().enumerate() {
            if machine.id.is_empty() {
                return Err(format!("machines[{place}].id: a machine must have one"));
            }
            if !known.insert(&machine.id) {
                return Err(format!("machines[{place}].id: {} is there twice", machine.id));
            }
        }
        if self.machines.is_none() {
            known.extend(MACHINES.iter().map(|(id, _)| *id));
        }
        let mut ids = BTreeSet::new();
        for (place, action) in self.actions.iter().enumerate() {
            if !known.contains(action.machine_id.as_str()) {
                return Err(format!("actions[{place}].machineId: there is no machine {}", action.machine_id));
            }
            if let Some(id) = action.id
                && !ids.insert(id)
            {
                return Err(format!("actions[{place}].id: {id} is there twice"));
            }
            for (index, command) in action.commands.iter().enumerate() {
                live_response::command(command.command.clone())
                    .map_err(|problem| format!("actions[{place}].commands[{index}].command: {}", problem.message()))?;
            }
        }
        let mut names = BTreeSet::new();
        match self.library_files.iter().enumerate().find(|(_, file)| !names.insert(&file.file_name)) {
            Some((place, file)) => Err(format!("libraryFiles[{place}].fileName: {} is there twice", file.file_name)),
            None => Ok(()),
        }
    }
}

impl Action {
    /// As it is at the start. `None` where there is no such machine, which was checked.
    fn made(&self, machines: &Machines, client_id: &str, started: Started) -> Option<MachineAction> {
        let (place, machine) = machines.find(&self.machine_id)?;
        let created = self.creation_date_time_utc.unwrap_or(started.now);
        let kind = ActionKind::ALL.iter().find(|kind| kind.word == self.kind);
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
            word: kind.map_or_else(|| Word::Other(Arc::from(self.kind.as_str())), Word::Known),
            requestor: Arc::from(self.requestor.as_deref().unwrap_or(client_id)),
            comment: self.requestor_comment.as_deref().map(Arc::from),
            external_id: self.external_id.as_deref().map(Arc::from),
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
            life,
            cancellation: was_cancelled.then(|| Box::new(cancellation)),
            is_old: true,
            told: Some(Box::new(Told {
                status: other.map(Arc::from),
                updated: self.last_update_date_time_utc.unwrap_or(created),
                error_hresult: self.error_hresult,
                request_source: self.request_source.clone(),
                title: self.title.clone(),
                troubleshoot_info: self.troubleshoot_info.clone(),
            })),
        })
    }

    /// How it goes on, and its status where that is none that is known here.
    fn life(&self, created: Timestamp, offline: bool, started: Started) -> (Life, Option<&str>) {
        let Started { now, elapsed, pace } = started;
        let failed = Outcome::Failed { error_hresult: self.error_hresult.unwrap_or(-1) };
        let age = now.duration_since(created).unsigned_abs();
        let waiting = Life::waiting(elapsed, elapsed.saturating_add(THREE_DAYS.saturating_sub(age)));
        let outcome = match self.outcome {
            Ending::Succeeded => Outcome::Succeeded,
            Ending::Failed => failed,
            Ending::TimeOut => Outcome::TimedOut,
            Ending::Cancelled => Outcome::Cancelled,
        };
        let moving = |pace| if outcome == Outcome::TimedOut { waiting } else { Life::new(elapsed, pace, outcome) };
        match self.status.as_deref().unwrap_or("Pending") {
            "Pending" if offline => (waiting, None),
            "Pending" => (moving(pace), None),
            "InProgress" => (moving(Pace { pending_for: Duration::ZERO, ..pace }), None),
            "Succeeded" => (Life::over(Outcome::Succeeded), None),
            "Failed" => (Life::over(failed), None),
            "TimeOut" => (Life::over(Outcome::TimedOut), None),
            "Cancelled" => (Life::over(Outcome::Cancelled), None),
            other => (Life::waiting(elapsed, Duration::MAX), Some(other)),
        }
    }
}

impl Commanded {
    fn made(&self) -> Option<Command> {
        let told = self.command_status.as_ref().map(|status| ToldCommand {
            status: status.clone(),
            start: self.start_time,
            end: self.end_time,
            errors: self.errors.clone(),
        });
        Some(Command { told: told.map(Box::new), ..live_response::command(self.command.clone()).ok()? })
    }
}
