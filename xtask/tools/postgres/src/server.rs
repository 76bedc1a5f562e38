//! A PostgreSQL server of its own: in a folder that is removed with it, on a loopback port, over TLS and SCRAM alone.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use xtask::Failure;

/// Longest time for a start. After a kill, the server recovers first.
const START: Duration = Duration::from_secs(60);

/// A server. It is stopped and its folder removed when it is dropped.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    programs: PathBuf,
    /// User and group that run the server, if this process is root, which the server refuses.
    user: Option<(u32, u32)>,
    /// Port of the server on 127.0.0.1.
    pub port: u16,
    password: String,
    process: Option<Child>,
}

impl Server {
    /// Finds the programs or installs them, and starts a server. Its defaults are those that a store must not depend on.
    ///
    /// # Errors
    ///
    /// The programs cannot be installed, or the server does not start.
    pub fn start() -> Result<Self, Failure> {
        let programs = programs()?;
        let user = (output(Command::new("id").arg("-u"))? == "0").then(postgres).transpose()?;
        let folder = std::env::temp_dir().join(format!("defender-postgres-{:016x}", fastrand::u64(..)));
        let port = free_port()?;
        let password = format!("{:032x}", fastrand::u128(..));
        let mut server = Self { folder, programs, user, port, password, process: None };
        server.create()?;
        server.launch()?;
        Ok(server)
    }

    /// URL of the server's own user, at a port that may be a proxy's.
    #[must_use]
    pub fn url(&self, port: u16) -> String {
        self.url_of("defender", &self.password, port)
    }

    /// URL of this user, at a port that may be a proxy's.
    #[must_use]
    pub fn url_of(&self, user: &str, password: &str, port: u16) -> String {
        format!(
            "postgres://{user}:{password}@localhost:{port}/postgres?hostaddr=127.0.0.1&sslrootcert={}",
            self.ca().display()
        )
    }

