//! A quota that several processes share, and the store that counts it.

use std::{error::Error as StdError, fmt, time::Duration};

use async_trait::async_trait;

use crate::extensions::{QuotaKey, RateLimit};

/// Count of the requests that several processes send within one quota.
///
/// A server counts the requests of an application, and not those of a process. [`Paced`](crate::Paced) with a
/// [`store`](crate::Paced::store) asks the store for a permit before each attempt, so that all processes together keep to the
/// limits. [`MemoryQuotaStore`](crate::MemoryQuotaStore) is the store of one process, and the reference for other implementations.
///
/// # A permit
///
/// A permit is one slot in each limit of its quota. The asker makes its id, so that an ask can be repeated after a lost response.
///
/// | state of the permit | counts against each limit until |
/// |---|---|
/// | granted and not released | `hold` and the `per` of the limit after the ask |
/// | released as [`Answered`](PermitOutcome::Answered), [`Unanswered`](PermitOutcome::Unanswered) or [`Refused`](PermitOutcome::Refused) | the `per` of the limit after the end of the attempt |
/// | released as [`NeverSent`](PermitOutcome::NeverSent) | the release |
///
/// A process that dies keeps its permits for `hold`. A permit must not be used once `hold` has passed since the ask, by the
/// monotonic clock of the asker.
///
/// # Contract of an implementation
///
/// - At any moment, no limit has more permits than its [`calls`](RateLimit::calls), whatever processes ask, die, or repeat an ask.
/// - A method returns `Ok` once its effect is durable. After an error, the effect is unknown, and the caller repeats the call.
/// - Both methods may be repeated with the same permits without a further effect.
/// - After [`Refused`](PermitOutcome::Refused) no permit of the key is granted for that time, to no process. Then one permit is
///   granted alone, as a probe, until it is released. Only a probe that is released as [`Answered`](PermitOutcome::Answered) opens
///   the key. After another outcome, or if the probe lapses, the next permit is the probe.
/// - Processes may ask with different limits for one key, as during an upgrade. Each ask is granted by its own limits, and a permit
///   counts for as long as the longest limit that was ever asked with.
/// - Times are durations and never dates: the clocks of two machines differ.
#[async_trait]
pub trait QuotaStore: fmt::Debug + Send + Sync {
    /// Asks for permits, in the order in which they are used.
    ///
    /// # Errors
    ///
    /// The store did not respond, or its response was lost: permits may have been granted. Nothing may be sent.
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError>;

    /// Reports the ends of attempts. An unknown permit is ignored, except for its [`Refused`](PermitOutcome::Refused).
    ///
    /// # Errors
    ///
    /// The store did not respond, or its response was lost. The caller repeats the report.
    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError>;
}

/// Request for permits.
#[derive(Clone, Copy, Debug)]
pub struct PermitRequest<'a> {
    /// Quota of the requests.
    pub key: &'a QuotaKey,
    /// Limits of the quota. All limits apply at the same time. A limit with zero calls counts as one.
    pub limits: &'a [RateLimit],
    /// Ids of the permits. An id that was granted and not released counts as granted.
    pub permits: &'a [PermitId],
    /// Longest time from the ask to the arrival of the request at the server.
    pub hold: Duration,
}

/// Response to a [`PermitRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permits {
    /// Number of granted permits: so many of the first ids.
    pub granted: usize,
    /// Minimum time until another permit can be granted; `None` if all were granted.
    ///
    /// Attempts that are under way count as ended now, so that the time may be too short. It is too long only if a permit is
    /// released as [`NeverSent`](PermitOutcome::NeverSent) meanwhile.
    pub retry_after: Option<Duration>,
}

/// Id of a permit, made by the asker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermitId(u128);

impl PermitId {
    /// Returns a random id.
    #[must_use]
    pub fn generate() -> Self {
        Self(fastrand::u128(..))
    }

    /// Returns the id as a number, to be stored.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Returns the id of a stored number.
    #[must_use]
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }
}

/// Prints 32 hexadecimal digits.
impl fmt::Display for PermitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for PermitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermitId({self})")
    }
}

/// End of an attempt that had a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedPermit {
    /// Permit of the attempt.
    pub id: PermitId,
    /// Outcome of the attempt.
    pub outcome: PermitOutcome,
    /// Time since the end, at the call of [`QuotaStore::release`].
    pub ago: Duration,
}

/// Outcome of an attempt, as far as it concerns the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermitOutcome {
    /// The request was certainly not sent, so that the server did not count it.
    NeverSent,
    /// The attempt ended without a response. The server may have counted the request.
    Unanswered,
    /// The response was not 429.
    Answered,
    /// The response was 429: the server refuses the requests of this quota.
    Refused {
        /// Time until the server accepts a request again, from the call of [`QuotaStore::release`].
        retry_after: Duration,
    },
}

/// Failure of a [`QuotaStore`].
#[derive(Debug)]
pub struct QuotaStoreError {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl QuotaStoreError {
    /// Creates an error. The message states what failed, on which store, and what to do; never a secret.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for QuotaStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for QuotaStoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
