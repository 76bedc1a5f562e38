//! What the manifests and the top folder may say.

use std::process::Stdio;

use super::{Violation, source::read};
use crate::{
    Failure,
    workspace::{Package, Workspace},
};

const NO_EDGE: &str =
    "defender-model and defender-transport do not know each other, nor the emulator, not even in tests";
const AUTH: &str = "defender-auth knows no machine, not even in tests";
const EMULATOR: &str = "defender-emulator knows neither model, auth nor actions, not even in tests";
const CARET: &str = "siblings require each other by caret and by path";
const ONE_PLACE: &str = "every version stands in [workspace.dependencies] and nowhere else";
const INHERITED: &str = "version, rust-version and licence are the workspace's";
const LINTS: &str = "`unsafe` is forbidden: the workspace's lints are every crate's";
const TOP: &str = "the top folder holds the workspace and nothing beside it";

/// Pairs of which the first may not depend on the second in any way.
const STRANGERS: &[(&str, &str, &str)] = &[
    ("defender-model", "defender-transport", NO_EDGE),
    ("defender-model", "defender-emulator", NO_EDGE),
    ("defender-transport", "defender-model", NO_EDGE),
    ("defender-transport", "defender-emulator", NO_EDGE),
    ("defender-auth", "defender-model", AUTH),
    ("defender-auth", "defender-actions", AUTH),
    ("defender-emulator", "defender-model", EMULATOR),
    ("defender-emulator", "defender-auth", EMULATOR),
    ("defender-emulator", "defender-actions", EMULATOR),
];

/// Every violation in the manifests and the top folder.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = root(&read(&workspace.root.join("Cargo.toml"))?);
    for package in &workspace.packages {
        let manifest = package.folder.join("Cargo.toml");
        let place = manifest.strip_prefix(&workspace.root).unwrap_or(&manifest).display().to_string();
        found.extend(dependencies(package, &place));
        found.extend(text(&read(&manifest)?, &place));
    }
    found.extend(top(&listing(workspace)?));
    Ok(found)
}

fn dependencies(package: &Package, place: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut report =
        |what: String, invariant| found.push(Violation { place: place.to_owned(), found: what, invariant });
    for dependency in &package.dependencies {
        let (name, kind) = (&dependency.name, &dependency.kind);
        for (_, _, invariant) in STRANGERS.iter().filter(|(one, other, _)| (*one, *other) == (&package.name, name)) {
            report(format!("depends on {name} ({kind})"), invariant);
        }
        let is_sibling = name.starts_with("defender-");
        if is_sibling && !(dependency.by_path && dependency.requirement.starts_with('^')) {
            report(format!("requires {name} ({kind}) as `{}`", dependency.requirement), CARET);
        }
    }
    found
}

fn text(manifest: &str, place: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut report =
        |what: String, invariant| found.push(Violation { place: place.to_owned(), found: what, invariant });
    let package = section(manifest, "[package]");
    for field in ["version", "rust-version", "license"] {
        if !package.contains(&format!("{field}.workspace = true").as_str()) {
            report(format!("has no `{field}.workspace = true`"), INHERITED);
        }
    }
    if !section(manifest, "[lints]").contains(&"workspace = true") {
        report("has no `[lints] workspace = true`".to_owned(), LINTS);
    }
    for header in manifest.lines().filter(|line| line.starts_with('[') && line.contains("dependencies")) {
        if !header.ends_with("dependencies]") {
            report(format!("has a table `{header}`; one line a dependency can be checked"), ONE_PLACE);
        }
        for line in section(manifest, header) {
            let is_entry = line.starts_with(|c: char| c.is_alphanumeric()) && line.contains('=');
            if is_entry && !line.contains("workspace = true") {
                report(format!("says `{line}`"), ONE_PLACE);
            }
        }
    }
    found
}

fn root(manifest: &str) -> Vec<Violation> {
    if section(manifest, "[workspace.lints.rust]").contains(&"unsafe_code = \"forbid\"") {
        return Vec::new();
    }
    let what = "has no `unsafe_code = \"forbid\"` in [workspace.lints.rust]".to_owned();
    vec![Violation { place: "Cargo.toml".to_owned(), found: what, invariant: LINTS }]
}

/// The lines between a header and the next.
fn section<'m>(manifest: &'m str, header: &str) -> Vec<&'m str> {
    let after = manifest.lines().map(str::trim_end).skip_while(|line| *line != header).skip(1);
    after.take_while(|line| !line.starts_with('[')).collect()
}

/// Everything in the repository, as paths from its top; where there is no git, what lies at the top.
fn listing(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let mut git = std::process::Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(&workspace.root);
    if let Ok(output) = git.stderr(Stdio::null()).output()
        && output.status.success()
    {
        return Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect());
    }
    let broken = |error| Failure::broken(workspace.root.display(), error);
    let names = std::fs::read_dir(&workspace.root).map_err(broken)?;
    let names = names.map(|entry| Ok(entry.map_err(broken)?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| !matches!(name, Ok(name) if name == "target")).collect()
}

