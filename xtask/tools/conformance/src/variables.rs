//! Names in a text, and their values.

use std::collections::BTreeMap;

/// Values of the names that a text has in `${}`.
pub(super) type Variables = BTreeMap<String, String>;

/// Replaces the names in `${}` by their values. The error is the first unknown name.
pub(super) fn fill(text: &str, variables: &Variables) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, after)) = behind.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(variables.get(name).ok_or(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_name_is_an_error() {
        let variables = [("a".to_owned(), "1".to_owned())].into();
        assert_eq!(fill("x${a}y${a}", &variables), Ok("x1y1".to_owned()));
        assert_eq!(fill("x${b}", &variables), Err("b".to_owned()));
        assert_eq!(fill("{a} ${", &variables), Ok("{a} ${".to_owned()));
    }
}
