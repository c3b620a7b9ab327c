//! The statements that make a table able to take records.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Field, LogicalType, Stream};

use crate::catalog::Table;
use crate::name::{NAME_CHARACTERS_MAX, TableName, names, quote};
use crate::types::{Family, NativeType, Product, column_type};

/// All columns of an index may have so many bytes, in four bytes a character; a single one needs no more than this.
const INDEX_BYTES_MAX: usize = 3072;
const KEY_CHARACTERS_MAX: usize = 255;
/// What the servers keep of a comment, in characters.
const COMMENT_CHARACTERS_MAX: usize = 1024;

/// What makes the table. In its key, texts are equal only if they are the same.
pub fn create(stream: &Stream, product: Product) -> Result<String> {
    let table = TableName::of_stream(&stream.name);
    table.schema.iter().chain(std::iter::once(&table.table)).try_for_each(|name| check_name(name))?;
    let long = stream.fields.iter().filter(|field| stream.key.contains(&field.name) && is_long(field)).count();
    let characters = KEY_CHARACTERS_MAX.min(INDEX_BYTES_MAX / 4 / long.max(1));
    let mut lines = Vec::with_capacity(stream.fields.len() + 1);
    for field in &stream.fields {
        lines.push(match stream.key.contains(&field.name) {
            true => key_column(field, product, characters)?,
            false => column(field, product)?,
        });
    }
    lines.push(format!("PRIMARY KEY ({})", names("", stream.key.iter().map(String::as_str))));
    let comment = stream.properties.iter().find(|(name, _)| name == "comment").map(|(_, comment)| comment.as_str());
    Ok(format!(
        "CREATE TABLE {} (\n    {}\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4{}",
        table.quoted(),
        lines.join(",\n    "),
        comment_clause(comment)
    ))
}

/// What adds columns to the table. They may be empty, for the rows that are there have nothing in them.
pub fn add_columns(table: &Table, fields: &[&Field]) -> Result<String> {
    let columns: Vec<String> = fields
        .iter()
        .map(|field| Ok(format!("ADD COLUMN {}", column(field, table.product)?)))
        .collect::<Result<_>>()?;
    Ok(format!("ALTER TABLE {} {}", table.quoted(), columns.join(", ")))
}

fn column(field: &Field, product: Product) -> Result<String> {
    check_name(&field.name)?;
    let logical = field.logical()?;
    let name = quote(&field.name);
    let definition = match own_type(field, logical, product) {
        Some(own) => own.to_owned(),
        None => match logical {
            // As MariaDB spells its own type: the text comes back as it went in.
            LogicalType::Json => {
                format!("longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin CHECK (json_valid({name}))")
            }
            LogicalType::Uuid if product == Product::Mysql => {
                "char(36) CHARACTER SET ascii COLLATE ascii_bin".to_owned()
            }
            _ => column_type(logical, product),
        },
    };
    // Else some servers would fill in the time.
    let default = if definition.starts_with("timestamp") { " NULL DEFAULT NULL" } else { "" };
    Ok(format!("{name} {definition}{default}{}", comment_clause(field.property("comment"))))
}

fn key_column(field: &Field, product: Product, characters: usize) -> Result<String> {
    check_name(&field.name)?;
    let logical = field.logical()?;
    let own =
        own_type(field, logical, product).filter(|own| NativeType::new(own).family != crate::types::Family::Binary);
    let definition = match (own, logical) {
        (Some(own), _) if !is_long(field) => own.to_owned(),
        (_, LogicalType::Binary) => format!("varbinary({characters})"),
        (_, LogicalType::Uuid) if product == Product::Mysql => {
            "char(36) CHARACTER SET ascii COLLATE ascii_bin".to_owned()
        }
        _ if is_long(field) => {
            format!("varchar({characters}) CHARACTER SET utf8mb4 COLLATE {}", product.exact_collation())
        }
        _ => column_type(logical, product),
    };
    // Else some servers would change it with every update.
    let default = if definition.starts_with("timestamp") { " DEFAULT '1970-01-01 00:00:01'" } else { "" };
    Ok(format!("{} {definition} NOT NULL{default}{}", quote(&field.name), comment_clause(field.property("comment"))))
}

/// Whether a value has any length.
fn is_long(field: &Field) -> bool {
    let logical = field.logical().unwrap_or(LogicalType::Text);
    matches!(
        NativeType::new(&column_type(logical, Product::Mariadb)).logical(),
        LogicalType::Text | LogicalType::Binary
    )
}

/// The type the column has where it comes from, if that was such a server as well and this one has that type too. A decimal's
/// digits stand in its logical type already.
fn own_type(field: &Field, logical: LogicalType, product: Product) -> Option<&str> {
    let own = field.property("native-type").filter(|_| field.property("dialect") == Some("mysql"))?;
    let native = NativeType::new(own);
    let is_known = product == Product::Mariadb || !matches!(own, "uuid" | "inet4" | "inet6");
    let is_number = native.family == Family::Decimal;
    (native.logical() == logical && is_known && !is_number).then_some(own)
}

