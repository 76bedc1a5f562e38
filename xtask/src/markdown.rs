//! The Markdown of the project: its pages, their prose, their code blocks and their anchors.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Folders without pages of ours.
const LEFT_OUT: [&str; 4] = [".git", "corpus", "node_modules", "target"];

/// Code block of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'t> {
    /// Line of its fence, counted from one.
    pub line: usize,
    /// Text behind the fence, such as `rust,no_run`.
    pub info: &'t str,
    /// The lines between the fences.
    pub text: &'t str,
}

impl Block<'_> {
    /// Returns the first word of the info, such as `rust`.
    #[must_use]
    pub fn language(&self) -> &str {
        self.info.split(',').next().unwrap_or_default()
    }
}

/// Returns all Markdown files below this folder, in their order.
#[must_use]
pub fn pages(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !LEFT_OUT.contains(&name.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the lines outside of code blocks, counted from one.
pub fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = is_fence(line);
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Returns the code blocks of a page.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let (mut offset, mut open) = (0, None);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let begin = offset;
        offset += line.len();
        if !is_fence(line) {
            continue;
        }
        match open.take() {
            None => open = Some((number, line.trim().trim_start_matches('`'), offset)),
            Some((line, info, from)) => {
                found.push(Block { line, info, text: text.get(from..begin).unwrap_or_default() });
            }
        }
    }
    found
}

fn is_fence(line: &str) -> bool {
    line.trim_start().starts_with("```")
}

/// Returns the targets of the links in a line.
pub fn links(line: &str) -> impl Iterator<Item = &str> {
    let inline = line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let definition = line.strip_prefix('[').and_then(|rest| Some(rest.split_once("]: ")?.1.trim()));
    inline.chain(definition)
}

/// Returns the anchors that GitHub makes of the headings of a page. A heading that repeats an earlier one gets a number.
#[must_use]
pub fn anchors(text: &str) -> Vec<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let headings = prose(text).filter_map(|(_, line)| line.strip_prefix('#'));
    let anchors = headings.map(|heading| {
        let kept = heading.trim_start_matches('#').trim().chars().filter_map(|letter| match letter {
            ' ' => Some('-'),
            letter => (letter.is_alphanumeric() || "-_".contains(letter)).then(|| letter.to_ascii_lowercase()),
        });
        let anchor: String = kept.collect();
        let earlier = seen.entry(anchor.clone()).or_default();
        *earlier += 1;
        if *earlier == 1 { anchor } else { format!("{anchor}-{}", *earlier - 1) }
    });
    anchors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_code_are_left_out() {
        let text = "a [b](c.md) d [e](f.md#g)\n```text\n[h](i)\n```\n[j](k)\n[l]: m.md\n";
        let found: Vec<_> =
            prose(text).flat_map(|(number, line)| links(line).map(move |link| (number, link))).collect();
        assert_eq!(found, [(1, "c.md"), (1, "f.md#g"), (5, "k"), (6, "m.md")]);
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text =
            "# What is *not* promised, and why?\n## `.resend_if_lost()`\ntext\n```sh\n# no\n```\n## Why\n## Why\n";
        let expected = ["what-is-not-promised-and-why", "resend_if_lost", "why", "why-1"];
        assert_eq!(anchors(text), expected);
    }

    #[test]
    fn blocks_have_line_and_language() {
        let text = "a\n```rust,no_run\nfn b() {}\n```\n\n  ```sh\n  c\n  ```\n";
        let found = blocks(text);
        assert_eq!(found[0], Block { line: 2, info: "rust,no_run", text: "fn b() {}\n" });
        assert_eq!((found[0].language(), found[1].language()), ("rust", "sh"));
        assert_eq!((found[1].line, found[1].text), (6, "  c\n"));
    }

    #[test]
    fn pages_of_every_folder_are_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let found = pages(&root);
        for page in
            ["README.md", "docs/promises.md", ".github/pull_request_template.md", "crates/defender-auth/README.md"]
        {
            assert!(found.contains(&root.join(page)), "{page}");
        }
    }
}