    /// Password of the server's own user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// File with the certificate of the server.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn create(&self) -> Result<(), Failure> {
        fs::create_dir(&self.folder).map_err(broken(&self.folder))?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o755)).map_err(broken(&self.folder))?;
        self.own(&self.folder)?;
        let secret = self.write("password", &self.password, 0o600)?;
        let mut initdb = self.command("initdb");
        initdb.arg("-D").arg(self.data()).args(["-U", "defender", "-E", "UTF8", "--no-locale", "--no-sync"]);
        initdb.args(["--auth=scram-sha-256", "--pwfile"]).arg(secret);
        output(&mut initdb)?;
        // A certificate of a server and not of a CA: rustls refuses the latter.
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).map_err(broken("certificate"))?;
        self.write("ca.pem", &own.cert.pem(), 0o644)?;
        self.write("data/server.crt", &own.cert.pem(), 0o644)?;
        self.write("data/server.key", &own.signing_key.serialize_pem(), 0o600)?;
        self.write("data/pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n", 0o600)?;
        let config = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&config).map_err(broken(&config))?;
        text.push_str(&self.settings());
        // Otherwise the start after a kill flushes each file.
        if !output(self.command("postgres").arg("--version"))?.contains(" 13.") {
            text.push_str("recovery_init_sync_method = syncfs\n");
        }
        self.write("data/postgresql.conf", &text, 0o600).map(|_path| ())
    }

    fn settings(&self) -> String {
        let port = self.port;
        format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nssl = on\nmax_connections = 100\n\
             default_transaction_isolation = 'repeatable read'\nsynchronous_commit = off\nwal_writer_delay = 10s\n"
        )
    }

    /// Starts the server again, and returns once it accepts connections.
    ///
    /// # Errors
    ///
    /// The server does not start within a minute.
    pub fn launch(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + START;
        loop {
            let log = self.folder.join("log");
            let file = File::options().create(true).append(true).open(&log).map_err(broken(&log))?;
            let other = file.try_clone().map_err(broken(&log))?;
            let mut postgres = self.command("postgres");
            postgres.arg("-D").arg(self.data()).stdin(Stdio::null()).stdout(file).stderr(other);
            let mut process = postgres.spawn().map_err(broken("postgres"))?;
            // After a kill, the processes of the old server end a little later than it, and the new one does not start before.
            while process.try_wait().map_err(broken("postgres"))?.is_none() {
                if self.is_ready()? {
                    self.process = Some(process);
                    return Ok(());
                }
                if Instant::now() > deadline {
                    let _ = process.kill();
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
            if Instant::now() > deadline {
                let text = fs::read_to_string(&log).unwrap_or_default();
                return Err(Failure::Check(format!("the server does not start: {text}")));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_ready(&self) -> Result<bool, Failure> {
        let mut ready = self.command("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        Ok(ready.status().map_err(broken("pg_isready"))?.success())
    }

    /// Id of the server's first process.
    pub fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Stops the server. Connections are closed, and what is committed is flushed.
    ///
    /// # Errors
    ///
    /// The server cannot be told.
    pub fn stop(&mut self) -> Result<(), Failure> {
        if let Some(mut process) = self.process.take() {
            signal("-INT", process.id())?;
            process.wait().map_err(broken("postgres"))?;
        }
        Ok(())
    }

    /// Kills the server, which can flush nothing.
    ///
    /// # Errors
    ///
    /// The server cannot be killed.
    pub fn kill(&mut self) -> Result<(), Failure> {
        if let Some(mut process) = self.process.take() {
            process.kill().and_then(|()| process.wait()).map_err(broken("postgres"))?;
        }
        Ok(())
    }

    /// A program of the server, as the user that may run it. It gets a signal if this process ends.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let Some((user, group)) = self.user else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            &user.to_string(),
            "--regid",
            &group.to_string(),
            "--clear-groups",
            "--pdeathsig",
            "INT",
        ]);
        command
            .args(["env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"])
            .arg(format!("HOME={}", self.folder.display()));
        command.arg(program).current_dir("/");
        command
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(broken(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(broken(&path))?;
        self.own(&path)?;
        Ok(path)
    }

    fn own(&self, path: &Path) -> Result<(), Failure> {
        match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)).map_err(broken(path)),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = self.stop();
        if let Err(Failure::Check(why)) = stopped {
            eprintln!("postgres: {why}");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Sends a signal to a process.
///
/// # Errors
///
/// There is no such process.
pub fn signal(signal: &str, process: u32) -> Result<(), Failure> {
    output(Command::new("kill").args([signal, &process.to_string()])).map(|_nothing| ())
}

/// The folder of the newest server's programs.
fn programs() -> Result<PathBuf, Failure> {
    if let Some(folder) = installed() {
        return Ok(folder);
    }
    eprintln!("postgres: no server is installed: apt-get install postgresql");
    for line in [&["update", "--quiet"][..], &["install", "--yes", "--quiet", "--no-install-recommends", "postgresql"]]
    {
        output(Command::new("apt-get").args(line).env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    installed().ok_or_else(|| Failure::Check("postgresql is installed, and has no initdb".to_owned()))
}

fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|entry| (number(&entry.path()), entry.path().join("bin"))).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path);
    folders
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .chain(others)
        .find(|folder| ["initdb", "postgres", "pg_isready"].iter().all(|program| folder.join(program).is_file()))
}

fn number(path: &Path) -> u32 {
    path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or_default()
}

fn postgres() -> Result<(u32, u32), Failure> {
    let id = |kind: &str| {
        let id = output(Command::new("id").args([kind, "postgres"]))?;
        id.parse().map_err(broken("the user postgres"))
    };
    Ok((id("-u")?, id("-g")?))
}

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(broken("port"))?;
    Ok(listener.local_addr().map_err(broken("port"))?.port())
}

fn output(command: &mut Command) -> Result<String, Failure> {
    xtask::workspace::output(command).map(|text| text.trim().to_owned())
}

/// Makes a failure of an error.
pub fn broken<T: std::fmt::Display, W: std::fmt::Debug>(what: W) -> impl Fn(T) -> Failure {
    move |error| Failure::broken(format!("{what:?}"), error)
}
