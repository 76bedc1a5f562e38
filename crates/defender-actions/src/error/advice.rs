//! The advice of an error: by the service's code first, since one status has many causes, then by its kind.

use std::{borrow::Cow, io};

use defender_auth::ErrorKind as AuthErrorKind;
use defender_model::{ActionStatus, Code, Problem};

use super::{Error, ErrorKind, Inner};

type Advice = Option<Cow<'static, str>>;

/// Operations on the collection of machines, in the place of an id.
const OPERATIONS: [&str; 2] = ["findbytag", "AddOrRemoveTagForMultipleMachines"];
/// Search for a machine by its name, as an advice names it.
const SEARCH: &str = "`machines().find(..)`";

impl Error {
    /// Returns the advice.
    pub(super) fn to_do(&self) -> Advice {
        let Inner { kind, advice, problem, .. } = &*self.0;
        if let Some(own) = advice.as_deref() {
            return Some(Cow::Owned(own.to_owned()));
        }
        let by_code = problem.as_ref().filter(|_| self.is_refusal()).and_then(|problem| self.by_code(problem));
        let advice = by_code.or_else(|| self.by_kind(*kind))?;
        match self.name_in_place_of_id() {
            None => Some(advice),
            // The advice after a 404 names the search already.
            Some(hint) if advice.contains(SEARCH) => Some(format!("{advice}; {hint}").into()),
            Some(hint) => Some(format!("{advice}; {hint}; to find a machine by its name, use {SEARCH}").into()),
        }
    }

    /// Returns the hint of a refusal that may be due to a name in the place of an id. An id may have another form, so it is only a hint.
    fn name_in_place_of_id(&self) -> Option<String> {
        let is_due_to_the_id = match self.0.kind {
            ErrorKind::NotFound => self.0.machines.is_empty(),
            ErrorKind::Refused => matches!(self.code(), None | Some(Code::BadRequest | Code::InvalidInput)),
            _ => false,
        };
        let (_, path) = self.0.context.split_once(" /machines/").filter(|_| is_due_to_the_id)?;
        let id = path.split('/').next()?;
        let is_id = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_operation = id.contains('(') || OPERATIONS.iter().any(|name| name.eq_ignore_ascii_case(id));
        if id.is_empty() || is_id || is_operation {
            return None;
        }
        Some(format!("`{id}` does not look like the id of a machine, which has 40 hexadecimal digits as a rule"))
    }

    /// Returns whether the service's error ended the call.
    fn is_refusal(&self) -> bool {
        use ErrorKind as K;
        matches!(self.0.kind, K::Refused | K::Unauthorized | K::Forbidden | K::NotFound | K::Throttled | K::Unavailable)
    }

    /// Returns the advice of the problem's codes. The inner code is more exact.
    fn by_code(&self, problem: &Problem) -> Advice {
        [problem.inner_code(), Some(problem.code())].into_iter().flatten().find_map(|code| self.of_code(code))
    }

    fn of_code(&self, code: &Code) -> Advice {
        Some(match code {
            Code::DisallowedOperation => {
                "no permission is missing: the machine's device group needs a remediation level \
                 (automation level); set one for the group in the portal, Settings / Endpoints / Device groups"
                    .into()
            }
            Code::DisabledFeature => {
                "no permission is missing: the feature is off or not licensed; turn it on in the portal, \
                 Settings / Endpoints / Advanced features, or check the license (Plan 1 has fewer actions)"
                    .into()
            }
            Code::OsPlatformNotSupported => {
                "the machine's system does not support the action: look at its record, and choose another action".into()
            }
            Code::ClientVersionNotSupported => {
                "the machine's sensor is too old for the action: update it, then submit the action again".into()
            }
            Code::InvalidRequestBody | Code::MissingRequiredParameter => {
                "correct the body as the message says; the names of its fields are case-sensitive".into()
            }
            Code::InvalidHashValue => "give the file's SHA-1, 40 hexadecimal digits".into(),
            Code::MaximumBatchSizeExceeded => "ask for fewer at a time".into(),
            Code::ODataError => "correct the filter or the sorting as the message says".into(),
            Code::InvalidInput | Code::InvalidDomainName | Code::InvalidIpAddress | Code::InvalidUrl => {
                "correct the value that the message names".into()
            }
            Code::ActiveRequestAlreadyExists => self.by_kind(ErrorKind::AlreadyInProgress)?,
            Code::Unauthorized => self.by_kind(ErrorKind::Unauthorized)?,
            Code::Forbidden => self.by_kind(ErrorKind::Forbidden)?,
            Code::TooManyRequests => self.by_kind(ErrorKind::Throttled)?,
            _ => return None,
        })
    }

