//! Record of an action, and the form in which the service shows it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kind::Kind;
use crate::{
    clock::{seconds, signed},
    dice::{guid, hits, pick},
};

/// The application's name, which the service writes in `requestor`.
pub(crate) const APPLICATION: &str = "SOC Automation";
/// The application's id.
pub(crate) const APPLICATION_ID: &str = "3f0a2b54-5a0e-4d1c-9c7b-0d6c2a8e9b11";
/// The id of the application's service principal.
pub(crate) const PRINCIPAL_ID: &str = "9b8d6f2e-1c3a-4e5f-8a7b-6c5d4e3f2a10";

/// Attributes of a request beside machine, type and comment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Particulars {
    /// `Full`, `Selective`, `Quick`.
    pub(crate) scope: Option<String>,
    /// SHA-1 of a file.
    pub(crate) file: Option<String>,
}

/// Maker of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// A numbered submission of the driver.
    Submission(u64),
    /// Somebody else.
    Other,
}

/// Time at which a record states its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stated {
    AtOnce,
    /// Once it is no longer `Pending`.
    Later,
    Never,
}

/// A row that cannot be read as a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Not an object.
    Text,
    /// `id` is null.
    NoId,
    /// The time of creation is not one.
    Date,
    /// The status is a list.
    Status,
}

/// The form of a record, the same each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) comment: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) requestor: Option<String>,
    pub(crate) creation: bool,
    pub(crate) stated: Stated,
    pub(crate) broken: Option<Broken>,
    fraction: usize,
    short_update_name: bool,
}

/// An action, as it truly is.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) machine: String,
    pub(crate) particulars: Particulars,
    pub(crate) maker: Maker,
    /// Time at which it took effect; before this time it does not exist.
    pub(crate) created: Timestamp,
    /// Time at which each of two replicas shows it.
    pub(crate) visible: [Timestamp; 2],
    pub(crate) starts: Timestamp,
    pub(crate) ends: Timestamp,
    pub(crate) end: &'static str,
    pub(crate) cancelled: Option<(Timestamp, String)>,
    /// Times at which lists showed it broken or with null fields, though it is not so each time.
    pub(crate) slips: Vec<Timestamp>,
    pub(crate) shown: Shown,
}

/// Fault of one showing of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    None,
    Broken(Broken),
    /// Fields that are null, by number.
    Nulls(u64),
}

impl Broken {
    pub(crate) fn any(rng: &mut fastrand::Rng) -> Self {
        pick(rng, [Self::Text, Self::NoId, Self::Date, Self::Status])
    }
}

impl Slip {
    /// A slip in 3 % of the showings.
    pub(crate) fn any(rng: &mut fastrand::Rng) -> Self {
        match rng.f64() * 100.0 {
            x if x < 1.5 => Self::Broken(Broken::any(rng)),
            x if x < 3.0 => Self::Nulls(rng.u64(..)),
            _ => Self::None,
        }
    }
}

impl Record {
    /// A record of our application, shown as chance has it.
    pub(crate) fn ours(
        rng: &mut fastrand::Rng,
        (kind, machine): (Kind, &str),
        (comment, external_id): (&str, Option<&str>),
        particulars: Particulars,
        maker: Maker,
        created: Timestamp,
    ) -> Self {
        let requestor = match rng.u32(..100) {
            0..4 => Some(format!("{APPLICATION} ")),
            4..12 => Some(APPLICATION_ID.to_owned()),
            12..14 => Some(PRINCIPAL_ID.to_owned()),
            14..18 => None,
            18..20 => Some("SOC Automation (renamed)".to_owned()),
            _ => Some(APPLICATION.to_owned()),
        };
        let lag = |rng: &mut fastrand::Rng| match rng.u32(..10) {
            0..5 => 0,
            5..8 => rng.u64(..20_000),
            _ => rng.u64(..100_000),
        };
        let visible = [(); 2].map(|()| created + signed(Duration::from_millis(lag(rng))));
        let starts = created + seconds(rng.u64(2..120));
        let ends = starts + seconds(rng.u64(5..600));
        let end = match rng.u32(..100) {
            0..6 => "Failed",
            6..8 => "TimeOut",
            8..10 => "Cancelled",
            _ => "Succeeded",
        };
        let shown = Shown {
            comment: shown_comment(rng, comment),
            external_id: shown_id(rng, external_id),
            requestor,
            creation: !hits(rng, 0.3),
            stated: match rng.u32(..100) {
                0..5 => Stated::AtOnce,
                5..10 => Stated::Never,
                _ => Stated::Later,
            },
            broken: hits(rng, 1.0).then(|| Broken::any(rng)),
            fraction: pick(rng, [0, 1, 2, 3, 5, 6, 7, 7, 7, 7]),
            short_update_name: hits(rng, 20.0),
        };
        Self {
            id: guid(rng),
            kind,
            machine: machine.to_owned(),
            particulars,
            maker,
            created,
            visible,
            starts,
            ends,
            end,
            cancelled: None,
            slips: Vec::new(),
            shown,
        }
    }

    /// Returns true if it took effect by `now`.
    pub(crate) fn exists(&self, now: Timestamp) -> bool {
        self.created <= now
    }

