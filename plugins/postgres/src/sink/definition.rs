//! The statements that make a table able to take records.

use lockstep_plugin_sdk::capabilities::sql::Session;
use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, LogicalType, Stream};
use lockstep_sql_dialect::{Answer, Arguments, Value, names, quote, read_all, texts_to_json};

use crate::name::TableName;
use crate::types::{NativeType, column_type};

/// Longer names the server would cut without an error.
const NAME_BYTES_MAX: usize = 63;

/// What each of the types is to the server, by object id; nothing for those it does not have. A domain is what it stands for.
const KNOWN_TYPES: &str = "\
    SELECT coalesce(nullif(t.typbasetype, 0), t.oid)::pg_catalog.int8 \
    FROM pg_catalog.json_array_elements_text($1::pg_catalog.json) WITH ORDINALITY AS w (name, place) \
    LEFT JOIN pg_catalog.pg_type t ON t.oid = pg_catalog.to_regtype(w.name) \
    ORDER BY w.place";

/// A field with the type its column is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    name: String,
    native: String,
    comment: Option<String>,
}

/// The definitions of fields: the type a column has where it comes from, if that was PostgreSQL as well and this server has
/// that type too, else the one that holds the same values.
pub fn definitions(session: &Session, fields: &[Field]) -> Result<Vec<Definition>> {
    let wishes: Vec<Vec<&str>> = fields.iter().map(wished_types).collect();
    let asked: Vec<&str> = wishes.iter().flatten().copied().collect();
    let known = if asked.is_empty() { Answer::default() } else { ask_types(session, &asked)? };
    let mut place = 0;
    let mut chosen = Vec::with_capacity(fields.len());
    for (field, wishes) in fields.iter().zip(&wishes) {
        check_name(&field.name)?;
        let logical = field.logical()?;
        let mut native = None;
        for wish in wishes {
            if native.is_none() && is_kept(logical, known.number(place, 0).ok()) {
                native = Some((*wish).to_owned());
            }
            place += 1;
        }
        let comment = field.property("comment").map(str::to_owned);
        let native = native.unwrap_or_else(|| column_type(logical));
        chosen.push(Definition { name: field.name.clone(), native, comment });
    }
    Ok(chosen)
}

fn ask_types(session: &Session, names: &[&str]) -> Result<Answer> {
    let mut arguments = Arguments::new();
    arguments.push(LogicalType::Json, Value::Text(texts_to_json(names.iter().copied()).to_string()));
    read_all(session, KNOWN_TYPES, arguments, 1)
}

/// The types that would be kept, the best first. A number's digits stand in its logical type already.
fn wished_types(field: &Field) -> Vec<&str> {
    let is_own = field.property("dialect") == Some("postgres");
    let is_number = matches!(field.logical(), Ok(LogicalType::Decimal(_)));
    match field.property("native-type").filter(|_| is_own && !is_number) {
        Some(native) => std::iter::once(native).chain(field.property("base-type")).collect(),
        None => Vec::new(),
    }
}

/// Whether a column of this type holds values of the logical type, and means them.
fn is_kept(logical: LogicalType, id: Option<u32>) -> bool {
    id.is_some_and(|id| NativeType { id, modifier: -1 }.logical() == logical)
}

/// What makes the table.
pub fn create(table: &TableName, stream: &Stream, definitions: &[Definition]) -> Result<Vec<String>> {
    check_name(&table.schema)?;
    check_name(&table.table)?;
    let mut lines: Vec<String> = definitions
        .iter()
        .map(|definition| {
            let rule = if stream.key.contains(&definition.name) { " NOT NULL" } else { "" };
            format!("{} {}{rule}", quote(&definition.name), definition.native)
        })
        .collect();
    lines.push(format!("PRIMARY KEY ({})", names("", stream.key.iter().map(String::as_str))));
    let mut statements = vec![format!("CREATE TABLE {} (\n    {}\n)", table.quoted(), lines.join(",\n    "))];
    if let Some((_, comment)) = stream.properties.iter().find(|(name, _)| name == "comment") {
        statements.push(format!("COMMENT ON TABLE {} IS {}", table.quoted(), literal(comment)));
    }
    statements.extend(definitions.iter().filter_map(|definition| comment_on(table, definition)));
    Ok(statements)
}

