//! Names of streams: `schema.table`; without a dot, a table in `public`.

/// The schema of names without one.
const DEFAULT_SCHEMA: &str = "public";

/// Where a table is, exactly as the catalog spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    pub schema: String,
    pub table: String,
}

impl TableName {
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }

    /// The name a table is created under: the schema ends at the first dot.
    pub fn of_stream(name: &str) -> Self {
        match name.split_once('.') {
            Some((schema, table)) => Self::new(schema, table),
            None => Self::new(DEFAULT_SCHEMA, name),
        }
    }

    /// Every table the name of a stream may mean, the likeliest first: schemas and tables may have dots in their names.
    pub fn candidates(name: &str) -> Vec<Self> {
        let split = |(at, _): (usize, &str)| Some(Self::new(name.get(..at)?, name.get(at + 1..)?));
        let splits: Vec<Self> = name.match_indices('.').filter_map(split).collect();
        if splits.is_empty() { vec![Self::of_stream(name)] } else { splits }
    }

    pub fn path(&self) -> [String; 2] {
        [self.schema.clone(), self.table.clone()]
    }

    /// The name of the stream.
    pub fn stream(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// `"schema"."table"`.
    pub fn quoted(&self) -> String {
        lockstep_sql_dialect::quote_path(&self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(name: &str, expected: &[(&str, &str)]) {
        let expected: Vec<TableName> = expected.iter().map(|(schema, table)| TableName::new(*schema, *table)).collect();
        assert_eq!(TableName::candidates(name), expected, "{name}");
    }

    #[test]
    fn dots_may_stand_anywhere() {
        check("customers", &[("public", "customers")]);
        check("crm.customers", &[("crm", "customers")]);
        check("Sales.Order Lines", &[("Sales", "Order Lines")]);
        check("a.b.c", &[("a", "b.c"), ("a.b", "c")]);
        check(".", &[("", "")]);
    }

    proptest! {
        #[test]
        fn a_stream_leads_back_to_its_table(schema in "[a-z.\"]{1,6}", table in "[a-z.\" ]{1,6}") {
            let name = TableName::new(schema, table);
            prop_assert!(TableName::candidates(&name.stream()).contains(&name));
        }
    }
}
