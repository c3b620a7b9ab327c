//! The demo, as somebody has it who has just built the program.

use crate::mirror::project::{Outcome, command};

fn run(folder: &std::path::Path, args: &[&str]) -> Outcome {
    Outcome::of(command(folder, args).spawn().unwrap())
}

#[test]
fn the_story_is_told_and_its_project_can_be_played_with() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    let story = run(folder.path(), &["demo", "shop"]).ends(0);
    let chapters = [
        "1. A CRM and an ERP with 2 000 customers each have never met.",
        "customer: the first link",
        "1 800 linked",
        "2. It is done",
        "3. Ada Dahl gets a new phone number in the CRM and another name in the ERP",
        "$ lockstep conflicts list",
        "4. The ERP refuses a phone number",
        "$ lockstep dead-letters retry",
        "5. ",
        "2 deleted",
        "6. Where does the phone number of ",
        "+49 89 999999",
        "7. Somebody sets the city of 200 contacts to `Atlantis`.",
        "is taken back by run",
        "(contacts in Atlantis: 0)",
        "8. Do all three say the same?",
        "the project is yours to play with",
    ];
    let mut rest = story.stdout.as_str();
    for chapter in chapters {
        let at = rest.find(chapter).unwrap_or_else(|| panic!("no `{chapter}` behind what was said before:\n{story}"));
        rest = &rest[at + chapter.len()..];
    }
    let too_long = story.stdout.lines().find(|line| line.starts_with("customer: ") && line.chars().count() > 100);
    assert_eq!(too_long, None);
    let verified = &story.stdout[story.stdout.find("8. Do all three").unwrap()..];
    assert_eq!(verified.matches("as agreed").count(), 3, "{verified}");
    // It is not told over what is there.
    run(folder.path(), &["demo", "shop"]).ends(2).says(&["lockstep.toml"]);

    let why = run(&shop, &["why", "customer", "crm:1003.phone"]).ends(0);
    why.says(&["crm", "+49 40 333333", "+49 89 999999"]);
    run(&shop, &["plan"]).ends(0).says(&["nothing would be written"]);
    run(&shop, &["conflicts", "list"]).ends(0).says(&["no conflict waits for a person"]);
    let again = run(&shop, &["run", "--json"]).ends(0).json();
    let sync = &again["result"]["syncs"][0];
    assert_eq!((&sync["written"], &sync["deleted"], &sync["waiting"]), (&0.into(), &0.into(), &0.into()), "{sync}");
    assert!(sync["read"].as_u64().unwrap() > 4_000, "{sync}");
    run(&shop, &["lineage", "verify"]).ends(0);
}
