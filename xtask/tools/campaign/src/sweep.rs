//! Runs seed after seed, sums up, and tells of each that fails the shortest way to see it fail again.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use serde_json::Value;

use super::{
    Options,
    evidence::LedgerEntry,
    figures::{Count, Figures},
    judge::Finding,
    tally::{Tally, commit},
};
use crate::{Failure, workspace::Workspace};

/// One of the two campaigns.
pub(crate) trait Campaign: Sync {
    /// What its figures are called.
    fn name(&self) -> &'static str;

    /// What it is called with, besides seeds and steps.
    fn flags(&self) -> &'static str;

    /// How many actions a seed draws.
    fn steps(&self) -> u32;

    /// How many seeds run at once.
    fn workers(&self) -> usize;

    /// Whether a seed goes the same way each time, so that its shortest failing prefix can be searched for.
    fn repeats(&self) -> bool;

    /// Runs one seed, or the first `steps` of it.
    fn run(&self, seed: u64, steps: u32) -> Ran;

    /// What else must hold of the sum of so many seeds, beside that each of the hard ways was taken.
    fn untaken(&self, sum: &Figures) -> Vec<String>;
}

/// What came of one seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) figures: Figures,
    pub(crate) findings: Vec<Finding>,
    pub(crate) ledger: Vec<LedgerEntry>,
    /// What happened, line by line, for whoever replays it.
    pub(crate) story: Vec<String>,
}

impl Ran {
    /// A seed that did not come to its end, which counts as this: nothing was shown by it.
    pub(crate) fn broken(count: Count, words: String) -> Self {
        let mut figures = Figures { seeds: 1, ..Figures::default() };
        figures.against.note(count);
        Self { figures, findings: vec![Finding { count, tag: None, words }], ..Self::default() }
    }
}

/// So many seeds without one of the hard ways prove nothing.
const ENOUGH: u64 = 10;

/// Of so many failing seeds the shortest prefix is searched for.
const SHRUNK: usize = 3;

pub(crate) fn run(options: &Options, campaign: &dyn Campaign) -> Result<(), Failure> {
    if let Some(steps) = options.steps {
        return replay(options, campaign, steps);
    }
    let root = Workspace::read()?.root;
    let path = options.figures.clone().unwrap_or_else(|| root.join(file(campaign)));
    if options.anew && path.exists() {
        std::fs::remove_file(&path).map_err(|error| Failure::broken(path.display(), error))?;
    }
    let commit = commit(&root);
    let mut tally = Tally::open(&path, &commit)?;
    let left = tally.left(options.seeds.clone());
    let name = campaign.name();
    eprintln!(
        "campaign {name}: commit {commit}: {} of {} seeds are to be run",
        left.len(),
        options.seeds.clone().count()
    );
    let mut shrunk = 0;
    each(&left, campaign, |seed, ran, count| {
        if !ran.findings.is_empty() {
            let shrinks = campaign.repeats() && shrunk < SHRUNK;
            shrunk += 1;
            let (steps, ran) = if shrinks { shortest(campaign, seed, ran) } else { (campaign.steps(), ran.clone()) };
            print!("{}", report(campaign, seed, steps, &ran));
        }
        let failed = ran.findings.iter().map(|finding| finding.words.clone()).collect();
        tally.note(seed, &ran.figures, failed);
        if count % 100 == 0 {
            eprintln!("campaign {name}: {count} of {} seeds", left.len());
        }
        tally.save()
    })?;
    let sum = tally.sum();
    println!("campaign {name}, commit {commit}\n{sum}");
    verdict(campaign, &sum, &tally.failed())
}

/// Where the figures are kept that nobody said otherwise of.
fn file(campaign: &dyn Campaign) -> PathBuf {
    PathBuf::from(format!("target/campaign/{}.json", campaign.name()))
}

