//! Why something was not done, or is not known to be.

use std::{error::Error as StdError, fmt, time::Duration};

use defender_model::{ActionId, Code, CommandRecord, Machine, MachineAction, Problem};
use jiff::Timestamp;
use serde_json::Value;

use crate::{Intent, find::Choice};

/// Why something was not done, or is not known to be done.
///
/// [`kind`](Self::kind) says what to do; what the service said is in [`problem`](Self::problem), and the action that it
/// is about, where one is known, in [`action`](Self::action). The message says what was being done and never repeats the
/// [source](StdError::source).
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    context: String,
    never_sent: bool,
    retryable: bool,
    problem: Option<Problem>,
    request_id: Option<String>,
    action_id: Option<ActionId>,
    action: Option<MachineAction>,
    machines: Vec<Machine>,
    unknown: Option<Unknown>,
    row: Option<Value>,
    /// When the service answered, on its clock.
    date: Option<Timestamp>,
    attempts: u32,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What there is to know of an action of which it is not known whether it was taken.
#[derive(Debug)]
struct Unknown {
    intent: Intent,
    candidates: Vec<MachineAction>,
    reason: UnknownReason,
}

/// Why it could not be found out whether an action was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnknownReason {
    /// No action of the intent has appeared within the grace. It may never have arrived, or may still.
    NothingFound,
    /// Several actions may be the one, or one may be that of another submission: see [`Error::candidates`].
    SeveralFound,
    /// The machine's actions could not be read: the error's source says why.
    NotReadable,
    /// A live response session is known again by its external id only, and none was set.
    NoExternalId,
}

