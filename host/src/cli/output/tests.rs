//! What is printed where, and what the process ends with.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::*;
use crate::error::{Code, Explain, codes};

/// A stream that can be read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream that fails.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct StoppedClock(AtomicMillis);

type AtomicMillis = std::sync::atomic::AtomicU64;

#[async_trait::async_trait]
impl Clock for StoppedClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::default()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep(&self, _: Duration) {}
}

struct Desk {
    output: Output,
    stdout: Paper,
    stderr: Paper,
    clock: Arc<StoppedClock>,
}

fn desk(format: Format, talk: Talk) -> Desk {
    let (stdout, stderr, clock) = (Paper::default(), Paper::default(), Arc::new(StoppedClock::default()));
    let streams = (Box::new(stdout.clone()), Box::new(stderr.clone()));
    let output = Output::new(format, talk, Screen::plain(), Arc::clone(&clock) as Arc<dyn Clock>, streams.0, streams.1);
    Desk { output, stdout, stderr, clock }
}

fn human() -> Desk {
    desk(Format::Human, Talk::Normal)
}

#[derive(Debug, thiserror::Error)]
#[error("it broke\u{1b}[2J")]
struct Wrong(&'static Code, #[source] io::Error);

impl Explain for Wrong {
    fn code(&self) -> &'static Code {
        self.0
    }

    fn hints(&self) -> Vec<String> {
        vec!["try `again`".to_owned()]
    }
}

fn wrong(code: &'static Code) -> Error {
    Error::from(Wrong(code, io::Error::other("no paper")))
}

#[test]
fn blocks_go_to_standard_output_with_an_empty_line_between() {
    let desk = human();
    let mut table = Table::new(&[("name", Align::Left)]);
    table.row(["x".to_owned()]);
    let reply = Reply::done(vec!["first".into(), table.into()], json!({"name": "x"}));
    assert_eq!(desk.output.reply("check", Ok(reply)), Exit::Done);
    assert_eq!(desk.stdout.text(), "first\n\nname\n----\nx\n");
    assert_eq!(desk.stderr.text(), "");
}

