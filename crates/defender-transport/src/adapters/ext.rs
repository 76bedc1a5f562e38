//! The adapters as methods of a transport.

use std::sync::Arc;

#[cfg(feature = "compression")]
use super::Decompressed;
#[cfg(feature = "tracing")]
use super::Traced;
use super::{Buffered, Deadline, Paced, Redirected, Retrying};
use crate::{Clock, Transport};

/// The adapters as methods, so that a stack reads in the order in which it was wrapped, from the innermost outwards.
pub trait TransportExt: Transport + Sized {
    /// Handles redirects, by default not at all: see [`Redirected`].
    fn redirected(self) -> Redirected<Self> {
        Redirected::new(self)
    }

    /// Ends exchanges that take too long: see [`Deadline`].
    fn deadline(self, clock: impl Clock + 'static) -> Deadline<Self> {
        Deadline::new(self, clock)
    }

    /// Reads bodies inside the attempt: see [`Buffered`].
    fn buffered(self) -> Buffered<Self> {
        Buffered::new(self)
    }

    /// Traces every attempt: see [`Traced`].
    #[cfg(feature = "tracing")]
    fn traced(self, clock: impl Clock + 'static) -> Traced<Self> {
        Traced::new(self, clock)
    }

    /// Decodes bodies that come compressed, asked for or not: see [`Decompressed`].
    #[cfg(feature = "compression")]
    fn decompressed(self) -> Decompressed<Self> {
        Decompressed::new(self)
    }

    /// Keeps to the windows of each request's scope: see [`Paced`].
    fn paced(self, clock: impl Clock + 'static) -> Paced<Self> {
        Paced::new(self, clock)
    }

    /// Retries requests that may be sent again: see [`Retrying`].
    fn retrying(self, clock: impl Clock + 'static) -> Retrying<Self> {
        Retrying::new(self, clock)
    }

    /// Forgets the type.
    fn shared(self) -> Arc<dyn Transport>
    where
        Self: 'static,
    {
        Arc::new(self)
    }
}

impl<T: Transport> TransportExt for T {}
