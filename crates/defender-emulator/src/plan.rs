//! Which actions a filter can hold of, found without a look at all of them.

use std::{collections::BTreeSet, iter::Peekable, ops::Range};

use jiff::Timestamp;

use crate::{
    action_query::{CREATED, ID, MACHINE_ID, STATUS, TYPE},
    actions::Actions,
    odata::{Compare, Expr, Operand, Val},
};

/// Where the actions are that a filter may hold of: in any of these lists, and in this range.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// `None` is everywhere.
    sources: Option<Vec<Source<'a>>>,
    range: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    One(usize),
    Slice(&'a [usize]),
    Set(&'a BTreeSet<usize>),
}

impl Source<'_> {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Slice(slice) => slice.len(),
            Self::Set(set) => set.len(),
        }
    }
}

/// In which order the numbers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    NewestFirst,
    OldestFirst,
}

impl<'a> Plan<'a> {
    pub(crate) fn of(filter: Option<&Expr>, actions: &'a Actions) -> Self {
        let (mut from, mut until) = (None, None);
        if let Some(filter) = filter {
            bounds(filter, &mut from, &mut until);
        }
        let sources = filter.and_then(|filter| sources(filter, actions));
        Self { sources, range: actions.made(from, until) }
    }

    /// The numbers, each once.
    pub(crate) fn numbers(self, direction: Direction) -> Box<dyn Iterator<Item = usize> + 'a> {
        let range = self.range;
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let Some(sources) = self.sources else {
            return match direction {
                Direction::NewestFirst => Box::new(range.rev()),
                Direction::OldestFirst => Box::new(range),
            };
        };
        let sources = sources.into_iter().map(|source| walk(source, range.clone(), direction).peekable()).collect();
        Box::new(Union { sources, direction })
    }
}

fn walk(source: Source<'_>, range: Range<usize>, direction: Direction) -> Box<dyn Iterator<Item = usize> + '_> {
    let turned = |numbers: &'_ [usize]| {
        let (from, until) = (
            numbers.partition_point(|number| *number < range.start),
            numbers.partition_point(|number| *number < range.end),
        );
        from..until
    };
    match (source, direction) {
        (Source::One(number), _) => Box::new(range.contains(&number).then_some(number).into_iter()),
        (Source::Slice(numbers), direction) => {
            let numbers = numbers.get(turned(numbers)).unwrap_or_default().iter().copied();
            match direction {
                Direction::NewestFirst => Box::new(numbers.rev()),
                Direction::OldestFirst => Box::new(numbers),
            }
        }
        (Source::Set(numbers), Direction::NewestFirst) => Box::new(numbers.range(range).rev().copied()),
        (Source::Set(numbers), Direction::OldestFirst) => Box::new(numbers.range(range).copied()),
    }
}

/// Several ordered lists as one, each number once.
struct Union<'a> {
    sources: Vec<Peekable<Box<dyn Iterator<Item = usize> + 'a>>>,
    direction: Direction,
}

impl Iterator for Union<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let heads = self.sources.iter_mut().filter_map(|source| source.peek().copied());
        let next = match self.direction {
            Direction::NewestFirst => heads.max(),
            Direction::OldestFirst => heads.min(),
        }?;
        for source in &mut self.sources {
            source.next_if_eq(&next);
        }
        Some(next)
    }
}

/// The lists outside of which the filter cannot hold; `None` where there is none shorter than all.
fn sources<'a>(filter: &Expr, actions: &'a Actions) -> Option<Vec<Source<'a>>> {
    match filter {
        Expr::And(parts) => {
            let total = |sources: &Vec<Source<'_>>| sources.iter().map(Source::len).sum::<usize>();
            parts.iter().filter_map(|part| sources(part, actions)).min_by_key(total)
        }
        Expr::Or(parts) => {
            let parts = parts.iter().map(|part| sources(part, actions)).collect::<Option<Vec<_>>>()?;
            Some(parts.concat())
        }
        Expr::Is(Operand::Property(property, _), Compare::Eq, Operand::Literal(Val::Text(text)))
        | Expr::Is(Operand::Literal(Val::Text(text)), Compare::Eq, Operand::Property(property, _)) => match *property {
            ID => Some(actions.number(text).map(Source::One).into_iter().collect()),
            MACHINE_ID => Some(vec![Source::Slice(actions.of_machine(text))]),
            TYPE => Some(vec![Source::Slice(actions.of_type(text))]),
            STATUS => Some(actions.with_status(text).map(Source::Set).into_iter().collect()),
            _ => None,
        },
        _ => None,
    }
}

/// Narrows the time of making to that in which the filter can hold.
fn bounds(filter: &Expr, from: &mut Option<Timestamp>, until: &mut Option<Timestamp>) {
    match filter {
        Expr::And(parts) => parts.iter().for_each(|part| bounds(part, from, until)),
        Expr::Is(Operand::Property(CREATED, _), compare, Operand::Literal(Val::Date(time))) => match compare {
            // What is not before it may be at it: the filter itself is asked again of each.
            Compare::Gt | Compare::Ge => *from = (*from).max(Some(*time)),
            Compare::Lt => *until = until.map_or(Some(*time), |until| Some(until.min(*time))),
            _ => {}
        },
        _ => {}
    }
}
