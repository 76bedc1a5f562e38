//! Faults between the client and the service.

use defender_actions::{
    DefenderClient, Error,
    auth::StaticCredential,
    transport::{Error as Broken, ErrorKind},
};
use defender_emulator::{Fault as Wrong, Operation};

use super::{Canned, Fault, failing, world};

/// Error of a read with this fault in between.
async fn reading(wrong: Wrong) -> Error {
    let world = world();
    world.emulator.fault(wrong).on(Operation::GetAction);
    super::reading(&world, &world.client()).await
}

/// Error of an action with this fault in between.
async fn isolating(wrong: Wrong) -> Error {
    let world = world();
    world.emulator.fault(wrong).on(Operation::Isolate);
    world.run(world.client().machine(world.machine()).isolate("Ransomware").send()).await.unwrap_err()
}

/// Error of an unknown host as the transport reports it. A real lookup would query the name servers of the network.
fn unknown_name() -> Broken {
    Broken::new(ErrorKind::Connect).context(
        "to api.security.microsoft.com: its name cannot be resolved; check the name, the network and the DNS server",
    )
}

pub(super) async fn faults() -> Vec<Fault> {
    let mut faults = vec![
        ("unknown name", failing(unknown_name).isolating().await),
        ("connection that broke during a read", reading(Wrong::ResetBeforeEffect).await),
        ("read without a response", reading(Wrong::Hang).await),
        ("block page in place of a read", reading(Wrong::BlockPage(403)).await),
        ("captive portal", reading(Wrong::BlockPage(200)).await),
        ("portal that wants a login", reading(Wrong::BlockPage(511)).await),
        ("block page in place of an action", isolating(Wrong::BlockPage(403)).await),
        (
            "gateway that knows no such path",
            Canned::responding(404, "application/json", r#"{"statusCode":404,"message":"Resource not found"}"#)
                .reading()
                .await,
        ),
        ("token that does not come in time", Canned::new(|_| panic!("nothing is sent")).without_token().await),
    ];
    faults.extend(sockets::faults().await);
    faults
}

impl Canned {
    /// Error of a call whose credential is too slow.
    async fn without_token(self) -> Error {
        #[derive(Debug)]
        struct Silent;
        #[async_trait::async_trait]
        impl defender_actions::auth::TokenCredential for Silent {
            async fn token(
                &self,
                _: &defender_actions::auth::TokenRequest,
            ) -> Result<defender_actions::auth::AccessToken, defender_actions::auth::Error> {
                std::future::pending().await
            }
        }
        let client = DefenderClient::builder()
            .credential(std::sync::Arc::new(Silent) as std::sync::Arc<dyn defender_actions::auth::TokenCredential>)
            .transport(defender_actions::transport::testing::MockTransport::new())
            .clock(self.clock.clone())
            .build()
            .unwrap();
        self.run(client.action("a1".parse().unwrap()).get().send()).await.unwrap_err()
    }
}

/// Faults over sockets of this machine.
mod sockets {
    use defender_actions::{
        auth::ClientSecretCredential,
        transport::{Proxy, Roots, SystemClock},
    };
    use defender_emulator::Emulator;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    pub(super) async fn faults() -> Vec<Fault> {
        let emulator = Emulator::start().await.unwrap();
        let other = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap().cert.pem();
        let trusting = |roots: &str| {
            DefenderClient::builder()
                .credential(StaticCredential::new("a-token"))
                .roots(Roots::pem(roots).unwrap())
                .proxy(Proxy::none())
                .clock(SystemClock::new())
                .attempts(1)
        };
        let read = async |client: DefenderClient| client.action("a1".parse().unwrap()).get().await.unwrap_err();
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let through = async |response: &'static str| {
            let address = proxy(response).await;
            let proxy = Proxy::http(format!("http://user:password@{address}")).unwrap();
            read(trusting(emulator.ca_pem()).proxy(proxy).build().unwrap()).await
        };
        let of_other = trusting(&other).base_url(emulator.base_url()).build().unwrap();
        let signing_in = trusting(&other)
            .credential(ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), "secret"))
            .base_url(emulator.base_url())
            .authority(emulator.authority())
            .build()
            .unwrap();
        let refused = trusting(emulator.ca_pem()).base_url(format!("https://{closed}")).build().unwrap();
        let dead = Proxy::http(format!("http://{closed}")).unwrap();
        vec![
            ("unknown CA", read(of_other).await),
            ("unknown CA at the sign-in", read(signing_in).await),
            ("connection that is refused", read(refused).await),
            ("dead proxy", read(trusting(emulator.ca_pem()).proxy(dead).build().unwrap()).await),
            ("wrong proxy password", through("HTTP/1.1 407 Denied\r\nProxy-Authenticate: Basic\r\n\r\n").await),
            ("proxy with NTLM", through("HTTP/1.1 407 Denied\r\nProxy-Authenticate: NTLM\r\n\r\n").await),
            ("proxy that forbids", through("HTTP/1.1 403 Forbidden\r\n\r\n").await),
        ]
    }

    /// Proxy with one response for each tunnel.
    async fn proxy(response: &'static str) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let mut client = listener.accept().await.unwrap().0;
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    client.read_buf(&mut request).await.unwrap();
                }
                client.write_all(response.as_bytes()).await.unwrap();
            }
        });
        address
    }
}
