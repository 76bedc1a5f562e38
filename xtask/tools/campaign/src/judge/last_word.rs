//! Rules for the last claim about a submission.

use super::{
    case::{Case, is_refusal},
    claims::{Wrong, so},
    rules::GRACE,
    sendings::lost,
};
use crate::{
    evidence::{Claim, Effect, LedgerEntry, Said, Trouble},
    figures::Count,
};

impl<'e> Case<'e> {
    /// An error is the last word: it may hide nothing that happened, and what it says is so.
    pub(super) fn last_word(&self, tag: &str, claims: &[&'e Claim]) -> Result<(), Wrong> {
        let Some((last, before)) = claims.split_last() else { return Ok(()) };
        let Said::Error(trouble) = &last.said else { return Ok(()) };
        let posts = self.posts(tag);
        let done = posts.iter().find(|post| matches!(post.effect, Effect::Created | Effect::Cancelled));
        let was_told = claims.iter().any(|claim| matches!(claim.said, Said::Submitted { .. } | Said::Cancelled { .. }));
        let Trouble { kind, never_sent, unknown, action, .. } = trouble;
        if *never_sent && !was_told {
            if let Some(done) = done {
                let words = format!("the last word is {kind}, never sent, and its POST made {:?}", done.action_id);
                return Err((Count::LostSilently, words));
            }
            let received = posts.iter().any(|post| !is_refusal(post));
            so(!received, Count::FalseClaim, || {
                format!("the last word is {kind}, never sent, and a POST was received")
            })?;
        }
        if was_told {
            // A page of a proxy in the place of a read says nothing of the action.
            let is_ended = tag.starts_with('s') && matches!(kind.as_str(), "Refused" | "Forbidden");
            return so(!is_ended, Count::FalseClaim, || {
                format!("its wait ended in {kind}, which the service never said")
            });
        }
        is_refusal_certain(trouble, posts)?;
        self.is_nothing_there(last, before, posts)?;
        let Some(done) = done else { return Ok(()) };
        // The error of a cancellation names its action, whatever the outcome.
        let carries = done.effect == Effect::Created && *action == done.action_id;
        so(*unknown || carries, Count::LostSilently, || {
            format!(
                "the last word is {kind}, which tells nothing of what its POST did: {:?} {:?}",
                done.effect, done.action_id
            )
        })
    }

    /// `NothingFound` says that no action in the list may be the submission's.
    fn is_nothing_there(&self, last: &Claim, before: &[&Claim], posts: &[&LedgerEntry]) -> Result<(), Wrong> {
        let Said::Error(Trouble { reason: Some(reason), .. }) = &last.said else { return Ok(()) };
        let (Some(made), "NothingFound") = (posts.iter().find(|post| post.created().is_some()), reason.as_str()) else {
            return Ok(());
        };
        // What is looked for by its intent is looked for after whatever was said before.
        let looked =
            if last.by_intent { before.last().map(|claim| claim.at) } else { Some(lost(made).saturating_add(GRACE)) };
        let shown = made.at.saturating_add(self.evidence.writing.read_lag);
        so(looked.is_none_or(|looked| shown > looked), Count::FalseClaim, || {
            format!("the last word is that nothing was found, and {:?} was to be seen since {shown:?}", made.action_id)
        })
    }
}

/// `Conflict` and `AlreadyInProgress` say that nothing was taken: of the only POST, and of none that was answered with a 2xx.
/// `InvalidResponse` says that the service took it, which a page of a proxy does not.
fn is_refusal_certain(trouble: &Trouble, posts: &[&LedgerEntry]) -> Result<(), Wrong> {
    let Trouble { kind, reason, candidates, has_row, .. } = trouble;
    if matches!(kind.as_str(), "Conflict" | "AlreadyInProgress") {
        let in_doubt = posts.iter().filter(|post| !is_refusal(post)).count();
        let is_certain = in_doubt <= 1 && posts.iter().all(|post| !(200..300).contains(&post.status));
        so(is_certain, Count::FalseClaim, || {
            format!("the last word is {kind}, and nobody knows that nothing was taken")
        })?;
    }
    let of_proxy = |post: &&&LedgerEntry| post.fault.as_deref().is_some_and(|fault| fault.starts_with("BlockPage"));
    let is_page = posts.last().iter().any(of_proxy);
    so(kind != "InvalidResponse" || !is_page, Count::FalseClaim, || {
        "the last word is that the service took it, and a proxy answered".to_owned()
    })?;
    let shows = !candidates.is_empty() || *has_row;
    so(reason.as_deref() != Some("MayBeOurs") || shows, Count::FalseClaim, || {
        "the last word is that a record may be its own, and it shows none".to_owned()
    })
}
