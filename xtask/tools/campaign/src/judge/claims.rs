//! Is it so, what the client said?

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    case::{Case, Finding},
    rules::{Match, Pair},
};
use crate::{
    evidence::{Claim, Effect, LedgerEntry, Origin, Record, Said, Submission},
    figures::Count,
};

/// A record's date may be a tick later than the change that it tells.
const TICK: Duration = Duration::from_millis(1);

/// A list is read to its end in so much time, or given up.
const LONGEST_LIST: Duration = Duration::from_secs(300);

/// Fault of a claim.
pub(super) type Wrong = (Count, String);

pub(super) fn judge(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |tag: &str, (count, words): Wrong| {
        findings.push(Finding { count, tag: Some(tag.to_owned()), words: format!("{tag}: {words}") });
    };
    for (tag, claims) in &case.said {
        for claim in claims {
            if let Err(wrong) = case.check(claim) {
                found(tag, wrong);
            }
        }
        if let Err(wrong) = case.last_word(tag, claims) {
            found(tag, wrong);
        }
    }
    for (id, holders) in case.held() {
        if let [first, second, ..] = holders.iter().collect::<Vec<_>>()[..] {
            found(
                second,
                (Count::FalseClaim, format!("it holds the action {id}, which {first} of the same client holds")),
            );
        }
    }
    findings
}

impl<'e> Case<'e> {
    fn check(&self, claim: &Claim) -> Result<(), Wrong> {
        match &claim.said {
            Said::Submitted { origin, id } => {
                let record = self.record(self.meant(claim, id))?;
                let Some(submission) = self.submissions.get(claim.tag.as_str()).copied() else { return Ok(()) };
                let pair = Pair { case: self, submission, record, client: claim.incarnation };
                so(pair.is_of_machine_and_type(), Count::WrongOk, || {
                    format!("{id} is no {} of {}", submission.action_type, submission.machine)
                })?;
                match origin {
                    Origin::Recovered => self.recovered(&pair, claim),
                    Origin::Created => self.created(&pair, claim),
                    Origin::Joined => self.joined(&pair, claim),
                }
            }
            Said::Succeeded { id, of_submission } => {
                let record = self.record(self.meant(claim, id))?;
                let is_so = record.status == "Succeeded" && record.updated <= claim.at.saturating_add(TICK);
                so(is_so, Count::WrongOk, || format!("the wait for {id} ended well, and it is {}", at(record)))?;
                match self.submissions.get(claim.tag.as_str()).copied().filter(|_| *of_submission) {
                    Some(submission) => Pair { case: self, submission, record, client: claim.incarnation }.waited(),
                    None => Ok(()),
                }
            }
            Said::Ended { id, status } => {
                let record = self.record(self.meant(claim, id))?;
                let is_so = record.status == *status && record.updated <= claim.at.saturating_add(TICK);
                so(is_so, Count::FalseClaim, || format!("{id} is told as {status}, and it is {}", at(record)))
            }
            Said::Cancelled { id } => {
                let record = self.record(id)?;
                let is_so = record.status == "Cancelled" && record.updated <= claim.at.saturating_add(TICK);
                so(is_so, Count::WrongOk, || format!("{id} is told as cancelled, and it is {}", at(record)))
            }
            Said::Error(_) | Said::Nothing => Ok(()),
        }
    }

