//! Runs whose plan lapsed before anything was sent.

use defender_fleet::Run;
use defender_store::RowCounts;

use crate::{failure::Failure, session::Session};

/// Refuses a run of which nothing was sent and whose plan has lapsed. The run itself refuses it only after the confirmation and the end of its halt.
pub(super) async fn refuse_lapsed(session: &Session, run: &Run, counts: RowCounts) -> Result<(), Failure> {
    let (lapses_at, now) = (run.approved().plan.lapses_at, session.now());
    if now <= lapses_at || counts.planned != counts.total() {
        return Ok(());
    }
    // An attempt after the first one was requested by a person.
    if run.report().await?.rows.iter().any(|row| row.attempts > 1) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "tenant `{}`, run {}: the plan lapsed at {lapses_at:.0} before anything was sent, and it is {now:.0}; make another plan [plan-lapsed]",
        run.tenant(),
        run.id()
    )))
}
