//! The tokens of a filter.

use jiff::Timestamp;
use uuid::Uuid;

use crate::http::problem::Problem;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// One of `( ) , : /`.
    Mark(char),
    Word(String),
    Text(String),
    Date(Timestamp),
    Number(i64),
}

/// Takes a filter apart.
pub(super) fn tokens(filter: &str) -> Result<Vec<Token>, Problem> {
    let mut rest = filter.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&next) = rest.peek() {
        if let Some(guid) = guid(&rest) {
            tokens.push(Token::Text(guid));
            rest.nth(35);
            continue;
        }
        match next {
            ' ' | '\t' => {
                rest.next();
            }
            '(' | ')' | ',' | ':' | '/' => {
                rest.next();
                tokens.push(Token::Mark(next));
            }
            '\'' => {
                rest.next();
                tokens.push(Token::Text(text(&mut rest)?));
            }
            _ if next.is_ascii_digit() || next == '-' => {
                tokens.push(literal(&run(&mut rest, |c| c.is_ascii_alphanumeric() || "-+:.".contains(c)))?);
            }
            _ if next.is_ascii_alphabetic() || next == '_' => {
                tokens.push(Token::Word(run(&mut rest, |c| c.is_ascii_alphanumeric() || c == '_')));
            }
            _ => return Err(Problem::query(format!("Syntax error: character '{next}' is not valid in a filter."))),
        }
    }
    Ok(tokens)
}

type Chars<'c> = std::iter::Peekable<std::str::Chars<'c>>;

/// A GUID without quotes, which is how OData writes the value of a key like a machine action's.
fn guid(rest: &Chars<'_>) -> Option<String> {
    let mut ahead = rest.clone();
    let text: String = ahead.by_ref().take(36).collect();
    let ends = !ahead.next().is_some_and(|next| next.is_ascii_alphanumeric() || next == '-');
    let is_guid = ends && text.bytes().filter(|byte| *byte == b'-').count() == 4 && text.parse::<Uuid>().is_ok();
    is_guid.then(|| text.to_ascii_lowercase())
}

fn run(rest: &mut Chars<'_>, belongs: impl Fn(char) -> bool) -> String {
    let mut run = String::new();
    while let Some(next) = rest.next_if(|next| belongs(*next)) {
        run.push(next);
    }
    run
}

/// A text, whose opening quote is gone. A quote in it is doubled.
fn text(rest: &mut Chars<'_>) -> Result<String, Problem> {
    let mut text = String::new();
    loop {
        match rest.next() {
            Some('\'') if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => return Ok(text),
            Some(other) => text.push(other),
            None => return Err(Problem::query("There is an unterminated string literal.")),
        }
    }
}

/// A number or a date. The pages write dates as `2018-08-01Z` and `2019-11-22T00:00:00Z`.
fn literal(text: &str) -> Result<Token, Problem> {
    let wrong = || Problem::query(format!("Unrecognized literal '{text}'."));
    if let Ok(number) = text.parse() {
        return Ok(Token::Number(number));
    }
    let date = match text.strip_suffix('Z') {
        Some(day) if !text.contains('T') => format!("{day}T00:00:00Z"),
        _ => text.to_owned(),
    };
    date.parse().map(Token::Date).map_err(|_| wrong())
}
