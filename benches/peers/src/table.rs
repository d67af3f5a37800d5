//! Tables as Markdown.

use crate::results::Table;

/// One table with its title and its note.
pub fn markdown(table: &Table) -> String {
    let mut text = format!("### {}\n\n", table.title);
    if !table.note.is_empty() {
        text.push_str(&format!("{}\n\n", table.note));
    }
    let head: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
    text.push_str(&format!("| | {} |\n|---|{}\n", head.join(" | "), "--:|".repeat(head.len())));
    for (name, cells) in &table.rows {
        let cells: Vec<_> =
            cells.iter().zip(&table.columns).map(|(cell, (_, places))| number(*cell, *places)).collect();
        text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    text
}

/// A number with so many decimal places; what could not be measured is a dash.
pub fn number(value: f64, places: usize) -> String {
    if value.is_finite() { format!("{value:.places$}") } else { "-".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let mut table = Table::new("a", "Title", "Note.", &[("µs", 2), ("n", 0)]);
        table.row("one", [1.234, f64::NAN]);
        assert_eq!(markdown(&table), "### Title\n\nNote.\n\n| | µs | n |\n|---|--:|--:|\n| one | 1.23 | - |\n");
    }
}
