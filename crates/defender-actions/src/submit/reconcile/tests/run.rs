//! A run of the client in a world, event by event in virtual time.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    course::{Course, Deed, History, Outcome},
    model::GRACE,
    rules::{Accepted, Attempt, Decision, Ids, Refusal, Refused, Rules, Subject},
    service::{By, DateHeader, Effect, Machine, Ms, Record, Reply, Request, SECOND, TypeName},
    world::{Network, World},
};

/// Total time of a call, after which an intent is not sent.
const TOTAL: Ms = 300 * SECOND;
/// The longest time that an attempt can take to arrive.
const LONGEST_ATTEMPT: Ms = 30 * SECOND;
const FIRST_DELAY: Ms = 2 * SECOND;
const LONGEST_DELAY: Ms = 30 * SECOND;
const HALF_WAY: Ms = SECOND / 2;
const LASTS: Ms = 400 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Other(usize),
    Read,
    Send(usize, usize),
    Arrive(usize, usize),
    ArriveLate(usize),
    Answer(usize, usize),
    Lose(usize),
    Look { submission: usize, end: Ms, delay: Ms },
    LookAfterRefusal { submission: usize, refused: Ms, delay: Ms },
}

#[derive(Clone, Debug, Default)]
struct Process {
    seen: Ids,
    claims: Vec<(u8, usize)>,
}

struct Run<'w, R> {
    world: &'w World,
    rules: &'w R,
    now: Ms,
    events: BinaryHeap<Reverse<(Ms, usize, Event)>>,
    scheduled: usize,
    effects: Vec<Effect>,
    processes: Vec<Process>,
    courses: Vec<Option<Course>>,
    replies: Vec<Option<Reply>>,
}

impl World {
    pub(super) fn run(&self, rules: &impl Rules) -> History {
        let count = self.submissions.len();
        let mut run = Run {
            world: self,
            rules,
            now: Ms::MIN,
            events: BinaryHeap::new(),
            scheduled: 0,
            effects: Vec::new(),
            processes: vec![Process::default()],
            courses: vec![None; count],
            replies: vec![None; count],
        };
        self.others.iter().enumerate().for_each(|(number, other)| run.schedule(other.at, Event::Other(number)));
        self.reads.iter().for_each(|at| run.schedule(*at, Event::Read));
        self.submissions.iter().enumerate().for_each(|(number, s)| run.schedule(s.at, Event::Send(number, 0)));
        while let Some(Reverse((at, _, event))) = run.events.pop() {
            run.now = at;
            run.handle(event);
        }
        History { effects: run.effects, courses: run.courses.into_iter().map(Option::unwrap).collect() }
    }
}

