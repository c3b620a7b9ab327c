//! The production engine and store in the simulation.

use lockstep_sim::campaign::{Manner, run_seeds};
use lockstep_sim::engine::{Engine, Production, memory};
use lockstep_sim::plan::Options;
use lockstep_sim::quirks::Quirks;
use lockstep_sim::run::run_seed;

/// Seeds in which faults were found, as small as they were made: seed, days, quirks, systems, edits.
const FOUND: &[(u64, u64, u64, usize, u64)] = &[
    // A delete whose record still had a reference to one that is no more was taken for a conflict.
    (3369, 5, 0x4_2050_0000_0020, 2, 113),
    // Undeleted, the older of two copies was not found before a third was made.
    (5346, 2, 0x4_2035_0000_0001, 4, 50),
    // A remote record that went from a dead record to its successor stopped the sync.
    (5368, 5, 0xc_2230_8000_0016, 2, 125),
    // An update of which a part was shown before it was looked for was not known to have arrived.
    (4666, 6, 0x4_8608_b004_0000, 2, 77),
    // What was edited while a record was dead went nowhere when a person kept it.
    (3739, 7, 0x8_a008_0002_0000, 3, 229),
    // Null where nothing had been shown was taken for a write that had arrived.
    (7820, 4, 0x4_a022_2802_2a00, 4, 65),
    // An edit that had lost against a delete went under when the record was undeleted elsewhere.
    (8236, 6, 0x4_0838_8000_1a40, 4, 157),
    // What somebody had shown all along was said not to have been seen.
    (6820, 7, 0x4_1108_8008_0000, 2, 228),
    // A value for a field whose owner was just being given the record was neither taken nor restored.
    (6573, 2, 0x4_1240_8000_0121, 3, 11),
    // A copy whose creation nobody had answered for was taken for somebody else's once its email had changed elsewhere.
    (10196, 1, 0x80_1002_0401, 4, 6),
    // What the first enumeration after a lost place could not prove to be gone was never asked about again.
    (10446, 7, 0x2_0990_b02d_2965, 2, 154),
    // A write that was refused, in a batch whose flush failed, was taken for one that may have arrived.
    (10775, 7, 0x6_8c24_1000_0111, 3, 39),
    // Items of a set that a write of ours had brought were taken for somebody's.
    (11632, 7, 0x2_2e74_0096_1570, 4, 133),
    // Where deletes are found by two enumerations, the second was taken for when the record had been read last.
    (11549, 7, 0x65b4_a05c_206f, 4, 111),
    // A copy that was undeleted after its record had got another one stopped the sync.
    (12480, 7, 0x4_01b4_0001_8006, 3, 195),
    // The copy that was being made when its record was deleted was taken for a new record.
    (15821, 4, 0x10_1000_0000, 2, 4),
    // A second copy, which a person had been asked about, became the only one and brought back what was older.
    (11549, 7, 0x65b4_a81c_216f, 4, 165),
    // A copy made without the record it points to was said to point nowhere by who owns that.
    (16034, 1, 0x4_3000_1200_0046, 2, 12),
    // Who got a record answered for who had deleted it.
    (18173, 1, 0x14_0000_0400, 4, 5),
    // A process that had stood still for hours wrote what was then taken for somebody's.
    (17601, 7, 0x4_8840_3022_2083, 2, 57),
    // A copy that cannot be deleted, and whose own delete waited for approval, brought the record back.
    (18143, 5, 0xd_0000_0000, 3, 157),
    // Somebody counted to what had just been agreed, and an older write of ours that had other values was taken for it.
    (949, 7, 0x6_68a4_1002_27c0, 2, 173),
    // A list that is behind showed what was there before our write, which was taken for an edit of what had been deleted.
    (4745, 7, 0x10_200e_2008_07c5, 3, 120),
    // The answer to a question was another form than the one that was asked about: which of the two is somebody's was guessed.
    (9918, 7, 0x2_1b10_350a_00c5, 2, 147),
    // A system that showed nothing was believed, because all its records but one had to be missing once more.
    (5679, 1, 0x14_0004_1890_2247, 3, 21),
    // Segments: who was outside was overwritten by what was made under the same key.
    (1962, 1, 0x24_2000_c000_0000, 3, 4),
    // A copy that came back was taken for what was agreed, and what was changed there meanwhile lost.
    (6223, 1, 0x24_2000_0040_0002, 3, 36),
    // The only copy of some values was deleted because the record left the segment.
    (4578, 1, 0x20_0008_0000_0000, 2, 36),
    (14300, 1, 0x20_2030_0000_0000, 3, 20),
    // What a person had to decide about was deleted with the copy that left.
    (1870, 1, 0x20_0000_8000_0000, 2, 13),
    // What a list that is behind shows of a copy that was just looked for in vain was taken for an edit.
    (7976, 7, 0x20_c511_90e3_03c7, 4, 27),
    // A second copy, which a person had been asked about, outlived its record and brought it back.
    (9223, 7, 0x1048_2000_0001, 2, 116),
    // A question that was asked and settled by the same event ended every later run.
    (8281, 7, 0x2_4810_3102_13a5, 3, 95),
    // An edit that our write had replaced unseen was shown after it by a list that is behind.
    (930, 7, 0x10_ee10_c106_0295, 2, 114),
    // The owner of a field that was left alone was not heard.
    (2996, 5, 0x4_3800_0528_0750, 4, 116),
    // A small record that was made anew in parts was emptied everywhere.
    (6851, 3, 0x498_c080_0013, 2, 17),
    // A process that had stood still deleted what had left its segment: nobody had deleted the record.
    (22648, 7, 0x24_160c_3408_20c1, 2, 38),
    // What somebody took out of a set was taken for a form of it.
    (21125, 5, 0x24_4654_d804_c9a1, 4, 113),
];

fn check(first: u64, last: u64, quirks: Quirks) {
    let options = Options { quirks, ..Options::new(1, 1) };
    let manner = Manner { threads: 2, twice: 3, failures_max: 1 };
    let make = || Box::new(Production::new(memory())) as Box<dyn Engine>;
    let summary = run_seeds(first, last, &options, manner, &make);
    let failures: Vec<_> = summary.failed.iter().map(|outcome| (outcome.seed, &outcome.failures)).collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(summary.wavering, Vec::<u64>::new());
}

#[test]
fn hubs_do_well_in_fair_weather() {
    check(1, 12, Quirks::default());
}

#[test]
fn hubs_hold_when_everything_goes_wrong() {
    check(1, 30, Quirks::EVERYTHING);
}

#[test]
fn hubs_hold_when_everything_goes_wrong_in_other_ways() {
    check(31, 60, Quirks::EVERYTHING);
}

#[test]
fn what_was_found_once_stays_mended() {
    for (seed, days, quirks, systems, edits) in FOUND {
        let options =
            Options { quirks: Quirks(*quirks), systems: *systems, edits: *edits, ..Options::new(*seed, *days) };
        let outcome = run_seed(&options, &|| Box::new(Production::new(memory())) as Box<dyn Engine>);
        assert!(outcome.failures.is_empty(), "seed {seed}: {:?}", outcome.failures);
    }
}
