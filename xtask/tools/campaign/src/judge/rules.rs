//! The two rules of *Whose action is this?*, from the service's own records: what a client could know of one of them.
//!
//! Written from the design and from nothing of the client.

use std::time::Duration;

use super::case::{Case, body};
use crate::evidence::{LedgerEntry, Record, Submission, particulars};

/// So long after a response was lost its action is looked for.
pub(super) const GRACE: Duration = Duration::from_secs(120);

/// By how much two clocks may be apart where `Date` tells the service's: the 5 s of the rules, a second that `Date` does not tell,
/// and a second that a record's dates may lack.
const SKEW: Duration = Duration::from_secs(7);

/// The time that one attempt may take at most.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(30);

/// A cut comment proves nothing either way if it has so many characters.
const CUT: usize = 64;

/// Result of comparing one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Same,
    Different,
    NotStated,
}

/// A submission beside a record.
#[derive(Clone, Copy)]
pub(super) struct Pair<'c, 'e> {
    pub(super) case: &'c Case<'e>,
    pub(super) submission: &'e Submission,
    pub(super) record: &'e Record,
    /// The client that speaks of them: which need not be the one that asked.
    pub(super) client: u32,
}

impl<'e> Pair<'_, 'e> {
    /// The POST that made the action.
    pub(super) fn maker(&self) -> Option<&'e LedgerEntry> {
        self.case.makers.get(self.record.id.as_str()).copied()
    }

    pub(super) fn is_own(&self) -> bool {
        self.maker().and_then(LedgerEntry::tag) == Some(&self.submission.tag)
    }

    /// Returns true if the client that speaks made the action, by whichever of its submissions.
    pub(super) fn is_of_same_client(&self) -> bool {
        let maker = self.maker().and_then(LedgerEntry::tag);
        let maker = maker.and_then(|tag| self.case.submissions.get(tag));
        maker.is_some_and(|maker| maker.incarnation == self.client)
    }

    pub(super) fn is_of_machine_and_type(&self) -> bool {
        self.record.machine.eq_ignore_ascii_case(&self.submission.machine)
            && self.record.action_type == self.submission.action_type
    }

    /// Blanks around it and the form of line ends tell nothing, and neither does a cut comment that begins as ours does.
    pub(super) fn comment(&self) -> Match {
        let ours = folded(self.submission.comment());
        let shown = folded(self.record.comment.as_deref().unwrap_or_default());
        if shown == ours {
            Match::Same
        } else if shown.is_empty() || shown.chars().count() >= CUT && ours.starts_with(&shown) {
            Match::NotStated
        } else {
            Match::Different
        }
    }

    /// Returns true if the record shows the id that the client generated for the submission.
    pub(super) fn has_generated_id(&self) -> bool {
        let generated = self.submission.generated_id();
        generated.is_some() && generated == self.record.external_id.as_deref()
    }

    /// Returns true if the record shows another external id than was sent, or one where none was.
    pub(super) fn has_other_id(&self) -> bool {
        let shown = self.record.external_id.as_deref().filter(|id| !id.is_empty());
        shown.is_some() && shown != self.submission.external_id()
    }

    /// Returns true if the record shows an id that the client generated for another submission, where ours has one too.
    fn has_another_generated_id(&self) -> bool {
        let is_generated =
            |shown: &str| self.case.evidence.submissions.iter().any(|other| other.generated_id() == Some(shown));
        self.submission.generated_id().is_some()
            && !self.has_generated_id()
            && self.record.external_id.as_deref().is_some_and(is_generated)
    }

    /// Returns true if it does what was requested.
    pub(super) fn does_the_same(&self) -> bool {
        self.maker().is_none_or(|maker| particulars(&body(maker)) == particulars(&self.submission.body))
    }

    /// Returns true if the particulars of the type stand in its records.
    pub(super) fn has_particulars(&self) -> bool {
        matches!(self.record.action_type.as_str(), "Isolate" | "RunAntiVirusScan" | "StopAndQuarantineFile")
    }

    /// Returns true if the record may have stated no particulars when the client saw it last, before it had ended.
    pub(super) fn may_have_stated_none(&self) -> bool {
        self.has_particulars() && !(self.record.states && self.case.evidence.writing.states_at_once)
    }

    /// Returns true if the record stated its particulars when it had ended.
    pub(super) fn stated_at_the_end(&self) -> bool {
        let age = self.record.updated.saturating_sub(self.made());
        self.record.states && age >= self.case.evidence.writing.states_after
    }

    /// Time at which the action was made.
    pub(super) fn made(&self) -> Duration {
        self.maker().map(|maker| maker.at).unwrap_or_default()
    }

    /// Returns true if it was made in the time of the submission: from the first attempt on, or, if only the intent is
    /// known, from its writing on; until the response was lost, or the intent was over, and the grace after that.
    pub(super) fn is_in_window(&self, by_intent: bool) -> bool {
        let slack = self.case.slack();
        let first = self.submission.departed.filter(|_| !by_intent).unwrap_or(self.submission.written);
        // The second attempt of a submission may be lost as late as its intent is valid.
        let end = self.submission.latest.saturating_add(LONGEST_ATTEMPT).saturating_add(GRACE).saturating_add(GRACE);
        self.made().saturating_add(slack) >= first && self.made() <= end.saturating_add(slack)
    }

    /// Returns true if it was made in that time by its shortest reading, however wrong the clocks are.
    pub(super) fn is_surely_in_window(&self) -> bool {
        let end = self.submission.latest.saturating_add(LONGEST_ATTEMPT).saturating_add(GRACE);
        // The skew of the rules makes the window longer, not shorter.
        let out = self.case.slack().saturating_sub(SKEW);
        self.made() >= self.submission.written.saturating_add(out) && self.made().saturating_add(out) <= end
    }

    /// *May it be ours?*, of a record that was made after the first attempt left, so that neither its age nor an earlier look
    /// clears it.
    pub(super) fn blocks_a_resend(&self, first: Duration) -> bool {
        self.is_of_machine_and_type() && self.made() >= first && !self.has_another_generated_id()
    }

    /// Returns true if nothing that the record shows tells it from ours.
    pub(super) fn states_nothing_different(&self, by_intent: bool) -> bool {
        self.is_of_machine_and_type()
            && self.comment() != Match::Different
            && (self.does_the_same() || !self.record.states)
            && self.is_in_window(by_intent)
            && !self.has_another_generated_id()
    }

    /// Every line of *Is it ours?* but that no other record may be: `Err` has the one that does not hold.
    pub(super) fn is_ours(&self, by_intent: bool) -> Result<(), &'static str> {
        if self.has_generated_id() {
            return Ok(());
        }
        let writing = self.case.evidence.writing;
        let does = self.does_the_same() || self.may_have_stated_none() && !self.is_of_same_client();
        for (holds, line) in [
            (does, "it does something else"),
            (self.submission.action_type != "LiveResponse", "no two sessions are alike"),
            (!writing.hides_rows, "no row of a list states all that it takes"),
            (self.comment() == Match::Same, "it does not show the comment"),
            (self.is_in_window(by_intent), "it was not made in the time of the submission"),
            (!self.has_other_id(), "it shows another external id"),
        ] {
            if !holds {
                return Err(line);
            }
        }
        Ok(())
    }
}

fn folded(comment: &str) -> String {
    comment.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

impl Case<'_> {
    /// By how much the client may be out in comparing times: the skew, the time that responses take, and what the service's
    /// `Date` is wrong by.
    pub(super) fn slack(&self) -> Duration {
        let evidence = self.evidence;
        SKEW.saturating_add(evidence.lateness).saturating_add(evidence.writing.clock_error)
    }
}
