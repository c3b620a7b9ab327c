//! Packs the manifests in `apis`: JSON would take twice the room in every copy of the plugin.
//!
//! All strings, each once, and behind them one tree of all manifests that refers to them. Numbers are written as in LEB128.

use std::error::Error;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Value};

/// What a value is; `src/manifest/bundled.rs` reads the same.
const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const TEXT: u8 = 4;
const LIST: u8 = 5;
const OBJECT: u8 = 6;

#[derive(Default)]
struct Pack {
    strings: Vec<String>,
    tree: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    tell_cargo("apis");
    let mut names = Vec::new();
    for entry in std::fs::read_dir("apis")? {
        let path = entry?.path();
        if path.join("manifest.toml").is_file() {
            names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let mut pack = Pack::default();
    pack.begin(OBJECT, names.len());
    for name in &names {
        let path = format!("apis/{name}/manifest.toml");
        tell_cargo(&path);
        let text = std::fs::read_to_string(&path)?;
        let document: DocumentMut = text.parse().map_err(|error| format!("{path}: {error}"))?;
        pack.string(name);
        pack.item(document.as_item())?;
    }
    let mut packed = Vec::new();
    number(&mut packed, pack.strings.len());
    for string in &pack.strings {
        number(&mut packed, string.len());
        packed.extend(string.as_bytes());
    }
    packed.extend(pack.tree);
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("apis.bin"), packed)?;
    Ok(())
}

fn number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

impl Pack {
    fn begin(&mut self, kind: u8, length: usize) {
        self.tree.push(kind);
        number(&mut self.tree, length);
    }

    fn string(&mut self, text: &str) {
        let place = self.strings.iter().position(|known| known == text).unwrap_or_else(|| {
            self.strings.push(text.to_owned());
            self.strings.len() - 1
        });
        number(&mut self.tree, place);
    }

    fn item(&mut self, item: &Item) -> Result<(), Box<dyn Error>> {
        match item {
            Item::None => self.tree.push(NULL),
            Item::Value(value) => self.value(value)?,
            Item::Table(table) => {
                self.begin(OBJECT, table.len());
                for (key, item) in table {
                    self.string(key);
                    self.item(item)?;
                }
            }
            Item::ArrayOfTables(tables) => {
                self.begin(LIST, tables.len());
                for table in tables {
                    self.item(&Item::Table(table.clone()))?;
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &Value) -> Result<(), Box<dyn Error>> {
        match value {
            Value::String(text) => {
                self.tree.push(TEXT);
                self.string(text.value());
            }
            Value::Integer(number) => {
                self.tree.push(NUMBER);
                self.string(&number.value().to_string());
            }
            Value::Boolean(flag) => self.tree.push(if *flag.value() { TRUE } else { FALSE }),
            Value::Array(list) => {
                self.begin(LIST, list.len());
                for value in list {
                    self.value(value)?;
                }
            }
            Value::InlineTable(table) => {
                self.begin(OBJECT, table.len());
                for (key, value) in table {
                    self.string(key);
                    self.value(value)?;
                }
            }
            Value::Float(_) | Value::Datetime(_) => return Err("manifests hold no fractions and no times".into()),
        }
        Ok(())
    }
}

#[allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]
fn tell_cargo(path: &str) {
    println!("cargo::rerun-if-changed={path}");
}