fn top(paths: &[String]) -> Vec<Violation> {
    let allowed = ["Cargo.toml", "Cargo.lock", "crates", "xtask", "docs", "README.md", "CHANGELOG.md", "clippy.toml"];
    let allowed = |name: &str| {
        allowed.contains(&name)
            || ["rustfmt.toml", "rust-toolchain.toml", "deny.toml"].contains(&name)
            || name.starts_with("LICENSE-")
            || name.starts_with('.')
    };
    let mut names: Vec<_> = paths.iter().filter_map(|path| path.split('/').next()).collect();
    names.sort_unstable();
    names.dedup();
    let strange = names.into_iter().filter(|name| !allowed(name));
    let violation = |name: &str| Violation { place: ".".to_owned(), found: format!("holds `{name}`"), invariant: TOP };
    strange.map(violation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const FINE: &str = "\
[package]
name = \"x\"
version.workspace = true
rust-version.workspace = true
license.workspace = true

[dependencies]
bytes.workspace = true
defender-model = { workspace = true, features = [\"x\"] }

[lints]
workspace = true
";

    fn invariants(found: &[Violation]) -> Vec<&str> {
        found.iter().map(|violation| violation.invariant).collect()
    }

    fn depending(package: &str, on: &str, kind: &str, requirement: &str, by_path: bool) -> Vec<Violation> {
        let dependency =
            Dependency { name: on.to_owned(), kind: kind.to_owned(), requirement: requirement.to_owned(), by_path };
        let package =
            Package { name: package.to_owned(), folder: "/x".into(), dependencies: vec![dependency], published: true };
        dependencies(&package, "x/Cargo.toml")
    }

    #[test]
    fn a_manifest_as_it_should_be_is_fine() {
        assert_eq!(text(FINE, "x/Cargo.toml"), []);
    }

    #[test]
    fn strangers_stay_strangers_in_tests_too() {
        for (one, other, invariant) in STRANGERS {
            for kind in ["normal", "dev", "build"] {
                assert_eq!(invariants(&depending(one, other, kind, "^0.1.0", true)), [*invariant], "{one} {other}");
            }
        }
        assert_eq!(depending("defender-auth", "defender-emulator", "dev", "^0.1.0", true), []);
    }

    #[test]
    fn siblings_are_required_by_caret_and_by_path() {
        for (requirement, by_path) in [("=0.1.0", true), ("*", true), ("~0.1", true), ("^0.1.0", false)] {
            let found = depending("defender-actions", "defender-auth", "normal", requirement, by_path);
            assert_eq!(invariants(&found), [CARET], "{requirement}");
        }
    }

    #[test]
    fn what_is_not_inherited_is_seen() {
        for (line, invariant) in [
            ("version.workspace = true\n", INHERITED),
            ("rust-version.workspace = true\n", INHERITED),
            ("license.workspace = true\n", INHERITED),
            ("[lints]\nworkspace = true\n", LINTS),
        ] {
            // With the line break before it, `version` is not the end of `rust-version`.
            let without = FINE.replace(&format!("\n{line}"), "\n");
            assert_eq!(invariants(&text(&without, "x/Cargo.toml")), [invariant], "{line}");
        }
    }

    #[test]
    fn a_version_beside_the_one_place_is_seen() {
        for line in ["bytes = \"1\"", "bytes = { version = \"1\" }", "x = { path = \"../x\" }"] {
            let manifest = FINE.replace("bytes.workspace = true", line);
            assert_eq!(invariants(&text(&manifest, "x/Cargo.toml")), [ONE_PLACE], "{line}");
        }
        let table = format!("{FINE}\n[dev-dependencies.bytes]\nversion = \"1\"\n");
        assert_eq!(invariants(&text(&table, "x/Cargo.toml")), [ONE_PLACE, ONE_PLACE]);
    }

    #[test]
    fn unsafe_is_forbidden_at_the_root() {
        assert_eq!(root("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"), []);
        assert_eq!(invariants(&root("[workspace.lints.rust]\nunsafe_code = \"deny\"\n")), [LINTS]);
    }

    #[test]
    fn the_top_folder_holds_nothing_strange() {
        let paths = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(top(&paths(&["Cargo.toml", ".ci/run", "crates/x/src/y.rs", "LICENSE-MIT", "docs/a.md"])), []);
        assert_eq!(top(&paths(&["rust-toolchain.toml", ".editorconfig", ".github/dependabot.yml"])), []);
        assert_eq!(invariants(&top(&paths(&["notes.txt", "scripts/a.sh", "scripts/b.sh"]))), [TOP, TOP]);
    }
}
