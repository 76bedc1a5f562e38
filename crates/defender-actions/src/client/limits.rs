//! The largest responses that are read.

use defender_transport::extensions::Read;

/// Which limit a response is read up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLimit {
    /// The client's limit for a response about one thing.
    Entity,
    /// The client's limit for a page of a list.
    Page,
    /// So many bytes, whatever the client's limits are.
    Fixed(usize),
}

/// The client's limits, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entity: usize,
    pub(crate) page: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entity: 4 << 20, page: 64 << 20 }
    }
}

impl Limits {
    /// The largest response that is read under this limit, in bytes.
    pub(crate) fn of(self, limit: BodyLimit) -> usize {
        match limit {
            BodyLimit::Entity => self.entity,
            BodyLimit::Page => self.page,
            BodyLimit::Fixed(bytes) => bytes,
        }
    }

    /// What the layers are told.
    pub(crate) fn read(self, limit: BodyLimit) -> Read {
        Read::Whole(self.of(limit))
    }
}
