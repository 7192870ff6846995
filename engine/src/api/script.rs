//! What is wrong with a script, as a problem of the field that holds it.

use granary_catalog::Problem;

use super::{
    error::Error,
    runtime::{CheckError, ScriptProblem},
};

/// Longest piece of a line that is quoted, in characters.
const EXCERPT_CHARS_MAX: usize = 200;

/// The refusal for a failed check of the script in `field`.
pub(super) fn refusal(field: &str, error: CheckError) -> Error {
    match error {
        CheckError::Script(problems) => {
            let problems: Vec<_> = problems
                .iter()
                .map(|problem| Problem { name: field.to_owned(), reason: reason(problem) })
                .collect();
            Error::BadParameters(problems)
        }
        CheckError::Runtime(error) => error.into(),
    }
}

/// The message with its place, the line, and a caret below the column.
fn reason(problem: &ScriptProblem) -> String {
    let mut text = String::from("is not valid: ");
    text.push_str(problem.message.trim_end_matches('.'));
    match (problem.line, problem.column) {
        (Some(line), Some(column)) => text.push_str(&format!(" (line {line}, column {column})")),
        (Some(line), None) => text.push_str(&format!(" (line {line})")),
        (None, _) => {}
    }
    if let Some(excerpt) = &problem.excerpt {
        text.push_str(&quote(excerpt, problem.column));
    } else if let Some(traceback) = &problem.traceback {
        text.push('\n');
        text.push_str(traceback.trim_end());
    }
    text
}

/// The line, cut around the column, with the caret on a line of its own.
fn quote(line: &str, column: Option<u32>) -> String {
    let column = column.map(|column| column.max(1) as usize);
    let skipped = column.map_or(0, |column| column.saturating_sub(EXCERPT_CHARS_MAX / 2));
    let shown: String = line.trim_end().chars().skip(skipped).take(EXCERPT_CHARS_MAX).collect();
    let Some(column) = column else { return format!("\n{shown}") };
    // A tab in front of the caret keeps the width of the tab above it.
    let lead: String = line
        .chars()
        .skip(skipped)
        .take(column - 1 - skipped)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    format!("\n{shown}\n{lead}^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_quoted_with_a_caret() {
        let problem = ScriptProblem {
            message: "invalid syntax".to_owned(),
            line: Some(22),
            column: Some(5),
            excerpt: Some("\tx = = 1".to_owned()),
            traceback: None,
        };
        assert_eq!(reason(&problem), "is not valid: invalid syntax (line 22, column 5)\n\tx = = 1\n\t   ^");
    }

    #[test]
    fn long_lines_are_cut_around_the_column() {
        let line = "x".repeat(10_000);
        let text = quote(&line, Some(5_000));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines[1].len(), lines[2].len()), (EXCERPT_CHARS_MAX, EXCERPT_CHARS_MAX / 2));
        assert_eq!(quote("", Some(u32::MAX)), "\n\n^");
    }

    #[test]
    fn a_trace_stands_where_no_line_is_known() {
        let problem = ScriptProblem {
            message: "No module named 'x'.".to_owned(),
            traceback: Some("Traceback\n".to_owned()),
            ..ScriptProblem::default()
        };
        assert_eq!(reason(&problem), "is not valid: No module named 'x'\nTraceback");
    }
}
