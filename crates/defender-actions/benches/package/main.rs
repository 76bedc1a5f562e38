//! Speed and memory of saving a package of 1 GiB over TLS on loopback while its connection breaks three times. A second package
//! has one flipped byte and must leave no file.
//!
//! The server is in this process, so that its memory counts too; it generates the bytes as it sends them. Under `cargo bench` it
//! fails if the memory exceeds its limit; under `cargo test` a small package is saved once.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

mod server;

use std::{error::Error, path::PathBuf, process::ExitCode};

use defender_actions::{
    DefenderClient, Downloaded, ErrorKind, Sha256,
    auth::StaticCredential,
    transport::{HyperTransport, Roots},
};
use peak_alloc::PeakAlloc;
use server::{Server, Spoilt};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Limit of additional heap bytes while the package is saved.
const MOST: usize = 16 << 20;
/// Number of broken connections.
const BREAKS: u64 = 3;

type Anything = Box<dyn Error + Send + Sync>;

fn main() -> Result<ExitCode, Anything> {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let size: u64 = if measured { 1 << 30 } else { 4 << 20 };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("package-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(measure(size, &folder));
    std::fs::remove_dir_all(&folder)?;
    let over = outcome?;
    if measured && over >= MOST {
        eprintln!("missed: {over} bytes over the baseline, and must be less than {MOST}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Additional heap bytes since the start.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn measure(size: u64, folder: &std::path::Path) -> Result<usize, Anything> {
    let hash = server::hash(size);
    let server = Server::start(size, BREAKS)?;
    let transport = HyperTransport::builder().roots(Roots::pem(&server.ca_pem)?).build()?;
    let defender = DefenderClient::builder()
        .credential(StaticCredential::new("token"))
        .transport(transport)
        .base_url(format!("https://{}", server.address))
        .build()?;
    let save = async |kind: &str, expected: Option<Sha256>| -> Result<Downloaded, Anything> {
        let package = defender.action(kind.parse()?).package().overwrite();
        let package = match expected {
            Some(hash) => package.expect_sha256(hash),
            None => package,
        };
        Ok(package.save_as(folder.join(format!("{kind}.zip"))).await?)
    };

    // One-time allocations, such as connections and tables, do not belong to the package.
    save(Spoilt::SMALL, None).await?;
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let start = std::time::Instant::now();
    let saved = save(Spoilt::BROKEN, Some(hash)).await?;
    let took = start.elapsed();
    let over = HEAP.peak_usage().saturating_sub(before);

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let (mib, rate) = (over as f64 / 1_048_576.0, size as f64 / 1_048_576.0 / took.as_secs_f64());
    println!("a package of {size} bytes, its connection broken {} times, saved as a file", server.broken());
    println!("time:        {took:?}, {rate:.0} MiB/s");
    println!("peak memory: {mib:.2} MiB over the baseline (less than {})", MOST >> 20);
    let on_disk = std::fs::metadata(folder.join("broken.zip"))?.len();
    if saved.size() != size || saved.sha256() != hash || on_disk != size || server.broken() != BREAKS {
        return Err(format!("{saved:?}, {on_disk} on the disk, broken {} times", server.broken()).into());
    }
    std::fs::remove_file(folder.join("broken.zip"))?;
    std::fs::remove_file(folder.join("small.zip"))?;

    let error = match save(Spoilt::FLIPPED, Some(hash)).await {
        Ok(saved) => return Err(format!("one byte was flipped, and it was taken: {saved:?}").into()),
        Err(error) => error,
    };
    let kind = error.downcast_ref::<defender_actions::Error>().map(defender_actions::Error::kind);
    let left = std::fs::read_dir(folder)?.count();
    if kind != Some(ErrorKind::Corrupt) || left != 0 {
        return Err(format!("one byte was flipped: {error}, and {left} files are left").into());
    }
    println!("one flipped byte: refused, and nothing is left");
    Ok(over)
}
