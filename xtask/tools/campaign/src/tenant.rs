//! Draws of a seed for its whole tenant: behavior of the service and of the network.

use std::{sync::Arc, time::Duration};

use defender_emulator::{
    Comments, CreatedStatus, DateHeader, Deflate, Duplicates, Emulator, EmulatorBuilder, ExternalIds, JsonStyle,
    Outcome, Particulars, Quotas, Requestor, RetryAfterForm, Rows,
};
use defender_transport::testing::ManualClock;

use super::{dice::Dice, evidence::Writing, wire::Latency};

/// Machines of a tenant.
pub(crate) const MACHINES: u32 = 50;

/// Properties of a tenant.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) seed: u64,
    /// One client is alone with the quota, and waits for all its actions for longer than an hour.
    pub(crate) is_long: bool,
    /// Share of all requests that go wrong, of 1.
    chaos: f64,
    pub(crate) pending_for: Duration,
    running_for: Duration,
    read_lag: Duration,
    duplicates: Duplicates,
    pub(crate) latency: Latency,
    /// Machines that are acted on: on few machines, actions meet.
    pub(crate) machines: usize,
    /// The longest pause between two steps.
    pub(crate) pause: Duration,
    /// By how much the clients' wall is ahead of the service's, in seconds.
    pub(crate) ahead: i64,
    outcomes: Vec<Outcome>,
    records: Records,
    /// The clients generate the external ids of actions that have none.
    pub(crate) generates_ids: bool,
    /// A process that begins again looks for all that it had written down at once.
    pub(crate) recovers_together: bool,
    /// Comments that several actions share.
    pub(crate) words: Words,
    dice: Dice,
}

/// Format of the service's records and headers.
#[derive(Clone, Copy, Debug)]
struct Records {
    requestor: Requestor,
    particulars: Particulars,
    comments: Comments,
    external_ids: ExternalIds,
    rows: Rows,
    date: DateHeader,
}

/// A form of comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Short,
    /// More characters than a cut one needs to be known again, and the same ones first.
    Long,
    Lines,
    Signs,
}

