//! The program on a real pseudo-terminal, whose bytes a terminal emulation reads.

use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use defender_actions::transport::{Clock, SystemClock};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use vt100::Parser;

use crate::program::{DEFENDER, Home};

/// Longest time for a command. It is reached only by a failure.
const LIMIT: Duration = Duration::from_secs(60);
const ROWS: u16 = 50;
const COLUMNS: u16 = 110;

/// Command on a terminal of its own.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    bytes: Receiver<Vec<u8>>,
    parser: Parser,
    /// All bytes so far.
    raw: Vec<u8>,
}

impl Terminal {
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(DEFENDER);
        command.args(arguments);
        command.cwd(home.folder());
        command.env_clear();
        command.env("TERM", "xterm-256color");
        for (name, value) in home.environment() {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (keyboard, mut screen) = (pair.master.take_writer().unwrap(), pair.master.try_clone_reader().unwrap());
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            // The terminal belongs to this thread, and is closed once the command has ended.
            let _terminal = pair.master;
            let mut buffer = [0; 4096];
            while let Ok(read) = screen.read(&mut buffer) {
                if read == 0 || sender.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            keyboard,
            bytes,
            parser: Parser::new(size.rows.try_into().unwrap(), size.cols.try_into().unwrap(), 500),
            raw: Vec::new(),
        }
    }

    /// Reads until the screen has this text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let clock = SystemClock::new();
        while !self.screen().contains(text) {
            let left = LIMIT.saturating_sub(clock.elapsed());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.read(&bytes),
                Err(error) => panic!("{text:?} is not on the screen ({error}):\n{}", self.screen()),
            }
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
        self.raw.extend_from_slice(bytes);
    }

    pub(crate) fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Reads to the end, and returns the exit code.
    pub(crate) fn end(&mut self) -> u32 {
        while let Ok(bytes) = self.bytes.recv_timeout(LIMIT) {
            self.read(&bytes);
        }
        self.child.wait().unwrap().exit_code()
    }

    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// Key that sends SIGINT to the command.
pub(crate) const CTRL_C: &str = "\u{3}";

const THREE: [&str; 11] = [
    "--demo",
    "restrict",
    "ws-fin-01.contoso.example",
    "ws-fin-02.contoso.example",
    "ws-fin-03.contoso.example",
    "--comment",
    "INC-4711",
    "--wave",
    "1,rest",
    "--ticket",
    "CHG-12",
];

#[test]
fn typed_number_confirms_run() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &THREE);
    terminal.wait_for("Type 3 to send RestrictCodeExecution to 3 machines in tenant demo");
    terminal.type_text("3\r");
    terminal.wait_for("wave 1/2 [");
    terminal.wait_for("wave 2/2 [");
    assert_eq!(terminal.end(), 0, "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("wave 2/2 [==============================] 3/3"), "{screen}");
    assert!(screen.contains("3 succeeded, 0 failed, 0 unknown"), "{screen}");
    assert!(screen.contains("ws-fin-03.contoso.example  succeeded"), "{screen}");
    assert!(!screen.contains("sent"), "a terminal has the bar in place of lines:\n{screen}");
    assert!(terminal.raw().contains("\u{1b}[32m"), "the bar has a color");
}

#[test]
fn other_answers_send_nothing() {
    let home = Home::new();
    for answer in ["y\r", "yes\r", "\r", "30\r", "\u{4}"] {
        let mut terminal = Terminal::start(&home, &THREE);
        terminal.wait_for("Type 3 to send");
        terminal.type_text(answer);
        assert_eq!(terminal.end(), 1, "{answer:?}: {}", terminal.screen());
        assert!(terminal.screen().contains("nothing was sent"), "{}", terminal.screen());
        assert!(!terminal.screen().contains("Run "), "{}", terminal.screen());
    }
}

#[test]
fn interrupt_of_prompt_sends_nothing() {
    let mut terminal = Terminal::start(&Home::new(), &THREE);
    terminal.wait_for("Type 3 to send");
    terminal.type_text(CTRL_C);
    assert_eq!(terminal.end(), 130, "{}", terminal.screen());
    assert!(terminal.screen().contains("interrupted: nothing was sent"), "{}", terminal.screen());
}

