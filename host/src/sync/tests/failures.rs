//! Systems and plugins that fail: waited for, given up, blamed.

use std::time::Duration;

use serde_json::json;

use crate::connector::{Failure, FailureKind, WriteStatus};
use crate::sync::testing::{FakeTransform, Flavour, Lab, Outcome, Verdict, failure, person};

/// Every call a run makes of its connectors.
const CALLS: [(&str, &str); 9] = [
    ("source", "discover"),
    ("source", "read"),
    ("source", "next"),
    ("sink", "describe"),
    ("sink", "prepare"),
    ("sink", "open"),
    ("sink", "write"),
    ("sink", "flush"),
    ("sink", "flushed"),
];

fn fail(lab: &Lab, (end, call): (&str, &'static str), nth: u64, failure: Failure) {
    match end {
        "source" => lab.source.script.fail(call, nth, failure),
        _ => lab.sink.script.fail(call, nth, failure),
    }
}

#[test]
fn what_may_pass_is_waited_for() {
    for kind in [FailureKind::Transient, FailureKind::RateLimited, FailureKind::Fault] {
        for call in CALLS {
            let lab = Lab::new().with_people(1..=25);
            fail(&lab, call, 1, failure(kind));
            fail(&lab, call, 2, failure(kind));
            let report = lab.run_well();
            assert!(kind == FailureKind::Fault || lab.clock.slept().len() >= 2, "{call:?} {:?}", lab.clock.slept());
            assert_eq!(lab.open_letters(), [], "{call:?}");
            lab.assert_equal();
            lab.assert_counted(&report);
        }
    }
}

#[test]
fn what_may_pass_in_a_comparison_is_waited_for() {
    for call in ["methods", "digest", "entries", "lookup"] {
        let lab = Lab::new().comparable().with_people(1..=25);
        lab.run_well();
        lab.source.state().put(7, person(7, "second"));
        lab.source.script.fail(call, 1, failure(FailureKind::Transient));
        if call != "lookup" {
            lab.sink.script.fail(call, 1, failure(FailureKind::Transient));
        }
        lab.run_well();
        assert!(!lab.clock.slept().is_empty(), "{call}");
        lab.assert_equal();
    }
}

#[test]
fn patience_ends() {
    for (end, call) in CALLS {
        let lab = Lab::new().with_people(1..=25);
        let script = if end == "source" { &lab.source.script } else { &lab.sink.script };
        script.fail_always(call, failure(FailureKind::Transient));
        assert_eq!(lab.run_badly(), "LS0707", "{call}");
        assert_eq!(lab.open_letters(), []);
        let slept = lab.clock.slept();
        assert_eq!(slept.len(), 7, "{call} {slept:?}");
        script.heal();
        lab.run_well();
        lab.assert_equal();
    }
}

#[test]
fn patience_begins_anew_with_every_page() {
    let lab = Lab::new().with_people(1..=45);
    for nth in [1, 2, 3, 4, 5, 7, 8, 9, 10, 11] {
        lab.source.script.fail("next", nth, failure(FailureKind::Transient));
        lab.sink.script.fail("flush", nth, failure(FailureKind::Transient));
    }
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn a_reading_that_never_gets_further_ends() {
    for (flavour, outcome) in [(Flavour::Table, Ok(())), (Flavour::Scan, Err("LS0707"))] {
        let lab = Lab::new().with_people(1..=45);
        lab.source.state().flavour = flavour;
        for nth in 1..=100 {
            lab.source.script.fail("next", 3 * nth, failure(FailureKind::Transient));
        }
        match outcome {
            Ok(()) => lab.assert_counted(&lab.run_well()),
            Err(code) => assert_eq!(lab.run_badly(), code),
        }
        lab.source.script.heal();
        lab.run_well();
        lab.assert_equal();
    }
}

#[test]
fn a_wish_to_be_left_alone_is_obeyed_within_reason() {
    let wish =
        |seconds| Failure { retry_after: Some(Duration::from_secs(seconds)), ..failure(FailureKind::RateLimited) };
    let lab = Lab::new().with_people(1..=25);
    lab.source.script.fail("next", 2, wish(700));
    lab.sink.script.fail("flush", 3, wish(1_000_000));
    lab.run_well();
    let slept = lab.clock.slept();
    assert!(slept.contains(&Duration::from_secs(700)), "{slept:?}");
    assert!(slept.contains(&Duration::from_secs(3600)), "{slept:?}");
    lab.assert_equal();
}

#[test]
fn pages_are_made_durable_while_the_source_wants_to_be_left_alone() {
    let lab = Lab::new().in_one_group().with_people(1..=25);
    let (sink, store) = (lab.sink.clone(), lab.store.clone());
    let wish = Failure { retry_after: Some(Duration::from_secs(600)), ..failure(FailureKind::RateLimited) };
    lab.source.script.fail("next", 3, wish);
    lab.source.state().edit_after_pages(2, move |_| {
        assert_eq!(sink.state().rows.len(), 20);
        assert_eq!(store.script.count("commit_page"), 1);
    });
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn what_cannot_pass_ends_the_run_at_once() {
    for kind in [FailureKind::Auth, FailureKind::Config, FailureKind::Permanent] {
        for call in CALLS {
            let lab = Lab::new().with_people(1..=25);
            fail(&lab, call, 1, failure(kind));
            assert_eq!(lab.run_badly(), "LS0410", "{call:?}");
            assert_eq!(lab.clock.slept(), []);
            assert_eq!(lab.open_letters(), []);
            lab.run_well();
            lab.assert_equal();
        }
    }
}

#[test]
fn a_plugin_that_always_breaks_is_blamed_and_no_record_is() {
    for (people, page_rows) in [(1, 10), (2, 1), (2, 10), (5, 2), (45, 10), (45, 1)] {
        for call in CALLS {
            let mut lab = Lab::new().with_people(1..=people);
            lab.page_rows = page_rows;
            let script = if call.0 == "source" { &lab.source.script } else { &lab.sink.script };
            script.fail_always(call.1, failure(FailureKind::Fault));
            assert_eq!(lab.run_badly(), "LS0409", "{call:?} with {people} in pages of {page_rows}");
            assert_eq!(lab.open_letters(), []);
            script.heal();
            lab.run_well();
            lab.assert_equal();
        }
    }
}

#[test]
fn a_plugin_that_breaks_for_good_in_the_middle_is_blamed_and_no_record_is() {
    for nth in 1..30 {
        let lab = Lab::new().in_one_group().with_people(1..=25);
        // The first break begins the search; the rest happens in its middle.
        lab.sink.script.fail("write", 3, failure(FailureKind::Fault));
        (0..300).for_each(|more| lab.sink.script.fail("write", 3 + nth + more, failure(FailureKind::Fault)));
        let report = lab.run();
        if let Some(error) = report.error {
            assert_eq!(crate::error::Explain::code(&error).id, "LS0409");
        }
        assert_eq!(lab.open_letters(), [], "broke at {nth}");
        lab.sink.script.heal();
        lab.run_well();
        lab.assert_equal();
    }
}

#[test]
fn many_neighbours_that_break_the_plugin_are_found() {
    for bad in [5..=9, 1..=8, 18..=25, 1..=24, 2..=25, 1..=12] {
        let lab = Lab::new().in_one_group().with_people(1..=25);
        bad.clone().for_each(|id| lab.source.state().put(id, person(id, "bad")));
        lab.sink.rule(|record| if record["name"] == json!("bad") { Verdict::Break } else { Verdict::Take });
        let report = lab.run_well();
        assert_eq!(report.counters.rejected, bad.clone().count() as u64);
        let good: Vec<i64> = (1..=25).filter(|id| !bad.contains(id)).collect();
        assert_eq!(lab.ids(), good);
    }
}

#[test]
fn records_the_target_puts_off_are_given_again() {
    for status in [WriteStatus::Retry, WriteStatus::Unknown] {
        let lab = Lab::new().with_people(1..=25);
        let left = std::sync::atomic::AtomicU32::new(3);
        lab.sink.rule(move |record| {
            let is_put_off =
                record["id"] == json!(7) && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
            if is_put_off { Verdict::Status(status) } else { Verdict::Take }
        });
        lab.run_well();
        assert_eq!(lab.open_letters(), []);
        assert_eq!(lab.clock.slept().len(), 3);
        lab.assert_equal();
    }
}

use std::sync::atomic::Ordering::Relaxed;

#[test]
fn a_record_the_target_puts_off_for_ever_waits_with_the_targets_words() {
    let lab = Lab::new().with_people(1..=25);
    lab.sink.rule(|record| match record["id"] == json!(7) {
        true => Verdict::Status(WriteStatus::Retry),
        false => Verdict::Take,
    });
    let report = lab.run_well();
    assert_eq!((report.counters.written, report.counters.rejected), (24, 1));
    let letters = lab.open_letters();
    assert_eq!(letters[0].letter.key_text, "[\"7\"]");
    assert!(letters[0].letter.cause.message.contains("on purpose"));
}

#[test]
fn a_target_that_puts_everything_off_for_ever_ends_the_run_and_no_record_waits() {
    let lab = Lab::new().with_people(1..=25);
    lab.sink.rule(|_| Verdict::Status(WriteStatus::Retry));
    assert_eq!(lab.run_badly(), "LS0707");
    assert_eq!(lab.open_letters(), []);
}

#[test]
fn a_source_whose_positions_never_last_ends_the_run() {
    let lab = Lab::new().incremental().with_people(1..=25);
    for nth in 1..100 {
        lab.source.script.fail("next", 2 * nth, failure(FailureKind::StaleCursor));
    }
    assert_eq!(lab.run_badly(), "LS0410");
    lab.source.script.heal();
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn somebody_who_wants_to_stop_does_not_wait_for_a_source_that_wants_to_be_left_alone() {
    for end in ["source", "sink"] {
        let lab = Lab::new().with_people(1..=25);
        let wish = Failure { retry_after: Some(Duration::from_secs(3000)), ..failure(FailureKind::RateLimited) };
        fail(&lab, (end, if end == "source" { "next" } else { "flush" }), 2, wish);
        let (interrupt, clock) = (lab.interrupt.clone(), lab.clock.clone());
        lab.stop_after(Duration::from_secs(2), interrupt);
        lab.run();
        assert!(crate::world::Clock::elapsed(&clock) < Duration::from_secs(600), "{end}");
        lab.resumed().run_well();
    }
}

#[test]
fn a_stage_that_fails_does_not_wait_for_a_reader_that_does() {
    let mut lab = Lab::new().with_people(1..=25);
    lab.transforms = vec![FakeTransform::new(|record| Outcome::Into(vec![record]))];
    lab.transforms[0].script.fail("apply", 2, failure(FailureKind::Permanent));
    let wish = Failure { retry_after: Some(Duration::from_secs(3000)), ..failure(FailureKind::RateLimited) };
    lab.source.script.fail("next", 3, wish);
    assert_eq!(lab.run_badly(), "LS0410");
    assert!(crate::world::Clock::elapsed(&lab.clock) < Duration::from_secs(600));
}
