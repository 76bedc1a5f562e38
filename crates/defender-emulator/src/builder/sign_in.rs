//! The settings of the sign-in.

use std::time::Duration;

use crate::{AssertionUse, EmulatorBuilder};

impl EmulatorBuilder {
    /// Leaves `role`, such as `Machine.RestrictExecution`, out of the tokens, as if nobody had consented to it. May be
    /// called for several.
    pub fn without_role(mut self, role: impl Into<String>) -> Self {
        self.left_out.push(role.into());
        self
    }

    /// Sets the lifetime of tokens, to the second. Default: 3599 s, as Entra's pages show it.
    pub fn token_lifetime(mut self, token_lifetime: Duration) -> Self {
        self.settings.token_lifetime = token_lifetime;
        self
    }

    /// Adds an audience beside the service's own names, of which the government clouds' are some. Default:
    /// `https://api.securitycenter.microsoft.com`.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = Some(audience.into());
        self
    }

    /// Sets the allowed difference between a signer's clock and the emulator's. Default: five minutes, as Entra allows;
    /// [`Duration::ZERO`] allows none.
    pub fn assertion_leeway(mut self, leeway: Duration) -> Self {
        self.settings.assertion_leeway = leeway;
        self
    }

    /// Sets the number of times that one assertion is accepted. Default: [`AssertionUse::Many`].
    pub fn assertion_use(mut self, usage: AssertionUse) -> Self {
        self.settings.assertion_use = usage;
        self
    }

    /// Registers a redirect URI beside `http://localhost`, which is always there. May be called for several.
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.settings.redirect_uris.push(uri.into());
        self
    }
}
