//! A file that is there whole or not at all.

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

/// A file on its way: under another name beside its own until it is complete, and gone where this is dropped before.
pub(crate) struct PartialFile {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
}

impl PartialFile {
    /// Begins the file `path`.
    pub(crate) async fn beside(path: PathBuf, overwrites: bool) -> io::Result<Self> {
        if tokio::runtime::Handle::try_current().is_err() {
            // Outside of it, tokio's files would panic.
            return Err(io::Error::other("files are saved inside a tokio runtime; take the stream of bytes instead"));
        }
        if !overwrites && fs::symlink_metadata(&path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there already, and is not to be replaced"));
        }
        if path.file_name().is_none() || fs::metadata(&path).await.is_ok_and(|there| there.is_dir()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file"));
        }
        // Random by the standard library's own keys: nobody can have put a file or a link there before.
        let random = RandomState::new().build_hasher().finish();
        let temporary = path.with_file_name(format!(".defender-{random:016x}.part"));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // For the user alone: what is saved is evidence.
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(&temporary).await?;
        Ok(Self { path, temporary, file })
    }

    /// Takes a piece more.
    pub(crate) async fn write(&mut self, piece: Bytes) -> io::Result<()> {
        write_all(&mut self.file, piece).await
    }

    /// Gives it its own name, when all of it is on the disk.
    pub(crate) async fn complete(mut self, overwrites: bool) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut self.file).poll_flush(context)).await?;
        self.file.sync_all().await?;
        // From here on there is no await, so that nobody can drop this between the steps, each of which only changes a folder.
        if !overwrites {
            // A name is taken by whoever makes the file; what is moved there then replaces nothing but that.
            drop(std::fs::OpenOptions::new().write(true).create_new(true).open(&self.path)?);
        }
        std::fs::rename(&self.temporary, &self.path).inspect_err(|_| {
            if !overwrites {
                forget(&self.path);
            }
        })
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        forget(&self.temporary); // After it was moved, there is none.
    }
}

fn forget(path: &Path) {
    let _gone_or_never_there = std::fs::remove_file(path);
}

/// Writes all of the piece.
pub(crate) async fn write_all<W: AsyncWrite + Unpin>(writer: &mut W, mut piece: Bytes) -> io::Result<()> {
    while !piece.is_empty() {
        let written = poll_fn(|context| Pin::new(&mut *writer).poll_write(context, &piece)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        drop(piece.split_to(written.min(piece.len())));
    }
    Ok(())
}
