//! `demo`: two systems that both change the same customers, and a copy of them, without any setup.
//!
//! Every command of the story is understood and run as if it had been typed, and what it prints is what it prints: only long
//! answers are cut.

use std::path::{Path, PathBuf};

use clap::{Args, Parser as _};
use serde_json::{Value, json};

use super::output::{Block, count};
use super::usage::usage_error;
use super::{Cli, CliError, Context, Reply};
use crate::error::Result;
use crate::project::{PROJECT_FILE, shell_word};

mod systems;

use systems::{CRM_LAST, Customer, Systems};

const PROJECT: &str = include_str!("demo/lockstep.toml");
/// As much of an answer as there is.
const WHOLE: &[usize] = &[usize::MAX; 8];

/// Show a two-way sync at work, without any setup
///
/// Makes a CRM, an ERP and a copy for analytics in DIR, or in a temporary folder, tells what happens when both sides change the
/// same customers, and leaves the project for you to play with.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep demo\n  lockstep demo shop      keep the files to look at")]
pub struct DemoArgs {
    /// The folder for the demo's files [default: a temporary one]
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

pub async fn run(args: &DemoArgs, context: &Context) -> Result<Reply> {
    let dir =
        args.dir.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("lockstep-demo-{}", std::process::id())));
    begin(&dir)?;
    let story = Story { systems: Systems::make(&dir)?, demo: Context { project_dir: dir.clone(), ..context.clone() } };
    story.first_link().await?;
    story.both_sides_edit().await?;
    story.refused().await?;
    story.deleted().await?;
    story.why().await?;
    story.taken_back().await?;
    story.verified().await?;

    let option = format!("--project {}", shell_word(&dir));
    let next = ["status", "history", "run --watch"];
    let next = next.map(|verb| format!("  lockstep {option} {verb}")).join("\n");
    let text = format!("the project is yours to play with; change something in its databases and go on:\n{next}");
    Ok(Reply::done(vec![text.into()], json!({"project": dir.display().to_string()})))
}

fn begin(dir: &Path) -> Result<(), CliError> {
    let project = dir.join(PROJECT_FILE);
    if project.symlink_metadata().is_ok() {
        return Err(CliError::AlreadyExists { path: project });
    }
    std::fs::create_dir_all(dir).map_err(|source| CliError::Write { path: dir.to_owned(), source })?;
    std::fs::write(&project, PROJECT).map_err(|source| CliError::Write { path: project, source })
}

/// Customers it is about.
const MOVED: Customer = Customer(1_001);
const MARRIED: Customer = Customer(1_002);
const CALLED: Customer = Customer(1_003);
const WORDY: Customer = Customer(1_004);
const GONE: Customer = Customer(1_005);

struct Story<'a> {
    systems: Systems<'a>,
    demo: Context,
}

