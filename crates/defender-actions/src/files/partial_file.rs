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
        if overwrites {
            return std::fs::rename(&self.temporary, &self.path);
        }
        // A link appears at once and whole, and never in the place of a file that is there.
        match std::fs::hard_link(&self.temporary, &self.path) {
            Err(error) if has_no_links(&error) => self.reserve_and_move(),
            linked => linked,
        }
    }

    /// For a file system without links: takes the name with an empty file and moves the whole one over it. Where the process is
    /// killed in between, the empty file stays.
    fn reserve_and_move(&self) -> io::Result<()> {
        drop(std::fs::OpenOptions::new().write(true).create_new(true).open(&self.path)?);
        std::fs::rename(&self.temporary, &self.path).inspect_err(|_| forget(&self.path))
    }
}

/// Whether an error of linking says that the file system knows no links, such as exFAT and some network shares.
fn has_no_links(error: &io::Error) -> bool {
    // `ERROR_INVALID_FUNCTION` and `ERROR_NOT_SUPPORTED` on Windows; `EPERM` is Linux' word for it.
    let told = error.raw_os_error().filter(|_| cfg!(windows));
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks)
        || matches!(told, Some(1 | 50))
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

    /// Where the process is killed, what a look at that moment would have shown is what stays.
    #[tokio::test]
    async fn final_name_never_shows_an_empty_file() {
        let folder = folder("whole");
        let (path, done) = (folder.join("package.zip"), Arc::new(AtomicBool::new(false)));
        let (looked, stop) = (path.clone(), Arc::clone(&done));
        let looking = std::thread::spawn(move || {
            let mut partial = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let short = std::fs::metadata(&looked).is_ok_and(|there| there.len() < 5);
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
        assert_eq!(looking.join().unwrap(), 0, "looks at a file that was not whole");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn file_system_without_links_is_written_to() {
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
