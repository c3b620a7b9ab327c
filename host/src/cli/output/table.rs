//! Tables for people: aligned columns, one rule under the header, no vertical ones.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, TableStyle};

use super::screen::{Screen, visible};

/// Blanks between two columns.
const GAP: u16 = 2;

/// Where the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    /// Numbers.
    Right,
}

/// A table with a header, or without one if no column has a title. Rows shorter than the header are filled with nothing.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: &[(&str, Align)]) -> Self {
        let columns = columns.iter().map(|(title, align)| ((*title).to_owned(), *align)).collect();
        Self { columns, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Without the rows behind so many.
    pub fn first(mut self, count: usize) -> Self {
        self.rows.truncate(count);
        self
    }

    /// Ends with a line break. Long cells are broken so that the table fits the screen.
    pub(super) fn render(&self, screen: Screen) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(style(screen)).set_content_arrangement(ContentArrangement::Dynamic).set_width(screen.width);
        if self.columns.iter().any(|(title, _)| !title.is_empty()) {
            table.set_header(self.columns.iter().map(|(title, align)| cell(title, *align)));
        }
        for row in &self.rows {
            table.add_row(row.iter().zip(&self.columns).map(|(text, (_, align))| cell(text, *align)));
        }
        let last = self.columns.len().saturating_sub(1);
        for (number, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if number == last { 0 } else { GAP }));
        }
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

fn style(screen: Screen) -> TableStyle {
    let rule = if screen.unicode { '─' } else { '-' };
    TableStyle::new().header_separator(LineStyle::none().fill(rule))
}

fn cell(text: &str, align: Align) -> Cell {
    let text = visible(text).replace('\t', " ");
    Cell::new(text).set_alignment(match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("name", Align::Left), ("rows", Align::Right), ("note", Align::Left)]);
        table.row(["customers".to_owned(), "1 204".to_owned(), "fine".to_owned()]);
        table.row(["o".to_owned(), "7".to_owned(), "one\u{1b}[2J two ".repeat(12)]);
        table.row(["short".to_owned()]);
        table
    }

    #[test]
    fn a_table_is_aligned_and_fits() {
        insta::assert_snapshot!(table().render(Screen::plain()), @r#"
        name        rows  note
        ----------------------------------------------------------------------------------------------------
        customers  1 204  fine
        o              7  one\u{1b}[2J two one\u{1b}[2J two one\u{1b}[2J two one\u{1b}[2J two one\u{1b}[2J
                          two one\u{1b}[2J two one\u{1b}[2J two one\u{1b}[2J two one\u{1b}[2J two
                          one\u{1b}[2J two one\u{1b}[2J two one\u{1b}[2J two
        short
        "#);
        insta::assert_snapshot!(table().render(Screen { width: 40, unicode: true, ..Screen::plain() }), @r#"
        name        rows  note
        ───────────────────────────────────
        customers  1 204  fine
        o              7  one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
                          one\u{1b}[2J two
        short
        "#);
    }

    #[test]
    fn a_table_without_rows_shows_its_header() {
        insta::assert_snapshot!(Table::new(&[("name", Align::Left)]).render(Screen::plain()), @r#"
        name
        ----
        "#);
    }

    #[test]
    fn a_table_without_titles_begins_with_its_rows() {
        let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
        table.row(["size".to_owned(), "97 kB".to_owned()]);
        insta::assert_snapshot!(table.render(Screen::plain()), @"size  97 kB");
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        for width in 40..=100 {
            let text = table().render(Screen { width, ..Screen::plain() });
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
        }
    }
}
