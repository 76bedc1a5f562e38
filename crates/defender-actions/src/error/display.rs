//! The text of an error.

use std::{error::Error as StdError, fmt};

use defender_model::{MachineAction, sanitize_line};

use super::{Error, ErrorKind, Inner, Unknown, word::word};
use crate::machines::choice::Choice;

/// Longest part of a line, in characters.
const LONGEST: usize = 700;
/// Most candidates that a line names.
const NAMED: usize = 3;

/// Form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As a cause in the line of another error, which has its own advice.
    WithoutAdvice,
    Usual,
    /// With all causes.
    Whole,
}

impl Error {
    /// Returns the line: what failed, on what, why, what to do, and the name of the kind.
    pub(super) fn line(&self, form: Form) -> String {
        let text = self.text(form);
        // The name is that of the whole error, so a cause in the line has none.
        if form == Form::WithoutAdvice { text } else { format!("{text} [{}]", self.0.kind.name()) }
    }

    fn text(&self, form: Form) -> String {
        if self.0.kind == ErrorKind::Configuration && self.0.context.is_empty() && self.0.message.is_none() {
            // The cause says by itself that the configuration is invalid.
            if let [cause] = self.causes(form).as_slice() {
                return cause.clone();
            }
        }
        let Inner { kind, context, message, problem, .. } = &*self.0;
        let failure = message.as_deref().unwrap_or(kind.message());
        let mut line = match (kind, sanitize_line(context, LONGEST).as_str()) {
            (_, "") => sanitize_line(failure, LONGEST),
            (ErrorKind::Configuration, what) => format!("{failure}: {what}"),
            (_, call) => format!("{call}: {}", sanitize_line(failure, LONGEST)),
        };
        let mut why = Vec::new();
        if let Some(problem) = problem.as_ref().filter(|_| message.is_none()) {
            line = format!("{line} (status {})", problem.status());
            if !problem.is_silent() || self.0.source.is_none() {
                why.push(problem.to_string());
            }
        }
        why.extend(self.subject());
        why.extend(self.causes(form));
        if let Some(unknown) = &self.0.unknown {
            why.push(unknown.text(form));
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

    /// Returns the machines to choose from, or the conflicting action.
    fn subject(&self) -> Option<String> {
        let machines = Choice(&self.0.machines);
        match (self.0.kind, &self.0.action) {
            (ErrorKind::Ambiguous, _) if !self.0.machines.is_empty() => Some(machines.to_string()),
            (ErrorKind::NotFound, _) if !self.0.machines.is_empty() => {
                Some(format!("machines with a longer name: {machines}"))
            }
            (ErrorKind::Conflict | ErrorKind::AlreadyInProgress, Some(action)) => Some(named(action)),
            _ => None,
        }
    }

    /// Returns the text of the cause, in the whole form with all further causes. A message of its own already includes the cause.
    fn causes(&self, form: Form) -> Vec<String> {
        let Some(cause) = self.0.source.as_deref() else { return Vec::new() };
        if !self.includes_cause() && form != Form::Whole {
            return Vec::new();
        }
        let mut text = cause_text(cause);
        if form == Form::Whole {
            let mut next = cause.source();
            while let Some(source) = next {
                let further = sanitize_line(&source.to_string(), LONGEST);
                // Some errors include their source in their own text.
                if !text.contains(&further) {
                    text = format!("{}: {further}", text.trim_end_matches('.'));
                }
                next = source.source();
            }
        }
        vec![text]
    }

    /// Returns whether the usual line includes the cause.
    pub(super) fn includes_cause(&self) -> bool {
        self.0.message.is_none()
    }
}

/// Returns the text of a cause.
pub(super) fn cause_text(cause: &(dyn StdError + Send + Sync + 'static)) -> String {
    match cause.downcast_ref::<Error>() {
        Some(error) => error.line(Form::WithoutAdvice),
        None => sanitize_line(&cause.to_string(), LONGEST),
    }
}

impl Unknown {
    fn text(&self, form: Form) -> String {
        let advice = if form == Form::WithoutAdvice { "" } else { self.reason.to_do() };
        let mut text = self.reason.facts().to_owned();
        if let Some(error) = &self.list_error {
            text = format!("{text} ({})", sanitize_line(error, LONGEST));
        }
        if !self.candidates.is_empty() {
            let named = self.candidates.iter().take(NAMED).map(named).collect::<Vec<_>>().join(", ");
            let more = match self.candidates.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            text = format!("{text}: {named}{more}");
        }
        if advice.is_empty() { text } else { format!("{text}; {advice}") }
    }
}

/// Returns the id, type and status of an action.
fn named(action: &MachineAction) -> String {
    format!("action {} ({}, {})", action.id, word(action.action_type.as_str()), word(action.status.as_str()))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(if f.alternate() { Form::Whole } else { Form::Usual }))
    }
}

/// Shows only the fields that have a value.
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
            // The `Debug` of a foreign error may quote the response.
            shown.field("cause", &format_args!("{}", sanitize_line(&format!("{source:?}"), LONGEST)));
        }
        shown.finish()
    }
}
