//! Outcomes that became known after their row had ended as unknown.

use defender_actions::{EntryKey, Journal, JournalError, Settlement};
use defender_store::{RowState, StoredRow};

use crate::run::{RowDocument, RowError};

/// Adds the outcomes that the journal knows by now.
///
/// A worker that is stopped, or cut off from the store, loses its rows. Another worker searches for their actions, and finds none if the request
/// is still on its way, or was never sent. The first worker then has the outcome only for the journal.
pub(crate) async fn add_late_outcomes(
    journal: &dyn Journal,
    rows: &mut [(StoredRow, RowDocument)],
) -> Result<(), JournalError> {
    for (_, document) in rows.iter_mut().filter(|(row, _)| row.state == RowState::Unknown) {
        let attempt = &mut document.attempt;
        // With an action, it is the wait for its end that failed.
        let Some(key) = EntryKey::new(&attempt.key).filter(|_| attempt.action_id.is_none()) else { continue };
        let Some(entry) = journal.entry(&key).await? else { continue };
        let action = match entry.outcome {
            Some(Settlement::Submitted { action, .. }) => entry.last.unwrap_or(*action),
            Some(Settlement::NotSent { .. }) => {
                let line = "nothing was sent, which was known only after another worker had searched for the action; a retry of the unknown \
                            rows sends the request [outcome-unknown]";
                attempt.error = Some(RowError::of_line(line));
                continue;
            }
            Some(Settlement::Refused { error }) => {
                let line = format!(
                    "the service refused the request, which was known only after another worker had searched for the action: {error}; nothing \
                     happened, and a retry of the unknown rows sends the request again [outcome-unknown]"
                );
                attempt.error = Some(RowError::of_line(&line));
                continue;
            }
            // The search found no action, or there is no outcome.
            _ => continue,
        };
        let line = format!(
            "the request was accepted after another worker had searched for its action: {} is {}; a retry of the unknown rows follows it \
             to its end and sends nothing [outcome-unknown]",
            action.id, action.status
        );
        (attempt.action_id, attempt.status) = (Some(action.id), Some(action.status));
        attempt.error = Some(RowError::of_line(&line));
    }
    Ok(())
}
