//! Patches made anew after the source under them has changed: a three-way merge of the source as it was when the patch was
//! written, the same broken by the patch, and the source of today.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use xtask::{Failure, workspace::output};

use super::{
    copy,
    patch::{PATCHES, Patch},
};

/// Makes anew each patch that no longer applies, in its own file, and returns how many there were.
pub(super) fn refresh(root: &Path, patches: &[&Patch]) -> Result<usize, Failure> {
    let mut count = 0;
    for patch in patches {
        if copy::applies(root, &patch.text).is_ok() {
            continue;
        }
        let text = refreshed(root, patch).map_err(|why| Failure::Check(format!("breaks: {}: {why}", patch.name)))?;
        let file = root.join(format!("{PATCHES}/{}.patch", patch.name));
        std::fs::write(&file, &text).map_err(|error| Failure::broken(file.display(), error))?;
        println!("{}\n{text}", patch.name);
        count += 1;
    }
    Ok(count)
}

/// The text of the patch against today's source: merged from the commit that wrote the patch, or from the last one, where the
/// source has changed in between.
fn refreshed(root: &Path, patch: &Patch) -> Result<String, String> {
    let file = format!("{PATCHES}/{}.patch", patch.name);
    let commit = git(root, &["log", "-1", "--format=%H", "--", &file])?;
    merged(root, patch, commit.trim()).or_else(|why| merged(root, patch, "HEAD").map_err(|_| why))
}

/// The text of the patch against today's source, merged from the source of `commit`.
fn merged(root: &Path, patch: &Patch, commit: &str) -> Result<String, String> {
    if commit.is_empty() {
        return Err("it was never committed, so what it was made for is not known".to_owned());
    }
    let folder = Folder::new(root, &patch.name)?;
    let mut moved = Vec::new();
    for path in paths(&patch.text) {
        let base = git(root, &["show", &format!("{commit}:{path}")])?;
        folder.write("base", path, &base)?;
        folder.write("broken", path, &base)?;
        moved.push((path, today(root, commit, path)?));
    }
    copy::apply(&folder.0.join("broken"), &patch.text)
        .map_err(|why| format!("it did not apply in {commit} either: {why}"))?;
    for (path, today) in &moved {
        let current = std::fs::read_to_string(root.join(today)).map_err(|error| format!("{today}: {error}"))?;
        folder.write("a", today, &current)?;
        folder.write("b", today, &folder.merged(today, path)?)?;
    }
    let mut diff = Command::new("git");
    diff.args(["diff", "--no-index", "--no-color", "--no-prefix", "a", "b"]).current_dir(&folder.0);
    // It ends with 1 where the two differ.
    let difference = diff.output().map_err(|error| error.to_string())?.stdout;
    let difference = String::from_utf8(difference).map_err(|error| error.to_string())?;
    let head: String = patch.text.split_inclusive('\n').take_while(|line| !line.starts_with("diff ")).collect();
    let lines = difference.split_inclusive('\n').filter(|line| !line.starts_with("index "));
    let text: String = std::iter::once(head.as_str()).chain(lines).collect();
    copy::applies(root, &text).map(|()| text)
}

fn git(root: &Path, args: &[&str]) -> Result<String, String> {
    output(Command::new("git").args(args).current_dir(root)).map_err(|error| format!("{error:?}"))
}

/// Files that a patch changes.
fn paths(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("--- a/")).collect()
}

/// Today's path of what was at `path` in `commit`.
fn today(root: &Path, commit: &str, path: &str) -> Result<String, String> {
    if root.join(path).is_file() {
        return Ok(path.to_owned());
    }
    let args = ["diff", "--find-renames=40%", "--diff-filter=R", "--name-status", commit];
    let renames = git(root, &args)?;
    let moved_to = renames.lines().find_map(|line| {
        let mut fields = line.split('\t').skip(1);
        (fields.next() == Some(path)).then(|| fields.next()).flatten()
    });
    moved_to.map(str::to_owned).ok_or_else(|| format!("{path} is gone, and nothing resembles it"))
}

/// A folder below `target/breaks` that is removed again.
struct Folder(PathBuf);

impl Folder {
    fn new(root: &Path, name: &str) -> Result<Self, String> {
        let folder = root.join("target/breaks/refresh").join(name);
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    fn write(&self, side: &str, path: &str, text: &str) -> Result<(), String> {
        let file = self.0.join(side).join(path);
        let written =
            std::fs::create_dir_all(file.parent().unwrap_or(&self.0)).and_then(|()| std::fs::write(&file, text));
        written.map_err(|error| format!("{}: {error}", file.display()))
    }

    /// The source of today, at `today` below `a`, with what the patch did to `path`.
    fn merged(&self, today: &str, path: &str) -> Result<String, String> {
        let side = |side: &str, path: &str| self.0.join(side).join(path);
        let mut git = Command::new("git");
        git.args(["merge-file", "--stdout"]).args([side("a", today), side("base", path), side("broken", path)]);
        let merged = git.output().map_err(|error| error.to_string())?;
        if !merged.status.success() {
            return Err(format!("{today} has changed where it is broken; make the patch by hand"));
        }
        String::from_utf8(merged.stdout).map_err(|error| error.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_follows_its_source() {
        let root = std::env::temp_dir().join(format!("breaks-refresh-{}", std::process::id()));
        std::fs::create_dir_all(root.join(PATCHES)).unwrap();
        let git = |args: &[&str]| {
            let mut git = Command::new("git");
            git.args(["-c", "user.name=a", "-c", "user.email=a@b.c"]).args(args).current_dir(&root);
            output(&mut git).unwrap()
        };
        let lines = |from: u32, to: u32| (from..to).fold(String::new(), |text, line| format!("{text}line {line}\n"));
        let head = "promise: 1\nbroken: it is sent twice\ntest: cargo test -p a --test b c::d\nshows: twice\n";
        let text = format!(
            "{head}diff --git a/one.txt b/one.txt\n--- a/one.txt\n+++ b/one.txt\n@@ -4,3 +4,3 @@\n line 3\n-line 4\n+broken\n \
             line 5\n"
        );
        std::fs::write(root.join("one.txt"), lines(0, 20)).unwrap();
        std::fs::write(root.join(PATCHES).join("10-a.patch"), &text).unwrap();
        git(&["init", "--quiet"]);
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "one"]);
        // Moved, with other lines around the broken one.
        git(&["mv", "one.txt", "two.txt"]);
        std::fs::write(root.join("two.txt"), format!("new\n{}other\n{}", lines(0, 2), lines(3, 20))).unwrap();
        let patches = Patch::read_all(&root.join(PATCHES)).unwrap();
        assert_eq!(refresh(&root, &patches.iter().collect::<Vec<_>>()), Ok(1));
        let patches = Patch::read_all(&root.join(PATCHES)).unwrap();
        let text = &patches[0].text;
        assert!(
            text.starts_with(head) && text.contains("+++ b/two.txt") && text.contains("-line 4\n+broken\n"),
            "{text}"
        );
        assert_eq!(refresh(&root, &patches.iter().collect::<Vec<_>>()), Ok(0));
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "two"]);
        // The broken line itself is another one.
        std::fs::write(root.join("two.txt"), lines(0, 20).replace("line 4\n", "line four\n")).unwrap();
        let error = refresh(&root, &patches.iter().collect::<Vec<_>>()).unwrap_err();
        assert!(format!("{error:?}").contains("by hand"), "{error:?}");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
