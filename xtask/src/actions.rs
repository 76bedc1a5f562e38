//! The table of actions in defender-model's README, made from the list of actions.

use std::{fmt::Write, path::PathBuf};

use defender_model::{ACTIONS, ActionInfo, Limit};

use crate::{Failure, workspace::Workspace};

const BEGIN: &str = "<!-- actions: made by `cargo xtask actions` -->\n";
const END: &str = "<!-- actions: end -->\n";

/// Puts the table into the README.
pub(crate) fn write() -> Result<(), Failure> {
    let (path, text) = readme()?;
    let Some((before, _, after)) = split(&text) else { return Err(no_place()) };
    let written = format!("{before}{BEGIN}{}{END}{after}", table());
    std::fs::write(&path, written).map_err(|error| Failure::broken(path.display(), error))?;
    print!("{}", table());
    Ok(())
}

/// Whether the README has the table as it would be made now.
pub(crate) fn is_current() -> Result<bool, Failure> {
    let (_, text) = readme()?;
    let (_, there, _) = split(&text).ok_or_else(no_place)?;
    Ok(there == table())
}

fn no_place() -> Failure {
    Failure::Check("defender-model's README has no place for the table of actions".to_owned())
}

fn readme() -> Result<(PathBuf, String), Failure> {
    let path = Workspace::read()?.root.join("crates/defender-model/README.md");
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::broken(path.display(), error))?;
    Ok((path, text))
}

/// What stands before the table, the table, and what stands after it.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    Some((before, table, after))
}

fn table() -> String {
    let head = "| action | `POST /api/machines/{id}/…` | permission of an application | of a user | calls | undone by |\n\
                |---|---|---|---|---|---|\n";
    ACTIONS.iter().map(row).fold(head.to_owned(), |table, row| table + &row)
}

fn row(action: &ActionInfo) -> String {
    let any = |permissions: &[&str]| {
        permissions.iter().map(|permission| format!("`{permission}`")).collect::<Vec<_>>().join(" or ")
    };
    let calls = action.quota.iter().map(per).collect::<Vec<_>>().join(", ");
    let inverse = action.inverse.map(|inverse| format!("`{inverse}`")).unwrap_or_default();
    format!(
        "| `{}` | `{}` | {} | {} | {calls} | {inverse} |\n",
        action.action_type,
        action.segment,
        any(action.permissions),
        any(action.delegated_permissions),
    )
}

fn per(limit: &Limit) -> String {
    let mut text = format!("{} / ", limit.calls);
    // Writing to a string does not fail.
    let _written = match limit.per.as_secs() {
        60 => write!(text, "min"),
        3_600 => write!(text, "h"),
        seconds => write!(text, "{seconds} s"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_the_constants_say() {
        assert_eq!(
            row(ActionInfo::of_type("UnrestrictCodeExecution").unwrap()),
            "| `UnrestrictCodeExecution` | `unrestrictCodeExecution` | `Machine.RestrictExecution` | \
             `Machine.RestrictExecution` | 100 / min, 1500 / h | `RestrictCodeExecution` |\n"
        );
    }

    #[test]
    fn the_place_of_the_table_is_found() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(split(&text), Some(("before\n", "old\n", "after\n")));
        assert_eq!(split("no table"), None);
    }
}
