//! `docs/groovy.md`: what of the language runs, written from the tables that the interpreter itself goes by.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::limits::Limits;
use crate::subset::{CONSTRUCTS, Construct, classes, methods};

/// Lines of names are broken before this column.
const COLUMNS: usize = 120;

const BEGINNING: &str = "\
# Transforms in Groovy

A harvester whose transform has the language `groovy` runs the script on each record of its source, in a sandbox: the script
reaches nothing but the record, the log, the clock and random ids. This page says what of the language it may use. Whatever
is outside of it is refused when the harvester is made or changed, with line and column, the name of the construct, and what
to write instead.

## What a script sees, and what it answers

| variable | value |
|---|---|
| `payload` | the record's bytes, `byte[]`; `new String(payload)` is its text |
| `headers` | the record's headers, a map of texts |

The result is the value of `return`, or of the last statement.

| result | what becomes of the record |
|---|---|
| `null`, an empty list | it is skipped |
| a text | its characters are the event, and must be JSON; of an array, each element is an event |
| a map, a number, an object of a class of the script | its JSON is the event |
| a list | each element by itself, whatever it is |
| `new DeletionEvent(correlationId)`, `new DeletionEvent(correlationId, eventId)` | a deletion notice |
| an exception | the record goes to the dead letters with its bytes, the exception, and the lines of the script |

Variables without a declaration are the script's own for one record; nothing is kept for the next. What a script prints, and
what it logs through `java.util.logging.Logger`, stands in the harvester's logs.

Scripts may arrive with their line ends written as `\\n` in the JSON of a request, as `\\\\n`, with quotes around them, or with
Windows' line ends: the form that compiles is the one that runs.

## Try it

`granary harvester test --script transform.groovy --payload '{\"a\": 1}'` runs a script without an engine; with `--posted`, the
payload is what a tracker posts. `POST /projects/{project}/harvesters/dry-run` does the same in an engine, also on the last
records of a stream, and shows the headers that the event type's expressions make.
";

/// The text of the page.
#[must_use]
pub fn document() -> String {
    let mut page = BEGINNING.to_owned();
    let (works, refused): (Vec<&Construct>, Vec<&Construct>) =
        CONSTRUCTS.iter().partition(|construct| construct.instead.is_none());
    page.push_str("\n## What works\n\n| construct | for example |\n|---|---|\n");
    for construct in works {
        let _ = writeln!(page, "| {} | {} |", construct.name, code(construct.example));
    }
    page.push_str("\n## What is refused\n\n| construct | for example | instead |\n|---|---|---|\n");
    for construct in refused {
        let instead = construct.instead.unwrap_or_default();
        let _ = writeln!(page, "| {} | {} | {instead} |", construct.name, code(construct.example));
    }
    page.push_str("\n## Classes\n\n");
    let mut packages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for class in classes() {
        let (package, name) = class.rsplit_once('.').unwrap_or(("", class));
        packages.entry(package).or_default().push(name);
    }
    page.push_str("| package | classes |\n|---|---|\n");
    for (package, mut names) in packages {
        names.sort_unstable();
        names.dedup();
        let package = if package.is_empty() { "without one".to_owned() } else { format!("`{package}`") };
        let _ = writeln!(
            page,
            "| {package} | {} |",
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
        );
    }
    page.push_str("\n## Methods\n\nOf the values that have them in Groovy:\n\n```text\n");
    let mut names: Vec<_> = methods().collect();
    names.sort_unstable();
    let mut column = 0;
    for name in names {
        if column > 0 && column + name.len() >= COLUMNS {
            page.push('\n');
            column = 0;
        }
        if column > 0 {
            page.push(' ');
        }
        page.push_str(name);
        column += name.len() + 1;
    }
    page.push_str("\n```\n");
    let Limits { steps, bytes, depth } = Limits::default();
    let _ = write!(
        page,
        "\n## Limits\n\n| for one record | at most |\n|---|---|\n| steps of evaluation | {steps} |\n| bytes of values | {} MiB |\n\
         | calls and expressions inside of each other | {depth} |\n\n\
         Reaching one ends the script for that record and cannot be caught. Zones of time are UTC and fixed offsets. Byte arrays \
         cannot be changed.\n",
        bytes >> 20
    );
    page
}

/// An example within a cell of a table.
fn code(example: &str) -> String {
    let one_line = example.replace('\n', "; ").replace('|', "\\|");
    // A code span that holds backquotes needs more of them around it.
    if one_line.contains('`') { format!("`` {one_line} ``") } else { format!("`{one_line}`") }
}
