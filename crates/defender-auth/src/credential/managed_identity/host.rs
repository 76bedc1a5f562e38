//! Hosts that give tokens to a managed identity.

use std::{net::IpAddr, path::Path, time::Duration};

use bytes::Bytes;
use defender_transport::{
    Secrets,
    extensions::{Idempotency, Timeouts, UrlTemplate},
};
use http::{HeaderValue, Request, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{arc::Agent, id::ManagedIdentityId};
use crate::{Error, ErrorKind, env_vars::Environment, secret::Secret};

/// The address is the same on every virtual machine, and leads nowhere else.
const IMDS: &str = "http://169.254.169.254";

/// Time limit of one attempt, from sending the request to the last byte.
const AT_MOST: Duration = Duration::from_secs(30);

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration).context(what)
}

/// Host that gives the tokens.
#[derive(Clone, Debug)]
pub(super) enum Host {
    /// The metadata service of a virtual machine, at this base.
    Imds { base: String },
    /// App Service, Functions and Container Apps.
    AppService { endpoint: String, header: Secret },
    /// The agent of a machine outside of Azure.
    Arc(Agent),
}

impl Host {
    pub(super) fn imds() -> Self {
        Self::Imds { base: IMDS.to_owned() }
    }

    /// Detects the host from the platform's variables. A host that is known but cannot be used here is refused, so that no other
    /// identity is taken in its place.
    ///
    pub(super) fn detect(environment: &Environment, is_file: impl Fn(&Path) -> bool) -> Result<Self, Error> {
        let has = |name| environment.get(name);
        let refused =
            |what: &str| Err(wrong(format!("{what} gives managed identities in a way that is not known here")));
        match (has("IDENTITY_ENDPOINT"), has("IDENTITY_HEADER")) {
            (Some(_), Some(_)) if has("IDENTITY_SERVER_THUMBPRINT").is_some() => refused("Service Fabric"),
            (Some(endpoint), Some(header)) => {
                Ok(Self::AppService { endpoint: endpoint.as_str().to_owned(), header: Secret::new(header.as_str()) })
            }
            (Some(endpoint), None) if has("IMDS_ENDPOINT").is_some() || Agent::is_installed(environment, &is_file) => {
                Ok(Self::Arc(Agent::new(Some(endpoint.as_str()), environment)))
            }
            (None, None) if has("MSI_ENDPOINT").is_some() => {
                refused("Cloud Shell, Azure Machine Learning or an old App Service (MSI_ENDPOINT)")
            }
            (None, None) if Agent::is_installed(environment, &is_file) => Ok(Self::Arc(Agent::new(None, environment))),
            (None, None) => Ok(Self::imds()),
            (Some(_), None) => Err(wrong("IDENTITY_ENDPOINT is set and IDENTITY_HEADER is not")),
            (None, Some(_)) => Err(wrong("IDENTITY_HEADER is set and IDENTITY_ENDPOINT is not")),
        }
    }

    /// Secrets that no error may show.
    pub(super) fn secrets(&self) -> &[Secret] {
        match self {
            Self::Imds { .. } | Self::Arc(_) => &[],
            Self::AppService { header, .. } => std::slice::from_ref(header),
        }
    }

