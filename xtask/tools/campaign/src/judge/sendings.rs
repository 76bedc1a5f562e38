//! Sent twice?

use std::time::Duration;

use super::{
    case::{Case, Finding, is_refusal},
    rules::{GRACE, Pair},
};
use crate::{
    evidence::{LedgerEntry, Submission},
    figures::Count,
};

/// After a POST whose outcome the client could not know, none of the same tag may be received, and one where it was asked for
/// with `resend_if_lost`: that one only where no record that may be its own was to be seen when the grace was over.
pub(super) fn judge(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (tag, posts) in case.posts.iter().filter(|(tag, _)| !tag.is_empty()) {
        let mut found = |words| findings.push(Finding { count: Count::SentTwice, tag: Some((*tag).to_owned()), words });
        let submission = case.submissions.get(tag).copied();
        let resends = submission.filter(|submission| submission.resend_if_lost);
        let most = if resends.is_some() { 2 } else { 1 };
        // What was refused was certainly not done, so that the next is the first again.
        let mut in_doubt: Vec<&LedgerEntry> = Vec::new();
        for (place, post) in posts.iter().enumerate() {
            let (number, doubts) = (place.saturating_add(1), in_doubt.len());
            if doubts >= most {
                found(format!(
                    "POST {number} of {tag} was received after {doubts} of it whose outcome the client could not know, and \
                     {most} may be"
                ));
            } else if let (Some(submission), [first]) = (resends, in_doubt.as_slice())
                && let Some(id) = case.visible(submission, first, post)
            {
                found(format!("POST {number} of {tag} was received, and {id}, which may be its own, was to be seen"));
            }
            if !is_refusal(post) {
                in_doubt.push(post);
            }
        }
    }
    findings
}

impl Case<'_> {
    /// An action of the submission's machine and type that may be its own, and that every list showed at the end of the grace
    /// of the first POST, before the second was sent. What appears later than that is the documented late one.
    fn visible(&self, submission: &Submission, first: &LedgerEntry, second: &LedgerEntry) -> Option<&str> {
        let left = submission.departed.unwrap_or(submission.written);
        let end = lost(first).saturating_add(GRACE);
        self.evidence.records.iter().find_map(|record| {
            let pair = Pair { case: self, submission, record, client: submission.incarnation };
            let shown = pair.made().saturating_add(self.evidence.writing.read_lag);
            (pair.blocks_a_resend(left) && shown <= end && pair.made() < second.departed())
                .then_some(record.id.as_str())
        })
    }
}

/// The earliest time at which the response to `post` can have been lost.
pub(super) fn lost(post: &LedgerEntry) -> Duration {
    post.ended.unwrap_or_else(|| post.departed())
}
