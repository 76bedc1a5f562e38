//! The second rule, *Is it ours?*, from the service's own records: which line of it a record failed.

use jiff::{SignedDuration, Timestamp};

use crate::{
    report::Report,
    server::{APPLICATION_ID, Kind, Maker, PRINCIPAL_ID, Record, Tenant},
};

/// Longest time in which a record may take to appear.
pub(super) const GRACE: SignedDuration = SignedDuration::from_secs(120);
/// Longest time before the first attempt at which a record may have been created that may be ours.
const BEFORE: SignedDuration = SignedDuration::from_mins(15);
/// Difference of two clocks where responses have a `Date`, which has whole seconds.
const SKEW: SignedDuration = SignedDuration::from_secs(5 + 1);
/// Longest time between the last list and the claim.
const LAST_LIST: SignedDuration = SignedDuration::from_secs(30);

/// Result of comparing an attribute of a record with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Same,
    Different,
    NotStated,
}

/// A submission as the service met it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met<'m> {
    pub(super) report: &'m Report,
    /// Arrival of its first POST.
    pub(super) first: Timestamp,
    /// Time at which its first attempt was sent, which may not have arrived.
    pub(super) opened: Timestamp,
    /// The external id in its body, and whether the client generated it.
    pub(super) external_id: Option<&'m str>,
    pub(super) generated: bool,
    pub(super) tenant: &'m Tenant,
    pub(super) reports: &'m [Report],
}