    fn by_kind(&self, kind: ErrorKind) -> Advice {
        let never_sent = self.0.never_sent;
        Some(match kind {
            // The message has the advice.
            ErrorKind::Configuration => return None,
            ErrorKind::IntentExpired => "submit the action anew if it is still wanted".into(),
            // Errors of the model have their own advice.
            ErrorKind::Request if self.is_caused_by::<defender_model::Error>() => return None,
            ErrorKind::Request => "correct the call".into(),
            ErrorKind::Credential => return self.of_credential(),
            ErrorKind::ConnectFailed => unsent(self.0.retryable).into(),
            ErrorKind::QuotaStore => "check the store, then call again, which is safe".into(),
            ErrorKind::Journal if never_sent => "check the journal, then call again, which is safe".into(),
            ErrorKind::Journal => "the service has accepted the action; check the journal, then call `recover_pending()`".into(),
            ErrorKind::OutcomeUnknown => self.of_unknown(),
            ErrorKind::InvalidResponse if self.0.unknown.is_some() => "do not send the action again: the service has accepted it".into(),
            ErrorKind::InvalidResponse if self.0.row.is_some() => {
                "the other rows of the list can be read".into()
            }
            ErrorKind::InvalidResponse if self.0.retryable => {
                "call again, which is safe; if the error persists, look for a proxy that changes responses".into()
            }
            ErrorKind::InvalidResponse => {
                "do not send the request again: look for its effect in the machine's actions or in the library".into()
            }
            ErrorKind::Interrupted => "call again: a read changes nothing".into(),
            ErrorKind::Refused if self.0.problem.as_ref().is_some_and(Problem::is_silent) => {
                "look at the raw response in `problem()`, and correct the call".into()
            }
            ErrorKind::Refused if self.0.context.ends_with("/cancel") => {
                "an action that has ended, or that the service can no longer cancel, is not cancelled: undo it with the inverse action, if there is one".into()
            }
            ErrorKind::Refused if self.0.context == "POST /libraryfiles" => {
                "correct what the message names; to replace an existing file, call `override_if_exists()`".into()
            }
            ErrorKind::Refused => "correct what the message names; the same call fails again".into(),
            ErrorKind::AlreadyInProgress => {
                "wait for the pending action, which may be somebody else's, or cancel it, then submit yours".into()
            }
            ErrorKind::Conflict => "wait for that action or cancel it, then submit yours".into(),
            ErrorKind::Unauthorized => {
                "check tenant, audience, cloud and this machine's clock: `preflight()` compares them with the token".into()
            }
            ErrorKind::Forbidden => self.of_forbidden(),
            ErrorKind::NotFound => self.of_missing(),
            ErrorKind::Ambiguous => "choose one by its id: the one that is not a duplicate and was seen last".into(),
            ErrorKind::UnsuitableMachine => "to submit the action anyway, do not call `check_machine()`".into(),
            ErrorKind::NotReady => "wait for the action to end, then call again".into(),
            ErrorKind::NoResult => "choose a command with a result from the action's record".into(),
            ErrorKind::TooLarge if never_sent => "make the file smaller".into(),
            ErrorKind::TooLarge => "raise the limit, if the size is expected".into(),
            ErrorKind::Corrupt => "download it again; if the error persists, do not trust the file".into(),
            ErrorKind::Io => self.of_file(),
            ErrorKind::Retired => "look in Microsoft's announcements for a replacement; `deprecation_notices()` has the service's notice".into(),
            ErrorKind::Throttled => self.of_quota(),
            ErrorKind::Unavailable => self.later("it is safe to call again", "later"),
            ErrorKind::ActionFailed => self.of_end(),
            ErrorKind::WaitTimeout => {
                "wait again by the action's id; an action waits three days for a machine that is offline, live response two hours"
                    .into()
            }
        })
    }

