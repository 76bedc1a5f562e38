//! A patch that breaks a promise, and its head.

use std::path::Path;

use xtask::Failure;

use super::judge::{Judge, Kind};

/// Folder of the patches.
pub(super) const PATCHES: &str = "xtask/tools/breaks/patches";

/// One way to break a promise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patch {
    /// Of its file, without the ending.
    pub(super) name: String,
    /// The number of the promise in docs/promises.md.
    pub(super) promise: u8,
    /// The broken promise, in a sentence.
    pub(super) broken: String,
    /// The judges that must notice.
    pub(super) judges: Vec<Judge>,
    /// The whole file; what stands before the first `diff` means nothing to git.
    pub(super) text: String,
}

impl Patch {
    /// Every patch in a folder, by name.
    pub(super) fn read_all(folder: &Path) -> Result<Vec<Self>, Failure> {
        let unread = |error: std::io::Error| Failure::broken(folder.display(), error);
        let mut patches = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            if path.extension().is_none_or(|extension| extension != "patch") {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|error| Failure::broken(path.display(), error))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            patches.push(Self::parse(&name, text).map_err(|why| Failure::broken(path.display(), why))?);
        }
        patches.sort_by(|a, b| a.name.cmp(&b.name));
        if patches.is_empty() {
            return Err(Failure::broken(folder.display(), "there is no patch in it"));
        }
        Ok(patches)
    }

    /// The head is made of lines `promise: N`, `broken: …`, and for each judge `test: cargo test …`,
    /// `campaign: --seeds FROM..TO` or `postgres: CHECK`, with a line `shows: …` after it.
    fn parse(name: &str, text: String) -> Result<Self, String> {
        let mut patch = Self { name: name.to_owned(), ..Self::default() };
        let mut kind = None;
        for line in text.lines().take_while(|line| !line.starts_with("diff ")) {
            let Some((key, value)) = line.split_once(": ") else {
                return Err(format!("`{line}` is no line of a head"));
            };
            match (key, kind.take()) {
                ("promise", None) => patch.promise = value.parse().map_err(|_| format!("`{value}` is no promise"))?,
                ("broken", None) => value.clone_into(&mut patch.broken),
                ("test", None) => kind = Some(Kind::test(value)?),
                ("campaign", None) => kind = Some(Kind::campaign(value)?),
                ("postgres", None) => kind = Some(Kind::postgres(value)?),
                ("shows", Some(kind)) => patch.judges.push(Judge { kind, shows: value.to_owned() }),
                _ => return Err(format!("`{line}` does not belong there")),
            }
        }
        let is_whole = patch.promise > 0 && !patch.broken.is_empty() && !patch.judges.is_empty() && kind.is_none();
        if !is_whole {
            return Err("its head lacks its promise, what is broken, or who must notice and what that shows".to_owned());
        }
        patch.text = text;
        Ok(patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "promise: 1\nbroken: it is sent twice\ntest: cargo test -p a --test b c::d\nshows: twice\n";

    #[test]
    fn head_names_promise_and_judges() {
        let text =
            format!("{HEAD}campaign: --seeds 0..200\nshows: sent twice\ndiff --git a/x b/x\n+shows: not a head\n");
        let patch = Patch::parse("10-a", text.clone()).unwrap();
        assert_eq!((patch.promise, patch.broken.as_str(), patch.text), (1, "it is sent twice", text));
        let lines: Vec<_> = patch.judges.iter().map(Judge::line).collect();
        assert_eq!(lines, ["cargo test -p a --test b c::d", "cargo xtask campaign --seeds 0..200"]);
        assert_eq!(patch.judges.iter().map(|judge| judge.shows.as_str()).collect::<Vec<_>>(), ["twice", "sent twice"]);
    }

    #[test]
    fn a_head_that_lacks_something_is_told() {
        for text in [
            "",
            "promise: 1\nbroken: x\n",
            "promise: 1\nbroken: x\ntest: cargo test -p a --test b c\n",
            "promise: 1\ntest: cargo test -p a --test b c\nshows: x\n",
            "promise: one\nbroken: x\ntest: cargo test -p a --test b c\nshows: x\n",
            "promise: 1\nbroken: x\nshows: x\n",
            "promise: 1\nbroken: x\ntest: cargo build -p a b\nshows: x\n",
            "promise: 1\nbroken: x\ncampaign: 7\nshows: x\n",
            "some words\n",
        ] {
            assert!(Patch::parse("a", text.to_owned()).is_err(), "{text}");
        }
        assert!(Patch::parse("a", HEAD.to_owned()).is_ok());
    }
}
