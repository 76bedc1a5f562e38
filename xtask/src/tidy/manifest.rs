//! Keys that each manifest inherits, which cargo does not require.

use super::{source::read, violation::Violation};
use xtask::{
    Failure,
    workspace::{Dependency, Package, Workspace},
};

const INHERITED: &str = "version, rust-version, license and lints are the workspace's";
const NO_UNSAFE: &str = "`unsafe` is forbidden";
const CARET: &str = "siblings require each other by caret and by path";

/// The violations in the manifests.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = root(&read(&workspace.root.join("Cargo.toml"))?);
    for package in &workspace.packages {
        let manifest = package.folder.join("Cargo.toml");
        let place = manifest.strip_prefix(&workspace.root).unwrap_or(&manifest).display().to_string();
        found.extend(member(&read(&manifest)?, &place));
        found.extend(siblings(package, &place));
    }
    Ok(found)
}

fn member(manifest: &str, place: &str) -> Vec<Violation> {
    let lines = ["version.workspace = true", "rust-version.workspace = true", "license.workspace = true"];
    let lines = lines.into_iter().chain(["[lints]\nworkspace = true"]);
    let missing = lines.filter(|line| !manifest.contains(&format!("\n{line}\n")));
    let violation =
        |line| Violation { place: place.to_owned(), found: format!("lacks `{line}`"), invariant: INHERITED };
    missing.map(violation).collect()
}

fn root(manifest: &str) -> Vec<Violation> {
    let line = "\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
    let found = "lacks `unsafe_code = \"forbid\"` in [workspace.lints.rust]".to_owned();
    let violation = Violation { place: "Cargo.toml".to_owned(), found, invariant: NO_UNSAFE };
    if manifest.contains(line) { Vec::new() } else { vec![violation] }
}

fn siblings(package: &Package, place: &str) -> Vec<Violation> {
    let siblings = package.dependencies.iter().filter(|dependency| dependency.name.starts_with("defender-"));
    let loose = siblings.filter(|sibling| !(sibling.by_path && sibling.requirement.starts_with('^')));
    let violation = |sibling: &Dependency| Violation {
        place: place.to_owned(),
        found: format!("requires {} ({}) as `{}`", sibling.name, sibling.kind, sibling.requirement),
        invariant: CARET,
    };
    loose.map(violation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: &str = "[package]\nversion.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
                          \n[lints]\nworkspace = true\n";
    const ROOT: &str = "[a]\n\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";

    #[test]
    fn inherited_lines_are_required() {
        assert_eq!(member(MEMBER, "x"), []);
        for line in ["version.workspace = true", "license.workspace = true", "[lints]\nworkspace = true"] {
            assert_eq!(member(&MEMBER.replace(&format!("\n{line}\n"), "\n"), "x").len(), 1, "{line}");
        }
    }

    #[test]
    fn siblings_are_required_by_caret() {
        for (requirement, by_path, is_fine) in
            [("^0.1.0", true, true), ("=0.1.0", true, false), ("^0.1.0", false, false)]
        {
            let (name, kind) = ("defender-auth".to_owned(), "dev".to_owned());
            let dependency = Dependency { name, kind, requirement: requirement.to_owned(), by_path };
            let dependencies = vec![dependency];
            let package = Package { name: "a".to_owned(), folder: "/a".into(), dependencies, published: true };
            assert_eq!(siblings(&package, "a").is_empty(), is_fine, "{requirement}");
        }
    }

    #[test]
    fn unsafe_is_forbidden_at_root() {
        assert_eq!(root(ROOT), []);
        assert_eq!(root(&ROOT.replace("forbid", "deny")).len(), 1);
    }
}
