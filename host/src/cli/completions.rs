//! `completions`: lets a shell complete commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::Value;

use super::{Cli, Reply};
use crate::error::Result;

/// Print what a shell needs to complete commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lockstep completions bash > ~/.local/share/bash-completion/completions/lockstep
  lockstep completions zsh > ~/.zfunc/_lockstep
  lockstep completions fish > ~/.config/fish/completions/lockstep.fish")]
pub struct CompletionsArgs {
    /// The shell that asks
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> Result<Reply> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lockstep", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let result = Value::from(script.as_str());
    Ok(Reply::done(vec![script.into()], result))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_shell_gets_every_verb() {
        for shell in Shell::value_variants() {
            let reply = run(&CompletionsArgs { shell: *shell }).unwrap();
            assert!(reply.result.as_str().unwrap().contains("dead-letters"), "{shell}");
        }
    }
}
