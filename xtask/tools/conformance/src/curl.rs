//! curl, which shares no line with our client.

use std::process::{Command, Stdio};

use xtask::{Failure, workspace};

/// A request, ready to be sent.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

/// A response, as curl printed it.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) version: String,
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn parse(printed: &[u8]) -> Option<Self> {
        let end = printed.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, body) = (printed.get(..end)?, printed.get(end + 4..)?);
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split_whitespace();
        let (version, status) = (first.next()?.to_owned(), first.next()?.parse().ok()?);
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        Some(Self { version, status, headers: lines.filter_map(header).collect(), body: body.to_vec() })
    }
}

/// Installs curl if it is missing, as on a bare machine, and fails if that cannot be done. No check that needs it passes
/// without it.
pub(crate) fn ensure() -> Result<(), Failure> {
    if is_there() {
        return Ok(());
    }
    eprintln!("conformance: curl is missing; apt-get installs it");
    // The check below shows whether it worked. The output of apt-get is no finding.
    for words in [&["apt-get", "update"][..], &["apt-get", "install", "--yes", "--no-install-recommends", "curl"]] {
        let Some((program, arguments)) = words.split_first() else { continue };
        let _asked = Command::new(program)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
    }
    if is_there() {
        return Ok(());
    }
    let what = "curl is missing, and `apt-get install curl` failed: install curl by hand";
    Err(Failure::Check(what.to_owned()))
}

fn is_there() -> bool {
    let asked = Command::new("curl").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Sends one request. What it is goes in by stdin, since a command line can be read by others and a token must not be.
pub(super) fn send(request: &Filled, ca_file: Option<&str>) -> Result<Response, String> {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--show-error", "--include", "--path-as-is", "--globoff"]);
    command.args(["--max-time", "30", "--noproxy", "127.0.0.1,localhost", "--config", "-"]);
    let printed = workspace::fed(&mut command, config(request, ca_file).as_bytes())?;
    Response::parse(&printed).ok_or_else(|| "curl printed no response".to_owned())
}

fn config(request: &Filled, ca_file: Option<&str>) -> String {
    let mut lines = vec![option("url", &request.url), option("request", &request.method)];
    // Otherwise curl waits for the body that a HEAD says that there would be.
    lines.extend((request.method == "HEAD").then(|| "head\n".to_owned()));
    lines.extend(ca_file.map(|file| option("cacert", file)));
    // What curl would add by itself, and a header that is not given must not be there.
    lines.extend(["Accept:", "Content-Type:"].map(|header| option("header", header)));
    lines.extend(request.headers.iter().map(|(name, value)| option("header", &format!("{name}: {value}"))));
    lines.extend(request.body.iter().map(|body| option("data-raw", body)));
    lines.concat()
}

fn option(name: &str, value: &str) -> String {
    let escaped: String = value
        .chars()
        .flat_map(|letter| match letter {
            '"' => vec!['\\', '"'],
            '\\' => vec!['\\', '\\'],
            '\n' => vec!['\\', 'n'],
            '\r' => vec!['\\', 'r'],
            '\t' => vec!['\\', 't'],
            other => vec![other],
        })
        .collect();
    format!("{name} = \"{escaped}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_is_parsed() {
        let response = Response::parse(b"HTTP/2 201 \r\nRetry-After: 7\r\n\r\n{}\r\n\r\n").unwrap();
        assert_eq!((response.status, response.header("retry-after"), response.body.len()), (201, Some("7"), 6));
        assert_eq!(response.version, "HTTP/2");
        assert!(Response::parse(b"nothing").is_none());
    }

    #[test]
    fn value_stays_on_one_line() {
        assert_eq!(option("data-raw", "a\"b\\c\r\nd"), "data-raw = \"a\\\"b\\\\c\\r\\nd\"\n");
    }
}