impl UnknownReason {
    const fn words(self) -> &'static str {
        match self {
            Self::NothingFound => "no action of this intent has appeared",
            Self::SeveralFound => "several actions of this intent have appeared, or one that may be another's",
            Self::NotReadable => "the machine's actions cannot be read",
            Self::NoExternalId => "a live response session is known again by its external id only",
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client is not set up rightly.
    /// *Was it sent?* No. *What to do:* mend what the message names.
    Configuration,
    /// What was asked for cannot be sent: an empty comment, a path that is none.
    /// *Was it sent?* No. *What to do:* mend what the message names.
    Request,
    /// There is no token.
    /// *Was it sent?* No. *What to do:* see the source, which is the credential's own error.
    Credential,
    /// The service was not reached.
    /// *Was it sent?* No, for certain. *What to do:* call again.
    NotReached,
    /// An action was sent, or may have been, no answer that says what became of it came back, and it could not be found out.
    /// *Was it sent?* Unknown; it may have taken effect, and may still. *What to do:* keep [`Error::intent`] and
    /// [`recover`](crate::DefenderClient::recover) it later, or look at [`Error::candidates`], before you send it again.
    OutcomeUnknown,
    /// The service said yes, and its answer cannot be read.
    /// *Was it sent?* Yes. An action has been taken by the service, and its id is not known and could not be found out. *What to
    /// do:* as with [`OutcomeUnknown`](Self::OutcomeUnknown), but never send it again; a read may be repeated.
    AnswerUnreadable,
    /// A read gave no answer.
    /// *Was it sent?* Perhaps; it changes nothing. *What to do:* call again.
    Interrupted,
    /// The service refuses the request as it is: 400, or another 4xx that has no kind of its own, or a redirect.
    /// *Was it sent?* Yes, and refused. *What to do:* see [`Error::problem`].
    Refused,
    /// An action of this type is pending on this machine already: 400 `ActiveRequestAlreadyExists`.
    /// *Was it sent?* Yes, and refused. *What to do:* wait for the one that is pending. It may be somebody else's, and
    /// may not be what you asked for.
    AlreadyInProgress,
    /// An action stands in the way that is not what was asked for: one of the same type with other particulars, or, of an
    /// ordered action, its inverse. [`Error::action`] has its record.
    /// *Was it sent?* Perhaps; it was not taken. *What to do:* wait for that one, and ask again.
    Conflict,
    /// 401: the token is not accepted.
    /// *Was it sent?* Yes, and refused. *What to do:* check tenant, audience and cloud.
    Unauthorized,
    /// 403: the token does not allow it, or is for another audience.
    /// *Was it sent?* Yes, and refused. *What to do:* grant the application the permission, and consent to it; check the
    /// audience.
    Forbidden,
    /// 404: there is no such machine or action.
    /// *Was it sent?* Yes, and refused. *What to do:* check the id; a record may also take two minutes to appear.
    NotFound,
    /// Several machines fit where one is asked for. [`Error::machines`] has them.
    /// *Was it sent?* A read; it changes nothing. *What to do:* choose one of them by its id; see which is a duplicate, and which was
    /// seen last.
    Ambiguous,
    /// The machine was looked at before acting, as asked, and something speaks against it: it does not report, has left, or has a
    /// system that does not support the action. [`Error::machines`] has its record.
    /// *Was it sent?* No, the action was not. *What to do:* see the message; to act all the same, leave the check out.
    Unsuitable,
    /// What an action is to bring is not there yet, since it goes on. [`Error::action`] has its record.
    /// *Was it sent?* A read; it changes nothing. *What to do:* wait for the action, and ask again.
    NotReady,
    /// The command has no result that could be fetched: it puts a file onto the machine, or it failed or never ran.
    /// [`Error::action`] has its record.
    /// *Was it sent?* No, it was not asked for. *What to do:* see the record's `commands`.
    NoResult,
    /// What came is larger than the limit allows.
    /// *Was it sent?* A read; it changes nothing, and nothing is left behind. *What to do:* raise the limit, if the size is as it
    /// should be.
    TooLarge,
    /// What came is not what it should be: another hash, another file than the one that was begun, or broken compression.
    /// *Was it sent?* A read; it changes nothing, and no file is left behind. *What to do:* download it again; if it stays so, do
    /// not trust it.
    Corrupt,
    /// The local file could not be written, or is there already.
    /// *Was it sent?* Reads at most; they change nothing. *What to do:* see the source.
    LocalFile,
    /// 410: the service does not do this any more.
    /// *Was it sent?* Yes, and refused. *What to do:* see the service's announcements.
    Gone,
    /// Too many requests: 429, or the queue for the quota is longer than the call's time.
    /// *Was it sent?* Yes, and refused; from the queue no, and then [`Error::never_sent`] says so. *What to do:* call again
    /// after [`Error::retry_after`].
    Throttled,
    /// 408 or 5xx to a read: the service is in trouble.
    /// *Was it sent?* Yes; it changes nothing. *What to do:* call again later.
    Unavailable,
    /// The action ended, and not well: `Failed`, `TimeOut` or `Cancelled`. [`Error::action`] has its record.
    /// *Was it sent?* Yes. *What to do:* see the record's `error_h_result` and the machine.
    NotSucceeded,
    /// The wait ran out of patience and the action goes on. [`Error::action`] has its record as last seen.
    /// *Was it sent?* Yes. *What to do:* wait again, by its id.
    StillRunning,
}

impl ErrorKind {
    const fn words(self) -> &'static str {
        match self {
            Self::Configuration => "the client is not set up rightly",
            Self::Request => "this cannot be sent",
            Self::Credential => "there is no token, so nothing was sent",
            Self::NotReached => "the service was not reached, so nothing was done",
            Self::OutcomeUnknown => "it is not known whether this took effect",
            Self::AnswerUnreadable => "the service accepted this, and its answer cannot be read",
            Self::Interrupted => "no answer came",
            Self::Refused => "the service refuses this",
            Self::AlreadyInProgress => "an action of this type is pending on this machine already",
            Self::Conflict => "another action stands in the way",
            Self::Unauthorized => "the service does not accept the token; check tenant, audience and cloud",
            Self::Forbidden => "the token does not allow this; check the application's permissions and the audience",
            Self::NotFound => "there is no such thing",
            Self::Ambiguous => "several machines fit",
            Self::Unsuitable => "the machine is not fit for this, so nothing was done",
            Self::NotReady => "it is not there yet, since the action goes on",
            Self::NoResult => "there is no result to fetch",
            Self::TooLarge => "it is larger than the limit",
            Self::Corrupt => "what came is not what it should be",
            Self::LocalFile => "the local file cannot be written",
            Self::Gone => "the service does not do this any more",
            Self::Throttled => "too many requests; call again later",
            Self::Unavailable => "the service is in trouble",
            Self::NotSucceeded => "the action did not succeed",
            Self::StillRunning => "the action goes on, and the wait does not",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        let never_sent = matches!(
            kind,
            ErrorKind::Configuration
                | ErrorKind::Request
                | ErrorKind::Credential
                | ErrorKind::NotReached
                | ErrorKind::Unsuitable
                | ErrorKind::NoResult
        );
        let retryable = matches!(
            kind,
            ErrorKind::NotReached
                | ErrorKind::Interrupted
                | ErrorKind::NotReady
                | ErrorKind::Throttled
                | ErrorKind::Unavailable
        );
        Self(Box::new(Inner {
            kind,
            context: String::new(),
            never_sent,
            retryable,
            problem: None,
            request_id: None,
            action_id: None,
            action: None,
            machines: Vec::new(),
            unknown: None,
            row: None,
            date: None,
            attempts: 0,
            retry_after: None,
            source: None,
        }))
    }

