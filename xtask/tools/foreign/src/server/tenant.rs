//! The state of the tenant: its records, and every call that arrived.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    fault::Fault,
    kind::Kind,
    quota::Quota,
    record::{Record, Slip},
    reply::Reply,
    settings::Settings,
    token::Tokens,
};
use crate::dice::{dice, hits};

/// A POST of an action that arrived whole.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) at: Timestamp,
    /// The driver's number of the submission.
    pub(crate) submission: Option<u64>,
    pub(crate) kind: Kind,
    pub(crate) machine: String,
    pub(crate) body: String,
    pub(crate) fault: Option<Fault>,
    /// The record that it made, by its place in `Tenant::records`.
    pub(crate) effect: Option<usize>,
    /// The record that the response showed, whether or not it arrived.
    pub(crate) shown: Option<usize>,
    /// The status of the response, and whether all of it was sent.
    pub(crate) status: u16,
    pub(crate) whole: bool,
}

/// Everything that the service knows.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) settings: Settings,
    pub(crate) records: Vec<Record>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(super) quota: Quota,
    pub(super) tokens: Tokens,
    pub(super) by_id: HashMap<String, usize>,
    pub(super) by_machine: HashMap<(Kind, String), Vec<usize>>,
    /// Calls of any kind that arrived, misbehaved, and were too many.
    pub(crate) calls: u64,
    pub(crate) misbehaved: u64,
    pub(crate) over_quota: u64,
    /// Lists that were asked for.
    pub(crate) lists: u64,
}

impl Tenant {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            records: Vec::new(),
            arrivals: Vec::new(),
            quota: Quota::default(),
            tokens: Tokens::default(),
            by_id: HashMap::new(),
            by_machine: HashMap::new(),
            calls: 0,
            misbehaved: 0,
            over_quota: 0,
            lists: 0,
        }
    }

    /// Keeps a record, and returns its place.
    pub(crate) fn keep(&mut self, record: Record) -> usize {
        let place = self.records.len();
        self.by_id.insert(record.id.clone(), place);
        self.by_machine.entry((record.kind, record.machine.clone())).or_default().push(place);
        self.records.push(record);
        place
    }

    /// Records of an action on a machine, in the order in which they were kept.
    pub(crate) fn of_machine(&self, kind: Kind, machine: &str) -> impl Iterator<Item = (usize, &Record)> {
        let places = self.by_machine.get(&(kind, machine.to_ascii_lowercase()));
        places.into_iter().flatten().filter_map(|&place| Some((place, self.records.get(place)?)))
    }

    /// The record with an id, in any letter case.
    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        self.records.get(*self.by_id.get(&id.to_ascii_lowercase())?)
    }

    /// The refusal of a call that is over the quota or has no good token.
    pub(super) fn refuse(
        &mut self,
        rng: &mut fastrand::Rng,
        now: Timestamp,
        operation: &'static str,
        authorization: Option<&str>,
    ) -> Option<Reply> {
        if let Err(wait) = self.quota.arrive(operation, now) {
            self.over_quota += 1;
            return Some(Reply::throttled(rng, now, wait));
        }
        (!self.tokens.allow(authorization, now)).then(Reply::unauthorized)
    }

    /// `GET /api/machineactions/{id}`.
    pub(super) fn get(&mut self, now: Timestamp, id: &str, authorization: Option<&str>) -> Reply {
        let mut rng = self.next_dice("get");
        if let Some(refusal) = self.refuse(&mut rng, now, "get", authorization) {
            return refusal;
        }
        let fault = Fault::of_read(&mut rng, self.settings.percent);
        self.misbehaved += u64::from(fault.is_some());
        let replica = rng.usize(..2);
        let found = self.record(id).filter(|record| record.visible.get(replica).is_some_and(|&at| at <= now));
        let reply = match found {
            Some(record) => entity(200, record.show(now, Slip::any(&mut rng)), &mut rng),
            None => missing(&mut rng, id),
        };
        misbehave(reply, &mut rng, now, fault)
    }

    /// `POST /api/machineactions/{id}/cancel`.
    pub(super) fn cancel(&mut self, now: Timestamp, id: &str, body: &str, authorization: Option<&str>) -> Reply {
        let mut rng = self.next_dice("cancel");
        if let Some(refusal) = self.refuse(&mut rng, now, "cancel", authorization) {
            return refusal;
        }
        let fault = Fault::of_post(&mut rng, self.settings.percent);
        self.misbehaved += u64::from(fault.is_some());
        if let Some(fault) = fault.filter(|fault| !fault.has_effect()) {
            return misbehave(Reply::json(200, &Value::Null), &mut rng, now, Some(fault));
        }
        let place = self.by_id.get(&id.to_ascii_lowercase()).copied();
        let found = place.and_then(|place| self.records.get_mut(place)).filter(|record| record.exists(now));
        let reply = match found {
            None => missing(&mut rng, id),
            Some(record) if record.ended(now) => {
                Reply::error(&mut rng, 400, "BadRequest", "Action cannot be cancelled in its current state")
            }
            Some(record) => {
                let comment = serde_json::from_str::<Value>(body).ok();
                let comment = comment.as_ref().and_then(|body| body.get("Comment")?.as_str()).unwrap_or_default();
                record.cancelled = Some((now, comment.to_owned()));
                entity(200, record.show(now, Slip::None), &mut rng)
            }
        };
        misbehave(reply, &mut rng, now, fault)
    }

    /// `POST /{tenant}/oauth2/v2.0/token`.
    pub(super) fn token(&mut self, now: Timestamp, path: &str, form: &str) -> Reply {
        let mut rng = self.next_dice("token");
        let fault = hits(&mut rng, self.settings.percent / 2.0);
        self.misbehaved += u64::from(fault);
        match (fault, rng.u32(..3)) {
            (true, 0) => Reply::json(503, &Value::Null),
            (true, 1) => Reply::closed(),
            (true, _) => Reply::throttled(&mut rng, now, 2),
            (false, _) => self.tokens.issue(&mut rng, now, path, form),
        }
    }

    /// Chance for the next call of any kind.
    pub(super) fn next_dice(&mut self, subject: &str) -> fastrand::Rng {
        self.calls += 1;
        dice(self.settings.seed, subject, self.calls, 0)
    }
}

/// A record as the body of a response.
pub(super) fn entity(status: u16, mut row: Value, rng: &mut fastrand::Rng) -> Reply {
    if let Value::Object(row) = &mut row
        && rng.u32(..4) != 0
    {
        let context = "https://api.security.microsoft.com/api/$metadata#MachineActions/$entity";
        row.insert("@odata.context".to_owned(), Value::String(context.to_owned()));
    }
    Reply::json(status, &row)
}

fn missing(rng: &mut fastrand::Rng, id: &str) -> Reply {
    Reply::error(rng, 404, "ResourceNotFound", &format!("Machine action {id} was not found"))
}

/// The response that is left where a fault meets it.
pub(super) fn misbehave(reply: Reply, rng: &mut fastrand::Rng, now: Timestamp, fault: Option<Fault>) -> Reply {
    match fault {
        None => reply,
        Some(Fault::Throttled) => {
            let wait = rng.u64(1..20);
            Reply::throttled(rng, now, wait)
        }
        Some(fault) => reply.after(rng, fault),
    }
}
