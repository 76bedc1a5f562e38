//! The form of records and headers where the service's pages, its captures and its clients' reports differ.
//!
//! Each choice is an enum with one text form, which the command line and `/emulator/behaviors` share; `seeded:7` draws
//! from its list. What a POST stores (requestor, comment, external id) is chosen when the action is created; what is only
//! written differently (particulars, rows) is chosen at each read.

mod comments;
mod dates;
mod external_ids;
pub(crate) mod json_style;
mod particulars;
mod requestor;
mod rows;
mod seeded;

pub(crate) use self::rows::Shape;
pub use self::{
    comments::Comments, dates::DateHeader, external_ids::ExternalIds, particulars::Particulars, requestor::Requestor,
    rows::Rows,
};
