//! A machine action, and how it looks.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    json_fields::Fields,
    store::{action_kind::ActionKind, lifecycle::Life, live_response::Command},
    wire_format::{
        Rows, Shape,
        json_style::{Date, Spelling},
    },
};

/// One action of one machine.
#[derive(Clone, Debug)]
pub(crate) struct MachineAction {
    pub(crate) id: Uuid,
    pub(crate) type_name: TypeName,
    pub(crate) requestor: Arc<str>,
    pub(crate) comment: Option<Arc<str>>,
    pub(crate) external_id: Option<Arc<str>>,
    pub(crate) title: Option<Arc<str>>,
    /// The value of the request, if it had one.
    pub(crate) request_source: Option<&'static str>,
    pub(crate) scope: Option<Cow<'static, str>>,
    pub(crate) file: Option<Arc<RelatedFile>>,
    pub(crate) commands: Arc<[Command]>,
    /// The machine's place among all.
    pub(crate) machine: usize,
    pub(crate) machine_id: Arc<str>,
    pub(crate) computer_dns_name: Arc<str>,
    /// The wall time of its creation, with no more digits than are written.
    pub(crate) created: Timestamp,
    /// The wall time at which its life began: that of its creation, unless it is from before the start.
    pub(crate) began: Timestamp,
    pub(crate) digits: u8,
    /// Its place among all, by which seeded choices are drawn.
    pub(crate) number: usize,
    pub(crate) life: Life,
    pub(crate) cancellation: Option<Box<Cancellation>>,
    /// Set for an action from before the start, which no read lag hides.
    pub(crate) is_old: bool,
    /// The fields that the initial state gave it.
    pub(crate) given: Option<Box<Given>>,
}

/// The `type` of an action.
#[derive(Clone, Debug)]
pub(crate) enum TypeName {
    /// One that can be asked for here.
    Known(&'static ActionKind),
    /// Another, which others have seen or may see one day.
    Other(Arc<str>),
}

/// A file that an action is about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RelatedFile {
    pub(crate) file_identifier: String,
    pub(crate) file_identifier_type: Cow<'static, str>,
}

/// The author and time of a cancellation.
#[derive(Clone, Debug)]
pub(crate) struct Cancellation {
    pub(crate) requestor: Option<Arc<str>>,
    pub(crate) comment: Option<Arc<str>>,
    pub(crate) at: Option<Timestamp>,
}

/// Fields that the initial state gave an action, in place of those that follow from its life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// A status that no action reaches here; it stays.
    pub(crate) status: Option<Arc<str>>,
    /// The time of its last change, until it changes again.
    pub(crate) updated: Timestamp,
    pub(crate) error_hresult: Option<i32>,
    pub(crate) request_source: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) troubleshoot_info: Value,
}

/// The occasion of a read. Straight after the POST the service does not know the machine's name yet, as captures show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    JustCreated,
    /// A repeated POST, or a cancellation.
    Joined,
    /// A read of the action or of a list.
    Later,
}

impl TypeName {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Known(kind) => kind.type_name,
            Self::Other(type_name) => type_name,
        }
    }

    /// Returns the type, if it is known here.
    pub(crate) fn known(&self) -> Option<&'static str> {
        match self {
            Self::Known(kind) => Some(kind.type_name),
            Self::Other(_) => None,
        }
    }
}

impl MachineAction {
    /// The record by itself, with its context; `base_url` stands in the place of the service's own.
    pub(crate) fn entity<'a>(&'a self, base_url: &str, moment: Moment) -> Entity<'a> {
        let context = format!("{base_url}/api/$metadata#MachineActions/$entity");
        Entity { context, row: ActionRow { action: self, moment } }
    }

    /// Returns `true` if reads and lists know of it yet.
    pub(crate) fn is_visible(&self, elapsed: Duration, read_lag: Duration) -> bool {
        self.is_old || elapsed.saturating_sub(self.life.born()) >= read_lag
    }

    /// Returns the `status` at `elapsed`.
    pub(crate) fn status(&self, elapsed: Duration) -> &str {
        let given = self.given.as_deref().and_then(|given| given.status.as_deref());
        given.unwrap_or_else(|| self.life.status(elapsed))
    }

    /// Returns the time of its last change.
    pub(crate) fn updated(&self, elapsed: Duration) -> Timestamp {
        let since = self.life.since(elapsed);
        if since.is_zero()
            && let Some(given) = self.given.as_deref()
        {
            return given.updated;
        }
        let cancelled = self.cancellation.as_deref().and_then(|cancellation| cancellation.at);
        match cancelled {
            // In captures the two differ by one tick.
            Some(at) => at.checked_add(Duration::from_nanos(100)).unwrap_or(Timestamp::MAX),
            None => self.began.checked_add(since).unwrap_or(Timestamp::MAX),
        }
    }

    fn error_hresult(&self, elapsed: Duration) -> i32 {
        let given = self.given.as_deref().and_then(|given| given.error_hresult);
        given.filter(|_| self.life.since(elapsed).is_zero()).unwrap_or_else(|| self.life.error_hresult(elapsed))
    }
}

