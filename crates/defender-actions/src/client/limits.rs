//! Limits of the size of responses.

use defender_transport::extensions::Read;

/// Largest responses that are read, in bytes. A larger one is an error. A compressed body counts with its decompressed size.
///
/// ```
/// use defender_actions::BodyLimits;
///
/// let limits = BodyLimits::default().page(16 << 20);
/// assert_eq!((limits.entity, limits.page, limits.token), (4 << 20, 16 << 20, 1 << 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BodyLimits {
    /// Response about one machine, action or file. Default: 4 MiB.
    pub entity: usize,
    /// Page of a list. Default: 64 MiB.
    pub page: usize,
    /// Response of the token endpoint. Default: 1 MiB.
    pub token: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { entity: 4 << 20, page: 64 << 20, token: 1 << 20 }
    }
}

impl BodyLimits {
    /// Limits responses about one machine, action or file.
    #[must_use]
    pub fn entity(mut self, bytes: usize) -> Self {
        self.entity = bytes;
        self
    }

    /// Limits the pages of lists.
    #[must_use]
    pub fn page(mut self, bytes: usize) -> Self {
        self.page = bytes;
        self
    }

    /// Limits the responses of the token endpoint.
    #[must_use]
    pub fn token(mut self, bytes: usize) -> Self {
        self.token = bytes;
        self
    }

    /// Returns the bytes of a limit.
    pub(crate) fn of(self, limit: BodyLimit) -> usize {
        match limit {
            BodyLimit::Entity => self.entity,
            BodyLimit::Page => self.page,
            BodyLimit::Fixed(bytes) => bytes,
        }
    }

    /// Returns the extension of a request by which the layers read its response.
    pub(crate) fn read(self, limit: BodyLimit) -> Read {
        Read::Whole(self.of(limit))
    }
}

/// Limit of the responses of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLimit {
    /// The client's limit for a response about one thing.
    Entity,
    /// The client's limit for a page of a list.
    Page,
    /// A number of bytes, whatever the client's limits are.
    Fixed(usize),
}
