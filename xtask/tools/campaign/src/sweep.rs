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
use xtask::{Failure, workspace::Workspace};

use super::{
    evidence::LedgerEntry,
    executor::panicked,
    figures::{Count, Figures},
    judge::Finding,
    options::Options,
    tally::{Tally, commit},
};

/// One of the two campaigns.
pub(crate) struct Campaign {
    /// Name of its figures.
    pub(crate) name: &'static str,
    /// Its flags, besides seeds and steps.
    pub(crate) flags: &'static str,
    /// Actions of a seed.
    pub(crate) steps: u32,
    /// Seeds that run at once.
    pub(crate) workers: usize,
    /// True if a seed goes the same way each time, so that its shortest failing prefix can be searched for.
    pub(crate) repeats: bool,
    /// True if one of many seeds must fill the window of an hour.
    pub(crate) fills_hours: bool,
    /// Runs one seed, or its first steps.
    pub(crate) run: Box<dyn Fn(u64, u32) -> Ran + Sync>,
}

/// Result of one seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ran {
    pub(crate) figures: Figures,
    pub(crate) findings: Vec<Finding>,
    pub(crate) ledger: Vec<LedgerEntry>,
    /// Events, line by line, for a replay.
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

pub(crate) fn run(options: &Options, campaign: &Campaign) -> Result<(), Failure> {
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
    let name = campaign.name;
    eprintln!(
        "campaign {name}: commit {commit}: {} of {} seeds are to be run",
        left.len(),
        options.seeds.clone().count()
    );
    let mut shrunk = 0;
    each(&left, campaign, |seed, ran, count| {
        if !ran.findings.is_empty() {
            let shrinks = campaign.repeats && shrunk < SHRUNK;
            shrunk += 1;
            let (steps, ran) = if shrinks { shortest(campaign, seed, ran) } else { (campaign.steps, ran.clone()) };
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

/// The default file of the figures.
fn file(campaign: &Campaign) -> PathBuf {
    PathBuf::from(format!("target/campaign/{}.json", campaign.name))
}

/// Checks the sum.
fn verdict(campaign: &Campaign, sum: &Figures, failed: &[u64]) -> Result<(), Failure> {
    if !sum.against.is_clean() || !failed.is_empty() {
        let seeds = failed.iter().take(20).map(u64::to_string).collect::<Vec<_>>().join(", ");
        return Err(Failure::Check(format!("campaign {}: {} seeds failed: {seeds}", campaign.name, failed.len())));
    }
    let mut untaken: Vec<String> = sum.ways.untaken().into_iter().map(str::to_owned).collect();
    untaken.extend((campaign.fills_hours && sum.full_hours == 0).then(|| "a full window of an hour".to_owned()));
    if sum.seeds >= ENOUGH && !untaken.is_empty() {
        let untaken = untaken.join(", ");
        return Err(Failure::Check(format!(
            "campaign {}: never came to: {untaken}, and proves nothing",
            campaign.name
        )));
    }
    Ok(())
}

/// Runs the first `steps` of each seed and prints its story. No figures are kept.
fn replay(options: &Options, campaign: &Campaign, steps: u32) -> Result<(), Failure> {
    let mut tally = Tally::default();
    for seed in options.seeds.clone() {
        let ran = attempt(campaign, seed, steps);
        ran.story.iter().for_each(|line| println!("{line}"));
        print!("{}", report(campaign, seed, steps, &ran));
        tally.note(seed, &ran.figures, ran.findings.into_iter().map(|finding| finding.words).collect());
    }
    println!("{}", tally.sum());
    let failed = tally.failed();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Check(format!("campaign {}: it fails", campaign.name))) }
}

/// Runs `seeds` on as many threads as the campaign wants, and hands over each as it ends, with how many there were.
fn each(
    seeds: &[u64],
    campaign: &Campaign,
    mut told: impl FnMut(u64, &Ran, usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..campaign.workers.max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Nobody listens any more where the figures could not be written.
                    if sender.send((*seed, attempt(campaign, *seed, campaign.steps))).is_err() {
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

/// One run; a panic is a finding.
fn attempt(campaign: &Campaign, seed: u64, steps: u32) -> Ran {
    catch_unwind(AssertUnwindSafe(|| (campaign.run)(seed, steps)))
        .unwrap_or_else(|panic| Ran::broken(Count::Panic, panicked(&*panic)))
}

/// So many steps more are tried at a time until a prefix fails; of the last few each is.
const COARSELY: usize = 10;

/// The shortest prefix of the seed that fails, where no shorter one fails and the next coarse one does not.
fn shortest(campaign: &Campaign, seed: u64, whole: &Ran) -> (u32, Ran) {
    eprintln!("campaign {}: seed {seed} fails; searching for its shortest prefix that does", campaign.name);
    let fails = |steps: u32| Some((steps, attempt(campaign, seed, steps))).filter(|(_, ran)| !ran.findings.is_empty());
    let coarse = (1..campaign.steps).skip(COARSELY - 1).step_by(COARSELY).find_map(fails);
    let (end, ran) = coarse.unwrap_or_else(|| (campaign.steps, whole.clone()));
    let begin = end.saturating_sub(u32::try_from(COARSELY).unwrap_or(end)).saturating_add(1);
    (begin..end).find_map(fails).unwrap_or((end, ran))
}

/// The findings of one seed, with the lines of the ledger about them, and the command that repeats them.
fn report(campaign: &Campaign, seed: u64, steps: u32, ran: &Ran) -> String {
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
        let flags = campaign.flags;
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
    fn toy() -> Campaign {
        let run = |seed, steps| {
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
        };
        let (name, flags, run) = ("toy", " --toy", Box::new(run));
        Campaign { name, flags, steps: 20, workers: 2, repeats: true, fills_hours: false, run }
    }

    #[test]
    fn failing_seed_is_reported_with_replay() {
        let whole = attempt(&toy(), 5, 20);
        let (steps, ran) = shortest(&toy(), 5, &whole);
        let told = report(&toy(), 5, steps, &ran);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.first(), Some(&"seed 5: WrongOk: s6: it is not so"));
        assert!(lines[1].contains("s6.1  p "), "{told}");
        assert_eq!(lines.last(), Some(&"  again: cargo xtask campaign --toy --seeds 5..6 --steps 7"));
        assert_eq!(report(&toy(), 4, 20, &attempt(&toy(), 4, 20)), "");
    }

    #[test]
    fn panic_is_counted_with_its_message() {
        let ran = attempt(&toy(), 6, 20);
        assert_eq!(ran.figures.against.panics, 1);
        assert!(ran.findings[0].words.contains("six"), "{:?}", ran.findings);
    }

    #[test]
    fn every_seed_is_run_once() {
        let mut seen = Vec::new();
        each(&[1, 2, 3, 4, 5], &toy(), |seed, _, _| {
            seen.push(seed);
            Ok(())
        })
        .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn campaign_without_hard_ways_fails() {
        let mut sum = Figures { seeds: 10, ..Figures::default() };
        assert!(matches!(verdict(&toy(), &sum, &[]), Err(Failure::Check(what)) if what.contains("recovered")));
        sum.seeds = 9;
        assert_eq!(verdict(&toy(), &sum, &[]), Ok(()));
        sum.against.note(Count::Hang);
        assert!(verdict(&toy(), &sum, &[]).is_err());
    }
}
