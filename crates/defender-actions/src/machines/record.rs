//! The call that reads the record of a machine, and the errors of a response that is about another machine.

use defender_model::Machine;

use crate::{
    Error, ErrorKind,
    client::{call::Call, operation::Operation},
};

/// Returns the call that reads the record of a machine.
pub(crate) fn read(id_or_name: impl std::fmt::Display) -> Call {
    Call::new(Operation::GET_MACHINE, format!("/machines/{id_or_name}"))
}

/// Returns the error of a response with the record of another machine.
pub(crate) fn another(what: String, machine: &Machine) -> Error {
    unconfirmed(format!("the response is about another machine, {}", machine.id)).context(what)
}

/// Returns the error of a change that the response does not confirm. A second call is safe.
pub(super) fn unconfirmed(why: String) -> Error {
    Error::new(ErrorKind::InvalidResponse).message(why).retryable(true)
}