    /// What was being done, or with what.
    pub(crate) fn context(mut self, context: impl Into<String>) -> Self {
        self.0.context = context.into();
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn problem_was(mut self, problem: Problem) -> Self {
        self.0.problem = Some(problem);
        self
    }

    pub(crate) fn request_id_was(mut self, request_id: Option<String>) -> Self {
        self.0.request_id = request_id;
        self
    }

    /// The action that was asked about, where its record may not have been seen.
    pub(crate) fn of(mut self, id: &ActionId) -> Self {
        self.0.action_id = Some(id.clone());
        self
    }

    /// Adds a row of a page that cannot be read, as it came.
    pub(crate) fn row_was(mut self, row: Value) -> Self {
        self.0.row = Some(row);
        self
    }

    pub(crate) fn about(mut self, action: Option<MachineAction>) -> Self {
        self.0.action = action;
        self
    }

    /// Adds the machines that it is about.
    pub(crate) fn of_machines(mut self, machines: Vec<Machine>) -> Self {
        self.0.machines = machines;
        self
    }

    /// Adds what was meant to a lost answer, and why it could not be found out.
    pub(crate) fn unknown(mut self, intent: Intent, candidates: Vec<MachineAction>, reason: UnknownReason) -> Self {
        self.0.unknown = Some(Unknown { intent, candidates, reason });
        self
    }

    /// Adds what kept it from being found out, where there is no cause yet.
    pub(crate) fn because(mut self, trouble: Error) -> Self {
        self.0.source.get_or_insert_with(|| trouble.into());
        self
    }

    /// The same error for another that it concerns, without its source.
    pub(crate) fn alike(&self) -> Self {
        let inner = &*self.0;
        Self(Box::new(Inner {
            kind: inner.kind,
            context: inner.context.clone(),
            never_sent: inner.never_sent,
            retryable: inner.retryable,
            problem: inner.problem.clone(),
            request_id: inner.request_id.clone(),
            action_id: None,
            action: None,
            machines: Vec::new(),
            unknown: None,
            row: None,
            date: inner.date,
            attempts: inner.attempts,
            retry_after: inner.retry_after,
            source: None,
        }))
    }

    pub(crate) fn certainly_never_sent(mut self) -> Self {
        self.0.never_sent = true;
        self
    }

    /// Says how many sendings it took, and when the service wants to be asked again.
    pub(crate) fn after(mut self, attempts: u32, retry_after: Option<Duration>) -> Self {
        self.0.attempts = attempts;
        self.0.retry_after = retry_after;
        self
    }

    pub(crate) fn dated(mut self, date: Option<Timestamp>) -> Self {
        self.0.date = date;
        self
    }

    pub(crate) fn date(&self) -> Option<Timestamp> {
        self.0.date
    }

    pub(crate) fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether it is certain that the service has not processed the request.
    #[must_use]
    pub fn never_sent(&self) -> bool {
        self.0.never_sent
    }

    /// Whether the same call may be made again, later, without the risk of doing it twice, and may then go well.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Whether an action may have been taken, or has been, and it is not known which: the one case in which asking again may do it
    /// twice.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.0.kind, ErrorKind::OutcomeUnknown) || self.0.unknown.is_some()
    }