/// The time and form of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) elapsed: Duration,
    pub(crate) spelling: Spelling,
    pub(crate) view: View,
}

/// An action in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActionRow<'a> {
    pub(crate) action: &'a MachineAction,
    pub(crate) moment: Moment,
}

/// An action by itself.
#[derive(Debug)]
pub(crate) struct Entity<'a> {
    context: String,
    row: ActionRow<'a>,
}

impl Serialize for ActionRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(shape) = self.shape() {
            return shape.of(self.plain()?).serialize(serializer);
        }
        let mut fields = Fields::begin(serializer, self.moment.spelling.json)?;
        self.write(&mut fields)?;
        fields.end()
    }
}

impl Serialize for Entity<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(shape) = self.row.shape() {
            let mut row = self.row.plain()?;
            row.insert("@odata.context".to_owned(), self.context.as_str().into());
            return shape.of(row).serialize(serializer);
        }
        let mut fields = Fields::begin(serializer, self.row.moment.spelling.json)?;
        fields.put("@odata.context", &self.context)?;
        self.row.write(&mut fields)?;
        fields.end()
    }
}

impl ActionRow<'_> {
    /// Returns the defect of the row. A row of the initial state is written as it was given.
    fn shape(&self) -> Option<Shape> {
        let shape = self.moment.spelling.rows.shape(self.action.number)?;
        (self.moment.view == View::Later && self.action.given.is_none()).then_some(shape)
    }

    /// The row as it would be, field by field.
    fn plain<E: serde::ser::Error>(&self) -> Result<Map<String, Value>, E> {
        let readable = Spelling { rows: Rows::Readable, ..self.moment.spelling };
        let row = Self { moment: Moment { spelling: readable, ..self.moment }, ..*self };
        match serde_json::to_value(row) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Ok(Map::new()),
            Err(error) => Err(E::custom(error)),
        }
    }

    /// The twenty fields of live captures, which the table in
    /// <https://learn.microsoft.com/defender-endpoint/api/machineaction> has but for `errorHResult` and
    /// `troubleshootInfo`.
    fn write<M: serde::ser::SerializeMap>(&self, fields: &mut Fields<M>) -> Result<(), M::Error> {
        let Self { action, moment: Moment { elapsed, spelling, view } } = *self;
        let date = |time| Date(time, action.digits);
        let given = action.given.as_deref();
        let cancellation = action.cancellation.as_deref();
        let is_new = view == View::JustCreated;
        let name = (!is_new && !action.computer_dns_name.is_empty()).then_some(&*action.computer_dns_name);
        let updated = Some(action.updated(elapsed)).filter(|_| !(is_new && spelling.json.null_first_update));
        let age = elapsed.saturating_sub(action.life.born());
        let states = given.is_some() || spelling.particulars.are_stated(action.number, action.status(elapsed), age);
        let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
        fields.put("id", &*action.id.hyphenated().encode_lower(&mut id))?;
        fields.put("type", action.type_name.as_str())?;
        fields.optional("title", given.map_or(action.title.as_deref(), |given| given.title.as_deref()))?;
        fields.put("requestor", &*action.requestor)?;
        fields.optional("requestorComment", action.comment.as_deref())?;
        fields.put("status", action.status(elapsed))?;
        fields.put("machineId", &*action.machine_id)?;
        fields.optional("computerDnsName", name)?;
        fields.put("creationDateTimeUtc", &date(action.created))?;
        fields.optional(spelling.json.update_name(), updated.map(date).as_ref())?;
        fields.optional("cancellationRequestor", cancellation.and_then(|who| who.requestor.as_deref()))?;
        fields.optional("cancellationComment", cancellation.and_then(|who| who.comment.as_deref()))?;
        fields.optional("cancellationDateTimeUtc", cancellation.and_then(|who| who.at).map(date).as_ref())?;
        fields.unless("errorHResult", &action.error_hresult(elapsed), |code| *code == 0)?;
        fields.optional("scope", action.scope.as_deref().filter(|_| states))?;
        fields.optional("externalId", action.external_id.as_deref())?;
        let source = given.and_then(|given| given.request_source.as_deref());
        fields.put("requestSource", source.or(action.request_source).unwrap_or("PublicApi"))?;
        fields.optional("relatedFileInfo", action.file.as_deref().filter(|_| states))?;
        fields.unless("commands", &Commands(action, elapsed), |commands| commands.0.commands.is_empty())?;
        fields.unless("troubleshootInfo", given.map_or(&Value::Null, |given| &given.troubleshoot_info), Value::is_null)
    }
}

/// The commands of a live-response session.
struct Commands<'a>(&'a MachineAction, Duration);

impl Serialize for Commands<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(action, elapsed) = *self;
        let written = |time: Timestamp| crate::wire_format::json_style::date(time, action.digits);
        let rows = action.commands.iter().enumerate();
        serializer.collect_seq(rows.map(|(index, command)| {
            command.to_json((index, &action.commands), &action.life, elapsed, action.began, &written)
        }))
    }
}
