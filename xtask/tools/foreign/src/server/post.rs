//! A POST of an action: its effect, and its response.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    fault::Fault,
    kind::Kind,
    record::{Maker, Particulars, Record, Slip},
    reply::{Part, Reply},
    tenant::{Arrival, Tenant, entity, misbehave},
};
use crate::{
    clock::{seconds, signed},
    dice::{dice, guid, hits},
};

/// A POST of an action, as it arrived.
#[derive(Debug)]
pub(super) struct Call<'c> {
    pub(super) submission: Option<u64>,
    pub(super) kind: Kind,
    pub(super) machine: &'c str,
    pub(super) body: &'c str,
    pub(super) authorization: Option<&'c str>,
}

/// Content of a body.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    comment: String,
    external_id: Option<String>,
    particulars: Particulars,
}

impl Tenant {
    /// `POST /api/machines/{id}/{action}`.
    pub(super) fn post(&mut self, now: Timestamp, call: &Call<'_>) -> Reply {
        self.calls += 1;
        let earlier = self.arrivals.iter().filter(|arrival| {
            (arrival.submission, arrival.kind) == (call.submission, call.kind) && arrival.machine == call.machine
        });
        let earlier = u64::try_from(earlier.count()).unwrap_or_default();
        let number = call.submission.unwrap_or(self.calls | (1 << 40));
        let mut rng = dice(self.settings.seed, "post", number, earlier);
        let mut arrival = Arrival {
            at: now,
            submission: call.submission,
            kind: call.kind,
            machine: call.machine.to_owned(),
            body: call.body.to_owned(),
            fault: None,
            effect: None,
            shown: None,
            status: 0,
            whole: true,
        };
        let reply = match self.refuse(&mut rng, now, call.kind.segment(), call.authorization) {
            Some(refusal) => refusal,
            None => self.perform(&mut rng, now, call, &mut arrival, earlier == 0),
        };
        arrival.status = reply.status;
        arrival.whole = reply.part == Part::Whole && reply.delay == Duration::ZERO;
        self.arrivals.push(arrival);
        reply
    }

    fn perform(
        &mut self,
        rng: &mut fastrand::Rng,
        now: Timestamp,
        call: &Call<'_>,
        arrival: &mut Arrival,
        first: bool,
    ) -> Reply {
        let fault = Fault::of_post(rng, self.settings.percent);
        self.misbehaved += u64::from(fault.is_some());
        arrival.fault = fault;
        if let Some(fault) = fault.filter(|fault| !fault.has_effect()) {
            return misbehave(Reply::json(200, &Value::Null), rng, now, Some(fault));
        }
        let wish = match read(call.kind, call.body) {
            Ok(wish) => wish,
            Err(code) => return Reply::error(rng, 400, code, "Request body is incorrect"),
        };
        if first {
            self.neighbors(rng, now, call, &wish);
        }
        if let Some(Fault::LateEffect(delay)) = fault {
            let made = self.make(rng, now + signed(delay), call, wish);
            arrival.effect = Some(made);
            return Reply::closed();
        }
        let pending = self.of_machine(call.kind, call.machine);
        let pending = pending.filter(|(_, record)| record.exists(now) && !record.ended(now)).last();
        let pending = pending.map(|(place, _)| place);
        let reply = match (pending, rng.u32(..100)) {
            (Some(older), 0..40) => {
                arrival.shown = Some(older);
                self.reply_with(rng, now, older)
            }
            // What was pending may have ended just now.
            (Some(_), 40..75) | (None, 0) => already_in_progress(rng),
            _ => {
                let made = self.make(rng, now, call, wish);
                (arrival.effect, arrival.shown) = (Some(made), Some(made));
                self.reply_with(rng, now, made)
            }
        };
        if fault == Some(Fault::Crossed)
            && let Some(other) =
                self.records.iter().position(|other| other.machine != call.machine && other.exists(now))
        {
            arrival.shown = Some(other);
            return self.reply_with(rng, now, other);
        }
        misbehave(reply, rng, now, fault)
    }

    fn make(&mut self, rng: &mut fastrand::Rng, at: Timestamp, call: &Call<'_>, wish: Wish) -> usize {
        let maker = call.submission.map_or(Maker::Other, Maker::Submission);
        let asked = (wish.comment.as_str(), wish.external_id.as_deref());
        let machine = call.machine.to_ascii_lowercase();
        self.keep(Record::ours(rng, (call.kind, &machine), asked, wish.particulars, maker, at))
    }

    fn reply_with(&self, rng: &mut fastrand::Rng, now: Timestamp, place: usize) -> Reply {
        let slip = if hits(rng, 3.0) { Slip::any(rng) } else { Slip::None };
        let row = self.records.get(place).map(|record| record.show(now, slip));
        entity(201, row.unwrap_or_default(), rng)
    }

    /// Actions of somebody else on the same machine: one under way, one a little later, or one of old.
    fn neighbors(&mut self, rng: &mut fastrand::Rng, now: Timestamp, call: &Call<'_>, wish: &Wish) {
        let (created, ended) = match rng.u32(..100) {
            0..2 => (now - seconds(rng.u64(1..30)), false),
            2..4 => (now + seconds(rng.u64(1..60)), false),
            4..6 => (now - seconds(rng.u64(120..1_200)), true),
            6..9 => (now - seconds(rng.u64(1_200..200_000)), true),
            _ => return,
        };
        let comment = if rng.u32(..10) < 4 { wish.comment.as_str() } else { "Done by the night shift" };
        let particulars = if rng.bool() { wish.particulars.clone() } else { other_particulars(call.kind) };
        let machine = call.machine.to_ascii_lowercase();
        let of = (call.kind, machine.as_str());
        let mut record = Record::ours(rng, of, (comment, None), particulars, Maker::Other, created);
        record.shown.requestor = Some(match rng.u32(..4) {
            0 => guid(rng),
            1 => "Night shift bot".to_owned(),
            _ => "Analyst@contoso.com".to_owned(),
        });
        record.shown.external_id = (rng.u32(..5) == 0).then(|| guid(rng));
        if ended {
            record.starts = created + seconds(5);
            record.ends = created + seconds(60);
            record.visible = [created; 2];
        }
        self.keep(record);
    }
}

