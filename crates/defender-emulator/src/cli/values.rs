//! The values of options.

use std::{str::FromStr, time::Duration};

use lexopt::{Parser, ValueExt};

/// A number of seconds, which may have a fraction.
pub(super) fn seconds(arguments: &mut Parser) -> Result<Duration, lexopt::Error> {
    let wrong = "expected a number of seconds, such as 0.5";
    arguments.value()?.parse_with(|text| {
        let seconds: f64 = text.parse().map_err(|_| wrong)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| wrong)
    })
}

/// A choice in its text form.
pub(super) fn choice<T: FromStr<Err = &'static str>>(arguments: &mut Parser) -> Result<T, lexopt::Error> {
    arguments.value()?.parse_with(T::from_str)
}

/// The value of an option with a few choices.
pub(super) fn one_of<T: Copy>(arguments: &mut Parser, words: &[(&str, T)]) -> Result<T, lexopt::Error> {
    arguments.value()?.parse_with(|text| {
        let known = || words.iter().map(|(one_of, _)| *one_of).collect::<Vec<_>>().join(" or ");
        words
            .iter()
            .find(|(one_of, _)| *one_of == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("it is {}", known()))
    })
}