    pub(crate) fn status(&self, now: Timestamp) -> &'static str {
        match &self.cancelled {
            Some((at, _)) if *at <= now => "Cancelled",
            _ if now < self.starts => "Pending",
            _ if now < self.ends => "InProgress",
            _ => self.end,
        }
    }

    pub(crate) fn ended(&self, now: Timestamp) -> bool {
        !matches!(self.status(now), "Pending" | "InProgress")
    }

    /// Returns true if a record read at `now` states its particulars.
    pub(crate) fn states(&self, now: Timestamp) -> bool {
        match self.shown.stated {
            Stated::AtOnce => true,
            Stated::Later => self.status(now) != "Pending",
            Stated::Never => false,
        }
    }

    /// The record as the service shows it at `now`.
    pub(crate) fn show(&self, now: Timestamp, slip: Slip) -> Value {
        let slip = self.shown.broken.map_or(slip, Slip::Broken);
        let date = |at: Timestamp| Value::String(self.date(at));
        let stated = self.states(now).then_some(&self.particulars);
        let file = stated.and_then(|stated| stated.file.as_ref());
        let cancelled = self.cancelled.as_ref().filter(|(at, _)| *at <= now);
        let status = self.status(now);
        let error = match status {
            "TimeOut" => -2_145_844_840,
            "Cancelled" => -2_147_467_260,
            _ => 0,
        };
        let updated = [self.created, self.starts, self.ends].into_iter().rfind(|&at| at <= now).unwrap_or(self.created);
        let mut row = json!({
            "id": self.id,
            "type": self.kind.word(),
            "title": null,
            "requestor": self.shown.requestor,
            "requestorComment": self.shown.comment,
            "status": status,
            "machineId": self.machine,
            "computerDnsName": (status != "Pending").then(|| format!("desktop-{}", self.machine.get(..7).unwrap_or_default())),
            "creationDateTimeUtc": self.shown.creation.then(|| date(self.created)),
            "cancellationRequestor": cancelled.map(|_| APPLICATION),
            "cancellationComment": cancelled.map(|(_, comment)| comment),
            "cancellationDateTimeUtc": cancelled.map(|(at, _)| date(*at)),
            "errorHResult": error,
            "scope": stated.and_then(|stated| stated.scope.as_ref()),
            "externalId": self.shown.external_id,
            "requestSource": "PublicApi",
            "relatedFileInfo": file.map(|file| json!({ "fileIdentifier": file, "fileIdentifierType": "Sha1" })),
            "commands": [],
            "troubleshootInfo": null,
        });
        let name = if self.shown.short_update_name { "lastUpdateTimeUtc" } else { "lastUpdateDateTimeUtc" };
        let mut put = |name: &str, value: Value| {
            if let Value::Object(row) = &mut row {
                row.insert(name.to_owned(), value);
            }
        };
        put(name, date(updated));
        match slip {
            Slip::None => {}
            Slip::Nulls(number) => {
                for (bit, name) in NULLABLE.iter().enumerate() {
                    if (number >> (2 * bit)).trailing_zeros() >= 2 {
                        put(name, Value::Null);
                    }
                }
            }
            Slip::Broken(Broken::Text) => return Value::String("record unavailable".to_owned()),
            Slip::Broken(Broken::NoId) => put("id", Value::Null),
            Slip::Broken(Broken::Date) => put("creationDateTimeUtc", Value::String("yesterday".to_owned())),
            Slip::Broken(Broken::Status) => put("status", json!(["Pending"])),
        }
        row
    }

    /// A date with the number of digits that this record has.
    fn date(&self, at: Timestamp) -> String {
        let digits = u8::try_from(self.shown.fraction).unwrap_or_default();
        format!("{at:.*}", usize::from(digits))
    }
}

/// Fields of a row that may be null.
const NULLABLE: [&str; 9] = [
    "requestor",
    "requestorComment",
    "scope",
    "externalId",
    "creationDateTimeUtc",
    "machineId",
    "type",
    "status",
    "relatedFileInfo",
];

/// The comment as records show it: with blanks, other line ends, entities, cut, or not at all.
fn shown_comment(rng: &mut fastrand::Rng, comment: &str) -> Option<String> {
    let folded = if rng.bool() { comment.replace('\n', "\r\n") } else { comment.to_owned() };
    let cut = |length: usize| comment.chars().take(length).collect::<String>();
    Some(match rng.u32(..1000) {
        0..120 => format!("{folded} "),
        120..160 => format!(" {folded}"),
        160..170 => format!("{folded}\r\n"),
        170..200 => comment.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;"),
        200..260 => cut(rng.usize(64..200)),
        260..265 => cut(rng.usize(8..64)),
        265..275 => return None,
        _ => folded,
    })
}

/// The external id as records show it: echoed, left out, or a gateway's own.
fn shown_id(rng: &mut fastrand::Rng, sent: Option<&str>) -> Option<String> {
    match sent {
        _ if hits(rng, 0.4) => Some(guid(rng)),
        Some(sent) => hits(rng, 85.0).then(|| sent.to_owned()),
        None => None,
    }
}
