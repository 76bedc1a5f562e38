//! Targets and limits of a plan.

use std::{io, num::NonZeroU32, path::Path};

use clap::{ArgGroup, Args};
use defender_actions::model::Filter;
use defender_fleet::{FleetAction, Plan, Targets};

use crate::{failure::Failure, session::Session};

/// Machines of a command, and its limits.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("targets").required(true).multiple(true)
    .args(["names", "ids", "named", "ids_file", "csv", "tags", "filter"]))]
pub(super) struct Selection {
    /// Names or ids of machines; `-` reads them from stdin, one a line
    #[arg(value_name = "TARGET", help_heading = "Targets")]
    names: Vec<String>,
    /// Id of a machine; may be repeated
    #[arg(long = "id", value_name = "ID", help_heading = "Targets")]
    ids: Vec<String>,
    /// Exact name of a machine, in any letter case; may be repeated
    #[arg(long = "name", value_name = "NAME", help_heading = "Targets")]
    named: Vec<String>,
    /// File with ids or names, one a line; `-` is stdin
    #[arg(long, value_name = "FILE", help_heading = "Targets")]
    ids_file: Option<String>,
    /// Column of a CSV file with ids or names, such as hosts.csv:name; `-:name` reads stdin. Comma, semicolon or tab; UTF-8
    #[arg(long, value_name = "FILE:COLUMN", help_heading = "Targets")]
    csv: Option<String>,
    /// Machines with this tag, exact; may be repeated
    #[arg(long = "tag", value_name = "TAG", value_parser = not_blank, help_heading = "Targets")]
    tags: Vec<String>,
    /// Machines that match this OData filter of the service
    #[arg(long, value_name = "ODATA", value_parser = not_blank, help_heading = "Targets")]
    filter: Option<String>,
    /// Leaves out the machines with this tag; may be repeated
    #[arg(long, value_name = "TAG", value_parser = not_blank, help_heading = "Targets")]
    exclude_tag: Vec<String>,
    /// Reason, for the audit trail of the service
    #[arg(long, value_name = "TEXT")]
    pub(super) comment: String,
    /// Most machines; a plan with more is refused
    #[arg(long, default_value_t = 25, value_name = "NUMBER", help_heading = "Limits")]
    max: u32,
    /// Sizes of the waves, such as 1,10,rest; the last one repeats [default: one wave]
    #[arg(long, value_name = "SIZES", value_delimiter = ',', value_parser = wave, help_heading = "Limits")]
    wave: Vec<u32>,
    /// Number of failed and unknown machines at which the run halts
    #[arg(long, value_name = "NUMBER", help_heading = "Limits")]
    halt_after: Option<NonZeroU32>,
    /// Keeps machines that are in the state already
    #[arg(long, help_heading = "Limits")]
    even_if_done: bool,
    /// Keeps machines that have not reported for a week: an action waits for them for up to three days
    #[arg(long, help_heading = "Limits")]
    even_if_inactive: bool,
}

impl Selection {
    /// Reads the machines, and makes the plan. Nothing is changed in the service.
    pub(super) async fn resolve(self, session: &Session, action: FleetAction) -> Result<Plan, Failure> {
        let tenant = session.tenant()?.name();
        let mut builder = session.fleet.plan(tenant)?.action(action).max_machines(self.max).waves(self.wave.clone());
        for tag in &self.exclude_tag {
            builder = builder.exclude_tag(tag);
        }
        if let Some(failures) = self.halt_after {
            builder = builder.halt_after(failures.get());
        }
        if self.even_if_done {
            builder = builder.even_if_already_done();
        }
        if self.even_if_inactive {
            builder = builder.even_if_inactive();
        }
        Ok(builder.targets(self.targets()?).resolve().await?)
    }

    fn targets(self) -> Result<Targets, Failure> {
        let stdin = self.names.iter().filter(|name| *name == "-").count()
            + usize::from(self.ids_file.as_deref() == Some("-"))
            + usize::from(self.csv.as_ref().is_some_and(|csv| csv.starts_with("-:")));
        if stdin > 1 {
            return Err(Failure::usage("stdin was given as a list of targets twice; give `-` once"));
        }
        if let Some(file) = self.names.iter().find(|name| is_list(name)) {
            return Err(Failure::usage(format!(
                "`{file}` is a file: give --csv {file}:COLUMN or --ids-file {file}, or --name {file} for a machine of this name"
            )));
        }
        let mut targets = Targets::ids(self.ids).and(Targets::names(self.named));
        // The place of a target is its number among the arguments.
        let (stdin, arguments): (Vec<_>, Vec<_>) = self.names.into_iter().partition(|name| name == "-");
        targets = targets.and(Targets::by_content("argument", arguments));
        if !stdin.is_empty() {
            targets = targets.and(listed("stdin", Targets::lines("stdin", io::stdin().lock())?)?);
        }
        if let Some(file) = self.ids_file {
            targets = targets.and(match file.as_str() {
                "-" => listed("stdin", Targets::lines("stdin", io::stdin().lock())?)?,
                file => listed(file, Targets::lines_of(file)?)?,
            });
        }
        if let Some(csv) = self.csv {
            let (file, column) = csv
                .rsplit_once(':')
                .filter(|(file, column)| !file.is_empty() && !column.is_empty())
                .ok_or_else(|| {
                Failure::usage(format!("--csv {csv}: give the file and the name of its column, such as hosts.csv:name"))
            })?;
            targets = targets.and(match file {
                "-" => listed("stdin", Targets::csv_from("stdin", io::stdin().lock(), column)?)?,
                file => listed(file, Targets::csv(file, column)?)?,
            });
        }
        for tag in self.tags {
            targets = targets.and(Targets::tag(tag));
        }
        Ok(self.filter.into_iter().fold(targets, |targets, filter| targets.and(Targets::filter(Filter::raw(filter)))))
    }
}

/// Refuses a list without targets: most often it is the wrong file, or the command that wrote it has failed.
fn listed(name: &str, list: Targets) -> Result<Targets, Failure> {
    if list.is_empty() {
        return Err(Failure::usage(format!("`{name}` has no target; check it, or leave it out; nothing was sent")));
    }
    Ok(list)
}

/// Refuses a blank text, most often an unset variable of a shell.
fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is blank; give a text, or leave the option out".to_owned());
    }
    Ok(text.to_owned())
}

/// Returns whether a target is rather the file with a list of targets.
fn is_list(target: &str) -> bool {
    let path = Path::new(target);
    let is_of = |extension: &str| ["csv", "tsv", "txt"].iter().any(|known| known.eq_ignore_ascii_case(extension));
    path.extension().and_then(|extension| extension.to_str()).is_some_and(is_of) && path.is_file()
}

/// Reads the size of a wave: a number from 1, or `rest`.
fn wave(text: &str) -> Result<u32, String> {
    match text.trim() {
        "rest" => Ok(u32::MAX),
        number => number
            .parse()
            .ok()
            .filter(|size| *size > 0)
            .ok_or_else(|| "give sizes from 1 with commas, such as 1,10,rest".to_owned()),
    }
}
