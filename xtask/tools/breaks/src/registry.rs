//! Mutations of the registry of actions: `cargo xtask breaks --registry`.
//!
//! Each mutation edits one fact of one action in the source of `defender-model`, in the copy of the workspace: an action leaves the
//! list, or a constant changes. The quick tests must fail each time. A constant that an action does not state is inserted, so that
//! each fact of each action is changed.

use std::{fs, path::Path};

use xtask::Failure;

use super::copy::Copy;

const FOLDER: &str = "crates/defender-model/src/action";
/// Tests that must notice a mutation, from quick to slow. The next line runs only if the one before noticed nothing.
const TESTS: [&[&str]; 3] = [
    &["test", "-p", "defender-model", "--test", "registry", "--no-fail-fast"],
    &["test", "-p", "defender-model", "--lib", "--no-fail-fast"],
    &["test", "-p", "defender-actions", "--all-features", "--lib", "--test", "facade", "--no-fail-fast"],
];

/// A fact of an action: name in the macro `action!`, constant in an `impl Action`, and other values of both.
struct Fact {
    field: &'static str,
    constant: &'static str,
    others: &'static [(&'static str, &'static str)],
}

/// The facts in the order of the macro. Permissions are changed one by one, and one is added.
const FACTS: [Fact; 8] = [
    fact("segment", "const SEGMENT: &'static str", &[("\"mutated\"", "\"mutated\"")]),
    fact("permissions", "const PERMISSIONS: &'static [&'static str]", &[]),
    fact("delegated", "const DELEGATED_PERMISSIONS: &'static [&'static str]", &[]),
    fact("role", "const ROLE: Option<UserRole>", &[("VIEW_DATA", "Some(UserRole::VIEW_DATA)")]),
    fact("quota", "const QUOTA: &'static [Limit]", &[(QUOTA, QUOTA)]),
    fact("platforms", "const PLATFORMS: Platforms", &[(PLATFORMS, PLATFORMS)]),
    fact("inverse", "const INVERSE: Option<&'static str>", &[("\"Mutated\"", "Some(\"Mutated\")")]),
    fact(
        "particulars",
        "fn particulars(&self, _: &crate::MachineAction) -> Option<crate::Match>",
        &[
            ("|_, _| crate::Match::Same", "{ Some(crate::Match::Same) }"),
            ("|_, _| crate::Match::Different", "{ Some(crate::Match::Different) }"),
            ("|_, _| crate::Match::NotStated", "{ Some(crate::Match::NotStated) }"),
        ],
    ),
];
const QUOTA: &str = "&[crate::Limit::new(7, std::time::Duration::from_secs(60))]";
const PLATFORMS: &str = "crate::Platforms::windows(9999, \"mutated\")";
const PERMISSION: &str = "\"Machine.Mutated\"";

/// Edits beside the constants: file, text (once in the file), new text. They change the general quota, the types, and the fields of
/// a record that are compared.
const EDITS: [(&str, &str, &str); 9] = [
    ("limit.rs", "new(100,", "new(101,"),
    ("limit.rs", "from_secs(60)", "from_secs(61)"),
    ("limit.rs", "new(1_500,", "new(1_501,"),
    ("limit.rs", "from_secs(3_600)", "from_secs(3_601)"),
    ("mod.rs", "= stringify!($name);", "= concat!(stringify!($name), \"s\");"),
    ("live_response.rs", "TYPE: &'static str = \"LiveResponse\"", "TYPE: &'static str = \"Mutated\""),
    ("isolate.rs", "existing.scope", "existing.title"),
    ("scan.rs", "existing.scope", "existing.title"),
    ("quarantine.rs", "file.file_identifier.", "file.file_identifier_type."),
];

const fn fact(field: &'static str, constant: &'static str, others: &'static [(&'static str, &'static str)]) -> Fact {
    Fact { field, constant, others }
}

/// One edit of one file.
#[derive(Debug)]
struct Mutation {
    name: String,
    file: String,
    text: String,
}