    /// The action that a claim is about: the one with this id, unless a response named it by one that nobody has. No client can
    /// know that.
    fn meant<'s>(&self, claim: &Claim, id: &'s str) -> &'s str
    where
        'e: 's,
    {
        let misnamed = self.posts(&claim.tag).iter().rfind(|post| post.fault.as_deref() == Some("OtherRecord"));
        let misnamed = misnamed.filter(|post| !self.records.contains_key(id) && (200..300).contains(&post.status));
        misnamed.and_then(|post| post.action_id.as_deref()).unwrap_or(id)
    }

    fn record(&self, id: &str) -> Result<&'e Record, Wrong> {
        self.records.get(id).copied().ok_or_else(|| (Count::WrongOk, format!("there is no action {id}")))
    }

    /// `Created` is an action that one of its POSTs made. It may be that which answered one, where nothing in the world tells the
    /// two apart: of the same words, made within the skew before it, and without generated ids. An action that states no particulars
    /// may be that of a request of the same client with other ones, while that request has no outcome.
    fn created(&self, pair: &Pair<'_, 'e>, claim: &Claim) -> Result<(), Wrong> {
        let (submission, id) = (pair.submission, &pair.record.id);
        let own = self.posts(&submission.tag);
        let answered = own.iter().rfind(|post| post.action_id.as_deref() == Some(id));
        let Some(answered) = answered else {
            return Err((
                Count::WrongOk,
                format!("Created is {id}, which none of its POSTs made or was answered with"),
            ));
        };
        so(!spoke_of_another(answered), Count::WrongOk, || {
            format!("Created is {id}, and the response spoke of another: {:?}", answered.fault)
        })?;
        let is_known = pair.comment() == Match::Same || pair.has_generated_id();
        so(is_known, Count::FalseClaim, || {
            format!("Created is {id}, which shows neither its comment nor its generated id")
        })?;
        if answered.effect == Effect::Created {
            return Ok(());
        }
        let is_open = !pair.is_of_same_client() || !self.is_told_before(claim, pair);
        let does = pair.does_the_same() || pair.may_have_stated_none() && is_open;
        let is_alike = does && !pair.has_other_id() && pair.is_in_window(false);
        so(is_alike, Count::WrongOk, || {
            format!("Created is {id}, which was there before its POST was answered with it")
        })
    }

    /// `Recovered` is an action for which every line of the second rule holds.
    fn recovered(&self, pair: &Pair<'_, 'e>, claim: &Claim) -> Result<(), Wrong> {
        let id = &pair.record.id;
        let whose = pair.maker().and_then(LedgerEntry::tag).unwrap_or("nobody");
        pair.is_ours(claim.by_intent)
            .map_err(|line| (Count::FalseClaim, format!("Recovered is {id}, which {whose} asked for, and {line}")))?;
        let other = self.evidence.records.iter().find(|other| {
            let other = Pair { record: other, ..*pair };
            let shown = other.made().saturating_add(self.evidence.writing.read_lag).saturating_add(LONGEST_LIST);
            // What was there before it may have been seen before it.
            let left = pair.submission.departed.unwrap_or(pair.submission.written);
            other.record.id != *id
                && other.made() >= left
                && shown <= claim.at
                && other.states_nothing_different(claim.by_intent)
                && other.is_surely_in_window()
                && !self.is_held_by_another(claim, &other.record.id)
        });
        match other.filter(|_| !pair.has_generated_id()) {
            Some(other) => {
                Err((Count::FalseClaim, format!("Recovered is {id}, and {} may be its own as well", other.id)))
            }
            None => Ok(()),
        }
    }

    /// `Joined` is an action that is what was asked for, or may be by what it states; that had not ended when the POST came, and that
    /// it did not make itself. One that was made since is under way as well: of a refusal, the rules look at what has not ended.
    fn joined(&self, pair: &Pair<'_, 'e>, claim: &Claim) -> Result<(), Wrong> {
        let (submission, record, id) = (pair.submission, pair.record, pair.record.id.as_str());
        let Some(last) = self.posts(&submission.tag).last() else {
            return Err((Count::FalseClaim, format!("Joined is {id}, and it never arrived")));
        };
        let is_answered = last.action_id.as_deref() == Some(id) && (200..300).contains(&last.status);
        so(!(is_answered && spoke_of_another(last)), Count::WrongOk, || {
            format!("Joined is {id}, and the response spoke of another: {:?}", last.fault)
        })?;
        // A refusal is joined by what the records in the list show, a 2xx by whatever states nothing else.
        let may_be = pair.may_have_stated_none() && (is_answered || pair.comment() != Match::Different);
        so(pair.does_the_same() || may_be, Count::FalseClaim, || format!("Joined is {id}, which does something else"))?;
        let is_session = submission.action_type == "LiveResponse";
        so(!is_session || is_answered || pair.has_generated_id(), Count::FalseClaim, || {
            format!("Joined is {id}, and no two sessions are alike")
        })?;
        let is_plainly_own = pair.is_own()
            && !submission.resend_if_lost
            && !self.is_held_by_another(claim, id)
            && (pair.has_generated_id() || pair.comment() == Match::Same && !pair.has_other_id())
            && self.evidence.writing.clock_error.is_zero();
        so(!is_plainly_own, Count::FalseClaim, || format!("Joined is {id}, which it made itself"))?;
        // A record's dates may lack a second, and the last one is counted from the first.
        let slack = if is_answered { Duration::from_secs(2) } else { self.slack() };
        let had_ended =
            !pair.is_own() && is_over(&record.status) && record.updated.saturating_add(slack) < last.departed();
        so(!had_ended, Count::FalseClaim, || {
            format!("Joined is {id}, and it had been {} before {:?}", at(record), last.at)
        })
    }

    /// Number of claims and waits about an action that the client could not tell from its own, which is not promised.
    pub(super) fn unpromised(&self) -> u64 {
        let is_one = |claim: &&Claim| {
            let (id, is_joined) = match &claim.said {
                Said::Submitted { origin, id } => (id, *origin == Origin::Joined),
                Said::Succeeded { id, of_submission: true } => (id, true),
                _ => return false,
            };
            let submission = self.submissions.get(claim.tag.as_str());
            submission.zip(self.records.get(id.as_str())).is_some_and(|(submission, record)| {
                let pair = Pair { case: self, submission, record, client: claim.incarnation };
                if is_joined { !pair.does_the_same() } else { !pair.is_own() }
            })
        };
        u64::try_from(self.evidence.claims.iter().filter(is_one).count()).unwrap_or(u64::MAX)
    }

    /// Holders of each action, client by client.
    fn held(&self) -> BTreeMap<&'e str, BTreeSet<&'e str>> {
        let mut held: BTreeMap<(u32, &str), BTreeSet<&str>> = BTreeMap::new();
        for claim in &self.evidence.claims {
            if let Said::Submitted { origin: Origin::Created | Origin::Recovered, id } = &claim.said {
                held.entry((claim.incarnation, id)).or_default().insert(&claim.tag);
            }
        }
        held.into_iter().filter(|(_, tags)| tags.len() > 1).map(|((_, id), tags)| (id, tags)).collect()
    }

    /// Returns true if the outcome of the request that made the action was told before this claim.
    fn is_told_before(&self, claim: &Claim, pair: &Pair<'_, 'e>) -> bool {
        let maker = pair.maker().and_then(LedgerEntry::tag);
        let mut told =
            self.evidence.claims.iter().filter(|other| Some(other.tag.as_str()) == maker && other.at <= claim.at);
        told.any(|other| matches!(other.said, Said::Submitted { .. }))
    }

    /// Returns true if another submission of the same client took `id` for its own, so that this one could not: two
    /// requests with the same comment cannot be told apart, and each got one action.
    fn is_held_by_another(&self, claim: &Claim, id: &str) -> bool {
        self.evidence.claims.iter().filter(|other| other.incarnation == claim.incarnation && other.tag != claim.tag).any(
            |other| matches!(&other.said, Said::Submitted { origin: Origin::Created | Origin::Recovered, id: held } if held == id),
        )
    }
}

