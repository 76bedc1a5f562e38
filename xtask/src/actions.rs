//! The table of actions in defender-model's README, which a test of that crate compares and writes.

use xtask::{
    Failure,
    workspace::{Workspace, cargo, output},
};

/// Writes the table from the list of actions.
pub(crate) fn write() -> Result<(), Failure> {
    let mut test = cargo(&Workspace::read()?.root);
    test.args(["test", "--quiet", "--package", "defender-model", "--test", "readme_table"]).env("WRITE_README", "1");
    output(&mut test).map(drop)
}
