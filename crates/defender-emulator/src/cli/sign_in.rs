//! The options of the sign-in.

use defender_emulator::{AssertionUse, EmulatorBuilder};
use lexopt::{Parser, ValueExt};

use super::values::{one_of, seconds};

/// Their names.
pub(super) const SIGN_IN: [&str; 6] =
    ["assertion-leeway", "assertion-use", "audience", "redirect-uri", "token-lifetime", "without-role"];

/// The builder with the one of this name.
pub(super) fn signed_in(
    builder: EmulatorBuilder,
    name: &str,
    arguments: &mut Parser,
) -> Result<EmulatorBuilder, lexopt::Error> {
    Ok(match name {
        "assertion-leeway" => builder.assertion_leeway(seconds(arguments)?),
        "assertion-use" => {
            builder.assertion_use(one_of(arguments, &[("many", AssertionUse::Many), ("once", AssertionUse::Once)])?)
        }
        "audience" => builder.audience(arguments.value()?.string()?),
        "redirect-uri" => builder.redirect_uri(arguments.value()?.string()?),
        "token-lifetime" => builder.token_lifetime(seconds(arguments)?),
        _ => builder.without_role(arguments.value()?.string()?),
    })
}