    /// The request for a token for `audience`.
    pub(super) fn request(&self, audience: &str, id: Option<&ManagedIdentityId>) -> Result<Request<Bytes>, Error> {
        let (url, version) = match self {
            Self::Imds { base } => {
                (format!("{}/metadata/identity/oauth2/token", base.trim_end_matches('/')), "2018-02-01")
            }
            Self::AppService { endpoint, .. } => (endpoint.clone(), "2019-08-01"),
            Self::Arc(agent) => (agent.endpoint.clone(), "2020-06-01"),
        };
        let selector = id.map(|id| self.selector(id)).transpose()?;
        let selector = selector.map(|(name, value)| format!("&{name}={}", encoded(value)));
        let query = format!("api-version={version}&resource={}{}", encoded(audience), selector.unwrap_or_default());
        let uri: Uri =
            format!("{url}?{query}").parse().map_err(|_| wrong("the endpoint of the managed identity is not a URL"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong(
                "the endpoint of the managed identity has a user name or a password before its host; remove them",
            ));
        }
        if !is_near(&uri) {
            return Err(wrong(format!(
                "the endpoint of the managed identity is at `{}`; over http it may be this machine's own or link-local, \
                 else it must be https",
                uri.authority().map_or("nowhere", |host| host.as_str())
            )));
        }
        let mut request = Request::get(uri).body(Bytes::new()).map_err(|_| wrong("the endpoint is not usable"))?;
        let (name, value) = match self {
            Self::Imds { .. } | Self::Arc(_) => ("metadata", HeaderValue::from_static("true")),
            Self::AppService { header, .. } => {
                let value = header.header("");
                (
                    "x-identity-header",
                    value.ok_or_else(|| wrong("IDENTITY_HEADER holds a byte that no header may have"))?,
                )
            }
        };
        request.headers_mut().insert(name, value);
        // It is asked again at the times that its own documentation has, and by nobody else.
        request.extensions_mut().insert(Idempotency::NonIdempotent);
        request.extensions_mut().insert(Secrets::new(self.secrets().iter().map(Secret::reveal)));
        request.extensions_mut().insert(UrlTemplate("managed identity".into()));
        request.extensions_mut().insert(Timeouts::default().total(AT_MOST));
        Ok(request)
    }