impl Words {
    /// One of the four.
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        dice.one([Self::Short, Self::Short, Self::Short, Self::Short, Self::Long, Self::Lines, Self::Signs])
    }

    /// A comment about this.
    pub(crate) fn about(self, what: &str) -> String {
        match self {
            Self::Short => what.to_owned(),
            Self::Long => {
                format!("{} {what}, in the words of the night shift", "Contain the host as the runbook says.".repeat(3))
            }
            Self::Lines => format!("{what}\nApproved by the duty manager\nSee the wiki"),
            Self::Signs => format!("{what}: R&D's host <lab> is \"odd\""),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Every tenth tenant is a long one.
const LONG: u64 = 10;

impl Tenant {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed, 0);
        let is_long = seed % LONG == LONG - 1;
        let chaos: f64 = dice.one([0.0, 0.02, 0.05, 0.05, 0.1, 0.3]);
        let duplicates = match dice.below(6) {
            0 => Duplicates::Refuse,
            1 => Duplicates::Join,
            2 => Duplicates::Accept,
            3 => Duplicates::Ended,
            _ => Duplicates::Seeded(dice.throw()),
        };
        let each_way = dice.one([SECOND / 20, SECOND / 2, SECOND * 3, SECOND * 6]);
        let latency = match dice.below(3) {
            0 => Latency::None,
            _ => Latency::UpTo { each_way, late: if is_long { 0 } else { dice.one([0, 0, 1, 3]) } },
        };
        let outcomes = (0..dice.below(4)).map(|_| outcome(&mut dice)).collect();
        let ways = &mut Dice::of(seed, u64::MAX - 1);
        Self {
            records: Records::drawn(ways, is_long),
            generates_ids: ways.percent(50),
            recovers_together: ways.percent(50),
            words: Words::drawn(ways),
            seed,
            is_long,
            chaos: if is_long { chaos.min(0.02) } else { chaos },
            // Some are over before the client looks for them, and most go on for a while.
            pending_for: if is_long {
                MINUTE * 75
            } else {
                dice.one([SECOND / 2, SECOND * 2, SECOND * 8, SECOND * 20, MINUTE, MINUTE * 4, MINUTE * 180])
            },
            running_for: dice.one([SECOND / 2, SECOND * 3, SECOND * 15, MINUTE]),
            read_lag: dice.one([
                Duration::ZERO,
                Duration::ZERO,
                SECOND,
                SECOND * 5,
                SECOND * 30,
                SECOND * 119,
                SECOND * 500,
            ]),
            duplicates,
            latency,
            machines: if is_long { 50 } else { usize::try_from(dice.one([2, 5, 15, 50, 50])).unwrap_or(50) },
            pause: if is_long { SECOND * 4 } else { dice.one([SECOND / 4, SECOND, SECOND * 5, SECOND * 20, MINUTE]) },
            ahead: dice.one([0, 0, 0, 2, -2, 240, -240]),
            outcomes,
            dice,
        }
    }

    /// The service's way of writing, for the judge.
    pub(crate) fn writing(&self) -> Writing {
        let Records { particulars, rows, date, .. } = self.records;
        Writing::of(self.read_lag, particulars, rows, date, self.ahead)
    }

    /// The service, by this clock, with its log going there.
    pub(crate) fn service(&self, clock: &ManualClock, log: impl std::io::Write + Send + 'static) -> EmulatorBuilder {
        let mut dice = self.dice.clone();
        let lifetime = dice.one([60, 330, 900, 3_599]);
        let builder = Emulator::builder()
            .clock(Arc::new(clock.clone()))
            .ids(dice.throw())
            .chaotic(dice.throw(), self.chaos)
            .machines(MACHINES)
            .log(log)
            .control_over_http()
            .requestor(self.records.requestor)
            .particulars(self.records.particulars)
            .comments(self.records.comments)
            .external_ids(self.records.external_ids)
            .rows(self.records.rows)
            .date_header(self.records.date)
            .pending_for(self.pending_for)
            .running_for(self.running_for)
            .read_lag(self.read_lag)
            .duplicates(self.duplicates)
            .token_lifetime(SECOND * lifetime)
            .link_lifetime(dice.one([SECOND, MINUTE * 30]));
        let builder = if dice.percent(25) && !self.is_long { builder.quotas(Quotas::Off) } else { builder };
        builder
            .retry_after(dice.one([RetryAfterForm::Seconds, RetryAfterForm::Date, RetryAfterForm::Absent]))
            .deflate(match dice.below(12) {
                0 => Deflate::Zlib,
                1 => Deflate::Raw,
                _ => Deflate::Off,
            })
            .created_status(dice.one([CreatedStatus::Documented, CreatedStatus::Created, CreatedStatus::Ok]))
            .json_style(JsonStyle {
                documented_update_name: dice.one([false, true]),
                fraction_seed: if dice.percent(50) { None } else { Some(dice.throw()) },
                omit_nulls: dice.one([false, true]),
                null_first_update: dice.one([false, true]),
                opaque_targets: dice.one([false, true]),
            })
            .page_size(dice.one([10_000, 10_000, 100, 20]))
    }

    /// Tells the service how some of the actions end.
    pub(crate) fn tell(&self, emulator: &Emulator) {
        let mut dice = self.dice.clone();
        let machines = emulator.machine_ids();
        for outcome in &self.outcomes {
            for machine in machines.iter().take(self.machines) {
                if dice.percent(30) {
                    emulator.outcome(*outcome).on_machine(*machine).times(u32::try_from(dice.below(6)).unwrap_or(1));
                }
            }
        }
    }
}

