//! A line of a script with a mark below the place that a message is about.

/// An excerpt shows this many characters on either side of its column.
const SIDE: usize = 60;

/// The line with a caret below the column, both counted from 1; a long line is cut. Empty where there is no such line.
#[must_use]
pub fn excerpt(source: &str, line: u32, column: u32) -> String {
    let Some(line) = (line as usize).checked_sub(1).and_then(|index| source.split('\n').nth(index)) else {
        return String::new();
    };
    let column = (column as usize).saturating_sub(1);
    let start = column.saturating_sub(SIDE);
    let shown: String =
        line.chars().skip(start).take(2 * SIDE).map(|char| if char == '\t' { ' ' } else { char }).collect();
    format!("{shown}\n{}^", " ".repeat(column - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_is_under_the_column() {
        assert_eq!(excerpt("a\n\tbcd\ne", 2, 3), " bcd\n  ^");
        assert_eq!(excerpt("a", 9, 1), "");
        assert_eq!(excerpt("a", 0, 0), "");
        let long = "x".repeat(500);
        assert_eq!(excerpt(&long, 1, 400).lines().map(str::len).collect::<Vec<_>>(), [120, 61]);
    }
}
