//! The API as HTTP: paths, bodies, responses, errors and pages, without the state behind them.

pub(crate) mod body;
pub(crate) mod date;
pub(crate) mod deflate;
pub(crate) mod error_code;
pub(crate) mod multipart;
pub(crate) mod operation;
pub(crate) mod page;
pub(crate) mod problem;
pub(crate) mod response;
pub(crate) mod route;
pub(crate) mod slow_body;
