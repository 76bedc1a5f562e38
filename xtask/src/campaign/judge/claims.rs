//! Is it so, what the client said?

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use super::{Case, Finding, is_refusal};
use crate::campaign::{
    evidence::{Claim, Effect, LedgerEntry, Origin, Record, Said, Submission, Trouble, particulars},
    figures::Count,
};

/// By how much the client may be out in comparing times, beside what answers take: 5 s that it allows for the skew of clocks, a second that the header `Date`
/// does not tell, and a second that a record's dates may lack.
const SLACK: Duration = Duration::from_secs(7);

/// A record's date may be a tick later than the change that it tells.
const TICK: Duration = Duration::from_millis(1);

/// What is wrong with a claim.
type Wrong = (Count, String);

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
    fn slack(&self) -> Duration {
        SLACK.saturating_add(self.evidence.lateness)
    }

    fn check(&self, claim: &Claim) -> Result<(), Wrong> {
        match &claim.said {
            Said::Submitted { origin, id } => {
                let record = self.record(id)?;
                let Some(submission) = self.submissions.get(claim.tag.as_str()) else { return Ok(()) };
                match origin {
                    Origin::Created => self.created(submission, id),
                    Origin::Recovered => self.recovered(submission, claim, record),
                    Origin::Joined => self.joined(submission, claim, record),
                }
            }
            Said::Succeeded { id } => {
                let record = self.record(id)?;
                let is_so = record.status == "Succeeded" && record.updated <= claim.at.saturating_add(TICK);
                so(is_so, Count::WrongOk, || format!("the wait for {id} ended well, and it is {}", at(record)))
            }
            Said::Ended { id, status } => {
                let record = self.record(id)?;
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

    fn record(&self, id: &str) -> Result<&'e Record, Wrong> {
        self.records.get(id).copied().ok_or_else(|| (Count::WrongOk, format!("there is no action {id}")))
    }

    /// `Created` is an action that one of its POSTs made. It may be that which answered one, where nothing in the world tells the
    /// two apart: of the same words, made without an external id, and a few seconds old at most.
    fn created(&self, submission: &Submission, id: &str) -> Result<(), Wrong> {
        let own = self.posts(&submission.tag);
        if own.iter().any(|post| post.created() == Some(id)) {
            return Ok(());
        }
        let answered = own.iter().find(|post| post.effect == Effect::Joined && post.action_id.as_deref() == Some(id));
        let Some(answered) = answered else {
            return Err((
                Count::WrongOk,
                format!("Created is {id}, which none of its POSTs made or was answered with"),
            ));
        };
        let maker = self.makers.get(id);
        let alike = maker.is_some_and(|maker| {
            says_the_same(submission, maker) && maker.at.saturating_add(self.slack()) >= answered.departed()
        });
        so(alike, Count::WrongOk, || format!("Created is {id}, which was there before its POST was answered with it"))
    }

    /// `Recovered` is an action of this intent, of the time in which it was asked for. Without an external id it may be another
    /// submission's of the same words; with one it is its own.
    fn recovered(&self, submission: &Submission, claim: &Claim, record: &Record) -> Result<(), Wrong> {
        self.is_meant(submission, record)?;
        let Some(maker) = self.makers.get(record.id.as_str()) else { return Ok(()) };
        if maker.tag() == Some(&submission.tag) {
            return Ok(());
        }
        let whose = maker.tag().unwrap_or("nobody");
        so(is_twin(submission, maker), Count::FalseClaim, || {
            format!("Recovered is {}, which {whose} asked for in other words", record.id)
        })?;
        // A sending dates it; where only its intent is known, the writing of that does.
        let first = self.posts(&submission.tag).first().map(|post| post.departed()).filter(|_| !claim.by_intent);
        let since = first.unwrap_or(submission.written);
        so(maker.at.saturating_add(self.slack()) >= since, Count::FalseClaim, || {
            format!("Recovered is {}, which {whose} asked for at {:?}, long before {since:?}", record.id, maker.at)
        })
    }

    /// `Joined` is an action that is what was asked for, was there when the POST came and had not ended, and that it did not make
    /// itself.
    fn joined(&self, submission: &Submission, claim: &Claim, record: &Record) -> Result<(), Wrong> {
        self.is_meant(submission, record)?;
        let id = record.id.as_str();
        if submission.action_type == "LiveResponse" && submission.external_id().is_none() {
            return Err((Count::FalseClaim, format!("Joined is {id}, and no two sessions are alike")));
        }
        let Some(maker) = self.makers.get(id) else { return Ok(()) };
        let is_own = maker.tag() == Some(&submission.tag);
        if is_own && !submission.resend_if_lost && !self.is_held_by_another(claim, id) {
            return Err((Count::FalseClaim, format!("Joined is {id}, which it made itself")));
        }
        let Some(last) = self.posts(&submission.tag).last() else {
            return Err((Count::FalseClaim, format!("Joined is {id}, and it never arrived")));
        };
        so(is_own || maker.at <= last.at.saturating_add(self.slack()), Count::FalseClaim, || {
            format!("Joined is {id}, which was made at {:?}, after its POST came at {:?}", maker.at, last.at)
        })?;
        let had_ended = is_over(&record.status) && record.updated.saturating_add(self.slack()) < last.departed();
        so(!had_ended, Count::FalseClaim, || {
            format!("Joined is {id}, and it had been {} before {:?}", at(record), last.at)
        })
    }

    /// Machine, type and particulars are those that were asked for.
    fn is_meant(&self, submission: &Submission, record: &Record) -> Result<(), Wrong> {
        let asked = self.makers.get(record.id.as_str()).map(|maker| particulars(&body(maker)));
        let is_so = record.machine.eq_ignore_ascii_case(&submission.machine)
            && record.action_type == submission.action_type
            && asked.is_none_or(|asked| asked == particulars(&submission.body));
        so(is_so, Count::FalseClaim, || {
            let Submission { action_type, machine, body, .. } = submission;
            format!("{} is no {action_type} of {machine} with {body}", record.id)
        })
    }

    /// What the last word leaves unsaid.
    fn last_word(&self, tag: &str, claims: &[&Claim]) -> Result<(), Wrong> {
        let Some(Said::Error(trouble)) = claims.last().map(|claim| &claim.said) else { return Ok(()) };
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
        let Some(done) = done else { return Ok(()) };
        // The error of a cancelling names its action whatever became of it.
        let carries = done.effect == Effect::Created && *action == done.action_id;
        so(was_told || *unknown || carries, Count::LostSilently, || {
            format!(
                "the last word is {kind}, which tells nothing of what its POST did: {:?} {:?}",
                done.effect, done.action_id
            )
        })
    }

    /// Who holds each action for its own, client by client.
    fn held(&self) -> BTreeMap<&'e str, BTreeSet<&'e str>> {
        let mut held: BTreeMap<(u32, &str), BTreeSet<&str>> = BTreeMap::new();
        for claim in &self.evidence.claims {
            if let Said::Submitted { origin: Origin::Created | Origin::Recovered, id } = &claim.said {
                held.entry((claim.incarnation, id)).or_default().insert(&claim.tag);
            }
        }
        held.into_iter().filter(|(_, tags)| tags.len() > 1).map(|((_, id), tags)| (id, tags)).collect()
    }

    /// Whether another submission of the same client took `id` for its own, so that this one could not: nobody can tell two of the
    /// same words apart, and each of them was told of one action.
    fn is_held_by_another(&self, claim: &Claim, id: &str) -> bool {
        self.evidence.claims.iter().filter(|other| other.incarnation == claim.incarnation && other.tag != claim.tag).any(
            |other| matches!(&other.said, Said::Submitted { origin: Origin::Created | Origin::Recovered, id: held } if held == id),
        )
    }
}

/// Whether the POST says just what the submission says, and neither has an id of its own.
fn is_twin(submission: &Submission, post: &LedgerEntry) -> bool {
    submission.external_id().is_none() && says_the_same(submission, post)
}

/// Whether the POST says nothing that the submission does not say. That it leaves an external id out tells nothing, since an answer
/// may do so too.
fn says_the_same(submission: &Submission, post: &LedgerEntry) -> bool {
    let body = body(post);
    let comment = body.get("Comment").and_then(Value::as_str).unwrap_or_default().trim();
    body.get("ExternalId").is_none_or(Value::is_null) && comment == submission.comment()
}

fn body(post: &LedgerEntry) -> Value {
    serde_json::from_str(&post.body).unwrap_or_default()
}

fn is_over(status: &str) -> bool {
    matches!(status, "Succeeded" | "Failed" | "TimeOut" | "Cancelled")
}

fn at(record: &Record) -> String {
    format!("{} since {:?}", record.status, record.updated)
}

fn so(is_so: bool, count: Count, words: impl FnOnce() -> String) -> Result<(), Wrong> {
    if is_so { Ok(()) } else { Err((count, words())) }
}
