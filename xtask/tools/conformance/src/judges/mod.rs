//! Clients that others wrote, run against the emulator's program: Microsoft's sign-in libraries, and what other products send.
//!
//! They are installed from their registries, in the versions of `xtask/tools/conformance/judges`, into the target folder.

mod court;
mod install;
mod readme;

use std::path::Path;

use xtask::{Failure, emulator, workspace::Workspace};

use self::court::Court;
pub(crate) use self::court::Form;

/// Runs the judges, prints a row for each check, and fails where one did not pass.
pub(crate) fn run(form: Form) -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    let executable = emulator::build(&root)?;
    let folder = executable.ancestors().nth(2).unwrap_or(Path::new(".")).join("judges");
    std::fs::create_dir_all(folder.join("keys")).map_err(|error| Failure::broken(folder.display(), error))?;
    let scripts = root.join("xtask/tools/conformance/judges");
    let python = install::python(&scripts, &folder)?;
    let court = Court { scripts, folder, executable, python };
    let (mut judges, places) = match form {
        Form::Short => (Vec::new(), vec!["0.5"]),
        Form::Whole => (vec!["msal_node.mjs", "azure_identity_node.mjs"], vec!["0.0", "0.2", "0.4", "0.6", "0.8"]),
    };
    if form == Form::Whole {
        install::node(&court.scripts, &court.folder)?;
    }
    judges.splice(0..0, ["wire.py", "mde_client.py", "msal_python.py", "azure_identity_python.py"]);
    let mut failed = readme::run(&court, &root, form)?;
    for place in places {
        for judge in &judges {
            failed += usize::from(!court.hear(judge, place)?);
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Check(format!("{failed} judges failed"))) }
}