#[test]
fn an_error_goes_to_standard_error_and_decides_the_exit_code() {
    let desk = human();
    assert_eq!(desk.output.reply("check", Err(wrong(&codes::SECRET_UNRESOLVED))), Exit::Environment);
    assert_eq!(desk.stdout.text(), "");
    insta::assert_snapshot!(desk.stderr.text(), @r#"
    error[LS0207]: it broke\u{1b}[2J
    Caused by: no paper
    hint: try `again`
    "#);
    for (code, exit) in [(&codes::USAGE, 2), (&codes::DISK_FULL, 3), (&codes::DATA_RANGE, 1), (&codes::INTERNAL, 1)] {
        assert_eq!(human().output.reply("run", Err(wrong(code))).code(), exit);
    }
    assert_eq!(Exit::Interrupted.code(), 130);
}

#[test]
fn colour_is_only_paint() {
    let screen = Screen { color_err: true, ..Screen::plain() };
    let text = report::to_text(&[wrong(&codes::USAGE)], screen);
    assert_eq!(
        text,
        "\u{1b}[1m\u{1b}[31merror[LS0101]:\u{1b}[0m it broke\\u{1b}[2J\nCaused by: no paper\n\u{1b}[36mhint:\u{1b}[0m try `again`\n"
    );
}

#[test]
fn json_is_one_document() {
    let desk = desk(Format::Json, Talk::Normal);
    desk.output.reply("check", Ok(Reply::done(vec!["for people".into()], json!({"syncs": 1}))));
    assert_eq!(desk.stdout.text(), "{\"command\":\"check\",\"ok\":true,\"result\":{\"syncs\":1},\"error\":null}\n");
    assert_eq!(desk.stderr.text(), "");
}

#[test]
fn json_errors_are_part_of_the_document() {
    let desk = desk(Format::Json, Talk::Normal);
    let reply = Reply::attention(Vec::new(), json!([1]), vec![wrong(&codes::DATA_RANGE), wrong(&codes::USAGE)]);
    assert_eq!(desk.output.reply("run", Ok(reply)), Exit::Attention);
    let error = |code: &str| json!({"code": code, "message": "it broke\u{1b}[2J", "causes": ["no paper"], "hints": ["try `again`"]});
    let mut first = error("LS0602");
    first["others"] = json!([error("LS0101")]);
    let document: Value = serde_json::from_str(&desk.stdout.text()).unwrap();
    assert_eq!(document, json!({"command": "run", "ok": false, "result": [1], "error": first}));
    assert_eq!(desk.stderr.text(), "");
}

#[test]
fn lines_are_for_people_and_events_for_programs() {
    let say = |desk: Desk| {
        desk.output.line("a line");
        desk.output.event(&json!({"event": 1}));
        desk.output.note("a note");
        (desk.stdout.text(), desk.stderr.text())
    };
    assert_eq!(say(human()), ("a line\n".into(), "a note\n".into()));
    assert_eq!(say(desk(Format::Human, Talk::Quiet)), ("a line\n".into(), String::new()));
    assert_eq!(say(desk(Format::Json, Talk::Normal)), ("{\"event\":1}\n".into(), String::new()));
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    let end = |kind, outcome: Result<Reply>| {
        let stderr = Paper::default();
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock::default());
        let streams = (Box::new(Broken(kind)), Box::new(stderr.clone()));
        let output = Output::new(Format::Human, Talk::Normal, Screen::plain(), clock, streams.0, streams.1);
        output.line("lost");
        assert!(output.is_abandoned());
        (output.reply("status", outcome), stderr.text())
    };
    let done = || Ok(Reply::done(vec!["x".into()], Value::Null));
    assert_eq!(end(io::ErrorKind::BrokenPipe, done()), (Exit::Done, String::new()));
    assert_eq!(
        end(io::ErrorKind::BrokenPipe, Err(wrong(&codes::USAGE))).0,
        Exit::Usage,
        "what failed has failed all the same"
    );
    let (exit, said) = end(io::ErrorKind::StorageFull, done());
    assert_eq!(exit, Exit::Environment);
    assert!(said.starts_with("error[LS0504]: cannot write to standard output\nCaused by: "), "{said}");
}

#[test]
fn progress_is_a_line_every_few_seconds() {
    let desk = human();
    let progress = desk.output.progress("customers");
    progress.phase("reading");
    for second in 1..=12u64 {
        desk.clock.0.store(second * 1000, Ordering::Relaxed);
        progress.rows_read(10_000);
        progress.bytes_read(1_000_000);
        progress.rows_written(9_000);
    }
    drop(progress);
    insta::assert_snapshot!(desk.stderr.text(), @r#"
    customers: reading, 50 000 rows read, 36 000 rows written, 4.0 MB, 10 000 rows/s after 5.0 s
    customers: reading, 100 000 rows read, 81 000 rows written, 9.0 MB, 10 000 rows/s after 10.0 s
    "#);
    assert_eq!(desk.stdout.text(), "");
}

#[test]
fn progress_is_an_event_for_programs_and_nothing_for_the_quiet() {
    let report = |desk: &Desk| {
        let progress = desk.output.progress("customers");
        progress.rows_expected(40);
        desk.clock.0.store(6_000, Ordering::Relaxed);
        progress.rows_read(10);
    };
    let json = desk(Format::Json, Talk::Normal);
    report(&json);
    insta::assert_snapshot!(json.stdout.text(), @r#"
    {"event":"progress","sync":"customers","phase":"starting","read":10,"written":0,"bytes":0,"expected":40,"elapsed_ms":6000}
    "#);
    let quiet = desk(Format::Human, Talk::Quiet);
    report(&quiet);
    assert_eq!(quiet.stderr.text() + &quiet.stdout.text(), "");
}

#[test]
fn a_bar_is_drawn_without_harm() {
    let (stdout, stderr) = (Paper::default(), Paper::default());
    let clock: Arc<dyn Clock> = Arc::new(StoppedClock(AtomicMillis::new(0)));
    let screen = Screen { terminal_err: true, ..Screen::plain() };
    let output = Output::new(Format::Human, Talk::Normal, screen, clock, Box::new(stdout.clone()), Box::new(stderr));
    let progress = output.progress("customers");
    progress.rows_expected(10);
    progress.rows_read(20);
    output.line("meanwhile");
    progress.end();
    output.finished(&SyncSummary { sync: "customers".into(), read: 20, ..SyncSummary::default() });
    assert_eq!(
        stdout.text(),
        "meanwhile\ncustomers: 20 read, 0 written, 0 unchanged, 0 deleted, 0 dead letters in 0.00 s\n"
    );
}
