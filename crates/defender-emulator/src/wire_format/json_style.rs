//! The form of a record where the service's own pages and its captures differ.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::{
    rng::Rng,
    wire_format::{Comments, ExternalIds, Particulars, Requestor, Rows},
};

/// The form of the service's JSON where its pages and its captures differ. The default is the form of live captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct JsonStyle {
    /// Names the time of an action's last change `lastUpdateTimeUtc`, as the samples of
    /// <https://learn.microsoft.com/defender-endpoint/api/get-machineactions-collection> have it, in place of
    /// `lastUpdateDateTimeUtc`, as the table of <https://learn.microsoft.com/defender-endpoint/api/machineaction> and
    /// captures have it.
    pub documented_update_name: bool,
    /// Gives the dates of each action zero to seven digits of a second, drawn by this seed: captures have 0, 1, 2, 3, 5,
    /// 6 and 7. Without a seed they have seven, as most captures do.
    pub fraction_seed: Option<u64>,
    /// Omits fields without a value, and `commands` and `errorHResult` where they are empty, as the documentation's
    /// samples do. Live captures have null fields.
    pub omit_nulls: bool,
    /// Sends a null update time in the response to an action's POST, as a capture of a removed restriction has it
    /// (the documentation of an integration, demisto/content); later reads have the time.
    pub null_first_update: bool,
    /// Writes the `target` of an error as a bar and some digits, as microsoft-365-docs#13047 has it, in place of a GUID, as
    /// <https://learn.microsoft.com/defender-endpoint/api/common-errors> has it.
    pub opaque_targets: bool,
}

/// The form of records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spelling {
    pub(crate) json: JsonStyle,
    pub(crate) requestor: Requestor,
    pub(crate) particulars: Particulars,
    pub(crate) comments: Comments,
    pub(crate) external_ids: ExternalIds,
    pub(crate) rows: Rows,
}

impl Spelling {
    /// Returns the digits of the dates of the action of this number.
    pub(crate) fn digits(self, number: usize) -> u8 {
        match self.json.fraction_seed {
            None => 7,
            Some(seed) => {
                let mut rng = Rng::new(seed ^ u64::try_from(number).unwrap_or(0).rotate_left(32));
                u8::try_from(rng.below(8)).unwrap_or(7)
            }
        }
    }
}

impl JsonStyle {
    /// The name of the time of an action's last change.
    pub(crate) fn update_name(self) -> &'static str {
        if self.documented_update_name { "lastUpdateTimeUtc" } else { "lastUpdateDateTimeUtc" }
    }

    /// The `target` of an error with this id.
    pub(crate) fn target(self, id: Uuid) -> String {
        if self.opaque_targets { format!("|3{:05x}", id.as_fields().0 & 0xf_ffff) } else { id.to_string() }
    }
}

/// `time` without the digits of a second that `digits` has no room for.
pub(crate) fn cut(time: Timestamp, digits: u8) -> Timestamp {
    let unit = 10_i32.pow(9 - u32::from(digits.min(9)));
    let fraction = time.subsec_nanosecond();
    let cut = jiff::SignedDuration::from_nanos(i64::from(fraction.rem_euclid(unit)));
    time.checked_sub(cut).unwrap_or(time)
}

/// A date in UTC with so many digits, the rest cut off.
pub(crate) fn date(time: Timestamp, digits: u8) -> String {
    let (bytes, length) = Date(time, digits).written();
    String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned()
}

/// A date in UTC with so many digits of a second, at most nine, the rest cut off. Lists are made of dates, so that it is
/// written without a formatter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Date(pub(crate) Timestamp, pub(crate) u8);

impl Date {
    fn written(self) -> ([u8; 30], usize) {
        let Self(time, digits) = self;
        let (cut, digits) = (cut(time, digits), digits.min(9));
        let civil = TimeZone::UTC.to_datetime(cut);
        let mut bytes = *b"0000-00-00T00:00:00.0000000000";
        let mut put = |end: usize, width: usize, number: u32| {
            let mut left = number;
            for place in (end - width..end).rev() {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = b'0' + u8::try_from(left % 10).unwrap_or(0);
                }
                left /= 10;
            }
        };
        let small = |number: i8| u32::try_from(number).unwrap_or(0);
        // The service has no years before the first.
        put(4, 4, u32::try_from(civil.year()).unwrap_or(0));
        put(7, 2, small(civil.month()));
        put(10, 2, small(civil.day()));
        put(13, 2, small(civil.hour()));
        put(16, 2, small(civil.minute()));
        put(19, 2, small(civil.second()));
        put(29, 9, u32::try_from(civil.subsec_nanosecond()).unwrap_or(0));
        let end = if digits == 0 { 19 } else { 20 + usize::from(digits) };
        if let Some(last) = bytes.get_mut(end) {
            *last = b'Z';
        }
        (bytes, end + 1)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (bytes, length) = self.written();
        let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        serializer.serialize_str(text.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_its_digits_and_a_z() {
        assert_eq!(date(Timestamp::UNIX_EPOCH, 7), "1970-01-01T00:00:00.0000000Z");
        let time = "2026-01-01T12:00:00.987654321Z".parse().unwrap();
        assert_eq!(date(time, 7), "2026-01-01T12:00:00.9876543Z");
        assert_eq!(date(time, 1), "2026-01-01T12:00:00.9Z");
        assert_eq!(date(time, 0), "2026-01-01T12:00:00Z");
        assert_eq!(date(time, 9), "2026-01-01T12:00:00.987654321Z");
        let before = "1969-12-31T23:59:59.5Z".parse().unwrap();
        assert_eq!(date(before, 3), "1969-12-31T23:59:59.500Z");
        assert_eq!(date("2000-02-29T01:02:03.000000001Z".parse().unwrap(), 7), "2000-02-29T01:02:03.0000000Z");
    }

    #[test]
    fn each_number_of_digits_comes_by_seed() {
        let spelling =
            Spelling { json: JsonStyle { fraction_seed: Some(3), ..JsonStyle::default() }, ..Spelling::default() };
        for digits in 0..8 {
            assert!((0..200).any(|number| spelling.digits(number) == digits), "{digits}");
        }
        assert_eq!(spelling.digits(17), spelling.digits(17));
    }
}
