//! `streamgate log check` and `log repair`: what is damaged in a data folder, and moving it aside.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use embedded_log::check::{self, Finding, Lost, Repaired, Report};
use serde_json::{Value, json};

use super::{
    CommandError,
    folder::{self, Busy},
    quiet_on_closed_pipe,
};
use crate::args::{LogArgs, LogCommand};

/// Reads the folder, prints to standard output, and asks on the terminal where that is needed.
pub fn run(args: &LogArgs) -> Result<(), CommandError> {
    let ask = || {
        if io::stdin().is_terminal() {
            confirmed(&mut io::stdin().lock(), &mut io::stderr())
        } else {
            Err(CommandError::Folder(NOBODY_TO_ASK.to_owned()))
        }
    };
    quiet_on_closed_pipe(run_to(args, &mut io::stdout(), ask))
}

/// The same with an output of choice, and a way to ask.
pub fn run_to(
    args: &LogArgs,
    out: &mut impl Write,
    ask: impl FnOnce() -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    match &args.command {
        LogCommand::Check { folder, json } => check(&folder.folder()?, *json, out),
        LogCommand::Repair { folder, yes, json } => {
            repair(&folder.folder()?, *json, out, || if *yes { Ok(true) } else { ask() })
        }
    }
}

fn check(folder: &Path, as_json: bool, out: &mut impl Write) -> Result<(), CommandError> {
    let report = read(folder)?;
    if as_json {
        writeln!(out, "{}", report_json(folder, &report))?;
    } else {
        print_report(folder, &report, out)?;
    }
    match report.findings.len() {
        0 => Ok(()),
        count => Err(CommandError::Damaged { count, folder: folder.display().to_string() }),
    }
}

fn repair(
    folder: &Path,
    as_json: bool,
    out: &mut impl Write,
    agreed: impl FnOnce() -> Result<bool, CommandError>,
) -> Result<(), CommandError> {
    let report = read(folder)?;
    if !as_json {
        print_report(folder, &report, out)?;
        out.flush()?;
    }
    if report.findings.is_empty() {
        if as_json {
            writeln!(out, "{}", repaired_json(folder, &report, &Repaired::default()))?;
        }
        return Ok(());
    }
    if !agreed()? {
        return Err(CommandError::Folder("nothing was changed".to_owned()));
    }
    let repaired = check::repair(folder, &report).map_err(|error| folder::refused(&error, folder, Busy::StopServer))?;
    if as_json {
        writeln!(out, "{}", repaired_json(folder, &report, &repaired))?;
    } else {
        print_repaired(&repaired, out)?;
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Report, CommandError> {
    if !folder.is_dir() {
        return Err(CommandError::Folder(format!("there is no data folder {}", folder.display())));
    }
    check::check(folder).map_err(|error| folder::refused(&error, folder, Busy::StopServer))
}

fn print_report(folder: &Path, report: &Report, out: &mut impl Write) -> Result<(), CommandError> {
    let folder = folder.display();
    let counts = [
        (report.segments as u64, "segment"),
        (report.groups, "commit group"),
        (report.batches, "batch"),
        (report.records, "record"),
        (report.topics.len() as u64, "topic"),
    ];
    writeln!(out, "{folder}: {}", counts.map(|(count, what)| counted(count, what)).join(", "))?;
    for note in &report.notes {
        writeln!(out, "  note: {note}")?;
    }
    for finding in &report.findings {
        writeln!(out, "  damaged: {finding}")?;
    }
    for lost in &report.lost {
        writeln!(out, "  gone: {lost}")?;
    }
    if report.findings.is_empty() {
        writeln!(out, "nothing is damaged")?;
    }
    Ok(())
}

fn counted(count: u64, what: &str) -> String {
    let many = if what.ends_with("ch") { "es" } else { "s" };
    format!("{count} {what}{}", if count == 1 { "" } else { many })
}

fn print_repaired(repaired: &Repaired, out: &mut impl Write) -> Result<(), CommandError> {
    for file in &repaired.moved_aside {
        writeln!(out, "kept as: {file}")?;
    }
    for file in &repaired.rewritten {
        writeln!(out, "written anew: {file}")?;
    }
    for lost in &repaired.lost {
        writeln!(out, "gone: {lost}")?;
    }
    writeln!(out, "the folder can be used again")?;
    Ok(())
}

fn report_json(folder: &Path, report: &Report) -> Value {
    json!({
        "folder": folder,
        "segments": report.segments,
        "bytes": report.bytes,
        "groups": report.groups,
        "batches": report.batches,
        "records": report.records,
        "topics": report.topics,
        "notes": findings_json(&report.notes),
        "findings": findings_json(&report.findings),
        "lost": lost_json(&report.lost),
    })
}

fn repaired_json(folder: &Path, report: &Report, repaired: &Repaired) -> Value {
    let mut document = report_json(folder, report);
    document["moved_aside"] = json!(repaired.moved_aside);
    document["rewritten"] = json!(repaired.rewritten);
    document["lost"] = lost_json(&repaired.lost);
    document
}

fn findings_json(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        let Finding { file, position, length, problem } = finding;
        json!({ "file": file, "position": position, "length": length, "problem": problem })
    };
    findings.iter().map(one).collect()
}

fn lost_json(lost: &[Lost]) -> Value {
    let one = |lost: &Lost| {
        let Lost { topic, partition, first, last } = lost;
        json!({ "topic": topic, "partition": partition, "first": first, "last": last })
    };
    lost.iter().map(one).collect()
}

/// Asks until somebody says yes or no; the end of the input is no.
fn confirmed(input: &mut impl BufRead, out: &mut impl Write) -> Result<bool, CommandError> {
    loop {
        write!(out, "Move the damaged parts aside? What they hold is gone for readers. [y/N] ")?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => {}
        }
    }
}

const NOBODY_TO_ASK: &str = "nothing was changed: nobody can be asked here, so `log repair` needs --yes";

#[cfg(test)]
mod tests {
    use super::confirmed;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (typed, answer) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("n\n", false), ("", false), ("what\ny\n", true)]
        {
            let said = confirmed(&mut typed.as_bytes(), &mut Vec::new());
            assert_eq!(said.ok(), Some(answer), "{typed:?}");
        }
    }
}
