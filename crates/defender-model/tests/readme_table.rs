//! The README's table of actions says what [`ACTIONS`] says. `WRITE_README=1` (`cargo xtask actions`) writes the table.

use defender_model::{ACTIONS, ActionInfo, Limit};

const BEGIN: &str = "<!-- actions: made by `cargo xtask actions` -->\n";
const END: &str = "<!-- actions: end -->\n";

#[test]
fn readme_lists_every_action() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    if std::env::var_os("WRITE_README").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", self::table())).unwrap();
    } else {
        assert_eq!(table, self::table(), "if this is intended, run `cargo xtask actions`");
    }
}

#[test]
fn row_has_the_constants_of_its_action() {
    assert_eq!(
        row(ActionInfo::of_type("UnrestrictCodeExecution").unwrap()),
        "| `UnrestrictCodeExecution` | `unrestrictCodeExecution` | `Machine.RestrictExecution` | \
         `Machine.RestrictExecution` | 100 / min, 1500 / h | `RestrictCodeExecution` |\n"
    );
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
    match limit.per.as_secs() {
        60 => format!("{} / min", limit.calls),
        3_600 => format!("{} / h", limit.calls),
        seconds => format!("{} / {seconds} s", limit.calls),
    }
}
