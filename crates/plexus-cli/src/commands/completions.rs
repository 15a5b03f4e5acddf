//! `plexus completions` and `plexus man`: what shells and `man` want to know, made from the options themselves.

use crate::Failure;
use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::output::{say, write_out};
use clap::CommandFactory;

/// Prints the completions of a shell.
pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "plexus", &mut script);
    write_out(&script);
    Ok(())
}

/// Prints the page of the program, or writes one page for it and one for each command.
pub fn man(args: &ManArgs) -> Result<(), Failure> {
    let mut command = Args::command();
    command.build();
    let page = |command: clap::Command| {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).expect("memory takes everything");
        page
    };
    let Some(folder) = &args.out else {
        write_out(&page(command));
        return Ok(());
    };
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::Input(format!("cannot make the folder {}: {error}", folder.display())))?;
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help").cloned();
    // Built, a command is called `plexus-train`.
    let pages: Vec<clap::Command> = commands.chain([command.clone()]).collect();
    let count = pages.len();
    for command in pages {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_string();
        plexus::files::write(&folder.join(format!("{name}.1")), &page(command))?;
    }
    say!("{count} pages in {}; read one with: man {}/plexus-train.1", folder.display(), folder.display());
    Ok(())
}
