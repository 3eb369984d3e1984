//! Tables of text on a screen: what is too wide is shortened, then left out; few wide rows stand upright.

use comfy_table::{ContentArrangement, Table as Grid, presets};

/// A column to be shown.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) cells: Vec<String>,
    /// Left out before others: lists, bytes.
    pub(crate) minor: bool,
}

/// Where there is no terminal.
const WIDTH: usize = 120;

/// What a column takes beside its text.
const MARGIN: usize = 3;

/// A column is not made narrower than this.
const NARROWEST: usize = 16;

/// In a table of rows, no text is longer.
const WIDEST: usize = 60;

/// So many rows stand upright where they do not fit lying.
const UPRIGHT_ROWS: usize = 3;

/// So many lines of one upright cell.
const UPRIGHT_LINES: usize = 4;

/// The columns and rows of the terminal that stdout is, else those of a wide page.
pub(crate) fn width() -> usize {
    Grid::new().width().map_or(WIDTH, usize::from)
}

/// As much of the columns as fits into `width`, and the names of those that do not.
pub(crate) fn fitted(columns: Vec<Column>, width: usize) -> (String, Vec<String>) {
    let needs: Vec<usize> = columns.iter().map(need).collect();
    let rows = columns.first().map_or(0, |c| c.cells.len());
    if total(&needs) <= width {
        return (grid(&columns, &needs), Vec::new());
    }
    if (1..=UPRIGHT_ROWS).contains(&rows) {
        return (upright(&columns, rows, width), Vec::new());
    }
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let at_least = |kept: &[usize]| {
        let narrow: Vec<usize> = kept.iter().map(|&i| needs[i].min(NARROWEST)).collect();
        total(&narrow)
    };
    while kept.len() > 1 && at_least(&kept) > width {
        // Of the widest, the last.
        let Some(worst) = kept
            .iter()
            .copied()
            .max_by_key(|&i| (columns[i].minor, needs[i], i))
        else {
            break;
        };
        kept.retain(|&i| i != worst);
    }
    let (mut shown, mut hidden) = (Vec::new(), Vec::new());
    for (i, column) in columns.into_iter().enumerate() {
        if kept.contains(&i) {
            shown.push(column);
        } else {
            hidden.push(column.name);
        }
    }
    let wanted: Vec<usize> = kept.iter().map(|&i| needs[i]).collect();
    (grid(&shown, &shared(&wanted, width)), hidden)
}

/// A table without lines, for results that programs may cut up too.
pub(crate) fn plain(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Grid::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

fn need(column: &Column) -> usize {
    let cells = column.cells.iter().map(|c| c.chars().count().min(WIDEST));
    cells
        .chain([column.name.chars().count()])
        .max()
        .unwrap_or(0)
}

fn total(widths: &[usize]) -> usize {
    widths
        .iter()
        .map(|w| w + MARGIN)
        .sum::<usize>()
        .saturating_sub(1)
}

/// Widths that fit: the widest give way, all to the same.
fn shared(needs: &[usize], width: usize) -> Vec<usize> {
    let of = |limit: usize| needs.iter().map(|&n| n.min(limit)).collect::<Vec<_>>();
    let limit = (1..=WIDEST.max(width))
        .rev()
        .find(|&l| total(&of(l)) <= width);
    of(limit.unwrap_or(NARROWEST))
}

fn grid(columns: &[Column], widths: &[usize]) -> String {
    let mut grid = Grid::new();
    grid.load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(columns.iter().zip(widths).map(|(c, &w)| cut(&c.name, w)));
    let rows = columns.first().map_or(0, |c| c.cells.len());
    for row in 0..rows {
        grid.add_row(
            columns
                .iter()
                .zip(widths)
                .map(|(c, &w)| cut(&c.cells[row], w)),
        );
    }
    grid.to_string()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars()
        .take(width.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// A line (or some) for every cell.
fn upright(columns: &[Column], rows: usize, width: usize) -> String {
    let names = columns
        .iter()
        .map(|c| c.name.chars().count())
        .max()
        .unwrap_or(0);
    let room = width.saturating_sub(names + 3).max(NARROWEST);
    let mut lines = Vec::new();
    for row in 0..rows {
        lines.push(format!("row {row}"));
        for column in columns {
            let letters: Vec<char> = cut(&column.cells[row], room * UPRIGHT_LINES)
                .chars()
                .collect();
            let mut name = column.name.as_str();
            let mut pieces = letters.chunks(room);
            loop {
                let piece: String = pieces.next().unwrap_or_default().iter().collect();
                lines.push(format!(" {name:<names$}  {piece}").trim_end().to_owned());
                name = "";
                if pieces.len() == 0 {
                    break;
                }
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, width: usize, rows: usize) -> Column {
        Column {
            name: name.to_owned(),
            cells: vec!["x".repeat(width); rows],
            minor: name == "key",
        }
    }

    fn widest_line(text: &str) -> usize {
        text.lines()
            .map(|l| l.trim_end().chars().count())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let (text, hidden) = fitted(vec![column("a", 30, 9), column("b", 5, 9)], 42);
        assert!(
            hidden.is_empty() && text.contains(&"x".repeat(30)),
            "{text}"
        );
    }

    #[test]
    fn long_texts_are_shortened_before_columns_are_hidden() {
        let (text, hidden) = fitted(vec![column("a", 50, 9), column("b", 5, 9)], 40);
        assert!(hidden.is_empty(), "{hidden:?}");
        assert!(
            text.contains(&format!("{}…", "x".repeat(28))) && text.contains(" xxxxx"),
            "{text}"
        );
        assert!(widest_line(&text) <= 40, "{text}");
    }

    #[test]
    fn minor_columns_are_hidden_first_and_then_wide_ones() {
        let columns = || {
            vec![
                column("key", 12, 9),
                column("n", 6, 9),
                column("text", 60, 9),
                column("raw", 60, 9),
                column("pick", 3, 9),
            ]
        };
        assert_eq!(fitted(columns(), 60).1, ["key"]);
        assert_eq!(fitted(columns(), 40).1, ["key", "raw"]);
        let (text, hidden) = fitted(columns(), 8);
        assert_eq!(hidden, ["key", "n", "text", "raw"]);
        assert!(text.contains("pick"), "{text}");
    }

    #[test]
    fn few_wide_rows_stand_upright() {
        let (text, hidden) = fitted(vec![column("long", 70, 2), column("b", 1, 2)], 40);
        let x = |n| "x".repeat(n);
        let row = format!(
            " long  {}\n       {}\n       {}\n b     x",
            x(33),
            x(33),
            x(4)
        );
        assert_eq!(text, format!("row 0\n{row}\nrow 1\n{row}"));
        assert!(hidden.is_empty());
    }
}