fn check_name(name: &str) -> Result<()> {
    let reason = match name {
        "" => "a name is empty".to_owned(),
        name if name.contains('\0') => "a name contains a NUL byte".to_owned(),
        name if name.ends_with(' ') => format!("`{name}` ends with a blank, which no name may in MariaDB and MySQL"),
        name if name.chars().any(|character| character > '\u{ffff}') => {
            format!("`{name}` has a character of four bytes, which no name may in MariaDB and MySQL")
        }
        name if name.chars().count() > NAME_CHARACTERS_MAX => {
            format!("`{name}` is longer than the {NAME_CHARACTERS_MAX} characters a name may have in MariaDB and MySQL")
        }
        _ => return Ok(()),
    };
    Err(Error::config(reason).with_code("mysql.name").with_property("field", name))
}

fn comment_clause(comment: Option<&str>) -> String {
    let Some(comment) = comment.filter(|comment| !comment.is_empty()) else { return String::new() };
    let cut: String = comment.chars().take(COMMENT_CHARACTERS_MAX).collect();
    format!(" COMMENT '{}'", cut.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::table;

    fn field(name: &str, logical: &str, properties: &[(&str, &str)]) -> Field {
        let mut field = Field::new(name, logical.parse().unwrap());
        field.properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        field
    }

    #[test]
    fn a_table_is_made_with_its_key_and_its_comments() {
        let mut stream = Stream::new("shop.t").key(["id", "code"]).property("comment", "it's \\ all");
        stream.fields = vec![
            field("id", "int64", &[]),
            field("code", "text", &[]),
            field("we`ird", "decimal(12,2)", &[("comment", "money")]),
            field("at", "timestamp", &[]),
            field("doc", "json", &[]),
        ];
        assert_eq!(
            create(&stream, Product::Mariadb).unwrap(),
            "CREATE TABLE `shop`.`t` (\n    `id` bigint NOT NULL,\n    \
             `code` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,\n    \
             `we``ird` decimal(12,2) COMMENT 'money',\n    `at` timestamp(6) NULL DEFAULT NULL,\n    \
             `doc` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin CHECK (json_valid(`doc`)),\n    \
             PRIMARY KEY (`id`, `code`)\n) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COMMENT 'it''s \\\\ all'"
        );
    }

    #[test]
    fn long_keys_share_what_an_index_holds() {
        let mut stream = Stream::new("t").key(["a", "b", "c", "d"]);
        stream.fields = ["a", "b", "c", "d"].map(|name| field(name, "text", &[])).into();
        let text = create(&stream, Product::Mysql).unwrap();
        assert_eq!(
            text.matches("varchar(192) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL").count(),
            4,
            "{text}"
        );
    }

    #[test]
    fn only_our_own_types_are_taken_over() {
        let own = ("dialect", "mysql");
        for (field, expected) in [
            (field("a", "text", &[own, ("native-type", "varchar(30)")]), "`a` varchar(30)"),
            (field("a", "text", &[own, ("native-type", "enum('x','y')")]), "`a` enum('x','y')"),
            (field("a", "text", &[("dialect", "postgres"), ("native-type", "inet")]), "`a` longtext"),
            (field("a", "decimal(9,2)", &[own, ("native-type", "decimal(9,2)")]), "`a` decimal(9,2)"),
            (field("a", "text", &[own, ("native-type", "int(11)")]), "`a` longtext"),
            (field("a", "timestamp", &[own, ("native-type", "timestamp")]), "`a` timestamp NULL DEFAULT NULL"),
        ] {
            assert_eq!(column(&field, Product::Mariadb).unwrap(), expected);
        }
        let uuid = field("a", "uuid", &[own, ("native-type", "uuid")]);
        assert_eq!(column(&uuid, Product::Mysql).unwrap(), "`a` char(36) CHARACTER SET ascii COLLATE ascii_bin");
    }

    #[test]
    fn columns_are_added_in_one_statement() {
        let table = table(&[("id", "int", true)], &[&["id"]]);
        let (a, b) = (field("a", "int64", &[]), field("b", "date", &[]));
        assert_eq!(
            add_columns(&table, &[&a, &b]).unwrap(),
            "ALTER TABLE `shop`.`t` ADD COLUMN `a` bigint, ADD COLUMN `b` date"
        );
    }

    #[test]
    fn names_the_server_does_not_know_are_refused() {
        for name in ["", "a\0b", "a ", "😀", &"x".repeat(65)] {
            assert_eq!(check_name(name).unwrap_err().code, "mysql.name");
        }
        assert!(check_name(&"é".repeat(64)).is_ok());
    }
}
