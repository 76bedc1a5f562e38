//! `defender download`: what a run collected, as files.

use std::path::PathBuf;

use clap::Args;
use defender_fleet::DownloadedRow;
use defender_store::RunId;
use serde::Serialize;

use super::{report::is_denied, runs::run_id};
use crate::{
    failure::{Exit, Failure},
    output::{Output, Record, talk},
    session::Session,
};

const EXAMPLES: &str = "\
The package of `collect` is FOLDER/MACHINE-ID/ACTION-ID.zip. The results of `live-response` are in FOLDER/MACHINE-ID/ACTION-ID, by the
index of the command from 0: 0.json is the transcript of a script, 1.file a file of --get. Machines that did not succeed have no files.
A file that exists is kept, so that the command can be repeated.

Examples:
  defender download 5f2c7a90d1e3 --to evidence
  defender download 5f2c7a90d1e3 --to evidence -o csv > files.csv

Exit codes: 0 all files are there, 2 a file is missing or there is none, 4 all that are missing were refused for sign-in or
permission.";

/// Downloads what a run collected
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct DownloadCommand {
    /// Id of the run
    #[arg(value_parser = run_id)]
    run: RunId,
    /// Folder of the files, which is created if it is missing
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// File of a machine, or the reason why it is missing.
#[derive(Serialize)]
struct FileRow<'r> {
    run: &'r str,
    tenant: &'r str,
    machine: Option<&'r str>,
    machine_id: &'r str,
    action_id: &'r str,
    file: Option<String>,
    error: Option<String>,
}

impl Record for FileRow<'_> {
    const COLUMNS: &'static [&'static str] = &["run", "tenant", "machine", "machine_id", "action_id", "file", "error"];
    const TABLE: &'static [&'static str] = &["machine", "file", "error", "action_id", "machine_id"];
}

impl DownloadCommand {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let run = session.run(&self.run).await?;
        let downloaded = run.download(&self.to).await?;
        let id = self.run.to_string();
        let rows: Vec<_> = downloaded.iter().flat_map(|row| files(&id, row)).collect();
        output.print(&rows)?;
        if rows.is_empty() {
            talk::say(&format!("No machine of run {id} has succeeded with a result, so that there is no file."));
            return Ok(Exit::Failed);
        }
        let missing = rows.iter().filter(|row| row.error.is_some()).count();
        talk::say(&format!(
            "Run {id}: {} of {} in {}, {missing} missing",
            talk::counted(rows.len() - missing, "file"),
            talk::counted(downloaded.len(), "machine"),
            self.to.display()
        ));
        let mut errors = downloaded.iter().flat_map(|row| &row.errors);
        Ok(match missing {
            0 => Exit::Success,
            _ if errors.all(is_denied) => Exit::Denied,
            _ => Exit::Failed,
        })
    }
}

fn files<'r>(run: &'r str, row: &'r DownloadedRow) -> impl Iterator<Item = FileRow<'r>> {
    let of = move |file: Option<String>, error: Option<String>| FileRow {
        run,
        tenant: &row.tenant,
        machine: row.machine.as_deref(),
        machine_id: row.machine_id.as_str(),
        action_id: row.action_id.as_str(),
        file,
        error,
    };
    let files = row.files.iter().map(move |file| of(Some(file.display().to_string()), None));
    files.chain(row.errors.iter().map(move |error| of(None, Some(talk::in_options(&error.message)))))
}
