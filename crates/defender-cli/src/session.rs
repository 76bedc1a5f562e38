//! Session of a command: the tenants, the stores, and the clock.

use std::sync::Arc;

use defender_actions::{DefenderClient, model::sanitize_line, transport::Clock};
use defender_fleet::{Fleet, Run, Stores, Tenant};
use defender_store::RunId;
use jiff::Timestamp;

use crate::{
    cli::global::Global,
    demo::{self, Demo},
    failure::Failure,
    output::talk,
    profile,
};

/// Longest name of a tenant of a file, in characters.
const SHOWN: usize = 200;

/// Fleet of a command, and the tenant that it was given.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) fleet: Fleet,
    tenant: Option<String>,
    /// Tenant of the option `--tenant` alone.
    named: Option<String>,
    demo: Option<Demo>,
    clock: Arc<dyn Clock>,
    /// Options of the command that a later command on the same run needs too.
    options: String,
}

impl Session {
    /// Opens profiles and stores, or starts the demonstration.
    pub(crate) async fn open(global: &Global) -> Result<Self, Failure> {
        if global.demo {
            let demo = Demo::start()?;
            talk::say(demo::NOTICE);
            let fleet = Fleet::new(demo.tenants(), Stores::memory(demo.clock()));
            // The demonstration has one tenant, which touches nothing, so that it need not be named.
            let tenant = global.tenant.clone().or_else(|| Some(demo::TENANT.to_owned()));
            let (named, clock) = (global.tenant.clone(), Arc::new(demo.clock()));
            return Ok(Self { fleet, tenant, named, demo: Some(demo), clock, options: String::new() });
        }
        let known = profile::tenants(global.tenants.as_deref())?;
        let stores = profile::stores(global.store.as_deref()).await?;
        let mut options = String::new();
        if let Some(file) = &global.tenants {
            options = format!("--tenants {} ", quoted(&file.display().to_string()));
        }
        if let Some(store) = &global.store {
            options = format!("{options}--store {} ", quoted(store));
        }
        let tenant = profile::chosen_tenant(global.tenant.clone())?.or(known.of_environment);
        let named = global.tenant.clone();
        let (fleet, clock) = (Fleet::new(known.tenants, stores), profile::clock());
        Ok(Self { fleet, tenant, named, demo: None, clock, options })
    }

    /// Returns the tenant of the command.
    ///
    /// # Errors
    ///
    /// No name was given, or no tenant has exactly this name.
    pub(crate) fn tenant(&self) -> Result<&Tenant, Failure> {
        let tenants = self.fleet.tenants();
        if tenants.iter().next().is_none() {
            return Err(Failure::usage(
                "there is no tenant: write a profile (`defender tenants --help` shows one), or set AZURE_TENANT_ID, \
                 AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; `defender --demo` needs none",
            ));
        }
        let Some(name) = &self.tenant else {
            let known = tenants.iter().map(Tenant::name).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!(
                "no tenant was given; add --tenant NAME or set DEFENDER_TENANT, with one of: {known}"
            )));
        };
        Ok(tenants.get(name)?)
    }

    /// Returns the client of the tenant of the command.
    pub(crate) fn client(&self) -> Result<DefenderClient, Failure> {
        Ok(self.fleet.client(self.tenant()?.name())?)
    }

    /// Returns a run of the store.
    ///
    /// # Errors
    ///
    /// The store does not have the run, or `--tenant` names another tenant than that of the run.
    pub(crate) async fn run(&self, id: &RunId) -> Result<Run, Failure> {
        let run = self.fleet.run(id).await?;
        self.agree_on_tenant(run.tenant(), &format!("run {id}"))?;
        Ok(run)
    }

    /// Fails if `--tenant` names another tenant than that of a plan or run, which has its own.
    pub(crate) fn agree_on_tenant(&self, tenant: &str, what: &str) -> Result<(), Failure> {
        match &self.named {
            Some(named) if named != tenant => Err(Failure::usage(format!(
                "{what} is for tenant `{}`, and --tenant names `{named}`; leave --tenant out, or correct it",
                sanitize_line(tenant, SHOWN)
            ))),
            _ => Ok(()),
        }
    }

    /// Returns whether this is the demonstration, which keeps nothing.
    pub(crate) fn is_demo(&self) -> bool {
        self.demo.is_some()
    }

    /// Returns a later command with the same profiles and the same store.
    pub(crate) fn command(&self, arguments: &str) -> String {
        format!("`defender {}{arguments}`", self.options)
    }

    /// As [`command`](Self::command), of a command that needs the tenant.
    pub(crate) fn command_of_tenant(&self, arguments: &str) -> String {
        match &self.named {
            Some(tenant) => self.command(&format!("--tenant {} {arguments}", quoted(tenant))),
            None => self.command(arguments),
        }
    }

    /// Returns the sentence with the command that goes on with a run.
    pub(crate) fn to_go_on(&self, run: &RunId) -> String {
        match self.demo {
            Some(_) => {
                "The demonstration keeps no runs: without --demo, `defender resume RUN` would go on with it.".to_owned()
            }
            None => format!("To go on: defender {}resume {run}", self.options),
        }
    }

    /// Returns the time of the service.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the clock of the clients.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Returns the session of a test.
    #[cfg(test)]
    pub(crate) fn of_test(fleet: Fleet, clock: Arc<dyn Clock>) -> Self {
        Self { fleet, tenant: None, named: None, demo: None, clock, options: String::new() }
    }
}

/// Returns an argument as the shell of this system reads it.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c) || (cfg!(windows) && c == '\\');
    match (!text.is_empty() && text.chars().all(is_plain), cfg!(windows)) {
        (true, _) => text.to_owned(),
        (false, true) => format!("\"{text}\""),
        (false, false) => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use defender_actions::transport::testing::ManualClock;
    use defender_fleet::Tenants;

    use super::*;

    #[test]
    fn command_names_the_tenant_of_the_option() {
        let clock = ManualClock::new();
        let fleet = Fleet::new(Tenants::default(), Stores::memory(clock.clone()));
        let mut session = Session::of_test(fleet, Arc::new(clock));
        assert_eq!(session.command_of_tenant("actions show ID"), "`defender actions show ID`");
        session.named = Some("contoso-eu".to_owned());
        assert_eq!(session.command_of_tenant("actions show ID"), "`defender --tenant contoso-eu actions show ID`");
    }

    #[cfg(unix)]
    #[test]
    fn option_of_later_command_is_quoted() {
        for (text, expected) in [
            ("/a/t.toml", "/a/t.toml"),
            ("/a b/t.toml", "'/a b/t.toml'"),
            ("postgres://db/x?sslmode=disable&a=b", "'postgres://db/x?sslmode=disable&a=b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
