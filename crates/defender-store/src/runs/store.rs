//! The trait of a store of runs.

use std::fmt;

use async_trait::async_trait;

use super::record::{
    CreatedRun, Departure, NewRun, RowState, RowWritten, RunId, StoredRow, StoredRun, WorkerId, WorkerLease,
};
use crate::StoreError;

/// Runs that survive the process, and that several workers share.
///
/// A run is a list of rows. A worker claims rows for the time of a lease, asks for the departure of each right before its request is
/// sent, and writes its outcome. The documents of runs and rows are text that the store does not read.
///
/// # States of a row
///
/// | state | `claim_rows` | `depart_row` by its worker, of its attempt | `write_row` by its worker, of its attempt |
/// |---|---|---|---|
/// | `Planned` | if the run is not halted, its wave is open, and no lease is running | [`Go`](Departure::Go), and the row is `Sending`; [`Halted`](Departure::Halted) if the run is halted | done |
/// | `Sending` | once its lease is over | as `Planned` | done |
/// | `Submitted` | once its lease is over | [`NotHeld`](Departure::NotHeld) | done |
/// | `Succeeded`, `Failed`, `Unknown` | never | [`NotHeld`](Departure::NotHeld) | done if it is the same write again, else [`NotHeld`](RowWritten::NotHeld) |
///
/// - A wave is open once no row of an earlier wave is `Planned`, `Sending` or `Submitted`.
/// - `write_row` with `Planned` or with an ended state also ends the lease of the row, and `renew_rows` does not begin it anew: another
///   worker can claim the row.
/// - Anybody but the worker that claimed the row last gets [`NotHeld`](Departure::NotHeld) and [`NotHeld`](RowWritten::NotHeld). A lease that is
///   over leaves the row to its worker until another one claims it.
/// - A call of another [`attempt`](StoredRow::attempt) than that of the row gets the same, also from its worker. Such a call is late: another
///   worker has ended its attempt, `retry_rows` has begun the next one, and the worker has claimed the row again.
///
/// A row that is claimed as `Sending` may have been sent: its worker looks into the [journal](defender_actions::Journal), and sends
/// nothing if the journal has an entry for the attempt.
///
/// # Contract of an implementation
///
/// - A method returns `Ok` once its effect is durable. After an error, the effect is unknown.
/// - Each method may be repeated with the same arguments. A repeat of `claim_rows` may return other rows; the rows of the lost response are
///   free again once their lease is over. `renew_rows` begins that lease anew as well, so that a worker ends after an error of
///   `claim_rows`. A store that repeats a claim by itself returns or frees the rows of the lost response.
/// - Two workers never have a row at the same time, whatever their clocks are: leases end by the clock of the store.
/// - After `halt_run` has returned, no `depart_row` of the run returns [`Go`](Departure::Go), until `reopen_run`.
/// - `retry_rows` takes a row from its last worker.
/// - A `write_row` that makes the number of rows in `Failed` and `Unknown` reach [`halt_after`](NewRun::halt_after), counted since the
///   last `reopen_run`, halts the run in the same step, with the reason `N of M rows failed`.
/// - Texts have no NUL character, which PostgreSQL does not store.
#[async_trait]
pub trait RunStore: fmt::Debug + Send + Sync {
    /// Creates a run with its rows, which are `Planned`.
    ///
    /// # Errors
    ///
    /// The run may or may not be in the store.
    async fn create_run(&self, run: &NewRun) -> Result<CreatedRun, StoreError>;

    /// Returns a run.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError>;

    /// Returns the newest runs, the newest first.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError>;

    /// Returns rows of a run from this index on, in their order. An unknown run has no rows.
    ///
    /// # Errors
    ///
    /// The store could not be read.
    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError>;

    /// Halts a run. The reason of the first halt stays. An unknown run is ignored.
    ///
    /// # Errors
    ///
    /// The run may or may not be halted.
    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError>;

    /// Ends the halt of a run. Its failures count from 0 again.
    ///
    /// # Errors
    ///
    /// The run may or may not be halted.
    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError>;

    /// Claims rows that the worker may work on, in the order of their index. Rows that are `Sending` or `Submitted` come first.
    ///
    /// # Errors
    ///
    /// Rows may have been claimed. They are free again once the lease is over.
    async fn claim_rows(&self, id: &RunId, lease: WorkerLease, at_most: usize) -> Result<Vec<StoredRow>, StoreError>;

    /// Begins the leases of a worker anew, and returns their number. Rows that have ended, and rows that the worker has written as `Planned`
    /// and not claimed again, have no lease.
    ///
    /// # Errors
    ///
    /// The leases may end earlier.
    async fn renew_rows(&self, id: &RunId, lease: WorkerLease) -> Result<u32, StoreError>;

    /// Asks whether the request of an attempt of a row may be sent, and notes that it may have been.
    ///
    /// # Errors
    ///
    /// The row may be `Sending`. Nothing may be sent.
    async fn depart_row(&self, id: &RunId, index: u32, worker: WorkerId, attempt: u32)
    -> Result<Departure, StoreError>;

    /// Writes state and document of a row after a step of an attempt.
    ///
    /// # Errors
    ///
    /// The row may or may not be changed.
    async fn write_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
        state: RowState,
        document: &str,
    ) -> Result<RowWritten, StoreError>;

    /// Sets rows that are `Failed` or `Unknown` to `Planned`, with the next [`attempt`](StoredRow::attempt), and returns their number. Rows
    /// in other states are unchanged. A repeat by the caller also plans rows again that have failed meanwhile.
    ///
    /// # Errors
    ///
    /// The rows may or may not be changed.
    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError>;
}
