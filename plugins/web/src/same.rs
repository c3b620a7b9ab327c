//! Whether two values say the same.

use lockstep_plugin_sdk::batch::ColumnView;
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_plugin_sdk::values::Decimal;

use crate::text::plain;

/// Whether two values of one type are the same to whoever reads them: decimals by their number, JSON by its text without spaces
/// around it, all others exactly. A column that is missing says null.
pub fn same(logical: LogicalType, a: (Option<ColumnView<'_>>, usize), b: (Option<ColumnView<'_>>, usize)) -> bool {
    let text = |(column, row): (Option<ColumnView<'_>>, usize)| plain(column?, logical, row);
    match (logical, text(a), text(b)) {
        (LogicalType::Decimal(_), Some(a), Some(b)) if a != b => {
            matches!((Decimal::parse(&a), Decimal::parse(&b)), (Ok(a), Ok(b)) if a.canonical() == b.canonical())
        }
        (_, a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_plugin_sdk::batch::{BatchBuilder, BatchView};

    #[test]
    fn decimals_are_the_same_by_their_number_and_texts_by_their_letters() {
        let check = |logical: &str, a: &str, b: &str| {
            let logical: LogicalType = logical.parse().unwrap();
            let mut batch = BatchBuilder::new([("a", logical), ("b", logical)]);
            batch.column(0).push_text(a);
            batch.column(1).push_text(b);
            batch.end_row();
            let batch = batch.finish().unwrap();
            let view = BatchView::new(&batch);
            same(logical, (view.column("a"), 0), (view.column("b"), 0))
        };
        assert!(check("decimal", "1.50", "1.5") && check("decimal(38,2)", "100", "100.00"));
        assert!(!check("decimal", "1.50", "1.51") && !check("text", "1.50", "1.5") && !check("text", "A", "a"));
    }
}
