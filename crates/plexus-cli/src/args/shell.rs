//! `plexus completions`, `plexus man`

use clap::Args as ClapArgs;
use clap_complete::Shell;
use std::path::PathBuf;

/// `plexus completions`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus completions bash > /etc/bash_completion.d/plexus
  plexus completions zsh > ~/.zfunc/_plexus
  plexus completions fish > ~/.config/fish/completions/plexus.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `plexus man`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  plexus man | man -l -
  plexus man --out share/man/man1                  a page for each command")]
pub struct ManArgs {
    /// Write a page for each command into this folder, instead of printing that of the program
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
