//! A file that is there whole or not at all.

use std::{
    fs::{File, OpenOptions},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;

/// How much is gathered before it is written: a write is a step aside to another thread.
const WRITE: usize = 256 << 10;

/// A file on its way: under another name beside its own until it is complete, and gone where this is dropped before.
pub(crate) struct PartialFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
    gathered: Vec<u8>,
}

impl PartialFile {
    /// Begins the file `path`.
    pub(crate) async fn beside(path: PathBuf, overwrites: bool) -> io::Result<Self> {
        aside(move || {
            if !overwrites && path.symlink_metadata().is_ok() {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "it is there already, and is not to be replaced",
                ));
            }
            if path.file_name().is_none() || path.is_dir() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file"));
            }
            // Random by the standard library's own keys: nobody can have put a file or a link there before.
            let temporary =
                path.with_file_name(format!(".defender-{:016x}.part", RandomState::new().build_hasher().finish()));
            let file = new_file(&temporary)?;
            Ok(Self { path, temporary, file: Some(file), gathered: Vec::with_capacity(WRITE) })
        })
        .await
    }

    /// Takes a piece more.
    pub(crate) async fn write(mut self, mut piece: Bytes) -> io::Result<Self> {
        while !piece.is_empty() {
            let room = WRITE.saturating_sub(self.gathered.len()).min(piece.len());
            self.gathered.extend_from_slice(&piece.split_to(room));
            if self.gathered.len() >= WRITE {
                self = aside(move || self.flushed()).await?;
            }
        }
        Ok(self)
    }

    /// Gives it its own name, when all of it is on the disk.
    pub(crate) async fn complete(self, overwrites: bool) -> io::Result<()> {
        aside(move || {
            let mut whole = self.flushed()?;
            if let Some(file) = whole.file.take() {
                file.sync_all()?;
            }
            if overwrites {
                return std::fs::rename(&whole.temporary, &whole.path);
            }
            // A name is taken by whoever makes the file; what is moved there then replaces nothing but that.
            drop(new_file(&whole.path)?);
            std::fs::rename(&whole.temporary, &whole.path).inspect_err(|_| forget(&whole.path))
        })
        .await
    }

    fn flushed(mut self) -> io::Result<Self> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.gathered)?;
        }
        self.gathered.clear();
        Ok(self)
    }
}

impl Drop for PartialFile {
    /// It is dropped by whoever has it last, and where a write was under way that is the write.
    fn drop(&mut self) {
        drop(self.file.take()); // Some systems remove no file that is open.
        forget(&self.temporary); // After it was moved, there is none.
    }
}

fn forget(path: &Path) {
    let _gone_or_never_there = std::fs::remove_file(path);
}

/// A file that was not there before, for the user alone: what is saved is evidence.
fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Runs what may wait for the disk on a thread where that holds up nobody; outside tokio, here.
async fn aside<T, F>(work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(io::Error::other)?,
        Err(_) => work(),
    }
}
