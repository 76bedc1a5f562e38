//! What became of an action, where its answer does not say so plainly.

use std::time::Duration;

use defender_auth::TokenRequest;
use defender_model::{ActionType, MachineAction};
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, list::Listing, service_time::SKEW, submitted::Origin,
    wait::Pauses,
};

/// How long a record may take to appear: reads lag behind writes, seconds as a rule and two minutes at most as far as seen.
pub(crate) const GRACE: Duration = Duration::from_secs(120);

/// How much older than the sending the list is asked for, while the service's clock is not known.
const MARGIN: SignedDuration = SignedDuration::from_mins(15);

/// Decides whether an existing action is what was meant.
pub(crate) type SameIntent<'s> = &'s (dyn Fn(&MachineAction) -> bool + Send + Sync);

/// An intent that was sent, or may have been, and how to know its action again.
pub(crate) struct Sending<'s> {
    pub(crate) client: &'s DefenderClient,
    pub(crate) intent: &'s Intent,
    pub(crate) same_intent: SameIntent<'s>,
    /// It was not sent before this, on our clock.
    pub(crate) departed: Timestamp,
}

/// What a look at the service's list gave.
enum Look {
    Found(Vec<MachineAction>),
    /// It could not be looked this time.
    Trouble(Error),
}

impl Sending<'_> {
    /// Tells of the record that answered the sending: it is the new action's, or that of one which was there already.
    pub(crate) fn answered(&self, record: MachineAction) -> Result<Submitted, Error> {
        let inner = self.client.inner();
        let is_new = inner.claimed.claim(&record.id, inner.clock.elapsed());
        let sent = inner.service_time.at(self.departed);
        let is_older = record.creation_date_time_utc.is_some_and(|created| created < before(sent, SKEW));
        let says_otherwise = record.requestor_comment.is_some() && !self.intent.has_comment_of(&record)
            || record.external_id.is_some() && !self.intent.has_external_id_of(&record);
        if is_new && !is_older && !says_otherwise && self.intent.is_of_kind(&record) {
            return Ok(self.submitted(record, Origin::Created));
        }
        self.joined(record)
    }

    /// Finds the action because of which the sending was refused.
    pub(crate) async fn join(&self, refused: Error) -> Result<Submitted, Error> {
        let inner = self.client.inner();
        let date = refused.date().unwrap_or_else(|| inner.service_time.at(inner.clock.now()));
        let was_active = |action: &MachineAction| {
            let ended_since = action.last_update_date_time_utc.is_some_and(|updated| updated > date);
            self.intent.is_of_kind(action) && (!action.status.is_terminal() || ended_since)
        };
        let all = || self.of_kind();
        match self
            .search(all, |actions| {
                let active = actions.into_iter().filter(|action| was_active(action));
                active.max_by_key(|action| action.creation_date_time_utc).into_iter().collect()
            })
            .await
        {
            Ok(found) => match found.into_iter().next() {
                Some(action) => {
                    inner.claimed.claim(&action.id, inner.clock.elapsed());
                    self.joined(action)
                }
                None => Err(refused),
            },
            Err(unreadable) => Err(refused.because(unreadable)),
        }
    }

    /// Finds the action whose answer was lost.
    pub(crate) async fn recover(&self, lost: Error) -> Result<Submitted, Error> {
        let inner = self.client.inner();
        let lost_at = inner.clock.now();
        let unknown = |lost: Error, why: &str, candidates| lost.unknown(self.intent.clone(), candidates, why);
        if self.intent.external_id().is_none() && self.is_a_session() {
            return Err(unknown(lost, "a live response session is known again by its external id only", Vec::new()));
        }
        let recent = || {
            let since = before(inner.service_time.at(self.departed), MARGIN);
            self.of_kind().filter(MachineAction::CREATION_DATE_TIME_UTC.ge(since))
        };
        let principal = self.principal().await;
        let is_ours = |action: &MachineAction| match (&principal, action.requestor.as_deref()) {
            (Some(names), Some(requestor)) => names.iter().any(|name| name.eq_ignore_ascii_case(requestor.trim())),
            _ => true, // What is not known excludes nothing.
        };
        let found = self
            .search(recent, |actions| {
                // What the list's answer says of the service's clock is known by now.
                let from = before(inner.service_time.at(self.departed), SKEW);
                let to = inner.service_time.at(lost_at).saturating_add(GRACE).unwrap_or(Timestamp::MAX);
                let is_candidate = |action: &MachineAction| {
                    self.intent.is_of_kind(action)
                        && self.intent.is_echoed_by(action)
                        && (self.intent.external_id().is_some() || (self.same_intent)(action))
                        && action.creation_date_time_utc.is_some_and(|created| (from..=to).contains(&created))
                        && is_ours(action)
                        && !inner.claimed.is_claimed(&action.id)
                };
                actions.into_iter().filter(is_candidate).collect()
            })
            .await;
        match found {
            Err(unreadable) => {
                Err(unknown(lost.because(unreadable), "the machine's actions cannot be read", Vec::new()))
            }
            Ok(mut candidates) => match (candidates.pop(), candidates.is_empty()) {
                (None, _) => Err(unknown(lost, "no action of this intent has appeared", candidates)),
                (Some(action), true) => {
                    inner.claimed.claim(&action.id, inner.clock.elapsed());
                    Ok(self.submitted(action, Origin::Recovered))
                }
                (Some(action), false) => {
                    candidates.push(action);
                    Err(unknown(lost, "several actions of this intent have appeared", candidates))
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

    fn is_a_session(&self) -> bool {
        ActionType::from(self.intent.action_type.as_str()) == ActionType::LiveResponse
    }

    /// The list of the machine's actions of this type.
    fn of_kind(&self) -> Listing<MachineAction> {
        let kind = ActionType::from(self.intent.action_type.as_str());
        self.client
            .actions()
            .filter(MachineAction::MACHINE_ID.eq(&self.intent.machine_id).and(MachineAction::ACTION_TYPE.eq(kind)))
    }

    /// Looks until `pick` picks something, or the grace has passed. An error is one that another look would give again.
    async fn search(
        &self,
        list: impl Fn() -> Listing<MachineAction>,
        pick: impl Fn(Vec<MachineAction>) -> Vec<MachineAction>,
    ) -> Result<Vec<MachineAction>, Error> {
        let clock = &self.client.inner().clock;
        let began = clock.elapsed();
        let mut pauses = Pauses::after_an_answer();
        loop {
            let trouble = match look(list()).await? {
                Look::Found(actions) => {
                    let picked = pick(actions);
                    if !picked.is_empty() {
                        return Ok(picked);
                    }
                    None
                }
                Look::Trouble(error) => Some(error),
            };
            let left = GRACE.saturating_sub(clock.elapsed().saturating_sub(began));
            if left.is_zero() {
                // Nothing was found in a list that was read; a list that was not read says nothing.
                return trouble.map_or(Ok(Vec::new()), Err);
            }
            clock.sleep(pauses.next().min(left)).await;
        }
    }

    fn joined(&self, action: MachineAction) -> Result<Submitted, Error> {
        let is_meant = self.intent.is_of_kind(&action)
            && ((self.same_intent)(&action)
                || self.intent.external_id().is_some() && self.intent.has_external_id_of(&action));
        if is_meant {
            return Ok(self.submitted(action, Origin::Joined));
        }
        let what = format!("{} of machine {}", self.intent.action_type, self.intent.machine_id);
        Err(Error::new(ErrorKind::Conflict).context(what).about(Some(action)))
    }

    fn submitted(&self, action: MachineAction, origin: Origin) -> Submitted {
        Submitted::new(self.client.clone(), action, origin)
    }
}

async fn look(list: Listing<MachineAction>) -> Result<Look, Error> {
    let rows = list.pages().try_fold(Vec::new(), |mut rows, page| async move {
        rows.extend(page.value);
        Ok(rows)
    });
    match rows.await {
        Ok(rows) => Ok(Look::Found(rows)),
        Err(error) if error.is_retryable() => Ok(Look::Trouble(error)),
        Err(error) => Err(error),
    }
}

fn before(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(time)
}
