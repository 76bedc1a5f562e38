//! The tenant and its one application, the same at each start.

use crate::ids::Ids;

/// The ids and the secret of every emulator that was not given others. They open nothing but an emulator.
///
/// The secret has two characters that change their meaning in a form: a client that does not percent-encode it shall not pass.
const TENANT_ID: &str = "7e4a47d0-0000-4000-8000-000000000001";
const CLIENT_ID: &str = "c11e47d0-0000-4000-8000-000000000002";
const CLIENT_SECRET: &str = "e+8Q~%defender-emulator.opens_nothing_else";

/// The tenant and the application.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl Identity {
    /// The one of every emulator, or one with ids and a secret from a seed.
    pub(crate) fn new(ids: &Ids) -> Self {
        if ids.are_seeded() {
            let [tenant_id, client_id] = [ids.next(), ids.next()].map(|id| id.to_string());
            return Self { tenant_id, client_id, client_secret: format!("e+8Q~%{}", ids.next().simple()) };
        }
        let [tenant_id, client_id, client_secret] = [TENANT_ID, CLIENT_ID, CLIENT_SECRET].map(str::to_owned);
        Self { tenant_id, client_id, client_secret }
    }
}
