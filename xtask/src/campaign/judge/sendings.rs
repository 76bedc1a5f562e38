//! Sent twice?

use super::{Case, Finding, is_refusal};
use crate::campaign::figures::Count;

/// After a POST whose outcome the client could not know, none of the same tag may be received, and one where it was asked for
/// with `resend_if_lost`.
pub(super) fn judge(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (tag, posts) in case.posts.iter().filter(|(tag, _)| !tag.is_empty()) {
        let resends = case.submissions.get(tag).is_some_and(|submission| submission.resend_if_lost);
        let most = if resends { 2 } else { 1 };
        // What was refused was certainly not done, so that the next is the first again.
        let (mut in_doubt, mut received) = (0, 0);
        for post in posts {
            received += 1;
            if in_doubt >= most {
                let words = format!(
                    "POST {received} of {tag} was received after {in_doubt} of it whose outcome the client could not know, and \
                     {most} may be"
                );
                findings.push(Finding { count: Count::SentTwice, tag: Some((*tag).to_owned()), words });
            }
            if !is_refusal(post) {
                in_doubt += 1;
            }
        }
    }
    findings
}