/// An action on this machine waits, since the machine is offline.
#[test]
fn interrupts_halt_run_then_stop_waiting() {
    let home = Home::new();
    let offline =
        ["--demo", "isolate", "ws-hr-02.contoso.example", "--even-if-inactive", "--comment", "INC-1", "--yes"];
    let mut terminal = Terminal::start(&home, &offline);
    terminal.wait_for("1 in progress: ws-hr-02.contoso.example");
    terminal.type_text(CTRL_C);
    terminal.wait_for("Interrupted: nothing more is sent.");
    terminal.type_text(CTRL_C);
    assert_eq!(terminal.end(), 130, "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("Stopped waiting") && screen.contains("was interrupted and is halted"), "{screen}");
    assert!(screen.contains("ws-hr-02.contoso.example  submitted"), "{screen}");
}

#[test]
fn no_color_is_honored() {
    let mut home = Home::new();
    home.set("NO_COLOR", "1");
    for arguments in [&["--demo", "find", "nosuch"][..], &["--help"], &["nosuch"]] {
        let mut terminal = Terminal::start(&home, arguments);
        terminal.end();
        assert!(!terminal.raw().contains("\u{1b}[3") && !terminal.raw().contains("\u{1b}[1m"), "{:?}", terminal.raw());
    }
    let colored = {
        let mut terminal = Terminal::start(&Home::new(), &["--demo", "find", "nosuch"]);
        terminal.end();
        terminal.raw()
    };
    assert!(colored.contains("\u{1b}[31m"), "{colored:?}");
}

#[test]
fn dumb_terminal_gets_lines() {
    let mut home = Home::new();
    home.set("TERM", "dumb");
    let mut terminal = Terminal::start(&home, &[&THREE[..], &["--yes"]].concat());
    assert_eq!(terminal.end(), 0);
    assert!(terminal.raw().contains("wave 2 of 2 ended") && !terminal.raw().contains("[2K"), "{}", terminal.raw());
}

#[test]
fn tour_shows_plan_waves_bar_and_report() {
    let mut terminal = Terminal::start(&Home::new(), &["--demo"]);
    assert_eq!(terminal.end(), 0, "{}", terminal.screen());
    let raw = terminal.raw();
    for text in [
        "no real machine is touched",
        "RestrictCodeExecution on 10 of 10 targets",
        "waves     1, 3, 6",
        "wave 3/3",
        "10/10",
        "UnrestrictCodeExecution on 10 of 10 targets",
        "10 succeeded, 0 failed, 0 unknown, 0 not done, 0 left out",
        "In tenant demo no machine is isolated, contained or restricted",
    ] {
        assert!(raw.contains(text), "{text:?} is missing:\n{raw}");
    }
}

/// A bar that stands still says why.
#[cfg(feature = "testing")]
#[tokio::test(flavor = "multi_thread")]
async fn unreached_service_is_above_the_bar() {
    use defender_emulator::{Fault, Operation};

    let (emulator, home) = crate::runs::service(|emulator| emulator).await;
    emulator.fault(Fault::RefusedStream).on(Operation::Isolate).times(1_000);
    let isolate = ["isolate", "ws-eng-04.contoso.example", "--comment", "INC-1", "--yes"];
    let mut terminal = Terminal::start(&home, &isolate);
    terminal.wait_for("waits for the service until about");
    terminal.type_text(CTRL_C);
    assert_eq!(terminal.end(), 130, "{}", terminal.screen());
    assert!(emulator.ledger().is_empty(), "{:?}", emulator.ledger());
}

/// Another person applies the plan while this one reads it.
#[cfg(feature = "testing")]
#[tokio::test(flavor = "multi_thread")]
async fn plan_applied_meanwhile_is_refused() {
    let (emulator, home) = crate::runs::service(|emulator| emulator).await;
    let plan = ["plan", "restrict", "ws-eng-04.contoso.example", "--comment", "INC-1", "--out", "plan.json"];
    assert_eq!(home.run(&plan).code(), 0);
    let mut terminal = Terminal::start(&home, &["apply", "plan.json"]);
    terminal.wait_for("Type 1 to send");
    assert_eq!(home.run(&["apply", "plan.json", "--yes"]).code(), 0);
    terminal.type_text("1\r");
    assert_eq!(terminal.end(), 1, "{}", terminal.screen());
    assert!(terminal.screen().contains("the plan was run already, as run"), "{}", terminal.screen());
    assert_eq!((emulator.ledger().len(), home.run(&["report", "-o", "csv"]).stdout.lines().count()), (1, 2));
}
