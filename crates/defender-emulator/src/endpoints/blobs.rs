//! The blob store behind the links: packages, transcripts and files.

use std::{io::Write, ops::Range};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, Crc, GzBuilder};
use http::{
    HeaderMap, HeaderName, Request, StatusCode,
    header::{ACCEPT_RANGES, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, RANGE},
};
use serde_json::json;

use crate::{
    endpoints::links::Closed, http::route::Call, service::Service, settings::Transcripts, store::live_response::Command,
};

/// Handles a GET of a blob, whole or in part.
///
/// A token is refused, whatever it is: a link's host has no business with it. The shape of the errors is that of the
/// store's own: <https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2>.
pub(crate) fn respond(service: &Service, call: &Call, request: &Request<Body>) -> Response {
    const FAILED: &str = "Server failed to authenticate the request. ";
    let headers = request.headers();
    if headers.contains_key(AUTHORIZATION) {
        let text =
            "Authentication information is not given in the correct format. A link takes no Authorization header.";
        return refused(StatusCode::UNAUTHORIZED, "InvalidAuthenticationInfo", text);
    }
    match service.check_link(&call.id, request.uri().query().unwrap_or_default()) {
        Err(Closed::Forged) => {
            let text = format!("{FAILED}Make sure the value of the signature is formed correctly.");
            return refused(StatusCode::FORBIDDEN, "AuthenticationFailed", &text);
        }
        Err(Closed::Expired) => {
            let text = format!("{FAILED}Signature not valid in the specified time frame.");
            return refused(StatusCode::FORBIDDEN, "AuthenticationFailed", &text);
        }
        Ok(()) => {}
    }
    let Some(content) = content(service, &call.id) else {
        return refused(StatusCode::NOT_FOUND, "BlobNotFound", "The specified blob does not exist.");
    };
    part(headers, content)
}

fn refused(status: StatusCode, code: &'static str, text: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
    );
    let headers = [(CONTENT_TYPE, "application/xml"), (HeaderName::from_static("x-ms-error-code"), code)];
    (status, headers, body).into_response()
}

/// Returns the whole, or the part that `Range` asks for. An unknown range is ignored, by RFC 9110, 14.2.
fn part(headers: &HeaderMap, content: Vec<u8>) -> Response {
    let kind = [(CONTENT_TYPE, "application/octet-stream"), (ACCEPT_RANGES, "bytes")];
    let length = content.len();
    let content = Bytes::from(content);
    match headers.get(RANGE).and_then(|range| asked(range.to_str().ok()?, length)) {
        None => (kind, content).into_response(),
        Some(range) if range.is_empty() => {
            let unsatisfied = [(CONTENT_RANGE, format!("bytes */{length}"))];
            let text = "The range specified is invalid for the current size of the resource.";
            (unsatisfied, refused(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", text)).into_response()
        }
        Some(range) => {
            let of = [(CONTENT_RANGE, format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1)))];
            (StatusCode::PARTIAL_CONTENT, kind, of, content.slice(range)).into_response()
        }
    }
}

/// One range of bytes; empty where there is nothing in it.
fn asked(range: &str, length: usize) -> Option<Range<usize>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        let last: usize = to.parse().ok()?;
        return Some(length.saturating_sub(last)..length);
    }
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() { usize::MAX } else { to.parse().ok()? };
    let end = to.saturating_add(1).min(length);
    Some(if from < end { from..end } else { 0..0 })
}

