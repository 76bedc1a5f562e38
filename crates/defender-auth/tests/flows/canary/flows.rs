//! Every credential, with a canary in every field that is a secret.

use std::{
    fmt::Debug,
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use defender_auth::{
    AuthorizationCodeCredential, AzureCliCredential, ClientCertificateCredential, ClientSecretCredential,
    CredentialContext, DeviceCodeCredential, Error, IntoCredential, ManagedIdentityCredential, MemoryTokenStore,
    OnBehalfOfCredential, RefreshToken, RefreshTokenCredential, StaticCredential, TokenCredential,
    WorkloadIdentityCredential,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    endings::{REFUSED, SILENT},
    net::Seen,
};
use crate::support::{Folder, parameters};

/// Surroundings of a flow.
pub(crate) struct World {
    pub(crate) folder: Folder,
    /// Name of the ending of the exchange.
    pub(crate) ending: &'static str,
    /// The port of the plain endpoint, where managed identities are.
    pub(crate) plain_port: u16,
    /// Number of helpers that are busy beside the transport: a browser, a program.
    pub(crate) busy: Arc<AtomicUsize>,
    /// Secrets that the flow made up on its way.
    pub(crate) made: Arc<Mutex<Vec<String>>>,
}

type Connected = Result<Arc<dyn TokenCredential>, Error>;
type Connecting = Box<dyn FnOnce(&CredentialContext) -> Connected>;

/// A way to a token.
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    /// True if the endpoint is sent a secret.
    pub(super) sends: bool,
    describe: fn(&World, &mut Seen) -> Connecting,
}

impl Flow {
    /// The live credential; what its description shows of itself is put into `seen`.
    pub(super) fn connect(
        &self,
        world: &World,
        seen: &mut Seen,
        context: &CredentialContext,
    ) -> Arc<dyn TokenCredential> {
        self.try_connect(world, seen, context).unwrap()
    }

    pub(crate) fn try_connect(&self, world: &World, seen: &mut Seen, context: &CredentialContext) -> Connected {
        (self.describe)(world, seen)(context)
    }
}

fn described(credential: impl IntoCredential + Debug + 'static, seen: &mut Seen) -> Connecting {
    seen.debug(&credential);
    Box::new(|context| credential.into_credential(context))
}

fn application() -> ClientSecretCredential {
    ClientSecretCredential::new("contoso.com", "the-client", "canary-s&cr=t+")
}

pub(super) const PEM: &str = include_str!("../keys/pbkdf2.pem");
pub(super) const PASSWORD: &str = "correct horse";

fn certificate() -> ClientCertificateCredential {
    ClientCertificateCredential::new("contoso.com", "the-client", PEM).password(PASSWORD)
}

fn store() -> MemoryTokenStore {
    MemoryTokenStore::with(RefreshToken::new("canary-refresh"))
}

fn device() -> DeviceCodeCredential {
    DeviceCodeCredential::new("contoso.com", "the-client", |prompt| {
        let mut seen = Seen::default();
        seen.debug(prompt);
        assert_eq!(seen.leaks(&["canary".to_owned()]), [""; 0]);
    })
}

pub(crate) const FLOWS: &[Flow] = &[
    Flow { name: "client secret", sends: true, describe: |_, seen| described(application(), seen) },
    Flow { name: "client certificate", sends: true, describe: |_, seen| described(certificate(), seen) },
    Flow {
        name: "workload identity",
        sends: true,
        describe: |world, seen| {
            let file = world.folder.path().join("token");
            std::fs::write(&file, "canary-file").unwrap();
            described(WorkloadIdentityCredential::new("contoso.com", "the-client", file), seen)
        },
    },
    Flow {
        name: "on behalf of, secret",
        sends: true,
        describe: |_, seen| described(OnBehalfOfCredential::with_secret(application(), "canary-user"), seen),
    },
    Flow {
        name: "on behalf of, certificate",
        sends: true,
        describe: |_, seen| described(OnBehalfOfCredential::with_certificate(certificate(), "canary-user"), seen),
    },
    Flow {
        name: "refresh token",
        sends: true,
        describe: |_, seen| {
            let credential = RefreshTokenCredential::new("contoso.com", "the-client", store());
            described(credential.client_secret("canary-secret"), seen)
        },
    },
    Flow { name: "device code", sends: true, describe: |_, seen| described(device(), seen) },
    Flow { name: "device code, kept", sends: true, describe: |_, seen| described(device().store(store()), seen) },
    Flow { name: "authorization code", sends: true, describe: |world, seen| described(browser(world), seen) },
    Flow {
        name: "managed identity, IMDS",
        sends: false,
        describe: |world, seen| {
            let credential = ManagedIdentityCredential::system_assigned();
            described(credential.at_imds(format!("http://127.0.0.1:{}", world.plain_port)), seen)
        },
    },
    Flow {
        name: "managed identity, App Service",
        sends: true,
        describe: |world, seen| {
            let site = format!("http://127.0.0.1:{}/msi/token", world.plain_port);
            described(ManagedIdentityCredential::system_assigned().at_app_service(site, "canary-header"), seen)
        },
    },
    Flow {
        name: "managed identity, Azure Arc",
        sends: true,
        describe: |world, seen| {
            let file = world.folder.path().join("a.key");
            std::fs::write(&file, "canary-key").unwrap();
            // The endpoint's challenge names what follows `/arc` in its path.
            let agent = format!("http://127.0.0.1:{}/arc{}", world.plain_port, file.display());
            described(ManagedIdentityCredential::system_assigned().at_azure_arc(agent, world.folder.path()), seen)
        },
    },
    Flow { name: "Azure CLI", sends: false, describe: |world, seen| described(cli(world), seen) },
    Flow { name: "static", sends: false, describe: |_, seen| described(StaticCredential::new("canary-static"), seen) },
];

/// A browser that comes back at once with a code.
fn browser(world: &World) -> AuthorizationCodeCredential {
    let (busy, made) = (Arc::clone(&world.busy), Arc::clone(&world.made));
    let credential = AuthorizationCodeCredential::new("contoso.com", "the-client", move |url| {
        let query = parameters(url.split_once('?').unwrap().1);
        let port: u16 = query["redirect_uri"].strip_prefix("http://localhost:").unwrap().parse().unwrap();
        let state = query["state"].clone();
        made.lock().unwrap().push(state.clone());
        busy.fetch_add(1, Ordering::Relaxed);
        let busy = Arc::clone(&busy);
        tokio::spawn(async move {
            let mut back = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
            let request = format!("GET /?code=canary-code&state={state} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            back.write_all(request.as_bytes()).await.unwrap();
            let mut page = String::new();
            back.read_to_string(&mut page).await.unwrap();
            assert!(!page.contains("canary") && !page.contains(&state), "{page}");
            busy.fetch_sub(1, Ordering::Relaxed);
        });
        Ok(())
    });
    credential.client_secret("canary-secret")
}

/// A script that ends as the endpoint would. It is busy until it ends, unless it never does.
fn cli(world: &World) -> AzureCliCredential {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/az");
    let program = if world.ending == REFUSED { scripts.join("missing") } else { scripts.join("hostile") };
    if world.ending != SILENT {
        world.busy.fetch_add(1, Ordering::Relaxed);
    }
    AzureCliCredential::new().program(program).subscription(world.ending.replace(',', ""))
}
