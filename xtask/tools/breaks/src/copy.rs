//! The copy of the workspace in which things are broken.

use std::{
    collections::BTreeMap,
    fs::Permissions,
    path::{Path, PathBuf},
    process::Command,
};

use xtask::{
    Failure,
    workspace::{self, output},
};

/// A copy of what git knows of the workspace.
#[derive(Debug)]
pub(super) struct Copy {
    /// The folder of what belongs to the copy: it, its target folder, and what its judges said.
    place: PathBuf,
    /// Content and permissions of each file when the copy was made. Later edits of the workspace do not matter.
    files: BTreeMap<PathBuf, (Vec<u8>, Permissions)>,
    folder: PathBuf,
}

impl Copy {
    /// One of the workspace at `root`, by its number, in `target/breaks/`. Nothing is written yet.
    pub(super) fn of(root: &Path, number: usize) -> Result<Self, Failure> {
        let listed = output(Command::new("git").args(["ls-files", "-z"]).current_dir(root))?;
        let mut files = BTreeMap::new();
        for file in listed.split('\0').map(PathBuf::from).filter(|file| root.join(file).is_file()) {
            let unread = |error: std::io::Error| Failure::broken(file.display(), error);
            let whole = std::fs::read(root.join(&file)).map_err(unread)?;
            let permissions = std::fs::metadata(root.join(&file)).map_err(unread)?.permissions();
            files.insert(file, (whole, permissions));
        }
        let place = root.join("target/breaks").join(number.to_string());
        let copy = Self { files, folder: place.join("copy"), place };
        for folder in [copy.folder.clone(), copy.said("")] {
            std::fs::create_dir_all(&folder).map_err(|error| Failure::broken(folder.display(), error))?;
        }
        Ok(copy)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file for what is said when `name` is broken.
    pub(super) fn said(&self, name: &str) -> PathBuf {
        self.place.join("said").join(name)
    }

    /// A cargo that builds the copy, incrementally, since a patch changes a few lines. Debug information is left out, since nobody
    /// debugs what is broken on purpose.
    pub(super) fn cargo(&self) -> Command {
        let mut cargo = workspace::cargo(&self.folder);
        cargo.env("CARGO_TARGET_DIR", self.place.join("target")).env("CARGO_INCREMENTAL", "1");
        cargo.envs([("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_PROFILE_TEST_DEBUG", "0")]);
        // What is broken leaves things unused.
        cargo.env("RUSTFLAGS", "-Awarnings");
        cargo
    }

    /// Makes every file what it was in the workspace. One that is so already is not touched, so that it is not built anew.
    pub(super) fn restore(&self) -> Result<(), Failure> {
        for (file, (whole, permissions)) in &self.files {
            let to = self.folder.join(file);
            if std::fs::read(&to).is_ok_and(|then| then == *whole) {
                continue;
            }
            let folder = to.parent().unwrap_or(&self.folder);
            let written = std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&to, whole))
                .and_then(|()| std::fs::set_permissions(&to, permissions.clone()));
            written.map_err(|error| Failure::broken(to.display(), error))?;
        }
        self.clear(&self.folder)
    }

    /// Removes what is not in the workspace.
    fn clear(&self, folder: &Path) -> Result<(), Failure> {
        let unread = |error: std::io::Error| Failure::broken(folder.display(), error);
        for entry in std::fs::read_dir(folder).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            if path.is_dir() {
                self.clear(&path)?;
            } else if path.strip_prefix(&self.folder).is_ok_and(|file| !self.files.contains_key(file)) {
                std::fs::remove_file(&path).map_err(|error| Failure::broken(path.display(), error))?;
            }
        }
        Ok(())
    }

    /// Breaks it.
    pub(super) fn apply(&self, name: &str, patch: &str) -> Result<(), Failure> {
        self::apply(&self.folder, patch).map_err(|why| Failure::broken(format!("{name} does not apply"), why))
    }
}

/// Applies `patch` to what is in `folder`.
pub(super) fn apply(folder: &Path, patch: &str) -> Result<(), String> {
    git_apply(folder, &[], patch)
}

/// Checks that `patch` applies to the files at `root`.
pub(super) fn applies(root: &Path, patch: &str) -> Result<(), String> {
    git_apply(root, &["--check"], patch)
}

fn git_apply(folder: &Path, options: &[&str], patch: &str) -> Result<(), String> {
    let mut git = Command::new("git");
    git.arg("apply").args(options).arg("-").current_dir(folder);
    // In a repository around the folder, git would take the paths for paths from there.
    git.env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder));
    workspace::fed(&mut git, patch.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
promise: 1
diff --git a/in/one.txt b/in/one.txt
--- a/in/one.txt
+++ b/in/one.txt
@@ -1,2 +1,2 @@
 kept
-whole
+broken
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+new
";

    /// A folder that goes with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("breaks-{}-{name}", std::process::id()));
            std::fs::create_dir_all(folder.join("in")).unwrap();
            std::fs::write(folder.join("in/one.txt"), "kept\nwhole\n").unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn restore_touches_only_broken_files() {
        let root = Folder::new("restored");
        let git = |args: &[&str]| output(Command::new("git").args(args).current_dir(&root.0)).unwrap();
        std::fs::write(root.0.join("two.txt"), "kept\n").unwrap();
        git(&["init", "--quiet"]);
        git(&["add", "in/one.txt", "two.txt"]);
        let copy = Copy::of(&root.0, 0).unwrap();
        copy.restore().unwrap();
        let read = |file: &str| std::fs::read_to_string(copy.folder().join(file)).ok();
        let written = || std::fs::metadata(copy.folder().join("two.txt")).unwrap().modified().unwrap();
        let before = written();
        copy.apply("1", PATCH).unwrap();
        assert_eq!(
            (read("in/one.txt").as_deref(), read("new.txt").as_deref()),
            (Some("kept\nbroken\n"), Some("new\n"))
        );
        copy.restore().unwrap();
        assert_eq!((read("in/one.txt").as_deref(), read("new.txt")), (Some("kept\nwhole\n"), None));
        assert_eq!(written(), before);
        assert_eq!(std::fs::read_to_string(root.0.join("in/one.txt")).unwrap(), "kept\nwhole\n");
    }

    #[test]
    fn patch_for_other_source_fails() {
        let root = Folder::new("rotten");
        assert_eq!(applies(&root.0, PATCH), Ok(()));
        std::fs::write(root.0.join("in/one.txt"), "kept\nother\n").unwrap();
        assert!(applies(&root.0, PATCH).unwrap_err().contains("in/one.txt"));
    }
}
