//! A file that appears complete or not at all.

use std::{
    future::poll_fn,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::{Path, PathBuf},
    pin::Pin,
};

use bytes::Bytes;
use tokio::{
    fs::{self, File, OpenOptions},
    io::AsyncWrite,
};

/// Temporary file next to the final one. It gets the final name when it is complete, and is deleted on drop.
pub(crate) struct PartialFile {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
}

impl PartialFile {
    /// Creates the temporary file of `path`.
    pub(crate) async fn beside(path: PathBuf, overwrites: bool) -> io::Result<Self> {
        if tokio::runtime::Handle::try_current().is_err() {
            // Without a runtime, tokio's files panic.
            return Err(io::Error::other("saving a file needs a tokio runtime; use the stream of bytes instead"));
        }
        if !overwrites && fs::symlink_metadata(&path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists already"));
        }
        if path.file_name().is_none() || fs::metadata(&path).await.is_ok_and(|there| there.is_dir()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is not the name of a file"));
        }
        // The name is random, by the keys of the standard library, so nobody can have created a file or a link there before.
        let random = RandomState::new().build_hasher().finish();
        let temporary = path.with_file_name(format!(".defender-{random:016x}.part"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // Only the user may read the file, since it is evidence.
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(&temporary).await?;
        Ok(Self { path, temporary, file })
    }

    /// Writes a chunk.
    pub(crate) async fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        write_all(&mut self.file, chunk).await
    }

    /// Syncs the file to the disk and gives it its final name.
    pub(crate) async fn complete(mut self, overwrites: bool) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut self.file).poll_flush(context)).await?;
        self.file.sync_all().await?;
        // No await from here on, so that the future cannot be dropped between the steps. Each step only changes a folder.
        if overwrites {
            return std::fs::rename(&self.temporary, &self.path);
        }
        // A hard link appears complete, and never replaces an existing file.
        match std::fs::hard_link(&self.temporary, &self.path) {
            Err(error) if has_no_links(&error) => self.reserve_and_move(),
            linked => linked,
        }
    }

    /// Reserves the name with an empty file and moves the complete file over it, for a file system without hard links. If the process is
    /// killed in between, the empty file remains.
    fn reserve_and_move(&self) -> io::Result<()> {
        drop(std::fs::OpenOptions::new().write(true).create_new(true).open(&self.path)?);
        std::fs::rename(&self.temporary, &self.path).inspect_err(|_| remove(&self.path))
    }
}

/// Returns whether the error means that the file system has no hard links, such as exFAT and some network shares.
fn has_no_links(error: &io::Error) -> bool {
    // `ERROR_INVALID_FUNCTION` and `ERROR_NOT_SUPPORTED` on Windows; Linux returns `EPERM`.
    let code = error.raw_os_error().filter(|_| cfg!(windows));
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks)
        || matches!(code, Some(1 | 50))
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        remove(&self.temporary); // After a move there is none.
    }
}

fn remove(path: &Path) {
    let _removed_or_absent = std::fs::remove_file(path);
}

/// Writes the whole chunk.
pub(crate) async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, mut chunk: Bytes) -> io::Result<()> {
    while !chunk.is_empty() {
        let written = poll_fn(|context| Pin::new(&mut *writer).poll_write(context, &chunk)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        drop(chunk.split_to(written.min(chunk.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("defender-actions-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// A killed process leaves the state that a read at that moment shows, so the file is read all the time.
    #[tokio::test]
    async fn final_name_never_shows_an_empty_file() {
        let folder = folder("whole");
        let (path, done) = (folder.join("package.zip"), Arc::new(AtomicBool::new(false)));
        let (final_path, stop) = (path.clone(), Arc::clone(&done));
        let watcher = std::thread::spawn(move || {
            let mut partial = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let short = std::fs::metadata(&final_path).is_ok_and(|there| there.len() < 5);
                partial += u32::from(short);
            }
            partial
        });
        for _ in 0..300 {
            let mut file = PartialFile::beside(path.clone(), false).await.unwrap();
            file.write(Bytes::from_static(b"whole")).await.unwrap();
            file.complete(false).await.unwrap();
            std::fs::remove_file(&path).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(watcher.join().unwrap(), 0, "reads of an incomplete file");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn file_is_saved_without_hard_links() {
        let folder = folder("moved");
        let path = folder.join("package.zip");
        for there in [false, true] {
            let mut file = PartialFile::beside(path.clone(), true).await.unwrap();
            file.write(Bytes::from_static(b"new")).await.unwrap();
            poll_fn(|context| Pin::new(&mut file.file).poll_flush(context)).await.unwrap();
            assert_eq!(file.reserve_and_move().is_err(), there);
        }
        drop(std::fs::read(&path).unwrap());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
        for (kind, no_links) in [
            (io::ErrorKind::Unsupported, true),
            (io::ErrorKind::PermissionDenied, true),
            (io::ErrorKind::AlreadyExists, false),
            (io::ErrorKind::NotFound, false),
        ] {
            assert_eq!(has_no_links(&kind.into()), no_links, "{kind:?}");
        }
    }
}