impl Pair<'_, '_> {
    /// The wait of a submission is `Ok` on what was asked for, by what the last record proves: its particulars, its comment or
    /// the generated id.
    fn waited(&self) -> Result<(), Wrong> {
        let Submission { action_type, machine, body, .. } = self.submission;
        let id = &self.record.id;
        so(self.is_of_machine_and_type(), Count::WrongOk, || {
            format!("the wait ended well, and {id} is no {action_type} of {machine}")
        })?;
        // Another process's with the same comment, which never says what it does: not promised.
        let is_alike = !self.stated_at_the_end() && self.comment() == Match::Same;
        so(self.does_the_same() || is_alike, Count::WrongOk, || {
            format!("the wait ended well, and {id} does something else than {body}")
        })?;
        let is_stateless = !self.has_particulars() && action_type != "LiveResponse";
        let proves = is_stateless || self.record.states || self.comment() == Match::Same || self.has_generated_id();
        so(proves, Count::WrongOk, || format!("the wait ended well, and nothing that {id} shows proves what it is"))
    }
}

/// Returns true if the response to the POST was changed on its way to speak of another record.
fn spoke_of_another(post: &LedgerEntry) -> bool {
    matches!(post.fault.as_deref(), Some("OtherMachine" | "OtherType"))
}

fn is_over(status: &str) -> bool {
    matches!(status, "Succeeded" | "Failed" | "TimeOut" | "Cancelled")
}

fn at(record: &Record) -> String {
    format!("{} since {:?}", record.status, record.updated)
}

pub(super) fn so(is_so: bool, count: Count, words: impl FnOnce() -> String) -> Result<(), Wrong> {
    if is_so { Ok(()) } else { Err((count, words())) }
}
