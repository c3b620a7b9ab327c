//! The statements that read the catalog, and what they answer put together.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::LogicalType;
use lockstep_sql_dialect::{Answer, Arguments, Value, read_all};

use super::{Column, Table, Unique};
use crate::name::TableName;
use crate::types::{NativeType, Product};

const TABLES: &str = "SELECT table_schema, table_name, table_type, engine, table_rows, table_comment \
    FROM information_schema.tables WHERE %FILTER% ORDER BY table_schema, table_name";
const COLUMNS: &str = "SELECT table_schema, table_name, column_name, column_type, is_nullable, column_default IS NOT NULL AND column_default <> 'NULL', \
    extra, character_set_name, collation_name, column_comment \
    FROM information_schema.columns WHERE %FILTER% ORDER BY table_schema, table_name, ordinal_position";
/// A column that is indexed by its beginning only, or an expression, has no place in a key.
const INDEXES: &str = "SELECT table_schema, table_name, index_name, non_unique, CASE WHEN sub_part IS NULL THEN column_name END \
    FROM information_schema.statistics WHERE %FILTER% ORDER BY table_schema, table_name, index_name, seq_in_index";
/// MariaDB says which table a check belongs to; MySQL knows it elsewhere.
const CHECKS_MARIADB: &str = "SELECT constraint_schema, table_name, check_clause FROM information_schema.check_constraints \
    WHERE check_clause LIKE '%json\\\\_valid(%' AND %FILTER%";
const CHECKS_MYSQL: &str = "SELECT t.table_schema, t.table_name, c.check_clause FROM information_schema.check_constraints c \
    JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name) \
    WHERE t.constraint_type = 'CHECK' AND c.check_clause LIKE '%json\\\\_valid(%' AND %FILTER%";

const HOME: &str = "SELECT DATABASE(), @@lower_case_table_names";
const EVERY_TABLE: &str = "NOT %SCHEMA% IN ('information_schema', 'performance_schema', 'mysql', 'sys')";
const TABLES_AT_HOME: &str = "%SCHEMA% = DATABASE()";

/// Which tables are asked for.
enum Filter {
    Every,
    AtHome,
    /// Schema and table, which may be spelled in another case.
    These(Vec<(String, String)>),
}

impl Filter {
    /// The statement for it; the columns that hold the names differ.
    fn complete(&self, statement: &str, schema: &str, table: &str) -> (String, Arguments) {
        let mut arguments = Arguments::new();
        let condition = match self {
            Self::Every => EVERY_TABLE.replace("%SCHEMA%", schema),
            Self::AtHome => TABLES_AT_HOME.replace("%SCHEMA%", schema),
            Self::These(paths) if paths.is_empty() => "FALSE".to_owned(),
            Self::These(paths) => {
                let one = |(own_schema, own_table): &(String, String)| {
                    arguments.push(LogicalType::Text, Value::Text(own_schema.clone()));
                    arguments.push(LogicalType::Text, Value::Text(own_table.clone()));
                    format!("{schema} = ? AND {table} = ?")
                };
                format!("({})", paths.iter().map(one).collect::<Vec<_>>().join(" OR "))
            }
        };
        (statement.replace("%FILTER%", &condition), arguments)
    }

    fn read(&self, session: &Session, statement: &str, place: (&str, &str), columns: usize) -> Result<Answer> {
        let (statement, arguments) = self.complete(statement, place.0, place.1);
        read_all(session, &statement, arguments, columns)
    }
}

const PLAIN_NAMES: (&str, &str) = ("table_schema", "table_name");

/// The database the URL names, and whether names of tables are the same in any case.
struct Home {
    schema: Option<String>,
    folds_case: bool,
}

fn read_home(session: &Session) -> Result<Home> {
    let answer = read_all(session, HOME, Arguments::new(), 2)?;
    Ok(Home { schema: answer.get(0, 0).map(str::to_owned), folds_case: answer.get(0, 1) != Some("0") })
}

/// Every table of the database the URL names; without one, of all that are not the server's own.
pub fn all_tables(session: &Session) -> Result<Vec<Table>> {
    let home = read_home(session)?;
    let filter = if home.schema.is_some() { Filter::AtHome } else { Filter::Every };
    read_tables(session, &home, &filter)
}