impl Story<'_> {
    async fn first_link(&self) -> Result<()> {
        self.demo.output.line(&format!(
            "1. A CRM and an ERP with {} customers each have never met. What would come of it?",
            count(u64::from(CRM_LAST))
        ));
        self.lockstep(&["plan"], &[3, 9, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]).await?;
        self.say("2. It is done, and analytics gets its copy: a table that is made on the way.");
        self.lockstep(&["run"], WHOLE).await?;
        Ok(())
    }

    async fn both_sides_edit(&self) -> Result<()> {
        let [moved, married, called] = [MOVED, MARRIED, CALLED].map(Customer::name);
        self.say(&format!(
            "3. {moved} gets a new phone number in the CRM and another name in the ERP: both arrive.\n   \
             {married} gets another name in both: a person decides.\n   \
             {called} gets another number in both: `conflict = [\"crm\", \"erp\"]` decides."
        ));
        self.crm(MOVED, "phone = '+49 40 111111'")?;
        self.erp(MOVED, "name = 'Dr. Ada Dahl'")?;
        self.crm(MARRIED, "full_name = 'B. Dahl'")?;
        self.erp(MARRIED, "name = 'Ben Dahl-Costa'")?;
        self.crm(CALLED, "phone = '+49 40 333333'")?;
        self.erp(CALLED, "tel = '+49 89 999999'")?;
        self.lockstep(&["run"], WHOLE).await?;
        let list = self.lockstep(&["conflicts", "list"], WHOLE).await?;
        let id = number(&list, "/conflicts/0/id");
        self.lockstep(&["conflicts", "resolve", &id, "--take", "incoming"], &[1]).await?;
        Ok(())
    }

    async fn refused(&self) -> Result<()> {
        self.say(&format!(
            "4. The ERP refuses a phone number of {} that is too long for it. Everything else goes on;\n   \
             the record waits, is corrected and goes through.",
            WORDY.name()
        ));
        self.crm(WORDY, "phone = '+49 30 1234567 ext. 4711'")?;
        self.lockstep(&["run"], WHOLE).await?;
        let list = self.lockstep(&["dead-letters", "list"], WHOLE).await?;
        let id = number(&list, "/dead_letters/0/id");
        self.lockstep(&["dead-letters", "edit", &id, "--set", "phone=+49 30 1234567"], &[1]).await?;
        self.lockstep(&["dead-letters", "retry", &id], WHOLE).await?;
        Ok(())
    }

    async fn deleted(&self) -> Result<()> {
        self.say(&format!("5. {} is deleted in the CRM, and so in the ERP and in analytics.", GONE.name()));
        self.systems.edit("crm", &format!("DELETE FROM contacts WHERE id = {}", GONE.0))?;
        self.lockstep(&["run"], WHOLE).await?;
        Ok(())
    }

    async fn why(&self) -> Result<()> {
        self.say(&format!(
            "6. Where does the phone number of {} come from, and what did it win against?",
            CALLED.name()
        ));
        self.lockstep(&["why", "customer", &format!("{}.phone", CALLED.email())], &[2, 4]).await?;
        Ok(())
    }

    async fn taken_back(&self) -> Result<()> {
        self.say("7. Somebody sets the city of 200 contacts to `Atlantis`. It is everywhere, and is taken back.");
        self.systems.edit("crm", "UPDATE contacts SET city = 'Atlantis' WHERE id <= 200")?;
        let run = self.lockstep(&["run"], WHOLE).await?;
        let id = number(&run, "/syncs/0/run");
        self.lockstep(&["rollback", &id, "--yes"], &[1, 2, 0, 1]).await?;
        self.lockstep(&["run"], WHOLE).await?;
        let left = self.systems.number("crm", "SELECT count(*) FROM contacts WHERE city = 'Atlantis'")?;
        self.demo.output.line(&format!("(contacts in Atlantis: {left})"));
        Ok(())
    }

    async fn verified(&self) -> Result<()> {
        self.say("8. Do all three say the same?");
        self.lockstep(&["verify"], WHOLE).await?;
        Ok(())
    }

    fn say(&self, text: &str) {
        self.demo.output.line(&format!("\n{text}"));
    }

    fn crm(&self, customer: Customer, set: &str) -> Result<(), CliError> {
        self.systems.edit("crm", &format!("UPDATE contacts SET {set} WHERE id = {}", customer.0))
    }

    fn erp(&self, customer: Customer, set: &str) -> Result<(), CliError> {
        self.systems.edit("erp", &format!("UPDATE customer SET {set} WHERE no = {}", customer.number()))
    }

    /// Runs a command, and shows it with so many lines or rows of each part of its answer. That something waits for a person is
    /// part of the story, an error is not.
    async fn lockstep(&self, words: &[&str], shown: &[usize]) -> Result<Value> {
        let typed: Vec<String> = words.iter().map(|word| shell_word(Path::new(word))).collect();
        self.demo.output.line(&format!("$ lockstep {}", typed.join(" ")));
        let cli = Cli::try_parse_from(std::iter::once("lockstep").chain(words.iter().copied()));
        let verb = cli.map_err(|error| usage_error(&error))?.verb;
        let reply = Box::pin(verb.run(&self.demo)).await?;
        self.show(reply.blocks, shown);
        reply.errors.into_iter().next().map_or(Ok(reply.result), Err)
    }

    /// Tables stand apart from what is around them.
    fn show(&self, blocks: Vec<Block>, shown: &[usize]) {
        let shown = blocks.into_iter().zip(shown).filter(|(_, lines)| **lines > 0);
        let mut after_table = false;
        for (number, (block, lines)) in shown.enumerate() {
            let is_table = matches!(block, Block::Table(_));
            if number > 0 && (is_table || after_table) {
                self.demo.output.line("");
            }
            self.demo.output.show(&block.first(*lines));
            after_table = is_table;
        }
    }
}

/// A number in an answer, as it is typed.
fn number(result: &Value, pointer: &str) -> String {
    result.pointer(pointer).map(Value::to_string).unwrap_or_default()
}
