//! The rows of a run.
