//! The pages of the project: links lead somewhere, the tests that a page names exist, and the folders of each crate are listed.

use std::{collections::BTreeSet, path::Path};

use super::{
    source::{read, tests_too, within},
    violation::Violation,
};
use xtask::{
    Failure,
    markdown::{anchors, links, pages, prose},
    workspace::{Workspace, has_test},
};

const LINKS: &str = "links in the pages lead to files and headings that exist";
const ROOMS: &str = "docs/architecture.md lists the folders of each crate";
const TESTS: &str = "each test that a page names exists";

/// The broken links and the missing tests of all pages, and the pages that the source names and that do not exist.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for page in pages(&workspace.root) {
        let text = read(&page)?;
        let is_rustdoc = workspace.crates().any(|package| page == package.folder.join("README.md"));
        let place = page.strip_prefix(&workspace.root).unwrap_or(&page).display().to_string();
        for (number, line) in prose(&text) {
            let mut add = |found_here: String, invariant| {
                found.push(Violation { place: format!("{place}:{number}"), found: found_here, invariant });
            };
            for link in links(line).filter(|link| !(leads_somewhere(&page, link) || is_rustdoc && is_path(link))) {
                add(format!("links to `{link}`"), LINKS);
            }
            for (krate, target, test) in tests(line) {
                let package = match krate {
                    "xtask" => workspace.root.join(krate),
                    krate => workspace.root.join("crates").join(format!("defender-{krate}")),
                };
                let target = Some(target).filter(|target| !["lib", "bin"].contains(target));
                if !has_test(&package, target, test) {
                    add(format!("names the test `{test}` of {krate}"), TESTS);
                }
            }
        }
    }
    for package in workspace.crates() {
        for file in tests_too(&package.folder.join("src"))? {
            let source = read(&file)?;
            for page in named_pages(&source).filter(|page| !workspace.root.join(page).exists()) {
                let place = within(&workspace.root, &file);
                found.push(Violation { place, found: format!("names the page `{page}`"), invariant: LINKS });
            }
        }
    }
    let page = read(&workspace.root.join("docs/architecture.md"))?;
    for package in workspace.crates() {
        let (listed, there) = (rooms(&page, &package.name), folders(&package.folder.join("src"), ""));
        for folder in listed.symmetric_difference(&there) {
            let place = "docs/architecture.md".to_owned();
            let what = if there.contains(folder) { "leaves out" } else { "lists" };
            let found_here = format!("{what} the folder `{folder}` of {}", package.name);
            found.push(Violation { place, found: found_here, invariant: ROOMS });
        }
    }
    Ok(found)
}

/// The folders in the table below the heading of a crate.
fn rooms(page: &str, krate: &str) -> BTreeSet<String> {
    let heading = format!("### {krate}");
    let section = page.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('#'));
    let folder = |line: &str| Some(line.strip_prefix("| `")?.split_once("/` |")?.0.to_owned());
    section.filter_map(folder).collect()
}

/// The folders beneath one, without those of tests.
fn folders(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = BTreeSet::new();
    for entry in entries.filter(|entry| entry.path().is_dir() && entry.file_name() != "tests") {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        found.extend(folders(&entry.path(), &format!("{name}/")));
        found.insert(name);
    }
    found
}

/// Returns `true` for a path of Rust, which rustdoc checks: `Error::kind`.
fn is_path(link: &str) -> bool {
    link.chars().all(|letter| letter.is_alphanumeric() || "_:".contains(letter))
}

/// The pages that a source names, such as `docs/promises.md`.
fn named_pages(source: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let words = source.split(move |letter| !is_of_path(letter)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| word.starts_with("docs/") && Path::new(word).extension().is_some_and(|end| end == "md"))
}

/// Returns `true` for a link to the web, and for a link to a file, and a heading of it, that exist.
fn leads_somewhere(page: &Path, link: &str) -> bool {
    if link.starts_with("https://") {
        return true;
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let file = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap_or(page).join(file),
    };
    match heading {
        None => file.exists(),
        Some(heading) => {
            std::fs::read_to_string(file).is_ok_and(|text| anchors(&text).iter().any(|anchor| anchor == heading))
        }
    }
}

/// The tests that a line names: crate without `defender-`, target and path, as in ``auth, lib: `a::tests::b` ``.
fn tests(line: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    line.split(['|', '>']).filter_map(|cell| {
        let (place, rest) = cell.split_once(": `")?;
        let (krate, target) = place.trim().split_once(", ")?;
        let is_word =
            |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        (is_word(krate) && is_word(target)).then_some((krate, target, rest.split_once('`')?.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files_and_headings() {
        let page = Workspace::read().unwrap().root.join("docs/promises.md");
        for link in
            ["architecture.md", "../README.md", "#what-is-promised", "decisions.md#decisions", "https://a.example/"]
        {
            assert!(leads_somewhere(&page, link), "{link}");
        }
        for link in ["nowhere.md", "#nowhere", "decisions.md#nowhere", "README.md"] {
            assert!(!leads_somewhere(&page, link), "{link}");
        }
    }

    #[test]
    fn paths_of_rust_are_left_to_rustdoc() {
        assert!(is_path("Error::never_sent") && is_path("EmulatorBuilder"));
        assert!(!is_path("tests/gallery.txt") && !is_path("#which-credential") && !is_path("decisions.md"));
    }

    #[test]
    fn pages_in_sources_are_found() {
        let source = "// See `docs/a.md`, `https://a.example/docs/b.md` and docs/guides/c.md.\n\"docs\"";
        assert_eq!(named_pages(source).collect::<Vec<_>>(), ["docs/a.md", "docs/guides/c.md"]);
    }

    #[test]
    fn rooms_are_read_below_their_crate() {
        let page = "### a\n| folder | x |\n| `b/` | y |\n| `b/c/` | z |\n### d\n| `e/` | f |\n";
        assert_eq!(rooms(page, "a").into_iter().collect::<Vec<_>>(), ["b", "b/c"]);
        let source = Workspace::read().unwrap().root.join("crates/defender-transport/src");
        let there = folders(&source, "");
        assert!(there.contains("adapters/pace") && !there.contains("adapters/pace/tests"));
    }

    #[test]
    fn tests_are_read_from_cells() {
        let line = "| x: `y` | auth, lib: `a::tests::b`<br>actions, facade: `c::d` | see, for `e` |";
        let expected = [("auth", "lib", "a::tests::b"), ("actions", "facade", "c::d")];
        assert_eq!(tests(line).collect::<Vec<_>>(), expected);
    }
}
