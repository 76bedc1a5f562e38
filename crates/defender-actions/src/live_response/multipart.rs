//! The multipart body (RFC 7578) of a form with a file.

/// Form of several parts. No part contains the boundary.
pub(crate) struct Form<'f> {
    parts: Vec<(String, &'f [u8])>,
}

impl<'f> Form<'f> {
    pub(crate) fn new() -> Self {
        Self { parts: Vec::new() }
    }

    pub(crate) fn text(mut self, name: &str, value: &'f str) -> Self {
        self.parts.push((format!("name=\"{name}\""), value.as_bytes()));
        self
    }

    pub(crate) fn file(mut self, name: &str, file_name: &str, content: &'f [u8]) -> Self {
        let quoted = quoted(file_name);
        let head = format!("name=\"{name}\"; filename=\"{quoted}\"\r\nContent-Type: application/octet-stream");
        self.parts.push((head, content));
        self
    }

    /// Returns the content type and the body.
    pub(crate) fn encode(&self) -> (String, Vec<u8>) {
        let boundary = self.boundary();
        let size = self.parts.iter().fold(0_usize, |size, (head, content)| {
            size.saturating_add(head.len()).saturating_add(content.len()).saturating_add(boundary.len() + 64)
        });
        let mut body = Vec::with_capacity(size.saturating_add(boundary.len()).saturating_add(8));
        for (head, content) in &self.parts {
            body.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    /// Returns the first boundary of a fixed sequence that no part contains. So equal forms have equal bodies, and no content can end its
    /// part.
    fn boundary(&self) -> String {
        let mut number = 0_u64;
        loop {
            let boundary = format!("defender-form-{number:016x}");
            if !self.parts.iter().any(|(_, content)| contains(content, boundary.as_bytes())) {
                return boundary;
            }
            number = number.wrapping_add(1);
        }
    }
}

fn contains(content: &[u8], text: &[u8]) -> bool {
    content.windows(text.len()).any(|window| window == text)
}

/// Returns a file name as browsers write it in quotes: <https://html.spec.whatwg.org/#multipart-form-data>.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_follows_the_standard() {
        let (kind, body) =
            Form::new().file("File", "a \"b\".ps1", b"Get-Date").text("Description", "The date").encode();
        assert_eq!(kind, "multipart/form-data; boundary=defender-form-0000000000000000");
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "--defender-form-0000000000000000\r\n\
             Content-Disposition: form-data; name=\"File\"; filename=\"a %22b%22.ps1\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\
             Get-Date\r\n\
             --defender-form-0000000000000000\r\n\
             Content-Disposition: form-data; name=\"Description\"\r\n\r\n\
             The date\r\n\
             --defender-form-0000000000000000--\r\n"
        );
    }

    #[test]
    fn content_cannot_end_its_part() {
        let content =
            b"\r\n--defender-form-0000000000000000--\r\nContent-Disposition: form-data; name=\"OverrideIfExists\"";
        let (kind, body) = Form::new().file("File", "a", content).text("x", "defender-form-0000000000000001").encode();
        assert_eq!(kind, "multipart/form-data; boundary=defender-form-0000000000000002");
        let ends = b"\r\n--defender-form-0000000000000002";
        assert_eq!(body.windows(ends.len()).filter(|window| window == ends).count(), 2);
    }
}
