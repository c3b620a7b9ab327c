//! Names of streams: `table` in the database the URL names, or `database.table`. Names in statements are quoted with backticks.

use lockstep_sql_dialect::Quotes;

/// The longest name of a table or a column, in characters; longer ones the servers refuse in the middle of a statement.
pub const NAME_CHARACTERS_MAX: usize = 64;

/// Where a table is, exactly as the catalog spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// The database it is in; none = the one the URL names.
    pub schema: Option<String>,
    pub table: String,
}

impl TableName {
    pub fn new(schema: Option<&str>, table: &str) -> Self {
        Self { schema: schema.map(str::to_owned), table: table.to_owned() }
    }

    /// Every table the name of a stream may mean, the likeliest first: databases and tables may have dots in their names.
    pub fn candidates(name: &str) -> Vec<Self> {
        let split = |(at, _): (usize, &str)| Some(Self::new(Some(name.get(..at)?), name.get(at + 1..)?));
        std::iter::once(Self::new(None, name)).chain(name.match_indices('.').filter_map(split)).collect()
    }

    /// The table that is made under the name of a stream: the database ends at the first dot.
    pub fn of_stream(name: &str) -> Self {
        match name.split_once('.') {
            Some((schema, table)) => Self::new(Some(schema), table),
            None => Self::new(None, name),
        }
    }

    pub fn quoted(&self) -> String {
        let path: Vec<String> = self.schema.iter().chain(std::iter::once(&self.table)).cloned().collect();
        quote_path(&path)
    }
}

pub fn quote(name: &str) -> String {
    Quotes::BACKTICKS.name(name)
}

pub fn quote_path(parts: &[String]) -> String {
    Quotes::BACKTICKS.path(parts)
}

pub fn names<'a>(prefix: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    Quotes::BACKTICKS.names(prefix, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &[(Option<&str>, &str)]) {
        let expected: Vec<TableName> = expected.iter().map(|(schema, table)| TableName::new(*schema, table)).collect();
        assert_eq!(TableName::candidates(name), expected, "{name}");
    }

    #[test]
    fn dots_may_stand_anywhere() {
        check("customers", &[(None, "customers")]);
        check("shop.customers", &[(None, "shop.customers"), (Some("shop"), "customers")]);
        check("a.b.c", &[(None, "a.b.c"), (Some("a"), "b.c"), (Some("a.b"), "c")]);
    }

    #[test]
    fn tables_are_made_where_their_name_says() {
        assert_eq!(TableName::of_stream("shop.cus`tomers").quoted(), "`shop`.`cus``tomers`");
        assert_eq!(TableName::of_stream("customers").quoted(), "`customers`");
    }
}
