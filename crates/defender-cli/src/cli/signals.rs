//! Signals that ask the program to stop: Ctrl-C, and on Unix SIGTERM and SIGHUP.

use std::{io, pin::pin};

use crate::failure::Failure;

/// Signals that ask the program to stop.
#[cfg(unix)]
pub(super) struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn open() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Signals that ask the program to stop.
#[cfg(windows)]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn open() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    pub(super) async fn next(&mut self) {
        let _heard = self.0.recv().await;
    }
}

impl Signals {
    /// Listens from now on, in place of the system, which would end the program.
    pub(super) fn listen() -> Result<Self, Failure> {
        Self::open().map_err(|error| Failure::usage(format!("cannot listen for Ctrl-C: {error}; nothing was sent")))
    }

    /// Does a step before anything is sent.
    ///
    /// # Errors
    ///
    /// A signal came before or during the step, or the step failed. Nothing was sent.
    pub(super) async fn before_sending<T, E>(&mut self, step: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        tokio::select! {
            biased;
            () = self.next() => Err(Failure::interrupted("interrupted: nothing was sent")),
            done = step => Ok(done?),
        }
    }

    /// Does a step to its end, and returns whether a signal came meanwhile. The step is not dropped: a store may still do what nobody waits for.
    pub(super) async fn through<T>(&mut self, step: impl Future<Output = T>) -> (T, bool) {
        let mut step = pin!(step);
        tokio::select! {
            biased;
            () = self.next() => (step.await, true),
            done = &mut step => (done, false),
        }
    }
}
