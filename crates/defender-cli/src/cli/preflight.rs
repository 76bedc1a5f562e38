//! `defender preflight`: what the token may do.

use clap::{Args, builder::PossibleValuesParser};
use defender_actions::{PreflightIssue, auth::Claims, model::ACTIONS};
use serde::Serialize;

use super::verb::VERBS;
use crate::{
    failure::{Exit, Failure},
    output::{Output, Record, talk},
    session::Session,
};

const EXAMPLES: &str = "\
Only requests for the token are sent. The token is read and not verified: the API decides.

Examples:
  defender --tenant contoso preflight
  defender --tenant contoso preflight restrict unrestrict
  defender --tenant contoso preflight -o json | jq -r '.[] | select(.allowed != \"yes\") | .any_of[]'

Exit codes: 0 the token permits it, 2 the token cannot be read, 4 something is missing or there is no token.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Preflight {
    /// Verbs whose permissions are checked, such as isolate [default: all]
    #[arg(value_name = "VERB", value_parser = PossibleValuesParser::new(VERBS.map(|(verb, _)| verb)))]
    verbs: Vec<String>,
}

/// Permission of the token for one action of the registry.
#[derive(Serialize)]
struct PermissionRow<'s> {
    tenant: &'s str,
    action: &'static str,
    /// `yes`, `no`, or `unknown` if the claims of the token cannot be read.
    allowed: &'static str,
    any_of: &'static [&'static str],
    /// Role that a user needs in addition: permission of Unified RBAC.
    unified_rbac: Option<&'static str>,
    /// The same role: permission of Defender for Endpoint, the older model.
    endpoint_role: Option<&'static str>,
}

impl Record for PermissionRow<'_> {
    const COLUMNS: &'static [&'static str] =
        &["tenant", "action", "allowed", "any_of", "unified_rbac", "endpoint_role"];
    const TABLE: &'static [&'static str] = &["action", "allowed", "any_of", "unified_rbac", "endpoint_role"];
}

impl Preflight {
    pub(super) async fn run(&self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let (tenant, client) = (session.tenant()?, session.client()?);
        let report = client.preflight().tenant(tenant.id()).send().await?;
        let delegated = report.claims.as_ref().is_some_and(|claims| !claims.scopes.is_empty());
        let rows: Vec<_> = ACTIONS
            .iter()
            .filter(|action| self.concerns(action.action_type))
            .map(|action| {
                let any_of = if delegated { action.delegated_permissions } else { action.permissions };
                PermissionRow {
                    tenant: tenant.name(),
                    action: action.action_type,
                    allowed: allowed(report.claims.as_ref(), any_of),
                    any_of,
                    unified_rbac: action.role.map(|role| role.unified),
                    endpoint_role: action.role.map(|role| role.endpoint),
                }
            })
            .collect();
        output.print(&rows)?;
        if let Some(claims) = &report.claims {
            let principal = claims.user.as_deref().or(claims.application.as_deref()).unwrap_or("unknown");
            let kind = if delegated { "user" } else { "application" };
            talk::say(&format!(
                "The token is of the {kind} {principal} in tenant {}, for {}.",
                claims.tenant.as_deref().unwrap_or("unknown"),
                claims.audience.as_deref().unwrap_or("an unknown audience")
            ));
        } else {
            talk::warn("the claims of the token cannot be read, so nothing is known before the first call");
        }
        for issue in report.issues.iter().filter(|issue| !is_of_listed_action(issue)) {
            talk::warn(&issue.to_string());
        }
        let missing: Vec<_> = rows.iter().filter(|row| row.allowed == "no").collect();
        if !missing.is_empty() {
            let any_of: Vec<_> = missing.iter().map(|row| row.any_of.join(" or ")).collect();
            let mut any_of: Vec<_> = any_of.iter().map(String::as_str).collect();
            any_of.dedup();
            talk::warn(&format!(
                "missing: {}; add what you need to the application (API `WindowsDefenderATP`) and have an administrator consent to it",
                any_of.join(", ")
            ));
        }
        if delegated {
            talk::say(
                "A user also needs the role of the action, in Unified RBAC or in Defender for Endpoint, and access to the machine's group.",
            );
        }
        let has_issue = report.issues.iter().any(|issue| !is_of_listed_action(issue)) || !missing.is_empty();
        Ok(match &report.claims {
            _ if has_issue => Exit::Denied,
            None => Exit::Failed,
            Some(_) => Exit::Success,
        })
    }

    fn concerns(&self, action_type: &str) -> bool {
        let is_of = |verb: &String| VERBS.contains(&(verb.as_str(), action_type));
        self.verbs.is_empty() || self.verbs.iter().any(is_of)
    }
}

fn allowed(claims: Option<&Claims>, any_of: &[&str]) -> &'static str {
    match claims {
        None => "unknown",
        Some(claims) if any_of.iter().any(|permission| claims.permits(permission)) => "yes",
        Some(_) => "no",
    }
}

/// Returns whether the table shows the issue already.
fn is_of_listed_action(issue: &PreflightIssue) -> bool {
    matches!(issue, PreflightIssue::Permission { what, .. } if ACTIONS.iter().any(|action| action.action_type == *what))
}