/// Returns the content of this name: made from its action, and always the same.
fn content(service: &Service, name: &str) -> Option<Vec<u8>> {
    let (name, kind) = name.rsplit_once('.')?;
    let world = service.world();
    if kind == "zip" {
        let action = world.actions.get(name)?;
        let summary = format!("Investigation package of {}\r\n", action.computer_dns_name);
        return zip("Forensics/Summary.txt", summary.as_bytes());
    }
    let (id, index) = name.rsplit_once('-')?;
    let command = world.actions.get(id)?.commands.get(index.parse::<usize>().ok()?)?;
    match (kind, service.settings.transcripts) {
        ("gz", _) => file(command),
        (_, Transcripts::Plain) => Some(transcript(command)),
        (_, Transcripts::Gzip) => {
            let mut packed = GzBuilder::new().write(Vec::new(), Compression::default());
            packed.write_all(&transcript(command)).and_then(|()| packed.finish()).ok()
        }
    }
}

/// A file as live response gets it: gzip, with the file's own name inside.
fn file(command: &Command) -> Option<Vec<u8>> {
    let path = command.param("Path")?;
    // The format ends a name with a NUL.
    let name = path.rsplit(['\\', '/']).next()?.replace('\0', "");
    let mut packed = GzBuilder::new().filename(name).write(Vec::new(), Compression::default());
    packed.write_all(format!("Contents of {path}\r\n").as_bytes()).ok()?;
    packed.finish().ok()
}

/// A script's transcript, with the names of its fields as captures have them, and the NUL at the end of the output.
fn transcript(command: &Command) -> Vec<u8> {
    let (script, args) = (command.param("ScriptName").unwrap_or_default(), command.param("Args").unwrap_or_default());
    let transcript = json!({
        "script_name": script,
        "exit_code": 0,
        "script_output": format!("Transcript started\r\n{script} {args}\r\n\0"),
        "script_errors": "",
    });
    transcript.to_string().into_bytes()
}

/// A ZIP archive of one file, which is stored as it is.
fn zip(name: &str, content: &[u8]) -> Option<Vec<u8>> {
    let mut crc = Crc::new();
    crc.update(content);
    let size = u32::try_from(content.len()).ok()?.to_le_bytes();
    let name_length = u16::try_from(name.len()).ok()?.to_le_bytes();
    // Version 2.0, no flags, stored, midnight of 1 January 1980; then CRC, both sizes, and the lengths of the name and of
    // what would follow it.
    let mut described = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
    described.extend(crc.sum().to_le_bytes());
    described.extend([size, size].concat());
    described.extend(name_length);
    described.extend([0, 0]);
    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend(&described);
    archive.extend(name.as_bytes());
    archive.extend(content);
    let directory = u32::try_from(archive.len()).ok()?;
    archive.extend(b"PK\x01\x02\x14\0");
    archive.extend(&described);
    archive.extend([0; 14]); // No comment, first disk, no attributes, and the file begins at the beginning.
    archive.extend(name.as_bytes());
    let length = u32::try_from(archive.len()).ok()?.saturating_sub(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend(length.to_le_bytes());
    archive.extend(directory.to_le_bytes());
    archive.extend([0, 0]);
    Some(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_there_is() {
        assert_eq!(asked("bytes=0-3", 10), Some(0..4));
        assert_eq!(asked("bytes=8-", 10), Some(8..10));
        assert_eq!(asked("bytes=8-99", 10), Some(8..10));
        assert_eq!(asked("bytes=-3", 10), Some(7..10));
        assert_eq!(asked("bytes=10-", 10), Some(0..0));
        assert_eq!(asked("bytes=5-4", 10), Some(0..0));
        for other in ["lines=0-3", "bytes=a-b", "bytes=0", "bytes=0-1,3-4"] {
            assert_eq!(asked(other, 10), None, "{other}");
        }
    }

    #[test]
    fn an_archive_has_its_directory_where_its_end_says() {
        let archive = zip("a.txt", b"hello").unwrap();
        let end = &archive[archive.len() - 22..];
        let offset = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        let length = u32::from_le_bytes(end[12..16].try_into().unwrap()) as usize;
        assert_eq!(offset + length + 22, archive.len());
        assert_eq!(&archive[offset..offset + 4], b"PK\x01\x02");
        assert_eq!(&archive[35..40], b"hello");
    }
}