pub(super) fn run(root: &Path) -> Result<(), Failure> {
    let mutations = mutations(&root.join(FOLDER))?;
    let copy = Copy::of(root, 0)?;
    copy.restore()?;
    if let Some((_, why)) = noticed(&copy, &TESTS[..2])? {
        return Err(Failure::Check(format!("without a mutation, tests fail: {why}")));
    }
    println!("| mutation | tests that failed |\n|---|---|");
    let mut missed = 0_usize;
    for mutation in &mutations {
        let path = copy.folder().join(FOLDER).join(&mutation.file);
        fs::write(&path, &mutation.text).map_err(|error| Failure::broken(path.display(), error))?;
        let found = noticed(&copy, &TESTS)?;
        copy.restore()?;
        missed += usize::from(!found.as_ref().is_some_and(|(by_test, _)| *by_test));
        println!("| {} | {} |", mutation.name, found.map_or_else(|| "NOT NOTICED".to_owned(), |(_, tests)| tests));
    }
    eprintln!("breaks: {} mutations of the registry, {missed} not noticed", mutations.len());
    if missed == 0 { Ok(()) } else { Err(Failure::Check(format!("breaks: {missed} mutations not noticed"))) }
}

/// Runs the tests until some fail. Returns their names and `true`, or, if the copy does not compile, the error and `false`.
fn noticed(copy: &Copy, tests: &[&[&str]]) -> Result<Option<(bool, String)>, Failure> {
    for arguments in tests {
        let mut cargo = copy.cargo();
        let ended = cargo.args(*arguments).output().map_err(|error| Failure::broken("cargo test", error))?;
        if ended.status.success() {
            continue;
        }
        let output = [ended.stdout, ended.stderr].concat();
        let output = String::from_utf8_lossy(&output);
        let failed = |line: &str| Some(format!("`{}`", line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?));
        let failed: Vec<_> = output.lines().filter_map(failed).collect();
        if !failed.is_empty() {
            return Ok(Some((true, failed.join(", "))));
        }
        let error = output.lines().find(|line| line.starts_with("error")).unwrap_or("no test failed");
        return Ok(Some((false, format!("DOES NOT RUN: {error}"))));
    }
    Ok(None)
}

/// All mutations of the source in `folder`: of the list, of the facts of each action in the list, and [`EDITS`].
fn mutations(folder: &Path) -> Result<Vec<Mutation>, Failure> {
    let read = |file: &str| {
        fs::read_to_string(folder.join(file)).map_err(|error| Failure::broken(folder.join(file).display(), error))
    };
    let broken = |what: String| Failure::broken(folder.display(), what);
    let list = read("info.rs")?;
    let (head, rest) = list.split_once("actions![").ok_or_else(|| broken("`actions![` not found".to_owned()))?;
    let (names, tail) = rest.split_once(']').unwrap_or((rest, ""));
    let names: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| broken(error.to_string()))? {
        let file = entry.map_err(|error| broken(error.to_string()))?.file_name().to_string_lossy().into_owned();
        sources.push((read(&file)?, file));
    }
    let mut found = Vec::new();
    for name in &names {
        let others: Vec<_> = names.iter().copied().filter(|other| other != name).collect();
        let text = format!("{head}actions![{}]{tail}", others.join(", "));
        found.push(Mutation { name: format!("`{name}`: not in the list"), file: "info.rs".to_owned(), text });
        let own = sources.iter().find_map(|(source, file)| Some((of_action(source, name)?, file)));
        let (edits, file) = own.ok_or_else(|| broken(format!("no facts of `{name}` found")))?;
        for (what, text) in edits {
            found.push(Mutation { name: format!("`{name}`: {what}"), file: file.clone(), text });
        }
    }
    for (file, from, to) in EDITS {
        let source = read(file)?;
        if source.matches(from).count() != 1 {
            return Err(broken(format!("`{from}` is not once in {file}")));
        }
        let name = format!("`{file}`: `{from}` becomes `{to}`");
        found.push(Mutation { name, file: file.to_owned(), text: source.replace(from, to) });
    }
    Ok(found)
}

