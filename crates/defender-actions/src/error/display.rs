//! The texts of an error.

use std::{error::Error as StdError, fmt};

use defender_model::{MachineAction, sanitize_line};

use super::{Error, ErrorKind, Inner, Unknown};
use crate::machines::find::Choice;

/// A part of a line is no longer, in characters.
const LONGEST: usize = 700;
/// More candidates are not named.
const NAMED: usize = 3;

/// How much a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As the cause in the line of another error, which has its own advice.
    WithoutAdvice,
    Usual,
    /// With all causes.
    Whole,
}

impl Error {
    /// The line: what failed, on what, why, and what to do.
    pub(super) fn line(&self, form: Form) -> String {
        if self.0.kind == ErrorKind::Configuration && self.0.context.is_empty() && self.0.message.is_none() {
            // What is below says that it is the configuration.
            if let [cause] = self.causes(form).as_slice() {
                return cause.clone();
            }
        }
        let Inner { kind, context, message, problem, .. } = &*self.0;
        let words = message.as_deref().unwrap_or(kind.words());
        let mut line = match (kind, sanitize_line(context, LONGEST).as_str()) {
            (_, "") => sanitize_line(words, LONGEST),
            (ErrorKind::Configuration, what) => format!("{words}: {what}"),
            (_, call) => format!("{call}: {}", sanitize_line(words, LONGEST)),
        };
        let mut why = Vec::new();
        if let Some(problem) = problem.as_ref().filter(|_| message.is_none()) {
            line = format!("{line} (status {})", problem.status());
            if !problem.is_silent() || self.0.source.is_none() {
                why.push(problem.to_string());
            }
        }
        why.extend(self.what_it_is_about());
        why.extend(self.causes(form));
        if let Some(unknown) = &self.0.unknown {
            why.push(unknown.words(form));
        }
        let mut separator = ": ";
        for part in why {
            line.push_str(separator);
            line.push_str(part.trim_end_matches('.'));
            separator = "; ";
        }
        if let Some(advice) = self.to_do().filter(|_| form != Form::WithoutAdvice) {
            line.push_str("; ");
            line.push_str(&sanitize_line(&advice, LONGEST));
        }
        line
    }

    /// The machines or the action that stand in the way.
    fn what_it_is_about(&self) -> Option<String> {
        let machines = Choice(&self.0.machines);
        match (self.0.kind, &self.0.action) {
            (ErrorKind::Ambiguous, _) if !self.0.machines.is_empty() => Some(machines.to_string()),
            (ErrorKind::NotFound, _) if !self.0.machines.is_empty() => Some(format!("names that begin so: {machines}")),
            (ErrorKind::Conflict | ErrorKind::AlreadyInProgress, Some(action)) => {
                Some(format!("it is {}", named(action)))
            }
            _ => None,
        }
    }

    /// The cause, and in the whole form what is beneath it. A message of its own tells the cause in its own words.
    fn causes(&self, form: Form) -> Vec<String> {
        let Some(cause) = self.0.source.as_deref() else { return Vec::new() };
        if !self.tells_cause() && form != Form::Whole {
            return Vec::new();
        }
        let mut told = told(cause);
        if form == Form::Whole {
            let mut next = cause.source();
            while let Some(beneath) = next {
                let text = sanitize_line(&beneath.to_string(), LONGEST);
                // Some errors tell their source themselves.
                if !told.contains(&text) {
                    told = format!("{}: {text}", told.trim_end_matches('.'));
                }
                next = beneath.source();
            }
        }
        vec![told]
    }

    /// Whether the usual line has the cause in it.
    pub(super) fn tells_cause(&self) -> bool {
        self.0.message.is_none()
    }
}

/// The text of a cause.
pub(super) fn told(cause: &(dyn StdError + Send + Sync + 'static)) -> String {
    match cause.downcast_ref::<Error>() {
        Some(error) => error.line(Form::WithoutAdvice),
        None => sanitize_line(&cause.to_string(), LONGEST),
    }
}

impl Unknown {
    fn words(&self, form: Form) -> String {
        let advice = if form == Form::WithoutAdvice { "" } else { self.reason.to_do() };
        let mut words = self.reason.facts().to_owned();
        if let Some(trouble) = &self.trouble {
            words = format!("{words} ({})", sanitize_line(trouble, LONGEST));
        }
        if !self.candidates.is_empty() {
            let named = self.candidates.iter().take(NAMED).map(named).collect::<Vec<_>>().join(", ");
            let more = match self.candidates.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            words = format!("{words}: {named}{more}");
        }
        if advice.is_empty() { words } else { format!("{words}; {advice}") }
    }
}

/// An action, in a line.
fn named(action: &MachineAction) -> String {
    format!("action {} ({}, {})", action.id, word(action.action_type.as_str()), word(action.status.as_str()))
}

/// A word of a record: the service's are short, and whatever else stands there is not to be read in an error.
pub(crate) fn word(word: &str) -> String {
    const LONGEST: usize = 40;
    match sanitize_line(word, LONGEST).as_str() {
        "" => "not stated".to_owned(),
        line => line.to_owned(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(if f.alternate() { Form::Whole } else { Form::Usual }))
    }
}

/// What there is to say, and nothing of what there is not.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, never_sent, retryable, attempts, .. } = &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("kind", kind).field("line", &self.line(Form::Whole));
        shown.field("never_sent", never_sent).field("retryable", retryable);
        if *attempts > 0 {
            shown.field("attempts", attempts);
        }
        if let Some(wait) = &self.0.retry_after {
            shown.field("retry_after", wait);
        }
        if let Some(problem) = &self.0.problem {
            shown.field("problem", problem);
        }
        if let Some(id) = &self.0.request_id {
            shown.field("request_id", id);
        }
        if let Some(id) = self.action_id() {
            shown.field("action_id", &id.as_str());
        }
        if let Some(action) = &self.0.action {
            shown.field("action", &named(action));
        }
        let machines: Vec<_> = self.0.machines.iter().map(|machine| machine.id.as_str()).collect();
        if !machines.is_empty() {
            shown.field("machines", &machines);
        }
        if let Some(unknown) = &self.0.unknown {
            shown.field("reason", &unknown.reason);
            let candidates: Vec<_> = unknown.candidates.iter().map(|action| action.id.as_str()).collect();
            shown.field("candidates", &candidates);
        }
        if self.0.row.is_some() {
            shown.field("row", &format_args!(".."));
        }
        if let Some(source) = &self.0.source {
            // That of a foreign error may quote what came.
            shown.field("cause", &format_args!("{}", sanitize_line(&format!("{source:?}"), LONGEST)));
        }
        shown.finish()
    }
}
