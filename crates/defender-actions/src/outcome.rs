//! What became of an action, where its answer does not say so plainly.

use std::{pin::pin, sync::Arc, time::Duration};

use defender_auth::TokenRequest;
use defender_model::{ActionType, MachineAction};
use futures_util::{
    TryStreamExt,
    future::{Either, select},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason, list::Listing, service_time::SKEW,
    submitted::Origin,
};

/// How much older than the sending the list is asked for, while the service's clock is not known.
const MARGIN: SignedDuration = SignedDuration::from_mins(15);

/// How long the last look may take, which begins as the grace ends.
const LAST_LOOK: Duration = Duration::from_secs(30);

/// Decides whether an existing action is what was meant.
pub(crate) type SameIntent<'s> = &'s (dyn Fn(&MachineAction) -> bool + Send + Sync);

/// An intent that was sent, or may have been, and how to know its action again.
pub(crate) struct Sending<'s> {
    pub(crate) client: &'s DefenderClient,
    pub(crate) intent: &'s Intent,
    pub(crate) same_intent: SameIntent<'s>,
    /// No sending of it that may have been processed went off before this, on our clock.
    pub(crate) since: Timestamp,
}

/// What a look at the service's list gave.
enum Look {
    Found(Vec<MachineAction>),
    /// It could not be looked this time.
    Trouble(Error),
}

/// What was made of the actions that a look found.
enum Pick {
    These(Vec<MachineAction>),
    /// These, unless another look shows something else.
    Perhaps(Vec<MachineAction>),
}