/// The mutations of the facts of one action, each with the whole text of the file; `None` if the file has no such action. A fact
/// without a mutation is an error, so `None` too.
fn of_action(source: &str, name: &str) -> Option<Vec<(String, String)>> {
    let (heading, is_macro) = [(format!("\n    {name} {{\n"), true), (format!("\nimpl Action for {name} {{\n"), false)]
        .into_iter()
        .find(|(heading, _)| source.contains(heading.as_str()))?;
    let start = source.find(&heading)? + heading.len();
    let length = source.get(start..)?.find(if is_macro { "\n    }\n" } else { "\n}\n" })? + 1;
    let (before, rest) = source.split_at(start);
    let (block, after) = rest.split_at(length);
    let (indent, end) = if is_macro { ("        ", ",") } else { ("    ", ";") };
    let mut found = Vec::new();
    // The end of the last fact that the block states, where a missing one is inserted.
    let mut place = 0;
    for Fact { field, constant, others } in FACTS {
        let opener = if is_macro { format!("{indent}{field}:") } else { format!("{indent}{constant} =") };
        let stated = entry(block, &opener, end);
        let value = stated.map_or("", |(from, to)| block.get(from + opener.len()..to).unwrap_or_default().trim());
        let is_permission = field == "permissions" || field == "delegated";
        let values: Vec<String> = if is_permission {
            permissions(value)
        } else {
            // Every record of a type without particulars is the same already.
            let differs = |other: &&str| stated.is_some() || !is_macro || *other != "|_, _| crate::Match::Same";
            let others = others.iter().map(|(in_macro, in_impl)| if is_macro { *in_macro } else { *in_impl });
            others.filter(differs).map(str::to_owned).collect()
        };
        if values.is_empty() {
            return None;
        }
        let (from, to) = stated.map_or((place, place), |(from, to)| (from, to + end.len() + 1));
        for value in values {
            let is_function = !is_macro && constant.starts_with("fn ");
            let line =
                if is_function { format!("{indent}{constant} {value}\n") } else { format!("{opener} {value}{end}\n") };
            let text = format!("{before}{}{line}{}{after}", block.get(..from)?, block.get(to..)?);
            found.push((format!("{field} `{value}`"), text));
        }
        place = to;
    }
    Some(found)
}

/// The start of the line with `opener`, and the end of its value: the first `end` at the end of a line outside all brackets.
fn entry(block: &str, opener: &str, end: &str) -> Option<(usize, usize)> {
    let from = if block.starts_with(opener) { 0 } else { block.find(&format!("\n{opener}"))? + 1 };
    let (mut depth, mut at) = (0_i32, from);
    for line in block.get(from..)?.split_inclusive('\n') {
        let open = line.matches(['(', '[', '{']).count();
        let closed = line.matches([')', ']', '}']).count();
        depth += i32::try_from(open).ok()? - i32::try_from(closed).ok()?;
        at += line.len();
        if depth == 0 && line.trim_end().ends_with(end) {
            return Some((from, at - 1 - end.len()));
        }
    }
    None
}

/// The list with each permission replaced in turn, and with one more.
fn permissions(list: &str) -> Vec<String> {
    let stated: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let mut quoted: Vec<_> = stated.iter().map(|name| format!("\"{name}\"")).collect();
    let mut all: Vec<_> = quoted.iter().map(|name| list.replacen(name, PERMISSION, 1)).collect();
    quoted.push(PERMISSION.to_owned());
    all.push(format!("&[{}]", quoted.join(", ")));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask::workspace::Workspace;

    #[test]
    fn each_fact_of_each_action_is_mutated() {
        let found = mutations(&Workspace::read().unwrap().root.join(FOLDER)).unwrap();
        for fact in FACTS {
            let count = found.iter().filter(|mutation| mutation.name.contains(&format!(": {} `", fact.field))).count();
            assert!(count >= 9, "{}: {count}", fact.field);
        }
        assert_eq!(found.iter().filter(|mutation| mutation.name.ends_with("not in the list")).count(), 9);
    }

    #[test]
    fn action_without_facts_is_an_error() {
        let source = "\naction! {\n    Isolate {\n        segment: \"isolate\",\n    }\n}\n";
        assert!(of_action(source, "Isolate").is_some_and(|found| found.len() > FACTS.len()));
        assert!(of_action(source, "Offboard").is_none());
    }
}