fn other_particulars(kind: Kind) -> Particulars {
    match kind {
        Kind::Isolate => Particulars { scope: Some("Selective".to_owned()), file: None },
        Kind::Scan => Particulars { scope: Some("Quick".to_owned()), file: None },
        Kind::Quarantine => {
            Particulars { scope: None, file: Some("87662bc3d60e4200ceaf7aae249d1c343f4b83c9".to_owned()) }
        }
        _ => Particulars::default(),
    }
}

fn already_in_progress(rng: &mut fastrand::Rng) -> Reply {
    let code = if rng.u32(..4) == 0 { "BadRequest" } else { "ActiveRequestAlreadyExists" };
    Reply::error(rng, 400, code, "Action is already in progress")
}

/// Reads a body; the code of the error where the service would refuse it.
fn read(kind: Kind, body: &str) -> Result<Wish, &'static str> {
    let Ok(Value::Object(body)) = serde_json::from_str(body) else { return Err("InvalidRequestBody") };
    let own = match kind {
        Kind::Isolate => "IsolationType",
        Kind::Scan => "ScanType",
        Kind::Quarantine => "Sha1",
        _ => "",
    };
    let mut comment = None;
    let mut external_id = None;
    let mut particulars = Particulars::default();
    for (name, value) in &body {
        let text = value.as_str();
        match name.as_str() {
            "Comment" => comment = text,
            "ExternalId" if text.is_some() || value.is_null() => external_id = text.map(str::to_owned),
            "Title" if text.is_some() || value.is_null() => {}
            "RequestSource" if text.is_some() => {}
            "Sha1" if name == own => particulars.file = text.map(str::to_owned),
            name if name == own => particulars.scope = text.map(str::to_owned),
            _ => return Err("InvalidRequestBody"),
        }
    }
    if kind == Kind::Isolate && particulars.scope.is_none() {
        particulars.scope = Some("Full".to_owned());
    }
    let scope = particulars.scope.as_deref();
    let file = particulars.file.as_deref();
    match kind {
        Kind::Isolate if !matches!(scope, Some("Full" | "Selective" | "UnManagedDevice")) => {
            return Err("InvalidInput");
        }
        Kind::Scan if scope.is_none() => return Err("MissingRequiredParameter"),
        Kind::Scan if !matches!(scope, Some("Quick" | "Full")) => return Err("InvalidInput"),
        Kind::Quarantine if file.is_none() => return Err("MissingRequiredParameter"),
        Kind::Quarantine
            if !file.is_some_and(|file| file.len() == 40 && file.bytes().all(|byte| byte.is_ascii_hexdigit())) =>
        {
            return Err("InvalidHashValue");
        }
        _ => {}
    }
    let comment = comment.filter(|comment| !comment.is_empty()).ok_or("MissingRequiredParameter")?;
    Ok(Wish { comment: comment.to_owned(), external_id, particulars })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_bodies_are_read() {
        let scope = |scope: &str| Particulars { scope: Some(scope.to_owned()), file: None };
        let isolate = read(Kind::Isolate, r#"{"Comment": "x", "IsolationType": "Selective"}"#).unwrap();
        assert_eq!(isolate.particulars, scope("Selective"));
        assert_eq!(read(Kind::Isolate, r#"{"Comment": "x"}"#).unwrap().particulars, scope("Full"));
        let scan = read(Kind::Scan, r#"{"Comment": "x", "ScanType": "Full", "ExternalId": "a"}"#).unwrap();
        assert_eq!((scan.particulars, scan.external_id.as_deref()), (scope("Full"), Some("a")));
        let file = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";
        let quarantine = read(Kind::Quarantine, &format!(r#"{{"Comment": "x", "Sha1": "{file}"}}"#)).unwrap();
        assert_eq!(quarantine.particulars.file.as_deref(), Some(file));
    }

    #[test]
    fn other_bodies_are_refused() {
        for (kind, body, code) in [
            (Kind::Isolate, "", "InvalidRequestBody"),
            (Kind::Isolate, "[]", "InvalidRequestBody"),
            (Kind::Isolate, "{}", "MissingRequiredParameter"),
            (Kind::Isolate, r#"{"comment": "x"}"#, "InvalidRequestBody"),
            (Kind::Isolate, r#"{"Comment": "x", "IsolationType": "full"}"#, "InvalidInput"),
            (Kind::Restrict, r#"{"Comment": "x", "RequestSource": null}"#, "InvalidRequestBody"),
            (Kind::Restrict, r#"{"Comment": "x", "IsolationType": "Full"}"#, "InvalidRequestBody"),
            (Kind::Scan, r#"{"Comment": "x"}"#, "MissingRequiredParameter"),
            (Kind::Quarantine, r#"{"Comment": "x", "Sha1": "abc"}"#, "InvalidHashValue"),
        ] {
            assert_eq!(read(kind, body), Err(code), "{body}");
        }
    }
}
