//! The example in Python, through the host: its tests, its promises, and what it makes of bad input.

use super::{Bench, contains};

const ROWS: &str = "SELECT ifnull(name, '-') || '|' || ifnull(email, '-') FROM contacts ORDER BY name";

#[test]
fn the_vcards_example_keeps_its_promises() {
    let bench = Bench::with_example("vcards-python");
    bench.environment("vcards-python");
    bench.lockstep("plugin build vcards-python", 0);
    let inspected = bench.lockstep("plugin inspect vcards-python/vcards.wasm", 0);
    contains(
        &inspected,
        "It can read and write files below the folders its connection grants; it cannot run statements",
    );
    super::checked::nothing_failed(
        &bench,
        "--project vcards-python plugin check --json --connection address-books",
        super::checked::READS,
    );
    contains(&bench.lockstep("--project vcards-python run", 0), "3 read, 3 written");
    let file = "vcards-python/copy.db";
    assert_eq!(bench.sqlite(file, ROWS), ["Ann Example|ann@example.com", "Bo Long|bo@example.com", "Jürgen Müller|-"]);
    assert_eq!(
        bench.sqlite(file, "SELECT revised FROM contacts WHERE name LIKE 'Ann%'"),
        ["2026-01-02T12:00:00.000000Z"]
    );
    contains(&bench.lockstep("--project vcards-python run", 0), "0 written, 3 unchanged, 0 deleted");

    // One card is edited, one is gone, one is cut off, one is there twice; and a file is no address book.
    bench.edit("vcards-python/contacts/work.vcf", "FN:Bo Long", "FN:Bo Short");
    let family = std::fs::read_to_string(bench.path("vcards-python/contacts/family.vcf")).unwrap();
    let ann = family.split("BEGIN:VCARD\nVERSION:2.1").next().unwrap();
    bench.write("vcards-python/contacts/family.vcf", &format!("{ann}{ann}BEGIN:VCARD\nUID:cut"));
    bench.write("vcards-python/contacts/login.vcf", "<html>Sign in</html>");
    // Nobody knows who is behind the card that was cut off: nothing is deleted until all can be read.
    let ran = bench.lockstep("--project vcards-python run", 1);
    contains(&ran, "1 written, 1 unchanged, 0 deleted, 2 dead letters");
    contains(&ran, "nothing is deleted: not all records of the source could be read");
    let letters = bench.lockstep("--project vcards-python dead-letters list", 0);
    contains(&letters, "a second time");
    contains(&letters, "it has no END:VCARD");

    bench.write("vcards-python/contacts/family.vcf", ann);
    contains(&bench.lockstep("--project vcards-python run", 0), "0 written, 2 unchanged, 1 deleted, 0 dead letters");
    assert_eq!(bench.sqlite(file, ROWS), ["Ann Example|ann@example.com", "Bo Short|bo@example.com"]);
}

#[test]
fn the_helpers_pass_their_own_tests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = |folder: &str, path: &str| {
        let mut command = std::process::Command::new("python3");
        command.args(["-m", "unittest", "discover", "-s", "tests"]).current_dir(root.join(folder));
        command.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let sdk = root.join("plugin-sdk/python").display().to_string();
    let mut node = std::process::Command::new("node");
    node.args(["--test", "tests/"]).current_dir(root.join("plugin-sdk/javascript"));
    for mut command in [python("plugin-sdk/python", "."), python("examples/vcards-python", &format!("src:{sdk}")), node]
    {
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{command:?}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
