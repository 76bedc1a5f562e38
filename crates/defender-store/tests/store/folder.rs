//! A folder that is removed with the test.

use std::path::{Path, PathBuf};

use defender_transport::PermitId;

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("defender-store-{}", PermitId::generate()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("quota.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The thread of a store may be closing its file.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
