//! What a run leaves behind: tables and the figures that gates look at.

use serde::{Deserialize, Serialize};

use crate::paired::{self, Row};

#[derive(Default, Serialize, Deserialize)]
pub struct Run {
    pub tables: Vec<Table>,
    pub figures: Vec<Figure>,
}

/// The figure of one gate.
#[derive(Serialize, Deserialize)]
pub struct Figure {
    pub gate: String,
    pub value: f64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Table {
    /// The group, and what the table is called among its tables.
    pub id: String,
    pub title: String,
    pub note: String,
    /// Each with the number of its decimal places.
    pub columns: Vec<(String, usize)>,
    pub rows: Vec<(String, Vec<f64>)>,
}

impl Run {
    pub fn figure(&mut self, gate: impl Into<String>, value: f64) {
        self.figures.push(Figure { gate: gate.into(), value });
    }
}

impl Table {
    pub fn new(id: impl Into<String>, title: impl Into<String>, note: &str, columns: &[(&str, usize)]) -> Table {
        let columns = columns.iter().map(|(name, places)| ((*name).to_owned(), *places)).collect();
        Table { id: id.into(), title: title.into(), note: note.into(), columns, rows: Vec::new() }
    }

    /// Times of paired cases in microseconds.
    pub fn of_rows(id: impl Into<String>, title: impl Into<String>, note: &str, base: &str, rows: &[Row]) -> Table {
        let (over, ratio) = (format!("µs over {base}"), format!("÷ {base}"));
        let columns = [("µs", 2), (over.as_str(), 2), (ratio.as_str(), 3), ("p99 of batches, µs", 2)];
        let mut table = Table::new(id, title, note, &columns);
        for row in rows {
            table.row(&row.name, [row.median / 1e3, row.over / 1e3, row.ratio, row.p99 / 1e3]);
        }
        table
    }

    pub fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = f64>) {
        self.rows.push((name.into(), cells.into_iter().collect()));
    }

    /// One column, by its beginning.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| column.starts_with(name))
    }

    pub fn cell(&self, row: &str, column: &str) -> Option<f64> {
        let column = self.column(column)?;
        self.rows.iter().find(|(name, _)| name == row)?.1.get(column).copied()
    }
}

/// One table out of the same table of several runs: the median of each cell.
pub fn merge(tables: &[&Table]) -> Option<Table> {
    let mut merged = (*tables.first()?).clone();
    for (name, cells) in &mut merged.rows {
        for (index, cell) in cells.iter_mut().enumerate() {
            let same = tables.iter().filter_map(|table| table.rows.iter().find(|(other, _)| other == name));
            *cell = paired::median(same.filter_map(|(_, cells)| cells.get(index).copied()));
        }
    }
    Some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_merged_by_their_median() {
        let table = |value: f64| {
            let mut table = Table::new("a", "b", "", &[("c", 1)]);
            table.row("r", [value]);
            table
        };
        let (one, two, three) = (table(1.0), table(9.0), table(2.0));
        let merged = merge(&[&one, &two, &three]).unwrap();
        assert_eq!(merged.cell("r", "c"), Some(2.0));
    }
}