/// The tables the names of streams mean; none where there is none.
pub fn named_tables(session: &Session, names: &[String]) -> Result<Vec<Option<Table>>> {
    let home = read_home(session)?;
    let wanted: Vec<Vec<(String, String)>> = names.iter().map(|name| paths(name, &home)).collect();
    let found = read_tables(session, &home, &Filter::These(wanted.concat()))?;
    let is_it = |table: &Table, (schema, name): &(String, String)| {
        table.schema == *schema && table.name == *name
            || home.folds_case
                && table.schema.eq_ignore_ascii_case(schema)
                && table.name.to_lowercase() == name.to_lowercase()
    };
    let find = |candidates: &Vec<(String, String)>| {
        candidates.iter().find_map(|path| found.iter().find(|table| is_it(table, path))).cloned()
    };
    Ok(wanted.iter().map(find).collect())
}

fn paths(name: &str, home: &Home) -> Vec<(String, String)> {
    let path = |name: TableName| Some((name.schema.or_else(|| home.schema.clone())?, name.table));
    TableName::candidates(name).into_iter().filter_map(path).collect()
}

fn read_tables(session: &Session, home: &Home, filter: &Filter) -> Result<Vec<Table>> {
    let product = Product::of(&session.server());
    let answer = filter.read(session, TABLES, PLAIN_NAMES, 6)?;
    let mut tables: Vec<Table> = (0..answer.rows()).map(|row| new_table(&answer, row, home, product)).collect();
    if tables.is_empty() {
        return Ok(tables);
    }
    let columns = filter.read(session, COLUMNS, PLAIN_NAMES, 10)?;
    let indexes = filter.read(session, INDEXES, PLAIN_NAMES, 5)?;
    let checks = read_checks(session, product, filter)?;
    for table in &mut tables {
        table.columns = rows_of(&columns, table).map(|row| new_column(&columns, row)).collect();
        for row in rows_of(&checks, table) {
            note_check(table, checks.get(row, 2).unwrap_or_default());
        }
        add_indexes(table, &indexes);
    }
    // A view whose table is gone has no columns that could be told.
    tables.retain(|table| !table.columns.is_empty());
    Ok(tables)
}

fn rows_of<'a>(answer: &'a Answer, table: &Table) -> impl Iterator<Item = usize> + use<'a> {
    let (schema, name) = (table.schema.clone(), table.name.clone());
    (0..answer.rows())
        .filter(move |row| answer.get(*row, 0) == Some(schema.as_str()) && answer.get(*row, 1) == Some(name.as_str()))
}

/// Servers from before checks were kept know none.
fn read_checks(session: &Session, product: Product, filter: &Filter) -> Result<Answer> {
    const UNKNOWN_TABLE: &str = "1109";
    let checks = match product {
        Product::Mariadb => filter.read(session, CHECKS_MARIADB, ("constraint_schema", "table_name"), 3),
        Product::Mysql => filter.read(session, CHECKS_MYSQL, ("t.table_schema", "t.table_name"), 3),
    };
    match checks {
        Err(Error { code, .. }) if code == UNKNOWN_TABLE => Ok(Answer::default()),
        checks => checks,
    }
}

fn new_table(answer: &Answer, row: usize, home: &Home, product: Product) -> Table {
    let text = |column: usize| answer.get(row, column).unwrap_or_default().to_owned();
    let is_at_home = home.schema.as_deref() == answer.get(row, 0);
    Table {
        schema: text(0),
        name: text(1),
        is_at_home,
        kind: text(2),
        engine: answer.get(row, 3).map(str::to_owned),
        rows: answer.number(row, 4).ok(),
        comment: text(5),
        product,
        columns: Vec::new(),
        uniques: Vec::new(),
        leading: Vec::new(),
    }
}

fn new_column(answer: &Answer, row: usize) -> Column {
    let text = |column: usize| answer.get(row, column).unwrap_or_default().to_owned();
    let extra = text(6).to_ascii_lowercase();
    Column {
        name: text(2),
        native: NativeType::new(&text(3)),
        declared: text(3),
        not_null: answer.get(row, 4) == Some("NO"),
        // `DEFAULT_GENERATED`: by an expression.
        has_default: answer.is_true(row, 5) || extra.contains("default_generated"),
        is_generated: extra.contains("virtual") || extra.contains("stored") || extra.contains("persistent"),
        is_numbered: extra.contains("auto_increment"),
        is_json: false,
        charset: answer.get(row, 7).map(str::to_owned),
        collation: answer.get(row, 8).map(str::to_owned),
        comment: text(9),
    }
}

