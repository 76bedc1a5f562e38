//! The part of a file in a response.

/// Header `Content-Range` of a response with one part: <https://www.rfc-editor.org/rfc/rfc9110#section-14.4>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    /// Parses the header. `None` if it is invalid or impossible.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (unit, rest) = text.trim().split_once(' ')?;
        let (range, total) = rest.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        let total = match total {
            "*" => None,
            total => Some(number(total)?),
        };
        let range = Self { first: number(first)?, last: number(last)?, total };
        let holds = range.first <= range.last && range.total.is_none_or(|total| range.last < total);
        (unit.eq_ignore_ascii_case("bytes") && holds).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_range_is_none() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::parse("bytes 4-9/10"), range(4, 9, Some(10)));
        assert_eq!(ContentRange::parse("Bytes 4-9/*"), range(4, 9, None));
        for text in
            ["", "bytes", "bytes 4-9", "bytes 9-4/10", "bytes 4-10/10", "bytes */10", "lines 4-9/10", "bytes +4-9/10"]
        {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }
}
