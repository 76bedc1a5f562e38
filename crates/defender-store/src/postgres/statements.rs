//! The statements of the journal and of runs.

use std::sync::Arc;

/// Statements of the journal.
#[derive(Clone)]
pub(super) struct JournalStatements {
    pub(super) intend: Arc<str>,
    pub(super) settle: Arc<str>,
    pub(super) finish: Arc<str>,
    pub(super) take_over: Arc<str>,
    pub(super) entry: Arc<str>,
    pub(super) prune: Arc<str>,
}

impl JournalStatements {
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

/// Statements of runs.
#[derive(Clone)]
pub(super) struct RunStatements {
    pub(super) create: Arc<str>,
    pub(super) run: Arc<str>,
    pub(super) newest: Arc<str>,
    pub(super) rows: Arc<str>,
    pub(super) halt: Arc<str>,
    pub(super) reopen: Arc<str>,
    pub(super) claim: Arc<str>,
    pub(super) renew: Arc<str>,
    pub(super) depart: Arc<str>,
    pub(super) write: Arc<str>,
    pub(super) failed: Arc<str>,
    pub(super) retry: Arc<str>,
}

impl RunStatements {
    /// The schema is quoted.
    pub(super) fn new(schema: &str) -> Self {
        let counts = [0, 1, 2, 3, 4, 5].map(|state| format!("count(*) filter (where w.state = {state})")).join(", ");
        // Rows are counted by run, not grouped by what is selected: PostgreSQL would read the whole document once for each row.
        let read = |of: &str| {
            format!(
                "select r.id, r.tenant, r.document, r.halt_after, r.halted, c.* from {of} r \
                 cross join lateral (select {counts} from {schema}.run_row w where w.run = r.number) c \
                 order by r.number desc"
            )
        };
        Self {
            create: format!("select {schema}.run_create($1, $2, $3, $4, $5, $6, $7)").into(),
            run: read(&format!("(select * from {schema}.run where id = $1)")).into(),
            newest: read(&format!("(select * from {schema}.run order by number desc limit $1)")).into(),
            rows: format!(
                "select w.place, w.wave, w.state::integer, w.attempt, w.document from {schema}.run_row w \
                 join {schema}.run r on r.number = w.run where r.id = $1 and w.place >= $2 order by w.place limit $3"
            )
            .into(),
            halt: format!("select {schema}.run_halt($1, $2)").into(),
            reopen: format!("select {schema}.run_reopen($1, $2)").into(),
            claim: format!(
                "select place, wave, state, attempt, document from {schema}.run_claim($1, $2, $3, $4, $5, $6)"
            )
            .into(),
            renew: format!("select {schema}.run_renew($1, $2, $3)").into(),
            depart: format!("select {schema}.run_depart($1, $2, $3, $4)").into(),
            write: format!("select {schema}.run_write($1, $2, $3, $4, $5, $6)").into(),
            failed: format!(
                "select w.place, w.attempt from {schema}.run_row w join {schema}.run r on r.number = w.run \
                 where r.id = $1 and w.place = any ($2) and w.state in (4, 5)"
            )
            .into(),
            retry: format!("select {schema}.run_retry($1, $2, $3, $4)").into(),
        }
    }
}