/// Whether the sum is as it should be.
fn verdict(campaign: &dyn Campaign, sum: &Figures, failed: &[u64]) -> Result<(), Failure> {
    if !sum.against.is_clean() || !failed.is_empty() {
        let seeds = failed.iter().take(20).map(u64::to_string).collect::<Vec<_>>().join(", ");
        return Err(Failure::Check(format!("campaign {}: {} seeds failed: {seeds}", campaign.name(), failed.len())));
    }
    let mut untaken: Vec<String> = sum.ways.untaken().into_iter().map(str::to_owned).collect();
    untaken.extend(campaign.untaken(sum));
    if sum.seeds >= ENOUGH && !untaken.is_empty() {
        let untaken = untaken.join(", ");
        return Err(Failure::Check(format!(
            "campaign {}: never came to: {untaken}, and proves nothing",
            campaign.name()
        )));
    }
    Ok(())
}

/// Runs the first `steps` of each seed and tells all of it. No figures are kept.
fn replay(options: &Options, campaign: &dyn Campaign, steps: u32) -> Result<(), Failure> {
    let mut tally = Tally::unkept();
    for seed in options.seeds.clone() {
        let ran = attempt(campaign, seed, steps);
        ran.story.iter().for_each(|line| println!("{line}"));
        print!("{}", report(campaign, seed, steps, &ran));
        tally.note(seed, &ran.figures, ran.findings.into_iter().map(|finding| finding.words).collect());
    }
    println!("{}", tally.sum());
    let failed = tally.failed();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Check(format!("campaign {}: it fails", campaign.name()))) }
}

/// Runs `seeds` on as many threads as the campaign wants, and hands over each as it ends, with how many there were.
fn each(
    seeds: &[u64],
    campaign: &dyn Campaign,
    mut told: impl FnMut(u64, &Ran, usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..campaign.workers().max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more where the figures could not be written.
                    if sender.send((*seed, attempt(campaign, *seed, campaign.steps()))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (count, (seed, ran)) in receiver.iter().enumerate() {
            told(seed, &ran, count.saturating_add(1))?;
        }
        Ok(())
    })
}

/// One run, of which a panic is told as what it is.
fn attempt(campaign: &dyn Campaign, seed: u64, steps: u32) -> Ran {
    catch_unwind(AssertUnwindSafe(|| campaign.run(seed, steps)))
        .unwrap_or_else(|panic| Ran::broken(Count::Panic, panicked(&*panic)))
}

/// What a panic said.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", said.unwrap_or("without words"))
}

/// So many steps more are tried at a time until a prefix fails; of the last few each is.
const COARSELY: usize = 10;

/// The shortest prefix of the seed that fails, where no shorter one fails and the next coarse one does not.
fn shortest(campaign: &dyn Campaign, seed: u64, whole: &Ran) -> (u32, Ran) {
    eprintln!("campaign {}: seed {seed} fails; searching for its shortest prefix that does", campaign.name());
    let fails = |steps: u32| Some((steps, attempt(campaign, seed, steps))).filter(|(_, ran)| !ran.findings.is_empty());
    let coarse = (1..campaign.steps()).skip(COARSELY - 1).step_by(COARSELY).find_map(fails);
    let (end, ran) = coarse.unwrap_or_else(|| (campaign.steps(), whole.clone()));
    let begin = end.saturating_sub(u32::try_from(COARSELY).unwrap_or(end)).saturating_add(1);
    (begin..end).find_map(fails).unwrap_or((end, ran))
}