impl Records {
    /// In a third of the tenants all are as by default, in the others half of each.
    fn drawn(dice: &mut Dice, is_long: bool) -> Self {
        let is_plain = dice.percent(33);
        let mut half = |others: u64| if is_plain || dice.percent(50) { 0 } else { 1 + dice.below(others) };
        let choices = [half(4), half(4), half(6), half(4), half(12), half(8)];
        let [requestor, particulars, comments, external_ids, rows, date] = choices;
        Self {
            requestor: match requestor {
                0 => Requestor::DisplayName,
                1 => Requestor::ApplicationId,
                2 => Requestor::Mail,
                3 => Requestor::Guest,
                _ => Requestor::Seeded(dice.throw()),
            },
            particulars: match particulars {
                0 => Particulars::AfterPending,
                1 => Particulars::AtOnce,
                2 => Particulars::After(dice.up_to(MINUTE * 2)),
                3 => Particulars::Never,
                _ => Particulars::Seeded(dice.throw()),
            },
            comments: match comments {
                0 => Comments::Blank,
                1 => Comments::AsSent,
                2 => Comments::Cut(dice.one([16, 64, 80, 120])),
                3 => Comments::Crlf,
                4 => Comments::Entities,
                5 => Comments::Null,
                _ => Comments::Seeded(dice.throw()),
            },
            external_ids: match external_ids {
                0 => ExternalIds::Echoed,
                1 => ExternalIds::Absent,
                2 => ExternalIds::Uuid,
                3 => ExternalIds::Word,
                _ => ExternalIds::Seeded(dice.throw()),
            },
            rows: match rows {
                _ if is_long => Rows::Readable,
                1 => Rows::NullMachine,
                2 => Rows::NullType,
                3 => Rows::NullCreation,
                4 => Rows::UnknownType,
                5 => Rows::Unreadable,
                6..=9 => Rows::Seeded(dice.throw()),
                _ => Rows::Readable,
            },
            date: match date {
                1 | 2 => DateHeader::Absent,
                3 => DateHeader::Epoch,
                4 => DateHeader::Ahead(dice.up_to(MINUTE * 10)),
                5 => DateHeader::Behind(dice.up_to(MINUTE * 10)),
                6 => DateHeader::Seeded(dice.throw()),
                _ => DateHeader::Clock,
            },
        }
    }
}

fn outcome(dice: &mut Dice) -> Outcome {
    match dice.below(4) {
        0 => Outcome::TimedOut,
        1 => Outcome::Cancelled,
        _ => Outcome::Failed { error_hresult: -2_147_024_891 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_draws_same_tenant_each_time() {
        assert_eq!(format!("{:?}", Tenant::of(17)), format!("{:?}", Tenant::of(17)));
        assert_ne!(format!("{:?}", Tenant::of(17)), format!("{:?}", Tenant::of(18)));
        assert_eq!((0..100).filter(|seed| Tenant::of(*seed).is_long).count(), 10);
    }

    #[test]
    fn hundred_seeds_draw_each_tenant_kind() {
        let tenants: Vec<_> = (0..100).map(Tenant::of).collect();
        let some = |holds: &dyn Fn(&Tenant) -> bool| assert!(tenants.iter().any(holds));
        some(&|tenant| tenant.chaos == 0.0);
        some(&|tenant| tenant.chaos > 0.2);
        some(&|tenant| tenant.latency == Latency::None);
        some(&|tenant| matches!(tenant.latency, Latency::UpTo { late: 1.., .. }));
        some(&|tenant| tenant.read_lag > MINUTE * 2);
        some(&|tenant| tenant.machines == 2);
        some(&|tenant| tenant.ahead < 0);
        for duplicates in [Duplicates::Refuse, Duplicates::Join, Duplicates::Accept, Duplicates::Ended] {
            some(&|tenant| tenant.duplicates == duplicates);
        }
        for ids in [true, false] {
            some(&|tenant| tenant.generates_ids == ids && tenant.recovers_together);
        }
        for words in [Words::Short, Words::Long, Words::Lines, Words::Signs] {
            some(&|tenant| tenant.words == words);
        }
    }

    #[test]
    fn hundred_seeds_draw_each_way_of_writing() {
        let drawn: Vec<String> = (0..100).map(|seed| format!("{:?}", Tenant::of(seed).records)).collect();
        for word in [
            "DisplayName",
            "ApplicationId",
            "Mail",
            "Guest",
            "requestor: Seeded",
            "AfterPending",
            "AtOnce",
            "After(",
            "Never",
            "particulars: Seeded",
            "Blank",
            "AsSent",
            "Cut(",
            "Crlf",
            "Entities",
            "comments: Null",
            "comments: Seeded",
            "Echoed",
            "external_ids: Absent",
            "Uuid",
            "Word",
            "external_ids: Seeded",
            "Readable",
            "NullMachine",
            "NullType",
            "NullCreation",
            "UnknownType",
            "Unreadable",
            "rows: Seeded",
            "date: Clock",
            "date: Absent",
            "Epoch",
            "Ahead(",
            "Behind(",
            "date: Seeded",
        ] {
            assert!(drawn.iter().any(|records| records.contains(word)), "{word}");
        }
    }
}