impl Sending<'_> {
    /// Tells of the record that answered the sending that went off at `departed`: it is the new action's, or that of one which
    /// was there already.
    pub(crate) fn answered(&self, record: MachineAction, departed: Timestamp) -> Result<Submitted, Error> {
        let inner = self.client.inner();
        let was_seen = inner.claimed.was_seen(&record.id, departed);
        let sent = inner.service_time.at(departed);
        let is_older = record.creation_date_time_utc.is_some_and(|created| created < before(sent, SKEW));
        // What is not there says nothing. That holds for the external id too, since no page says that an answer has it, and what
        // the service has just made must not be told as somebody else's.
        let says_otherwise = record.requestor_comment.is_some() && !self.intent.has_comment_of(&record)
            || record.external_id.is_some() && !self.intent.has_external_id_of(&record);
        // What is joined is not claimed: it may be that of another submission of this client, which has no answer yet.
        if !was_seen
            && !is_older
            && !says_otherwise
            && self.intent.is_of_kind(&record)
            && inner.claimed.claim(&record.id, inner.clock.elapsed())
        {
            return Ok(self.submitted(record, Origin::Created));
        }
        inner.saw(&record);
        self.joined(record)
    }

    /// Finds the action because of which the sending was refused.
    pub(crate) async fn join(&self, refused: Error) -> Result<Submitted, Error> {
        let inner = self.client.inner();
        let date = refused.date().unwrap_or_else(|| inner.service_time.at(inner.clock.now()));
        let was_active = |action: &MachineAction| {
            let ended_since = action.last_update_date_time_utc.is_some_and(|updated| updated > date);
            // What was made later is not what it was refused for.
            let is_later = action.creation_date_time_utc.is_some_and(|created| before(created, SKEW) > date);
            self.intent.is_of_kind(action) && !is_later && (!action.status.is_terminal() || ended_since)
        };
        let all = || self.of_kind();
        let found = self.search(all, |actions| {
            let active = actions.into_iter().filter(|action| was_active(action));
            // Of several, what was asked for, and of those the newest.
            let best = active.max_by_key(|action| (self.is_meant(action), action.creation_date_time_utc));
            Pick::These(best.into_iter().collect())
        });
        match found.await {
            Ok(found) => match found.into_iter().next() {
                Some(action) => self.joined(action),
                None => Err(refused),
            },
            Err(unreadable) => Err(refused.because(unreadable)),
        }
    }

    /// Finds the action whose answer was lost.
    pub(crate) async fn recover(&self, lost: Error) -> Result<Submitted, Error> {
        let inner = self.client.inner();
        let lost_at = inner.clock.now();
        let unknown = |lost: Error, why, candidates| lost.unknown(self.intent.clone(), candidates, why);
        if self.intent.external_id().is_none() && self.is_a_session() {
            return Err(unknown(lost, UnknownReason::NoExternalId, Vec::new()));
        }
        let recent = || {
            let since = before(inner.service_time.at(self.since), MARGIN);
            self.of_kind().filter(MachineAction::CREATION_DATE_TIME_UTC.ge(since))
        };
        let principal = self.principal().await;
        let is_ours = |action: &MachineAction| match (&principal, action.requestor.as_deref()) {
            (Some(names), Some(requestor)) => names.iter().any(|name| name.eq_ignore_ascii_case(requestor.trim())),
            _ => true, // What is not known excludes nothing.
        };
        let grace = SignedDuration::try_from(inner.patience.grace).unwrap_or(SignedDuration::MAX);
        let found = self
            .search(recent, |actions| {
                // What the list's answer says of the service's clock is known by now.
                let from = before(inner.service_time.at(self.since), SKEW);
                let to = inner.service_time.at(lost_at).saturating_add(grace).unwrap_or(Timestamp::MAX);
                let is_candidate = |action: &MachineAction| {
                    self.intent.is_of_kind(action)
                        && self.intent.is_echoed_by(action)
                        && self.is_meant(action)
                        && action.creation_date_time_utc.is_some_and(|created| (from..=to).contains(&created))
                        && is_ours(action)
                        && !inner.claimed.is_claimed(&action.id)
                        && !inner.claimed.was_seen(&action.id, self.since)
                };
                let candidates = actions.into_iter().filter(is_candidate).collect();
                // Another submission of this client may be about to be answered with it.
                if inner.claimed.is_asked_for(self.intent) {
                    return Pick::Perhaps(candidates);
                }
                Pick::These(candidates)
            })
            .await;
        match found {
            Err(unreadable) => Err(unknown(lost.because(unreadable), UnknownReason::NotReadable, Vec::new())),
            Ok(mut candidates) => match (candidates.pop(), candidates.is_empty()) {
                (None, _) => Err(unknown(lost, UnknownReason::NothingFound, candidates)),
                (Some(action), true) if !inner.claimed.is_asked_for(self.intent) => {
                    if inner.claimed.claim(&action.id, inner.clock.elapsed()) {
                        return Ok(self.submitted(action, Origin::Recovered));
                    }
                    // Another was faster, this very moment.
                    Err(unknown(lost, UnknownReason::NothingFound, candidates))
                }
                (Some(action), _) => {
                    candidates.push(action);
                    Err(unknown(lost, UnknownReason::SeveralFound, candidates))
                }
            },
        }
    }

    /// The names by which the service may call whoever asks, where the token's claims can be read: a user's, or an
    /// application's ids.
    async fn principal(&self) -> Option<Vec<String>> {
        let token = self.client.inner().credential.token(&TokenRequest::new()).await.ok()?;
        let claims = token.claims()?;
        let names: Vec<_> = [claims.user, claims.application, claims.object_id].into_iter().flatten().collect();
        (!names.is_empty()).then_some(names)
    }

    fn kind(&self) -> ActionType {
        ActionType::from(self.intent.action_type.as_str())
    }

    fn is_a_session(&self) -> bool {
        self.kind() == ActionType::LiveResponse
    }

    /// Whether `action` is what was asked for. Two live-response sessions are never the same, and of a type that this library
    /// does not know nobody may have said when two are: those are known again by their external id.
    fn is_meant(&self, action: &MachineAction) -> bool {
        let known_by_id = self.is_a_session() || matches!(self.kind(), ActionType::Unknown(_));
        let has_id = || self.intent.external_id().is_some() && self.intent.has_external_id_of(action);
        self.intent.is_of_kind(action) && ((self.same_intent)(action) || known_by_id && has_id())
    }

    /// The list of the machine's actions of this type.
    fn of_kind(&self) -> Listing<MachineAction> {
        self.client.actions().filter(
            MachineAction::MACHINE_ID.eq(&self.intent.machine_id).and(MachineAction::ACTION_TYPE.eq(self.kind())),
        )
    }

    /// Looks until `pick` picks something, or the grace has passed. An error is one that another look would give again.
    async fn search(
        &self,
        list: impl Fn() -> Listing<MachineAction>,
        pick: impl Fn(Vec<MachineAction>) -> Pick,
    ) -> Result<Vec<MachineAction>, Error> {
        let (clock, patience) = (Arc::clone(&self.client.inner().clock), self.client.inner().patience);
        let began = clock.elapsed();
        let left = || patience.grace.saturating_sub(clock.elapsed().saturating_sub(began));
        let mut pauses = patience.after_an_answer();
        loop {
            let in_time = clock.sleep(left().max(LAST_LOOK));
            let mut perhaps = Vec::new();
            let trouble = match look(list(), in_time).await? {
                Look::Found(actions) => {
                    match pick(actions) {
                        Pick::These(picked) if !picked.is_empty() => return Ok(picked),
                        Pick::These(_) => {}
                        Pick::Perhaps(picked) => perhaps = picked,
                    }
                    None
                }
                Look::Trouble(error) => Some(error),
            };
            if left().is_zero() {
                // What was found in a list that was read counts; a list that was not read says nothing.
                return trouble.map_or(Ok(perhaps), Err);
            }
            clock.sleep(pauses.next().min(left())).await;
        }
    }

    fn joined(&self, action: MachineAction) -> Result<Submitted, Error> {
        if self.is_meant(&action) {
            return Ok(self.submitted(action, Origin::Joined));
        }
        let what = format!("{} of machine {}", self.intent.action_type, self.intent.machine_id);
        Err(Error::new(ErrorKind::Conflict).context(what).about(Some(action)))
    }

    fn submitted(&self, action: MachineAction, origin: Origin) -> Submitted {
        Submitted::new(self.client.clone(), action, origin)
    }
}

/// Reads a list whole, unless that takes longer than `in_time`.
async fn look(list: Listing<MachineAction>, in_time: impl Future<Output = ()> + Send + Unpin) -> Result<Look, Error> {
    let rows = pin!(list.pages().try_fold(Vec::new(), |mut rows, page| async move {
        rows.extend(page.value);
        Ok(rows)
    }));
    match select(rows, in_time).await {
        Either::Left((Ok(rows), _)) => Ok(Look::Found(rows)),
        Either::Left((Err(error), _)) if error.is_retryable() => Ok(Look::Trouble(error)),
        Either::Left((Err(error), _)) => Err(error),
        Either::Right(((), _)) => {
            let late = Error::new(ErrorKind::Interrupted).context("GET /machineactions").caused_by("it took too long");
            Ok(Look::Trouble(late))
        }
    }
}

fn before(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(time)
}
