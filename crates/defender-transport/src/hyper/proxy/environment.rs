//! The proxy that the environment of a process names.

use std::{env, ffi::OsString};

use super::{
    endpoint::{Endpoint, unusable},
    exceptions::Exceptions,
    rules::Rules,
};
use crate::Error;

/// Source of a variable's value.
pub(super) struct Environment(fn(&str) -> Option<OsString>);

impl Environment {
    pub(super) fn of_process() -> Self {
        Self(|name| env::var_os(name))
    }

    /// The first of these that is set, in lower case before upper case, as curl has it.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, OsString)> {
        names.iter().find_map(|name| Some((*name, (self.0)(name)?)))
    }

    pub(super) fn rules(&self) -> Result<Rules, Error> {
        let proxy = self.first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        let through = match proxy {
            Some((name, url)) if !url.is_empty() => {
                let url = url.to_str().ok_or("is not text").and_then(Endpoint::parse);
                Some(url.map_err(|why| unusable(&format!("the proxy of the variable `{name}`"), why))?)
            }
            _ => None,
        };
        let mut except = Exceptions::default();
        if let Some((name, list)) = self.first(&["no_proxy", "NO_PROXY"]) {
            except.add(list.to_str().ok_or_else(|| unusable(&format!("the variable `{name}`"), "is not text"))?);
        }
        Ok(Rules { through, except, spares_loopback: true })
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    /// The proxy for `to` in an environment.
    fn proxy(environment: fn(&str) -> Option<OsString>, to: &'static str) -> Option<String> {
        let rules = Environment(environment).rules().unwrap();
        rules.proxy_for(&Uri::from_static(to)).map(|endpoint| endpoint.host().to_owned())
    }

    #[test]
    fn first_set_variable_names_the_proxy() {
        let to = "https://api.example/";
        let all =
            |name: &str| Some(format!("http://{}:1", name.replace('_', "-")).into()).filter(|_| name != "no_proxy");
        assert_eq!(proxy(|_| None, to), None);
        assert_eq!(proxy(all, "https://api.example/").as_deref(), Some("https-proxy:1"));
        assert_eq!(proxy(|name| (name == "HTTPS_PROXY").then(|| "http://p:1".into()), to).as_deref(), Some("p:1"));
        assert_eq!(proxy(|name| (name == "ALL_PROXY").then(|| "p:1".into()), to).as_deref(), Some("p:1"));
        assert_eq!(proxy(|name| (name == "HTTP_PROXY").then(|| "http://p:1".into()), to), None);
        let emptied = |name: &str| match name {
            "https_proxy" => Some(OsString::new()),
            "ALL_PROXY" => Some("http://p:1".into()),
            _ => None,
        };
        assert_eq!(proxy(emptied, to), None);
    }

    #[test]
    fn exceptions_and_loopback_bypass_the_proxy() {
        let environment = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://p:1".into()),
            "NO_PROXY" => Some("direct.example".into()),
            _ => None,
        };
        for (to, through) in [
            ("https://api.example/", true),
            ("https://direct.example/", false),
            ("https://localhost:1/", false),
            ("https://127.0.0.1:1/", false),
            ("https://[::1]:1/", false),
            ("http://169.254.169.254/", false),
        ] {
            assert_eq!(proxy(environment, to).is_some(), through, "{to}");
        }
    }

    #[test]
    fn unusable_proxy_error_names_the_variable() {
        let environment = |name: &str| (name == "ALL_PROXY").then(|| "socks5://canary:canary@proxy:1080".into());
        let told = Environment(environment).rules().unwrap_err().to_string();
        assert!(told.contains("`ALL_PROXY`") && told.contains("SOCKS") && !told.contains("canary"), "{told}");
    }
}