    /// The parameter that names a user-assigned identity. The hosts spell it differently, and Azure Arc has none: old agents
    /// respond with the machine's own identity instead.
    fn selector<'i>(&self, id: &'i ManagedIdentityId) -> Result<(&'static str, &'i str), Error> {
        Ok(match (id, self) {
            (_, Self::Arc(_)) => {
                return Err(wrong("Azure Arc gives the machine's own identity only; ask for the system-assigned one"));
            }
            (ManagedIdentityId::ClientId(id), _) => ("client_id", id),
            (ManagedIdentityId::ObjectId(id), Self::Imds { .. }) => ("object_id", id),
            (ManagedIdentityId::ObjectId(id), Self::AppService { .. }) => ("principal_id", id),
            (ManagedIdentityId::ResourceId(id), Self::Imds { .. }) => ("msi_res_id", id),
            (ManagedIdentityId::ResourceId(id), Self::AppService { .. }) => ("mi_res_id", id),
        })
    }

    /// Advice for the case that nothing responds.
    pub(super) fn advice_if_absent(&self) -> &'static str {
        match self {
            Self::Imds { .. } | Self::AppService { .. } => {
                "nothing responds there; is this a machine with a managed identity? Elsewhere, choose another credential"
            }
            Self::Arc(_) => {
                "the agent of Azure Arc does not respond; check that its service `himds` runs, or choose another credential"
            }
        }
    }

    /// Seconds to wait before the second attempt, the third and so on.
    pub(super) fn waits(&self) -> &'static [u64] {
        match self {
            // As documented, and 42 s more, since a 410 says that it will be there within 70 s.
            Self::Imds { .. } => &[2, 4, 8, 16, 42],
            Self::AppService { .. } | Self::Arc(_) => &[1, 1],
        }
    }

    /// Returns true if the host may respond otherwise in a while.
    pub(super) fn is_passing(&self, status: StatusCode) -> bool {
        match self {
            Self::Imds { .. } => matches!(status.as_u16(), 404 | 410 | 429 | 500..=599),
            Self::AppService { .. } | Self::Arc(_) => matches!(status.as_u16(), 408 | 429 | 500 | 502..=504),
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Returns true if nobody else can read a request to `uri`: https, or this machine's own and link-local addresses.
fn is_near(uri: &Uri) -> bool {
    let Some(host) = uri.authority().filter(|authority| !authority.as_str().contains('@')) else { return false };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => match host.host().trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback(),
            Err(_) => host.host().eq_ignore_ascii_case("localhost"),
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(variables: &[(&str, &str)]) -> String {
        detected_beside(variables, "")
    }

    /// The same, on a machine with this file.
    fn detected_beside(variables: &[(&str, &str)], file: &str) -> String {
        match Host::detect(&Environment::of(variables), |path| path == Path::new(file)) {
            Ok(Host::Imds { base }) => base,
            Ok(Host::AppService { endpoint, header }) => format!("{endpoint} {}", header.reveal()),
            Ok(Host::Arc(agent)) => format!("Azure Arc at {}", agent.endpoint),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_host_is_known_by_its_variables() {
        let (endpoint, header) = (("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi"), ("IDENTITY_HEADER", "h"));
        assert_eq!(detected(&[]), IMDS);
        assert_eq!(detected(&[endpoint, header]), "http://127.0.0.1:1/msi h");
        for (variables, words) in [
            (&[endpoint, header, ("IDENTITY_SERVER_THUMBPRINT", "x")][..], "Service Fabric"),
            (&[endpoint, ("IMDS_ENDPOINT", "x")], "Azure Arc at http://127.0.0.1:1/msi"),
            (&[("MSI_ENDPOINT", "x")], "MSI_ENDPOINT"),
            (&[endpoint], "IDENTITY_HEADER is not"),
            (&[header], "IDENTITY_ENDPOINT is not"),
        ] {
            assert!(detected(variables).contains(words), "{}", detected(variables));
        }
    }

    #[test]
    fn arc_machine_is_detected_by_agent_file() {
        for (variables, file) in [
            (&[][..], "/opt/azcmagent/bin/himds"),
            (&[], r"C:\Program Files\AzureConnectedMachineAgent\himds.exe"),
            (&[("ProgramFiles", r"D:\Programs")], r"D:\Programs\AzureConnectedMachineAgent\himds.exe"),
        ] {
            let told = detected_beside(variables, file);
            assert_eq!(told, "Azure Arc at http://localhost:40342/metadata/identity/oauth2/token");
        }
        let endpoint = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x")];
        assert_eq!(detected_beside(&endpoint, "/opt/azcmagent/bin/himds"), "Azure Arc at http://127.0.0.1:1/x");
        let elsewhere = detected_beside(&[("MSI_ENDPOINT", "x")], "/opt/azcmagent/bin/himds");
        assert!(elsewhere.contains("MSI_ENDPOINT"), "{elsewhere}");
        assert_eq!(detected_beside(&[], "/opt/azcmagent/bin/other"), IMDS);
        let site = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi\n"), ("IDENTITY_HEADER", "h\n")];
        assert_eq!(detected_beside(&site, "/opt/azcmagent/bin/himds"), "http://127.0.0.1:1/msi h");
    }

    #[test]
    fn refused_endpoint_shows_no_password() {
        for endpoint in ["https://user:canary@host.example/x", "http://user:canary@127.0.0.1:1/x", "//user:canary@h/x"]
        {
            let host = Host::AppService { endpoint: endpoint.to_owned(), header: Secret::new("h") };
            let error = host.request("a", None).unwrap_err();
            let told = format!("{error} {error:?} {error:#}");
            assert!(told.contains("the endpoint of the managed identity") && !told.contains("canary"), "{told}");
        }
    }

    #[test]
    fn plain_http_is_link_local_only() {
        for (uri, near) in [
            ("http://169.254.169.254/x", true),
            ("http://169.254.130.4:8081/x", true),
            ("http://127.0.0.1:1/x", true),
            ("http://[::1]:1/x", true),
            ("http://localhost:1/x", true),
            ("https://anywhere.example/x", true),
            ("http://anywhere.example/x", false),
            ("http://10.0.0.1/x", false),
            ("http://169.253.169.254/x", false),
            ("http://localhost.evil.example/x", false),
            ("http://127.0.0.1@evil.example/x", false),
            ("ftp://127.0.0.1/x", false),
            ("/x", false),
        ] {
            assert_eq!(is_near(&Uri::from_static(uri)), near, "{uri}");
        }
    }
}
