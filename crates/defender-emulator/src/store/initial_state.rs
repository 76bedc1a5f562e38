//! The initial state of an emulator, read from JSON.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    Error,
    store::{
        action::MachineAction,
        actions::Actions,
        library::{Library, LibraryFile},
        lifecycle::Started,
        live_response,
        machine_record::{Record, time},
        machines::{MACHINES, Machines},
        seeded_action::Action,
    },
};

/// The initial state of an [`Emulator`](crate::Emulator): machines, actions in any state, and files of the library.
///
/// Its rows have the API's form, so that captures can be used; every field may be left out but an
/// action's `type` and `machineId`, a machine's `id` and a file's `fileName`. Where machines are given, they are all that there
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

impl State {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// It is not JSON, has a field that is unknown or of another type, has an id twice, or names a machine that
    /// it does not have; the message has the place, such as `actions[1].machineId`.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        Self::checked(text).map_err(|why| Error::state("the state", &why))
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
        Self::checked(&text).map_err(|why| Error::state(&named, &why))
    }

    /// Reads what an emulator is to begin with.
    fn checked(text: &str) -> Result<Self, String> {
        let state = Self::read(text)?;
        let built_in = MACHINES.iter().map(|(id, _)| *id).filter(|_| state.0.machines.is_none());
        state.0.check(built_in.collect(), BTreeSet::new())?;
        Ok(state)
    }

    /// Reads it, without a look at what it is put beside.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        // A list would be taken for the fields in their order.
        if text.trim_start().starts_with('[') {
            return Err("expected an object, not a list".to_owned());
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let file: File = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let place = error.path().to_string();
            if place == "." { error.inner().to_string() } else { format!("{place}: {}", error.inner()) }
        })?;
        reader.end().map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(file)))
    }

    /// Refuses actions from the future.
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

    /// Checks it against the machines and actions that there are.
    pub(crate) fn check_beside(
        &self,
        (machines, actions): (&Machines, &Actions),
        now: Timestamp,
    ) -> Result<(), String> {
        let machines = machines.all().iter().map(|machine| &*machine.id).collect();
        let actions = actions.all().iter().map(|action| action.id).collect();
        self.0.check(machines, actions)?;
        self.check_at(now).map_err(|error| error.to_string())
    }

    /// Returns the records of its machines.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.0.machines.iter().flatten()
    }

    /// Returns its machines, if it has any.
    pub(crate) fn machines(&self, started: Started) -> Option<Machines> {
        self.0.machines.clone().map(|records| Machines::given(records, started))
    }

    pub(crate) fn actions(&self, machines: &Machines, requestor: &str, started: Started) -> Vec<MachineAction> {
        self.0.actions.iter().filter_map(|action| action.made(machines, requestor, started)).collect()
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
    /// Checks the rows against one another.
    fn check<'a>(&'a self, mut known: BTreeSet<&'a str>, mut ids: BTreeSet<Uuid>) -> Result<(), String> {
        for (place, machine) in self.machines.iter().flatten().enumerate() {
            if machine.id.is_empty() {
                return Err(format!("machines[{place}].id: a machine must have one"));
            }
            if !known.insert(&machine.id) {
                return Err(format!("machines[{place}].id: {} is there twice", machine.id));
            }
        }
        for (place, action) in self.actions.iter().enumerate() {
            if !known.contains(action.machine_id.as_str()) {
                return Err(format!("actions[{place}].machineId: unknown machine {}", action.machine_id));
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
