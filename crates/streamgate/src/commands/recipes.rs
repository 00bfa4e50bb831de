//! `streamgate recipes`: settings for connector engines of others.

use std::io::{self, Write};

use super::{CommandError, quiet_on_closed_pipe};
use crate::args::{RecipesArgs, RecipesCommand, RecipesShowArgs};
use crate::recipes::{RECIPES, Recipe};

/// Prints to standard output.
pub fn run(args: &RecipesArgs) -> Result<(), CommandError> {
    quiet_on_closed_pipe(run_to(args, &mut io::stdout()))
}

/// The same with an output of choice.
pub fn run_to(args: &RecipesArgs, out: &mut impl Write) -> Result<(), CommandError> {
    match &args.command {
        None => list(out),
        Some(RecipesCommand::Show(args)) => show(args, out),
    }
}

fn list(out: &mut impl Write) -> Result<(), CommandError> {
    writeln!(out, "{:<14} {:<14} {:<7} MOVES", "NAME", "ENGINE", "TESTED")?;
    for Recipe { name, engine, tested, moves, .. } in &RECIPES {
        let tested = if *tested { "yes" } else { "no" };
        writeln!(out, "{name:<14} {:<14} {tested:<7} {moves}", engine.name())?;
    }
    Ok(())
}

fn show(args: &RecipesShowArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let RecipesShowArgs { name, file, kafka } = args;
    let unknown = || CommandError::Unusable(format!("there is no recipe '{name}'; `streamgate recipes` lists them"));
    let recipe = Recipe::of(name).ok_or_else(unknown)?;
    let file = match file {
        None => &recipe.files[0],
        Some(file) => recipe.file(file).ok_or_else(|| {
            let files: Vec<_> = recipe.files.iter().map(|file| file.name).collect();
            CommandError::Unusable(format!("recipe '{name}' has no file '{file}'; it has {}", files.join(", ")))
        })?,
    };
    out.write_all(file.filled(kafka).as_bytes())?;
    Ok(())
}
