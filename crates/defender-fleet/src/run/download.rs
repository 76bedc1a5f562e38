//! Packages and results of a run, downloaded to a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use defender_actions::{
    Download,
    model::{ActionId, LiveResponse, LiveResponseCommand, MachineAction, MachineId},
};
use defender_store::RowState;
use futures_util::{StreamExt, stream};

use super::{
    handle::Run,
    row::{RowDocument, RowError},
};
use crate::{Error, ErrorKind, FleetAction};

/// Number of machines whose files are downloaded at a time. Links to packages have a quota of two a minute.
const AT_A_TIME: usize = 4;

/// Files of one machine of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadedRow {
    /// Name of the tenant.
    pub tenant: String,
    /// Id of the machine.
    pub machine_id: MachineId,
    /// Name of the machine.
    pub machine: Option<String>,
    /// Id of the action.
    pub action_id: ActionId,
    /// Files that are complete, those of an earlier download included.
    pub files: Vec<PathBuf>,
    /// Why a file is missing.
    pub errors: Vec<RowError>,
}

impl Run {
    /// Downloads what the run has collected to a folder, which is created if it is missing. It needs a tokio runtime.
    ///
    /// An investigation package is `MACHINE-ID/ACTION-ID.zip`. The results of a live response session are in the folder
    /// `MACHINE-ID/ACTION-ID`, by the index of the command: `0.json` is the transcript of a script, and `1.file` a file. Files of other runs
    /// are other files. Rows that did not succeed have no result.
    ///
    /// A file that exists is kept and not downloaded again. A file appears once it is complete, so that a download that was interrupted
    /// can be repeated. After a broken connection a download continues at the same byte, as by [`Download`].
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if the action has no results, or the folder cannot be created;
    /// [`Store`](ErrorKind::Store). The error of one machine is in its row.
    pub async fn download(&self, folder: impl AsRef<Path>) -> Result<Vec<DownloadedRow>, Error> {
        let folder = folder.as_ref();
        let (action, client) = (&self.approved.plan.action, self.fleet.client(self.tenant())?);
        let session = match action {
            FleetAction::CollectInvestigationPackage(_) => None,
            FleetAction::LiveResponse(session) => Some(session),
            _ => {
                let why = format!("{} has no results to download", action.action_type());
                return Err(self.failed(ErrorKind::Configuration, why));
            }
        };
        self.create(folder)?;
        let succeeded = self.rows().await?.into_iter().filter(|(row, _)| row.state == RowState::Succeeded);
        let mut rows = Vec::new();
        for (_, document) in succeeded {
            let RowDocument { machine_id, name, attempt, .. } = document;
            let Some(action_id) = attempt.action_id else { continue };
            let of_machine = folder.join(machine_id.as_str());
            self.create(&if session.is_none() { of_machine } else { of_machine.join(action_id.as_str()) })?;
            let (files, errors) = (Vec::new(), Vec::new());
            let tenant = self.tenant().to_owned();
            rows.push(DownloadedRow { tenant, machine_id, machine: name, action_id, files, errors });
        }
        let downloads = rows.into_iter().map(|mut row| {
            let handle = client.action(row.action_id.clone());
            let of_machine = folder.join(row.machine_id.as_str());
            async move {
                let Some(session) = session else {
                    let path = of_machine.join(format!("{}.zip", row.action_id));
                    row.save(path, || handle.package()).await;
                    return row;
                };
                match handle.get().await {
                    Err(error) => row.errors.push(RowError::of(&error)),
                    Ok(record) => {
                        let folder = of_machine.join(row.action_id.as_str());
                        for (index, is_file) in results(&record, session) {
                            let result = handle.result(index);
                            let path = folder.join(format!("{index}.{}", if is_file { "file" } else { "json" }));
                            row.save(path, || if is_file { result.file() } else { result.stored() }).await;
                        }
                    }
                }
                row
            }
        });
        Ok(stream::iter(downloads).buffered(AT_A_TIME).collect().await)
    }

    fn create(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(|error| {
            let why = format!("the folder `{}` cannot be created: {error}", folder.display());
            self.failed(ErrorKind::Configuration, why).caused_by(error)
        })
    }
}

impl DownloadedRow {
    /// Saves a file, unless it exists.
    async fn save(&mut self, path: PathBuf, download: impl FnOnce() -> Download) {
        if path.exists() {
            self.files.push(path);
            return;
        }
        match download().save_as(&path).await {
            Ok(_) => self.files.push(path),
            Err(error) => self.errors.push(RowError::of(&error)),
        }
    }
}

/// Returns the index of each command of a session that has a result, and whether the result is a file. What the record does not
/// state is as planned.
fn results(record: &MachineAction, planned: &LiveResponse) -> Vec<(u32, bool)> {
    let stated = record.commands.as_deref().unwrap_or_default();
    let count = if stated.is_empty() { planned.commands.len() } else { stated.len() };
    let results = (0..count).filter_map(|place| {
        let command = stated.get(place);
        let number = command.and_then(|command| u32::try_from(command.index?).ok());
        let index = number.or_else(|| u32::try_from(place).ok())?;
        let is_file = match command.and_then(|command| command.command.as_ref()?.command_type.as_deref()) {
            Some(kind) if kind.eq_ignore_ascii_case("PutFile") => return None,
            Some(kind) => kind.eq_ignore_ascii_case("GetFile"),
            None => match planned.commands.get(usize::try_from(index).ok()?) {
                Some(LiveResponseCommand::PutFile { .. }) => return None,
                command => matches!(command, Some(LiveResponseCommand::GetFile { .. })),
            },
        };
        Some((index, is_file))
    });
    results.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_are_not_stated_are_those_of_the_plan() {
        let commands = [
            LiveResponseCommand::put_file("a"),
            LiveResponseCommand::run_script("b"),
            LiveResponseCommand::get_file("c"),
        ];
        let planned = LiveResponse::new("c", commands).unwrap();
        for (stated, expected) in [
            ("", vec![(1, false), (2, true)]),
            (r#", "commands": []"#, vec![(1, false), (2, true)]),
            (r#", "commands": [{}, {}, {}]"#, vec![(1, false), (2, true)]),
            (r#", "commands": [{"index": 2}, {"index": 0}]"#, vec![(2, true)]),
            (
                r#", "commands": [{"command": {"type": "getfile"}}, {"command": {"type": "RunPowerShell"}}]"#,
                vec![(0, true), (1, false)],
            ),
        ] {
            let record = format!(r#"{{"id": "a", "type": "LiveResponse", "status": "Succeeded"{stated}}}"#);
            let record: MachineAction = serde_json::from_str(&record).unwrap();
            assert_eq!(results(&record, &planned), expected, "{stated}");
        }
    }
}