/// What adds columns to the table. They may be empty, for the rows that are there have nothing in them.
pub fn add_columns(table: &TableName, definitions: &[Definition]) -> Vec<String> {
    let add = |definition: &Definition| {
        format!("ALTER TABLE {} ADD COLUMN {} {}", table.quoted(), quote(&definition.name), definition.native)
    };
    definitions
        .iter()
        .flat_map(|definition| std::iter::once(add(definition)).chain(comment_on(table, definition)))
        .collect()
}

fn comment_on(table: &TableName, definition: &Definition) -> Option<String> {
    let comment = definition.comment.as_ref()?;
    Some(format!("COMMENT ON COLUMN {}.{} IS {}", table.quoted(), quote(&definition.name), literal(comment)))
}

fn check_name(name: &str) -> Result<()> {
    let reason = match name {
        "" => "a name is empty".to_owned(),
        name if name.contains('\0') => "a name contains a NUL byte".to_owned(),
        name if name.len() > NAME_BYTES_MAX => {
            format!("`{name}` is longer than the {NAME_BYTES_MAX} bytes a name may have in PostgreSQL")
        }
        _ => return Ok(()),
    };
    Err(Error::config(reason).with_code("postgres.name").with_property("field", name))
}

/// Text in a statement that takes no parameters.
fn literal(text: &str) -> String {
    let quoted = text.replace('\0', "").replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(logical: &str, properties: &[(&str, &str)]) -> Field {
        let mut field = Field::new("f", logical.parse().unwrap());
        field.properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        field
    }

    #[test]
    fn only_our_own_types_are_wished_for() {
        let own = ("dialect", "postgres");
        for (field, wished) in [
            (field("text", &[own, ("native-type", "inet")]), vec!["inet"]),
            (field("text", &[own, ("native-type", "mail"), ("base-type", "text")]), vec!["mail", "text"]),
            (field("int64", &[("dialect", "sqlite"), ("native-type", "INTEGER")]), vec![]),
            (field("int64", &[("native-type", "integer")]), vec![]),
            (field("decimal(9,2)", &[own, ("native-type", "numeric(9,2)")]), vec![]),
            // The type has changed on the way, and its native name went with it.
            (field("text", &[own, ("base-type", "integer")]), vec![]),
        ] {
            assert_eq!(wished_types(&field), wished);
        }
    }

    #[test]
    fn a_type_is_kept_if_it_means_the_same() {
        assert!(is_kept(LogicalType::Int64, Some(23)));
        assert!(is_kept(LogicalType::Text, Some(90_001)));
        assert!(is_kept(LogicalType::Json, Some(3802)));
        assert!(!is_kept(LogicalType::Text, Some(23)));
        assert!(!is_kept(LogicalType::Text, None));
    }

    #[test]
    fn a_table_is_made_with_its_key_and_its_comments() {
        let definition = |name: &str, native: &str, comment: Option<&str>| Definition {
            name: name.into(),
            native: native.into(),
            comment: comment.map(str::to_owned),
        };
        let definitions = [definition("id", "bigint", None), definition("we\"ird", "text", Some("it's a \\ comment"))];
        let stream = Stream::new("s.t").key(["id"]).property("comment", "all of them");
        let statements = create(&TableName::new("s", "t"), &stream, &definitions).unwrap();
        assert_eq!(
            statements,
            [
                "CREATE TABLE \"s\".\"t\" (\n    \"id\" bigint NOT NULL,\n    \"we\"\"ird\" text,\n    PRIMARY KEY (\"id\")\n)",
                "COMMENT ON TABLE \"s\".\"t\" IS 'all of them'",
                "COMMENT ON COLUMN \"s\".\"t\".\"we\"\"ird\" IS E'it''s a \\\\ comment'",
            ]
        );
        assert_eq!(
            add_columns(&TableName::new("s", "t"), &definitions)[..1],
            ["ALTER TABLE \"s\".\"t\" ADD COLUMN \"id\" bigint".to_owned()]
        );
    }

    #[test]
    fn names_that_would_be_cut_are_refused() {
        for name in ["", "a\0b", &"x".repeat(64), &"é".repeat(32)] {
            assert_eq!(check_name(name).unwrap_err().code, "postgres.name");
        }
        assert!(check_name(&"x".repeat(63)).is_ok());
    }
}
