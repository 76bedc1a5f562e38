//! The statements of the journal.

use std::sync::Arc;

/// Texts of the statements.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) intend: Arc<str>,
    pub(super) settle: Arc<str>,
    pub(super) finish: Arc<str>,
    pub(super) take_over: Arc<str>,
    pub(super) entry: Arc<str>,
    pub(super) prune: Arc<str>,
}

impl Statements {
    /// The schema is quoted.
    pub(super) fn new(schema: &str) -> Self {
        let returned = "result, kept_intent, kept_outcome, kept_last";
        Self {
            intend: format!("select {returned} from {schema}.entry_intend($1, $2, $3, $4, $5, $6, $7)").into(),
            settle: format!("select result, found_text from {schema}.entry_settle($1, $2, $3, $4, $5, $6)").into(),
            finish: format!("select {schema}.entry_finish($1, $2)").into(),
            take_over: format!("select key, intent, tries from {schema}.entry_take_over($1, $2, $3, $4, $5, $6, $7)")
                .into(),
            entry: format!("select intent, outcome, last from {schema}.entry where key = $1").into(),
            prune: format!("select {schema}.entry_prune($1, $2, $3, $4)").into(),
        }
    }
}