    /// Whether there is no such machine or action.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// The HTTP status, where there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.problem().map(Problem::status)
    }

    /// What the service said, with the raw body of its answer.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_ref()
    }

    /// The service's word for what went wrong, if it said one.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.problem().map(Problem::code).filter(|code| !code.as_str().is_empty())
    }

    /// The opaque id that Microsoft's support asks for, if the service gave one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.problem().and_then(Problem::target)
    }

    /// The service's correlation id of the answer, if it gave one (`mise-correlation-id`).
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How many times it was sent, or tried to be; 0 where it did not come to that.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// When to call again at the earliest: as the service asks, or as the queue for its quota can tell.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What was meant, where its answer was lost.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        self.0.unknown.as_ref().map(|unknown| &unknown.intent)
    }

    /// The actions that may be what was meant, where there are several.
    #[must_use]
    pub fn candidates(&self) -> &[MachineAction] {
        self.0.unknown.as_ref().map(|unknown| unknown.candidates.as_slice()).unwrap_or_default()
    }

    /// The machines that this is about: those among which to choose, or the one that is not fit.
    #[must_use]
    pub fn machines(&self) -> &[Machine] {
        &self.0.machines
    }

    /// Why it could not be found out what became of what was meant, where its answer was lost.
    #[must_use]
    pub fn reason(&self) -> Option<UnknownReason> {
        self.0.unknown.as_ref().map(|unknown| unknown.reason)
    }

    /// The action that this is about, as last seen.
    #[must_use]
    pub fn action(&self) -> Option<&MachineAction> {
        self.0.action.as_ref()
    }

    /// The id of the action that this is about, also where its record has not been seen.
    #[must_use]
    pub fn action_id(&self) -> Option<&ActionId> {
        self.0.action.as_ref().map(|action| &action.id).or(self.0.action_id.as_ref())
    }

    /// The commands of the live response session that this is about, each with how far it came: a session that ended as
    /// `Cancelled` may have completed them.
    #[must_use]
    pub fn commands(&self) -> &[CommandRecord] {
        self.action().and_then(|action| action.commands.as_deref()).unwrap_or_default()
    }

    /// The row of a list that cannot be read, as it came.
    #[must_use]
    pub fn row(&self) -> Option<&Value> {
        self.0.row.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.kind, self.0.context.as_str()) {
            (kind, "") => f.write_str(kind.words())?,
            (ErrorKind::Configuration, what) => write!(f, "{}: {what}", ErrorKind::Configuration.words())?,
            (kind, call) => write!(f, "{call}: {}", kind.words())?,
        }
        if let Some(problem) = &self.0.problem {
            write!(f, " (status {}): {problem}", problem.status())?;
        }
        if !self.0.machines.is_empty() && matches!(self.0.kind, ErrorKind::Ambiguous | ErrorKind::NotFound) {
            write!(f, "; there are {}", Choice(&self.0.machines))?;
        }
        if let (ErrorKind::Conflict, Some(action)) = (self.0.kind, &self.0.action) {
            write!(f, "; it is action {} ({}), which is {}", action.id, action.action_type, action.status)?;
        }
        if let Some(unknown) = &self.0.unknown {
            write!(f, "; {}", unknown.reason)?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    const SOURCE: &str = include_str!("error.rs");

    /// The names of the kinds, from the source: none can be left out.
    fn kinds() -> Vec<&'static str> {
        let (_, inside) = SOURCE.split_once("pub enum ErrorKind {").unwrap();
        let (inside, _) = inside.split_once("\n}").unwrap();
        let names = inside.lines().map(str::trim).filter(|line| !line.starts_with("///") && !line.is_empty());
        names.map(|line| line.trim_end_matches(',')).collect()
    }

    #[test]
    fn each_kind_says_whether_it_was_sent_and_what_to_do() {
        let mut docs = String::new();
        let (_, inside) = SOURCE.split_once("pub enum ErrorKind {").unwrap();
        for line in inside.lines().take_while(|line| *line != "}") {
            match line.trim().strip_prefix("///") {
                Some(doc) => docs.push_str(doc),
                None if line.trim().is_empty() => {}
                None => {
                    let (sent, todo) = (docs.contains("*Was it sent?*"), docs.contains("*What to do:*"));
                    assert!(sent && todo, "{line}: {docs}");
                    docs.clear();
                }
            }
        }
    }

    /// The words of each kind, with and without all that an error may carry. Kept in a file, so that a change is seen.
    #[test]
    fn the_words_are_those_of_the_file() {
        use crate::ErrorKind as K;
        let problem = || {
            Problem::parse(400, br#"{"error":{"code":"InvalidInput","message":"Sha1 is wrong","target":"43f4cb08"}}"#)
        };
        let all = [
            K::Configuration,
            K::Request,
            K::Credential,
            K::NotReached,
            K::OutcomeUnknown,
            K::AnswerUnreadable,
            K::Interrupted,
            K::Refused,
            K::AlreadyInProgress,
            K::Conflict,
            K::Unauthorized,
            K::Forbidden,
            K::NotFound,
            K::Ambiguous,
            K::Unsuitable,
            K::NotReady,
            K::NoResult,
            K::TooLarge,
            K::Corrupt,
            K::LocalFile,
            K::Gone,
            K::Throttled,
            K::Unavailable,
            K::NotSucceeded,
            K::StillRunning,
        ];
        assert_eq!(all.map(|kind| format!("{kind:?}")).to_vec(), kinds());
        let mut words = Vec::new();
        for kind in all {
            let plain = Error::new(kind).context("POST /machines/m1/isolate");
            words.push(format!("{kind:?}\n  {plain}\n"));
            let sent = if plain.never_sent() { "never sent" } else { "perhaps or surely sent" };
            let again = if plain.is_retryable() { "retryable" } else { "not retryable" };
            words.push(format!(
                "  {sent}, {again}
"
            ));
            if !plain.never_sent() {
                words.push(format!("  {}\n", plain.problem_was(problem())));
            }
        }
        for reason in [
            UnknownReason::NothingFound,
            UnknownReason::SeveralFound,
            UnknownReason::NotReadable,
            UnknownReason::NoExternalId,
        ] {
            words.push(format!("{reason:?}\n  {reason}\n"));
        }
        let words = words.concat();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error-words.txt");
        if std::env::var_os("WRITE_WORDS").is_some() {
            std::fs::write(path, &words).unwrap();
        }
        assert_eq!(words, std::fs::read_to_string(path).unwrap(), "if it is meant, run this with WRITE_WORDS=1");
    }

    #[test]
    fn it_says_what_and_where_and_does_not_repeat_its_source() {
        let problem =
            Problem::parse(404, br#"{"error":{"code":"ResourceNotFound","message":"no machine","target":"t"}}"#);
        let error = Error::new(ErrorKind::NotFound).context("GET /x").problem_was(problem).caused_by("the cause");
        assert_eq!(
            error.to_string(),
            "GET /x: there is no such thing (status 404): ResourceNotFound: no machine (target t)"
        );
    }
}