/// ``json_valid(`doc`)`` and nothing else makes a column of text one of JSON.
fn note_check(table: &mut Table, clause: &str) {
    let clause = clause.trim_start_matches('(').trim_end_matches(')');
    let name = clause.strip_prefix("json_valid(").map(|name| name.trim_matches('`').replace("``", "`"));
    let column = name.and_then(|name| table.columns.iter_mut().find(|column| column.name == name));
    if let Some(column) = column.filter(|column| column.native.family == crate::types::Family::Text) {
        column.is_json = true;
    }
}

fn add_indexes(table: &mut Table, answer: &Answer) {
    let rows: Vec<usize> = rows_of(answer, table).collect();
    for index in rows.chunk_by(|a, b| answer.get(*a, 2) == answer.get(*b, 2)) {
        let Some(first) = index.first() else { continue };
        let columns: Vec<Option<&str>> = index.iter().map(|row| answer.get(*row, 4)).collect();
        table.leading.extend(columns.first().copied().flatten().map(str::to_owned));
        let columns: Option<Vec<String>> = columns.into_iter().map(|name| name.map(str::to_owned)).collect();
        if let Some(columns) = columns.filter(|_| answer.get(*first, 3) == Some("0")) {
            let name = answer.get(*first, 2).unwrap_or_default().to_owned();
            table.uniques.push(Unique { name, columns });
        }
    }
    table.uniques.sort_by_key(|unique| (unique.name != "PRIMARY", unique.columns.len()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    #[test]
    fn names_are_parameters() {
        let filter = Filter::These(vec![("a".into(), "b".into()), ("a.b".into(), "c".into())]);
        let (statement, arguments) = filter.complete("SELECT 1 WHERE %FILTER%", "s", "t");
        assert_eq!(statement, "SELECT 1 WHERE (s = ? AND t = ? OR s = ? AND t = ?)");
        assert_eq!(arguments.finish().unwrap().unwrap().types.len(), 4);
        assert_eq!(Filter::AtHome.complete("%FILTER%", "s", "t").0, "s = DATABASE()");
    }

    #[test]
    fn only_a_check_of_one_column_makes_it_json() {
        let mut table = table(&[("doc", "longtext", false), ("a`b", "longtext", false), ("n", "int", false)], &[]);
        for clause in ["json_valid(`a``b`)", "(json_valid(`doc`))", "json_valid(`n`)", "json_valid(`nowhere`)"] {
            note_check(&mut table, clause);
        }
        assert_eq!(table.columns.iter().map(|column| column.is_json).collect::<Vec<_>>(), [true, true, false]);
        let mut other = self::table(&[("doc", "longtext", false)], &[]);
        note_check(&mut other, "json_valid(`doc`) or `doc` = ''");
        assert!(!other.columns[0].is_json);
    }

    #[test]
    fn indexes_are_put_together() {
        let text = |row: [&str; 5]| row.map(|value| (!value.is_empty()).then(|| value.to_owned())).to_vec();
        let answer = Answer::new(vec![
            text(["shop", "t", "PRIMARY", "0", "a"]),
            text(["shop", "t", "PRIMARY", "0", "b"]),
            text(["shop", "t", "by_beginning", "0", ""]),
            text(["shop", "t", "by_c", "1", "c"]),
            text(["shop", "t", "u", "0", "c"]),
            text(["shop", "other", "u", "0", "x"]),
        ]);
        let mut table = table(&[("a", "int", true), ("b", "int", true), ("c", "int", true)], &[]);
        add_indexes(&mut table, &answer);
        let uniques: Vec<(&str, usize)> =
            table.uniques.iter().map(|unique| (unique.name.as_str(), unique.columns.len())).collect();
        assert_eq!(uniques, [("PRIMARY", 2), ("u", 1)]);
        assert!(table.leads_index("A") && table.leads_index("c") && !table.leads_index("b"));
    }
}
