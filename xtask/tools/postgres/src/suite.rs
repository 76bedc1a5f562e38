//! The suite of the crate.

use std::{sync::Arc, time::Duration};

use defender_actions::Journal;
use defender_store::{
    RunStore,
    conformance::{JournalSuite, QuotaSuite, RunSuite},
};
use defender_transport::{QuotaStore, SystemClock};

use crate::world::{Outcome, World, checks, ensure};

checks! { store_keeps_the_contract journal_keeps_the_contract runs_keep_the_contract }

/// Two stores, as two processes have.
async fn store_keeps_the_contract(world: &mut World) -> Outcome {
    let stores: Vec<Arc<dyn QuotaStore>> = vec![Arc::new(world.store().await?), Arc::new(world.store().await?)];
    let verdict = QuotaSuite::new(stores, SystemClock::new()).unit(Duration::from_secs(1)).run_at_once().await;
    ensure!(verdict.holds(), "{verdict}");
    eprintln!("postgres: {verdict}");
    Ok(())
}

async fn journal_keeps_the_contract(world: &mut World) -> Outcome {
    let journals: Vec<Arc<dyn Journal>> = vec![Arc::new(world.store().await?), Arc::new(world.store().await?)];
    let verdict = JournalSuite::new(journals, SystemClock::new()).unit(Duration::from_secs(2)).run_at_once().await;
    ensure!(verdict.holds(), "{verdict}");
    eprintln!("postgres: {verdict}");
    Ok(())
}

async fn runs_keep_the_contract(world: &mut World) -> Outcome {
    let stores: Vec<Arc<dyn RunStore>> = vec![Arc::new(world.store().await?), Arc::new(world.store().await?)];
    let verdict = RunSuite::new(stores, SystemClock::new()).unit(Duration::from_secs(2)).run_at_once().await;
    ensure!(verdict.holds(), "{verdict}");
    eprintln!("postgres: {verdict}");
    Ok(())
}
