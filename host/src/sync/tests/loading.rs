//! First loads and what follows them.

use crate::connector::WriteMode;
use crate::store::Phase;
use crate::sync::testing::{Flavour, Lab, person};

#[test]
fn a_first_load_appends_to_the_empty_target() {
    let lab = Lab::new().with_people(1..=25);
    let report = lab.run_well();
    assert_eq!((report.counters.read, report.counters.written, report.counters.pages), (25, 25, 3));
    assert_eq!(lab.sink.state().opened, [WriteMode::Load]);
    assert_eq!(lab.state().phase, Phase::Steady);
    lab.assert_equal();
}

#[test]
fn a_target_that_is_not_empty_is_merged_by_key() {
    let lab = Lab::new().with_people(1..=5);
    lab.run_well();
    let another = lab.forgotten();
    let report = another.run_well();
    assert_eq!((report.counters.written, report.counters.unchanged), (0, 5));
    assert_eq!(another.sink.state().opened, [WriteMode::Load, WriteMode::Upsert]);
}

#[test]
fn a_load_that_meets_a_record_falls_back_to_merging() {
    let lab = Lab::new().with_people(1..=25);
    // The same key again in a later group: the target is no longer empty by then.
    lab.source.state().put(30, person(3, "again"));
    let report = lab.run_well();
    assert_eq!(lab.sink.state().opened, [WriteMode::Load, WriteMode::Upsert]);
    assert_eq!(report.counters.written, 26);
    assert_eq!(lab.open_letters(), []);
    lab.assert_equal();
}

#[test]
fn nothing_is_written_or_stored_where_nothing_changed() {
    for lab in [Lab::new(), Lab::new().incremental(), Lab::new().comparable()] {
        let lab = lab.with_people(1..=25);
        lab.run_well();
        lab.run_well();
        let (writes, commits) = (lab.sink.writes(), lab.store.script.count("commit_page"));
        let report = lab.run_well();
        assert_eq!((lab.sink.writes(), lab.store.script.count("commit_page")), (writes, commits));
        assert_eq!(report.counters.written, 0);
        assert!(report.is_clean());
    }
}

#[test]
fn a_changed_file_is_read_again_and_only_changes_are_written() {
    let lab = Lab::new().with_people(1..=25);
    lab.run_well();
    lab.source.state().put(7, person(7, "second"));
    let report = lab.run_well();
    assert_eq!((report.counters.read, report.counters.written, report.counters.unchanged), (25, 1, 24));
    lab.assert_equal();
}

#[test]
fn an_incremental_run_reads_what_changed() {
    let lab = Lab::new().incremental().with_people(1..=25);
    lab.run_well();
    lab.source.state().put(7, person(7, "second"));
    lab.source.state().remove(8);
    let report = lab.run_well();
    assert_eq!((report.counters.read, report.counters.written, report.counters.deleted), (2, 1, 1));
    lab.assert_equal();
}

#[test]
fn a_record_committed_late_is_caught_by_the_lookback() {
    let mut lab = Lab::new().incremental().with_people(1..=25);
    lab.run_well();
    lab.source.state().put_at(30, person(30, "late"), 20);
    lab.run_well();
    assert_eq!(lab.target(30), None);
    lab.def.source.lookback = Some(std::time::Duration::from_millis(10));
    lab.source.state().put_at(31, person(31, "late"), 20);
    lab.run_well();
    assert!(lab.target(31).is_some());
}

#[test]
fn everything_is_read_again_on_demand() {
    let mut lab = Lab::new().incremental().with_people(1..=25);
    lab.run_well();
    let report = lab.run_fully();
    assert_eq!((report.counters.read, report.counters.unchanged), (25, 25));
}

#[test]
fn a_load_that_was_interrupted_goes_on_where_it_stopped() {
    let lab = Lab::new().with_people(1..=25);
    let interrupt = lab.interrupt.clone();
    lab.source.state().edit_after_pages(1, move |_| interrupt.set());
    let report = lab.run_well();
    assert!(report.interrupted && !report.is_clean());
    // The page in flight was drained and committed.
    assert_eq!(lab.ids().len(), 20);
    assert_eq!(lab.state().phase, Phase::InitialLoad);
    let lab = lab.resumed();
    let report = lab.run_well();
    assert_eq!(report.counters.read, 5);
    assert_eq!(lab.state().phase, Phase::Steady);
    lab.assert_equal();
}

#[test]
fn a_position_that_is_gone_means_reading_everything_again() {
    let lab = Lab::new().incremental().with_people(1..=25);
    lab.run_well();
    lab.source.state().put(7, person(7, "second"));
    lab.source.state().forget_positions();
    let report = lab.run_well();
    assert_eq!((report.counters.read, report.counters.written), (25, 1));
    assert!(lab.notes.mention("everything is read again"));
    lab.assert_equal();
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_again() {
    let lab = Lab::new().with_people(1..=25);
    lab.source.state().edit_after_pages(1, |source| source.put(3, person(3, "meanwhile")));
    lab.run_well();
    lab.assert_equal();
}

#[test]
fn a_table_that_changes_while_it_is_read_is_right_after_the_next_run() {
    let lab = Lab::new().with_people(1..=25);
    lab.source.state().flavour = Flavour::Table;
    lab.source.state().edit_after_pages(1, |source| source.put(3, person(3, "meanwhile")));
    lab.run_well();
    lab.run_well();
    lab.assert_equal();
}
