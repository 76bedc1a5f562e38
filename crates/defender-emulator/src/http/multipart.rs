//! A body of several parts (RFC 7578), taken apart.

/// One part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'b> {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content: &'b [u8],
}

/// The parts of a body of this content type; `None` where it is not one, or is broken.
pub(crate) fn parts<'b>(content_type: &str, body: &'b [u8]) -> Option<Vec<Part<'b>>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    })?;
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it.
    let mut rest = body.strip_prefix(delimiter.strip_prefix("\r\n")?.as_bytes())?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let (part, behind) = split(rest.strip_prefix(b"\r\n")?, delimiter.as_bytes())?;
        let (head, content) = match part.strip_prefix(b"\r\n") {
            Some(content) => (&b""[..], content),
            None => split(part, b"\r\n\r\n")?,
        };
        parts.push(one(std::str::from_utf8(head).ok()?, content)?);
        rest = behind;
    }
    Some(parts)
}

fn one<'b>(head: &str, content: &'b [u8]) -> Option<Part<'b>> {
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let parameter = |name| parameter(disposition, name);
    Some(Part { name: parameter("name")?, file_name: parameter("filename"), content })
}

/// Returns the value of a parameter. A `;` inside quotes is part of the value.
fn parameter(disposition: &str, wanted: &str) -> Option<String> {
    let mut is_quoted = false;
    let mut parameters = disposition.split(|character| {
        is_quoted ^= character == '"';
        character == ';' && !is_quoted
    });
    parameters.find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case(wanted).then(|| decoded(value.trim_matches('"')))
    })
}

/// Decodes the three characters that browsers encode in a name: <https://html.spec.whatwg.org/#multipart-form-data>. That the service
/// decodes them is inferred.
fn decoded(value: &str) -> String {
    value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

fn split<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    let (before, rest) = bytes.split_at_checked(place)?;
    Some((before, rest.strip_prefix(at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_with_their_names() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.ps1\"\r\n\
            Content-Type: text/plain\r\n\r\nline\r\n--y\r\n--x\r\ncontent-disposition: form-data; name=Description\r\n\r\n\r\n--x--\r\n";
        let found = parts("multipart/form-data; boundary=\"x\"", body).unwrap();
        let file = Part { name: "file".to_owned(), file_name: Some("a.ps1".to_owned()), content: b"line\r\n--y" };
        let description = Part { name: "Description".to_owned(), file_name: None, content: b"" };
        assert_eq!(found, [file, description]);
    }

    #[test]
    fn quoted_file_name_is_whole() {
        for (written, name) in [
            ("filename=\"a;b; name=c.ps1\"; name=\"file\"", "a;b; name=c.ps1"),
            ("name=\"file\"; filename=\"a %22b%22%0D%0A.ps1\"", "a \"b\"\r\n.ps1"),
            ("name=\"file\"; filename=\"100%25%2F.ps1\"", "100%25%2F.ps1"),
            ("name=file;filename=a.ps1", "a.ps1"),
        ] {
            let body = format!("--x\r\nContent-Disposition: form-data; {written}\r\n\r\n1\r\n--x--");
            let part = Part { name: "file".to_owned(), file_name: Some(name.to_owned()), content: b"1" };
            assert_eq!(parts("multipart/form-data; boundary=x", body.as_bytes()), Some(vec![part]), "{written}");
        }
    }

    #[test]
    fn what_is_broken_has_no_parts() {
        for (kind, body) in [
            ("application/json; boundary=x", "--x--"),
            ("multipart/form-data", "--x--"),
            ("multipart/form-data; boundary=x", ""),
            ("multipart/form-data; boundary=x", "--x\r\nno end"),
            ("multipart/form-data; boundary=x", "--x\r\n\r\nno name\r\n--x--"),
        ] {
            assert_eq!(parts(kind, body.as_bytes()), None, "{kind} {body}");
        }
        assert_eq!(parts("multipart/form-data; boundary=x", b"--x--"), Some(Vec::new()));
    }
}