impl<R: Rules> Run<'_, R> {
    fn schedule(&mut self, at: Ms, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Other(number) => {
                let other = self.world.others[number];
                self.world.service.post(&mut self.effects, self.now, By::Other, other.request, other.lasts);
            }
            Event::Read => {
                let visible = self.effects.iter().filter(|effect| effect.visible <= self.now).map(|effect| effect.id);
                visible.for_each(|id| self.processes[0].seen.insert(id));
            }
            Event::Send(submission, attempt) => self.send(submission, attempt),
            Event::Arrive(submission, attempt) => self.arrive(submission, attempt),
            Event::ArriveLate(submission) => self.arrive(submission, 0),
            Event::Answer(submission, attempt) => self.receive(submission, attempt),
            Event::Lose(submission) => self.lose(submission),
            Event::Look { submission, end, delay } => self.search(submission, end, delay),
            Event::LookAfterRefusal { submission, refused, delay } => {
                self.search_after_refusal(submission, refused, delay);
            }
        }
    }

    fn own_clock(&self) -> Ms {
        self.now + self.world.clock_ahead
    }

    fn date(&self) -> Option<Ms> {
        match self.world.service.date {
            DateHeader::Ahead(seconds) => Some(self.now + Ms::from(seconds) * SECOND),
            DateHeader::None => None,
            DateHeader::Of1970 => Some(self.now - 1_500_000_000 * SECOND),
        }
    }

    fn course(&mut self, submission: usize) -> &mut Course {
        self.courses[submission].as_mut().unwrap()
    }

    fn send(&mut self, submission: usize, attempt: usize) {
        let plan = self.world.submissions[submission];
        if attempt == 0 {
            let subject = Subject {
                kind: self.world.kind,
                scope: plan.scope,
                comment: plan.comment.text(),
                external_id: plan.external_id(submission),
                principal: self.world.principal,
                first_attempt: self.own_clock(),
                closes: self.own_clock(),
                date_ahead: self.date().map(|date| date - self.own_clock()),
                seen: self.processes[0].seen,
                claimed: Ids::default(),
                has_rival: false,
                is_recovery: false,
            };
            self.courses[submission] = Some(Course {
                subject,
                deed: Deed {
                    first_sent: self.now,
                    second_sent: None,
                    first_effect: None,
                    outcome: None,
                    wait_is_ok: true,
                },
                rows: Vec::new(),
                process: 0,
                look: None,
            });
        } else {
            let now = self.now;
            self.course(submission).deed.second_sent = Some(now);
        }
        match plan.network[attempt] {
            Network::Received | Network::LostAfter => {
                self.schedule(self.now + HALF_WAY, Event::Arrive(submission, attempt));
                self.schedule(self.now + 2 * HALF_WAY, Event::Answer(submission, attempt));
            }
            Network::Late if attempt == 0 => {
                self.schedule(self.now + plan.delay, Event::ArriveLate(submission));
                self.schedule(self.now + 2 * HALF_WAY, Event::Answer(submission, attempt));
            }
            Network::LostBefore | Network::Late => {
                self.schedule(self.now + 2 * HALF_WAY, Event::Answer(submission, attempt));
            }
        }
    }

    fn arrive(&mut self, submission: usize, attempt: usize) {
        let plan = self.world.submissions[submission];
        let request = Request {
            machine: Machine::Ours,
            type_name: TypeName::Ours,
            scope: plan.scope,
            comment: plan.comment,
            external_id: plan.external_id(submission),
        };
        let by = By::Submission(submission);
        let reply = self.world.service.post(&mut self.effects, self.now, by, request, LASTS);
        self.replies[submission] = Some(reply);
        if attempt == 0 {
            self.course(submission).deed.first_effect = Some(reply);
        }
    }

    /// Time of a fast response, received or not.
    fn receive(&mut self, submission: usize, attempt: usize) {
        let plan = self.world.submissions[submission];
        if plan.crashes && attempt == 0 {
            let closes = self.course(submission).deed.first_sent + TOTAL + LONGEST_ATTEMPT;
            let (own, process) = (closes + self.world.clock_ahead, self.processes.len());
            self.processes.push(Process::default());
            let course = self.course(submission);
            (course.process, course.subject.seen, course.subject.closes) = (process, Ids::default(), own);
            return self.search(submission, closes + GRACE, FIRST_DELAY);
        }
        if plan.network[attempt] != Network::Received {
            let lost = (self.now - 2 * HALF_WAY + plan.lost_after).max(self.now);
            return self.schedule(lost, Event::Lose(submission));
        }
        self.course(submission).subject.closes = self.own_clock();
        match self.replies[submission].unwrap() {
            Reply::Refused => self.search_after_refusal(submission, self.now, FIRST_DELAY),
            // A record that does not decode counts as a lost response.
            Reply::Accepted(id) if !self.record(id).readable => self.lose(submission),
            Reply::Accepted(id) => {
                let record = self.record(id);
                let subject = self.subject(submission);
                let process = self.course(submission).process;
                self.processes[process].seen.insert(id);
                let outcome = match self.rules.accepted(&subject, &record) {
                    Accepted::Created => Outcome::Created(id),
                    Accepted::Joined => Outcome::Joined(id),
                    Accepted::OtherRecord => Outcome::OtherRecord(id),
                };
                self.finish(submission, outcome);
            }
        }
    }

    fn lose(&mut self, submission: usize) {
        self.course(submission).subject.closes = self.own_clock();
        self.search(submission, self.now + GRACE, FIRST_DELAY);
    }

    fn search(&mut self, submission: usize, end: Ms, delay: Ms) {
        let is_last = self.now >= end;
        let rows = self.list(submission);
        let subject = self.subject(submission);
        let before = self.course(submission);
        let decision = match before.look {
            Some((same, decision)) if same == subject && before.rows == rows => decision,
            _ => self.rules.decide(&subject, &rows),
        };
        let may_resend = self.world.submissions[submission].resends;
        let course = self.course(submission);
        (course.look, course.rows) = (Some((subject, decision)), rows);
        let resends = may_resend && course.process == 0 && course.deed.second_sent.is_none();
        match decision {
            Decision::Recovered(id) => self.finish(submission, Outcome::Recovered(id)),
            Decision::MayBeOurs if is_last => self.finish(submission, Outcome::MayBeOurs),
            Decision::Nothing if is_last => {
                let latest = self.course(submission).deed.first_sent + TOTAL;
                if resends && self.now <= latest {
                    self.schedule(self.now, Event::Send(submission, 1));
                } else {
                    self.finish(submission, Outcome::NothingFound);
                }
            }
            Decision::MayBeOurs | Decision::Nothing => {
                let delay_after = (delay * 3 / 2).min(LONGEST_DELAY);
                self.schedule((self.now + delay).min(end), Event::Look { submission, end, delay: delay_after });
            }
        }
    }

    fn search_after_refusal(&mut self, submission: usize, refused: Ms, delay: Ms) {
        let is_last = self.now >= refused + GRACE;
        let rows = self.list(submission);
        let subject = self.subject(submission);
        let attempt = self.course(submission).deed.second_sent.map_or(Attempt::First, |_| Attempt::Second);
        let since = self.now - refused;
        let (at, date) = (self.own_clock() - since, self.date().map(|date| date - since));
        let refusal = Refusal { at, date, attempt, rows: &rows, is_last };
        let outcome = match self.rules.refused(&subject, refusal) {
            Refused::Joined(id) => Outcome::Joined(id),
            Refused::Conflict(id) => Outcome::Conflict(id),
            Refused::AlreadyInProgress(id) => Outcome::AlreadyInProgress(id),
            Refused::Unknown => Outcome::RefusedAgain,
            Refused::Undecided => {
                let delay_after = (delay * 3 / 2).min(LONGEST_DELAY);
                let next = (self.now + delay).min(refused + GRACE);
                let event = Event::LookAfterRefusal { submission, refused, delay: delay_after };
                return self.schedule(next, event);
            }
        };
        self.course(submission).rows = rows;
        self.finish(submission, outcome);
    }

    fn list(&mut self, submission: usize) -> Vec<Record> {
        let rows = self.world.service.list(&self.effects, self.now);
        let process = self.course(submission).process;
        for row in &rows {
            self.processes[process].seen.insert(row.id);
        }
        rows
    }

    fn record(&self, id: u8) -> Record {
        self.world.service.record(&self.effects[usize::from(id)], self.now)
    }

    /// Subject with the current knowledge of other submissions.
    fn subject(&self, submission: usize) -> Subject {
        let course = self.courses[submission].as_ref().unwrap();
        let claims = self.processes[course.process].claims.iter();
        let plan = self.world.submissions[submission];
        let has_rival = self.courses.iter().enumerate().any(|(number, other)| {
            let Some(other) = other.as_ref().filter(|other| number != submission && other.process == course.process)
            else {
                return false;
            };
            let theirs = self.world.submissions[number];
            theirs.comment == plan.comment
                && theirs.scope != plan.scope
                && !other.deed.outcome.is_some_and(Outcome::is_settled)
        });
        let claimed = Ids::of(claims.filter(|(_, by)| *by != submission).map(|(id, _)| *id));
        Subject { claimed, has_rival, is_recovery: course.process > 0, ..course.subject }
    }

    fn finish(&mut self, submission: usize, outcome: Outcome) {
        let subject = self.subject(submission);
        let process = self.course(submission).process;
        if let Outcome::Created(id) | Outcome::Recovered(id) = outcome {
            self.processes[process].claims.push((id, submission));
        }
        let wait_is_ok = outcome.ok().is_none_or(|id| {
            let effect = &self.effects[usize::from(id)];
            let filled = effect.created + self.world.service.fill;
            let times = [self.now, filled.min(effect.ends).max(self.now), effect.ends.max(self.now)];
            times.iter().all(|at| !self.rules.wait_ends(&subject, &self.world.service.record(effect, *at)))
        });
        let course = self.course(submission);
        (course.subject, course.deed.outcome, course.deed.wait_is_ok) = (subject, Some(outcome), wait_is_ok);
    }
}