    fn is_caused_by<E: std::error::Error + 'static>(&self) -> bool {
        self.cause().is_some_and(<dyn std::error::Error>::is::<E>)
    }

    /// Returns the advice for an error of the credential. An error of `defender-auth` has its own advice, as a rule.
    fn of_credential(&self) -> Advice {
        let own = self.cause().and_then(|cause| cause.downcast_ref::<defender_auth::Error>());
        match own {
            Some(error)
                if error.kind() == AuthErrorKind::Refused
                    && error.entra().is_some_and(|entra| entra.advice().is_none()) =>
            {
                Some(
                    "look up the correlation id in the sign-in logs in Entra, and check tenant, client id and secret"
                        .into(),
                )
            }
            Some(error) if error.kind() == AuthErrorKind::Transport => Some(unsent(error.is_retryable()).into()),
            Some(error) if error.kind() != AuthErrorKind::Other => None,
            _ => Some("fix the error of the credential, then call again".into()),
        }
    }

    fn of_forbidden(&self) -> Cow<'static, str> {
        let granted = "if that is done, check the audience (`preflight()` compares both with the token)";
        match self.0.needs {
            Some(needs) => format!("the call needs {needs}; grant it with consent; {granted}").into(),
            None => format!(
                "grant the application the permission for this call, with an administrator's consent; {granted}"
            )
            .into(),
        }
    }

    fn of_missing(&self) -> Cow<'static, str> {
        let is_of = |collection: &str| self.0.context.contains(collection);
        match () {
            () if !self.0.machines.is_empty() => "choose one of them by its id, or correct the name".into(),
            () if is_of("/machines") => {
                format!("check the machine's id and the tenant; to find a machine by its name, use {SEARCH}").into()
            }
            () if is_of("/machineactions") => {
                "check the action's id and the tenant; the record of a new action may take two minutes to appear".into()
            }
            () if is_of("/libraryfiles") => "check the file's name against `library().files()`".into(),
            () => "check the spelling, the tenant and the cloud".into(),
        }
    }

    fn of_file(&self) -> Cow<'static, str> {
        let cause = self.cause().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        match cause {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                "free some space or choose another folder, then download it again"
            }
            Some(io::ErrorKind::AlreadyExists) => "choose another name, or call `overwrite()`",
            Some(io::ErrorKind::NotFound) => "make the folder first, or choose another one",
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                "choose a folder that this user may write to"
            }
            _ => "check the folder and the disk, then download it again",
        }
        .into()
    }

    fn of_quota(&self) -> Cow<'static, str> {
        if self.0.never_sent {
            return self.later("call again", "later");
        }
        let shared =
            "the quota is shared by all processes of this application in this tenant, so check what else uses it";
        let sessions = if self.0.context.contains("runliveresponse") {
            "; live response allows 50 sessions at a time"
        } else {
            ""
        };
        format!("{}; {shared}{sessions}", self.later("call again", "in a minute")).into()
    }

    /// Returns the advice with the time to wait, from the service or from our queue.
    fn later(&self, what: &str, else_when: &str) -> Cow<'static, str> {
        match self.0.retry_after {
            Some(wait) => {
                let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
                format!("{what} after {seconds} s").into()
            }
            None => format!("{what} {else_when}").into(),
        }
    }

    fn of_unknown(&self) -> Cow<'static, str> {
        match &self.0.unknown {
            // The reason has its own advice.
            Some(_) => "do not send the action again before that",
            None => "the request may have taken effect: check what it should have changed before you send it again",
        }
        .into()
    }

    fn of_end(&self) -> Cow<'static, str> {
        let status = self.0.action.as_ref().map(|action| &action.status);
        match status {
            Some(ActionStatus::TimeOut) => {
                "the machine did not report in time: check that it is on and connected, then submit the action again"
            }
            Some(ActionStatus::Cancelled) => "ask who cancelled the action before you submit it again",
            _ => "look at the machine and at the action in the portal's action center, then submit it again",
        }
        .into()
    }
}

/// Returns the advice after a failed connection.
fn unsent(retryable: bool) -> &'static str {
    if retryable {
        "nothing was sent, so it is safe to call again"
    } else {
        "fix this first, since a second call fails in the same way; nothing was sent"
    }
}