/// What was found in one seed, with the lines of the ledger that it is about, and how to see it again.
fn report(campaign: &dyn Campaign, seed: u64, steps: u32, ran: &Ran) -> String {
    let mut report = String::new();
    let mut line = |text: String| {
        report.push_str(&text);
        report.push('\n');
    };
    for finding in &ran.findings {
        line(format!("seed {seed}: {:?}: {}", finding.count, finding.words));
        let is_its_own = |entry: &LedgerEntry| finding.tag.is_some() && entry.tag() == finding.tag.as_deref();
        let is_named = |entry: &LedgerEntry| entry.action_id.as_deref().is_some_and(|id| finding.words.contains(id));
        for entry in ran.ledger.iter().filter(|entry| is_its_own(entry) || is_named(entry)) {
            let id = entry.client_request_id.as_deref().unwrap_or_default();
            let (at, action) = (entry.at.as_secs_f64(), entry.action_id.as_deref().unwrap_or("-"));
            let body: Value = serde_json::from_str(&entry.body).unwrap_or_default();
            let said = |name| body.get(name).cloned().unwrap_or_default();
            let words = format!("{} {}", said("Comment"), said("ExternalId"));
            let path = entry.path.trim_start_matches("/api/");
            line(format!("  {at:>10.3} s  {id}  {path}  {words}  {}  {:?} {action}", entry.status, entry.effect));
        }
    }
    if !ran.findings.is_empty() {
        let flags = campaign.flags();
        line(format!(
            "  again: cargo xtask campaign{flags} --seeds {seed}..{} --steps {steps}",
            seed.saturating_add(1)
        ));
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A campaign whose seed 5 fails from its seventh step on, and whose seed 6 panics.
    struct Toy;

    impl Campaign for Toy {
        fn name(&self) -> &'static str {
            "toy"
        }

        fn flags(&self) -> &'static str {
            " --toy"
        }

        fn steps(&self) -> u32 {
            20
        }

        fn workers(&self) -> usize {
            2
        }

        fn repeats(&self) -> bool {
            true
        }

        fn run(&self, seed: u64, steps: u32) -> Ran {
            assert_ne!(seed, 6, "six");
            let mut ran = Ran::default();
            ran.figures.seeds = 1;
            if seed == 5 && steps >= 7 {
                let (count, tag) = (Count::WrongOk, Some("s6".to_owned()));
                ran.findings.push(Finding { count, tag, words: "s6: it is not so".to_owned() });
                let client_request_id = Some("s6.1".to_owned());
                ran.ledger.push(LedgerEntry { client_request_id, path: "/api/p".to_owned(), ..LedgerEntry::default() });
                ran.figures.against.note(count);
            }
            ran
        }

        fn untaken(&self, _sum: &Figures) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn a_failing_seed_is_told_with_its_shortest_prefix_its_ledger_and_its_replay() {
        let whole = attempt(&Toy, 5, 20);
        let (steps, ran) = shortest(&Toy, 5, &whole);
        let told = report(&Toy, 5, steps, &ran);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.first(), Some(&"seed 5: WrongOk: s6: it is not so"));
        assert!(lines[1].contains("s6.1  p "), "{told}");
        assert_eq!(lines.last(), Some(&"  again: cargo xtask campaign --toy --seeds 5..6 --steps 7"));
        assert_eq!(report(&Toy, 4, 20, &attempt(&Toy, 4, 20)), "");
    }

    #[test]
    fn a_panic_is_counted_and_its_words_are_kept() {
        let ran = attempt(&Toy, 6, 20);
        assert_eq!(ran.figures.against.panics, 1);
        assert!(ran.findings[0].words.contains("six"), "{:?}", ran.findings);
    }

    #[test]
    fn every_seed_is_run_once() {
        let mut seen = Vec::new();
        each(&[1, 2, 3, 4, 5], &Toy, |seed, _, _| {
            seen.push(seed);
            Ok(())
        })
        .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_campaign_that_never_came_to_the_hard_ways_fails() {
        let mut sum = Figures { seeds: 10, ..Figures::default() };
        assert!(matches!(verdict(&Toy, &sum, &[]), Err(Failure::Check(what)) if what.contains("recovered")));
        sum.seeds = 9;
        assert_eq!(verdict(&Toy, &sum, &[]), Ok(()));
        sum.against.note(Count::Hang);
        assert!(verdict(&Toy, &sum, &[]).is_err());
    }
}
