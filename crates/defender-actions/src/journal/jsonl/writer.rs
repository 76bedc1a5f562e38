//! The writer of the file: lines that wait are written and synced together.

use std::{
    fs::File,
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Writer of a file, off the threads of the runtime.
#[derive(Debug)]
pub(super) struct Writer {
    file: Mutex<Open>,
    /// Lines that are not written, and the number of the last line.
    queued: Mutex<(Vec<u8>, u64)>,
    /// Number of the last line that is on the disk.
    synced: AtomicU64,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Text of a failure. Nothing is written after it, since the end of the file is not known.
    failed: Option<String>,
}

impl Writer {
    pub(super) fn new(file: File) -> Self {
        let file = Mutex::new(Open { file, failed: None });
        Self { file, queued: Mutex::default(), synced: AtomicU64::new(0) }
    }

    /// Adds a line to those that are written next.
    pub(super) fn queue(&self, line: &[u8]) {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        queued.0.extend_from_slice(line);
        queued.1 = queued.1.saturating_add(1);
    }

    /// Returns once all queued lines are on the disk.
    pub(super) async fn sync(self: &Arc<Self>) -> Result<(), String> {
        let last = self.queued.lock().unwrap_or_else(PoisonError::into_inner).1;
        if self.synced.load(Ordering::Acquire) >= last {
            return Ok(());
        }
        let writer = Arc::clone(self);
        let write = move || writer.write(last);
        if tokio::runtime::Handle::try_current().is_err() {
            // Without a runtime there is no other thread.
            return write();
        }
        #[allow(clippy::disallowed_methods, reason = "it is awaited: a file has no other interface for async code")]
        let writing = tokio::task::spawn_blocking(write);
        writing.await.map_err(|source| format!("the writer stopped: {source}"))?
    }

    /// Writes and syncs what is queued, unless another thread has done so.
    fn write(&self, last: u64) -> Result<(), String> {
        let mut open = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if self.synced.load(Ordering::Acquire) >= last {
            return Ok(());
        }
        if let Some(failed) = &open.failed {
            return Err(failed.clone());
        }
        let (lines, number) = {
            let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut queued.0), queued.1)
        };
        if let Err(source) = open.file.write_all(&lines).and_then(|()| open.file.sync_data()) {
            let failed = format!("a line could not be written ({source}); free the disk, then open the journal again");
            open.failed = Some(failed.clone());
            return Err(failed);
        }
        self.synced.store(number, Ordering::Release);
        Ok(())
    }
}