impl Met<'_> {
    pub(super) fn comment(&self, record: &Record) -> Match {
        let ours = folded(&self.report.asked.comment);
        match record.shown.comment.as_deref() {
            None => Match::NotStated,
            Some(shown) if folded(shown) == ours => Match::Same,
            Some(shown) => {
                let shown = folded(shown);
                let cut = shown.chars().count() >= 64 && ours.starts_with(&shown);
                if cut { Match::NotStated } else { Match::Different }
            }
        }
    }

    fn particulars(&self, record: &Record) -> Match {
        if !matches!(record.kind, Kind::Isolate | Kind::Scan | Kind::Quarantine) {
            return Match::Same;
        }
        // When the client looked last, the record may have stated more than before.
        match record.states(self.report.claimed) {
            false => Match::NotStated,
            true if record.particulars == self.report.asked.particulars => Match::Same,
            true => Match::Different,
        }
    }

    fn requestor(record: &Record) -> Match {
        match record.shown.requestor.as_deref().map(str::trim) {
            Some(APPLICATION_ID | PRINCIPAL_ID) => Match::Same,
            Some(other) if is_guid(other) => Match::Different,
            _ => Match::NotStated,
        }
    }

    /// Returns true if the creation is in the window, by the service's own clock.
    fn in_window(&self, record: &Record) -> bool {
        let skew = if self.tenant.settings.dates { SKEW } else { BEFORE };
        record.created >= self.opened - skew && record.created <= self.report.claimed.max(self.first + GRACE) + skew
    }

    fn has_our_generated_id(&self, record: &Record) -> bool {
        self.generated && self.external_id.is_some() && record.shown.external_id.as_deref() == self.external_id
    }

    /// Returns true if another submission of this client was answered with `record`, which this one made.
    pub(super) fn taken_by_another(&self, record: &Record) -> bool {
        let own = self.report.submission;
        self.reports.iter().any(|other| other.submission != own && other.claim.action() == Some(&record.id))
    }

    /// Returns true if `record` was claimed by another submission, with truth.
    fn claimed_by_another(&self, record: &Record) -> bool {
        let Maker::Submission(maker) = record.maker else { return false };
        maker != self.report.submission
            && self.reports.iter().any(|other| other.submission == maker && other.claim.action() == Some(&record.id))
    }

    /// Returns true if another process made `record`, and it passes every line for this submission, too.
    pub(super) fn cannot_be_told_from_ours(&self, record: &Record) -> bool {
        record.maker == Maker::Other && self.passes_as_ours(record)
    }

    /// Returns true if `record` was made by a submission of this client that asked for the same in all while this one
    /// was unsettled. A 2xx with such a record is *Created* by the design's rule, and nothing tells whose it is.
    pub(super) fn made_by_a_twin(&self, record: &Record) -> bool {
        let Maker::Submission(maker) = record.maker else { return false };
        self.twins().any(|other| other.submission == maker) && self.passes_as_ours(record)
    }

    fn passes_as_ours(&self, record: &Record) -> bool {
        let alike = self.comment(record) == Match::Same
            && self.particulars(record) != Match::Different
            && Self::requestor(record) != Match::Different
            && record.shown.creation
            && self.in_window(record);
        alike && !(self.generated && record.shown.external_id.is_some())
    }

    /// A record beside `own` that could be this submission's as well.
    pub(super) fn neighbor(&self, own: &Record) -> Option<&Record> {
        let of_machine = self.tenant.of_machine(own.kind, &own.machine).map(|(_, record)| record);
        let mut others = of_machine.filter(|record| record.id != own.id && record.exists(self.report.claimed));
        others.find(|record| {
            let may_be_ours = record.shown.broken.is_some()
                || !record.shown.creation
                || !self.tenant.settings.dates
                || record.created >= self.opened - BEFORE - SKEW;
            let different = record.shown.broken.is_none()
                && (self.comment(record) == Match::Different
                    || self.particulars(record) == Match::Different
                    || Self::requestor(record) == Match::Different
                    || record.shown.creation && !self.in_window(record)
                    || self.claimed_by_another(record));
            may_be_ours && !different
        })
    }

    /// A submission with the same comment and other particulars, while this one was unsettled.
    fn rival(&self) -> Option<&Report> {
        self.alike().find(|other| other.asked.particulars != self.report.asked.particulars)
    }

    /// Submissions that asked for the same in all, while this one was unsettled.
    fn twins(&self) -> impl Iterator<Item = &Report> {
        self.alike().filter(|other| other.asked.particulars == self.report.asked.particulars)
    }

    /// Submissions of the same machine, type and comment that were unsettled at one time with this one.
    fn alike(&self) -> impl Iterator<Item = &Report> {
        let own = self.report;
        self.reports.iter().filter(|other| {
            other.submission != own.submission
                && (other.asked.kind, &other.asked.machine) == (own.asked.kind, &own.asked.machine)
                && folded(&other.asked.comment) == folded(&own.asked.comment)
                && other.began <= own.claimed
                && (other.claimed >= own.began || matches!(other.claim, super::Claim::Unknown(_)))
        })
    }

    /// Returns true if both replicas showed the record early enough for a look at the end of the grace.
    pub(super) fn shown_in_grace(&self, record: &Record) -> bool {
        record.visible.iter().all(|&at| at <= self.first + GRACE)
    }

    /// Returns true if the record's row can be read, and could be in the last list.
    pub(super) fn readable(&self, record: &Record) -> bool {
        record.shown.broken.is_none() && !self.slipped(record)
    }

    fn slipped(&self, record: &Record) -> bool {
        record.slips.iter().any(|&at| at >= self.report.claimed - LAST_LIST && at <= self.report.claimed)
    }

    /// Returns true if the service echoed the id that the client generated.
    pub(super) fn echoed(&self, record: &Record) -> bool {
        self.has_our_generated_id(record)
    }

    /// The line of the second rule that this submission's own record failed.
    pub(super) fn failed_line(&self, own: &Record) -> Option<&'static str> {
        if own.shown.broken.is_some() {
            return Some("its row cannot be read");
        }
        if self.slipped(own) {
            return Some("its row could not be read whole in a list at the end of the grace");
        }
        if !self.shown_in_grace(own) {
            return Some("window: it took effect late and was not in the list at the end of the grace");
        }
        if self.has_our_generated_id(own) {
            return None;
        }
        if self.taken_by_another(own) {
            return Some("claim: another submission of the client was answered with it");
        }
        let shown_id = own.shown.external_id.as_deref();
        match self.comment(own) {
            Match::Different => return Some("comment: the record states another"),
            Match::NotStated => return Some("comment: the record does not state it"),
            Match::Same => {}
        }
        if !own.shown.creation {
            return Some("creation: the record does not state it");
        }
        if !self.in_window(own) {
            return Some("window: created outside");
        }
        if self.twins().next().is_some() {
            return Some("claim: a like submission of the client was unsettled");
        }
        if self.rival().is_some() && self.particulars(own) != Match::Same {
            return Some("particulars: not stated while a submission with the same comment asked for others");
        }
        if self.neighbor(own).is_some() {
            return Some("neighbor: another record may be it and states nothing different");
        }
        match (self.external_id, shown_id) {
            (None, Some(_)) => Some("external id: one was filled in where none was sent"),
            (Some(sent), Some(shown)) if sent != shown => Some("external id: another was filled in"),
            _ => None,
        }
    }
}

/// A comment without blanks around it and with one kind of line ends.
fn folded(comment: &str) -> String {
    comment.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
