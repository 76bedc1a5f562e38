//! Plans in files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use defender_actions::model::sanitize_line;
use serde_json::Value;

use super::{Plan, hash::hash_of};
use crate::{Error, ErrorKind};

/// Longest part of the file in an error, in characters.
const SHOWN: usize = 300;

impl Plan {
    /// Version of the serialized form.
    pub const VERSION: u32 = 1;

    /// Returns the plan as JSON for a file.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads a plan from JSON.
    ///
    /// # Errors
    ///
    /// [`PlanVersion`](ErrorKind::PlanVersion) of a newer form, [`PlanChanged`](ErrorKind::PlanChanged) if any field was changed, added
    /// or removed, and [`PlanFile`](ErrorKind::PlanFile) if the text is no plan.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        Self::read("the plan", json.as_bytes())
    }

    /// Writes the plan to a file that only its owner can read. The file is either written whole or left as it was. A link is
    /// followed; a device and a link to nothing are refused.
    ///
    /// # Errors
    ///
    /// [`PlanFile`](ErrorKind::PlanFile).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        write_whole(path, self.to_json().as_bytes()).map_err(|error| {
            let what = format!("the plan cannot be written to `{}`: {error}", path.display());
            Error::new(ErrorKind::PlanFile, what).caused_by(error)
        })
    }

    /// Reads a plan from a file.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json), and [`PlanFile`](ErrorKind::PlanFile) if the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| {
            let what = format!("the plan `{}` cannot be read: {error}", path.display());
            Error::new(ErrorKind::PlanFile, what).caused_by(error)
        })?;
        Self::read(&format!("the plan `{}`", path.display()), &bytes)
    }

    fn read(name: &str, json: &[u8]) -> Result<Self, Error> {
        let no_plan = |error: serde_json::Error| {
            // The text of the error may have a value of the file.
            let why = sanitize_line(&error.to_string(), SHOWN);
            Error::new(ErrorKind::PlanFile, format!("{name} is not a plan: {why}; write one by `Plan::save`"))
                .caused_by(error)
        };
        let plan: Value = defender_actions::model::read_json(json).map_err(no_plan)?;
        check_version(name, plan.get("version").and_then(Value::as_u64))?;
        // The hash of the text, since a type ignores a field that it does not have.
        let (stated, computed) = (plan.get("hash").and_then(Value::as_str), hash_of(&plan));
        if stated != Some(&computed) {
            return Err(changed(name));
        }
        serde_json::from_value(plan).map_err(no_plan)
    }
}

pub(super) fn check_version(name: &str, version: Option<u64>) -> Result<(), Error> {
    match version {
        Some(version) if version > u64::from(Plan::VERSION) => {
            let what = format!(
                "{name} has the form {version}, and this program reads forms up to {}; update the program, or make the plan anew",
                Plan::VERSION
            );
            Err(Error::new(ErrorKind::PlanVersion, what))
        }
        _ => Ok(()),
    }
}

pub(super) fn changed(name: &str) -> Error {
    let what = format!("{name} was changed after it was made: its hash is another; resolve it anew with the change");
    Error::new(ErrorKind::PlanChanged, what)
}

/// Writes a file beside `path` and renames it, so that a crash leaves the old file or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The file would take the place of a link, as of `/dev/stdout`, or of a device, as `/dev/null`.
    if fs::metadata(path).is_ok_and(|existing| !existing.is_file()) {
        return Err(io::Error::other("this is not a regular file; name another one"));
    }
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => path.to_owned(),
        found => found?,
    };
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial: PathBuf = path.with_file_name(name);
    // A crash may have left one, which `create_new` would refuse.
    let _ = fs::remove_file(&partial);
    let written = private(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&partial, path));
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    renamed
}

/// Creates a file that only its owner can read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
