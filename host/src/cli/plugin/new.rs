//! `plugin new`: begins a plugin that builds and runs as it stands.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::Reply;
use crate::error::Result;
use crate::kit::{Kind, Language, begin};
use crate::project::shell_word;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep plugin new crm --lang python
  lockstep plugin new crm --lang rust --kind both
  lockstep plugin new tidy-up --lang javascript --kind transform --dir plugins/tidy-up")]
pub struct NewArgs {
    /// The plugin's name: lower-case letters, digits and dashes
    pub name: String,

    /// The language to write it in
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub lang: Lang,

    /// What it is to do: read from a system, write to one, both, or change records on their way
    #[arg(long, value_enum, default_value_t = What::Source)]
    pub kind: What,

    /// The folder; made if it is not there [default: the name]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Lang {
    Rust,
    Python,
    Javascript,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum What {
    Source,
    Sink,
    Both,
    Transform,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Rust => Self::Rust,
            Lang::Python => Self::Python,
            Lang::Javascript => Self::JavaScript,
        }
    }
}

impl From<What> for Kind {
    fn from(what: What) -> Self {
        match what {
            What::Source => Self::Source,
            What::Sink => Self::Sink,
            What::Both => Self::Both,
            What::Transform => Self::Transform,
        }
    }
}

pub(super) fn run(args: &NewArgs) -> Result<Reply> {
    let language = Language::from(args.lang);
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let files = begin(&dir, &args.name, language, args.kind.into())?;
    let install = if language == Language::Rust { "" } else { " --install" };
    let folder = shell_word(&dir);
    let next = [format!("lockstep plugin build {folder}{install}"), format!("lockstep --project {folder} run")];
    let text = format!("wrote {} in {folder}\nnext: `{}`, then `{}`", files.join(", "), next[0], next[1]);
    Ok(Reply::done(vec![text.into()], json!({"dir": dir.display().to_string(), "files": files, "next": next})))
}
