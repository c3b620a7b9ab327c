//! The demo's systems: a CRM and an ERP with customers of their own, the same ones every time, and an empty database for analytics.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, params};

use crate::cli::CliError;

/// Customers of the CRM are 1 to this one.
pub const CRM_LAST: u32 = 2_000;
/// Customers of the ERP are this one to [`ERP_LAST`].
const ERP_FIRST: u32 = 201;
const ERP_LAST: u32 = 2_200;
/// What the ERP counts from.
const ERP_NUMBERS: u32 = 70_000;

const CRM: &str = "CREATE TABLE contacts (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    full_name TEXT NOT NULL,
    phone TEXT,
    city TEXT
)";
const ERP: &str = "CREATE TABLE customer (
    no INTEGER PRIMARY KEY,
    mail TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    tel TEXT CHECK (length(tel) <= 20),
    town TEXT,
    credit_limit INTEGER NOT NULL DEFAULT 0
)";

const FIRST_NAMES: &[&str] = &["Ada", "Ben", "Cleo", "Dina", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jane", "Kai"];
const LAST_NAMES: &[&str] = &["Abel", "Berg", "Costa", "Dahl", "Evans", "Frey", "Gomez", "Holm", "Ito", "Jansen"];
const CITIES: &[&str] = &["Berlin", "Córdoba", "Łódź", "Lyon", "Malmö", "Tromsø", "Wien", "Zürich"];

/// A customer by number.
#[derive(Clone, Copy, Debug)]
pub struct Customer(pub u32);

impl Customer {
    pub fn name(self) -> String {
        format!("{} {}", self.first(), self.last())
    }

    pub fn email(self) -> String {
        format!("{}.{}{}@example.com", self.first(), self.last(), self.0).to_lowercase()
    }

    /// In the ERP.
    pub fn number(self) -> u32 {
        ERP_NUMBERS + self.0
    }

    fn phone(self) -> String {
        format!("+49 30 5{:05}", self.0)
    }

    fn city(self) -> &'static str {
        pick(CITIES, self.0 / 3)
    }

    fn first(self) -> &'static str {
        pick(FIRST_NAMES, self.0)
    }

    fn last(self) -> &'static str {
        pick(LAST_NAMES, self.0 / 7)
    }
}

fn pick(names: &'static [&'static str], number: u32) -> &'static str {
    names.get(number as usize % names.len()).copied().unwrap_or_default()
}

/// The folder with the three files.
#[derive(Clone, Copy, Debug)]
pub struct Systems<'a> {
    folder: &'a Path,
}

impl<'a> Systems<'a> {
    /// Makes them.
    pub fn make(folder: &'a Path) -> Result<Self, CliError> {
        let systems = Self { folder };
        systems.change("crm", fill_crm)?;
        systems.change("erp", fill_erp)?;
        // A database without tables is an empty file until something is written to it.
        systems.change("analytics", |analytics| analytics.pragma_update(None, "user_version", 1))?;
        Ok(systems)
    }

    /// What somebody does in the CRM or the ERP.
    pub fn edit(self, system: &str, statement: &str) -> Result<(), CliError> {
        self.change(system, |database| database.execute_batch(statement))
    }

    /// The number a query answers with.
    pub fn number(self, system: &str, query: &str) -> Result<u32, CliError> {
        self.open(system)
            .and_then(|database| database.query_row(query, [], |row| row.get(0)))
            .map_err(|error| self.failed(system, error))
    }

    fn change(self, system: &str, work: impl Fn(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<(), CliError> {
        let done = self.open(system).and_then(|mut database| {
            let transaction = database.transaction()?;
            work(&transaction)?;
            transaction.commit()
        });
        done.map_err(|error| self.failed(system, error))
    }

    fn open(self, system: &str) -> rusqlite::Result<Connection> {
        Connection::open(self.path(system))
    }

    fn path(self, system: &str) -> PathBuf {
        self.folder.join(format!("{system}.db"))
    }

    fn failed(self, system: &str, error: rusqlite::Error) -> CliError {
        CliError::Write { path: self.path(system), source: std::io::Error::other(error) }
    }
}

fn fill_crm(crm: &Transaction<'_>) -> rusqlite::Result<()> {
    crm.execute_batch(CRM)?;
    let mut insert = crm.prepare("INSERT INTO contacts VALUES (?, ?, ?, ?, ?)")?;
    for customer in (1..=CRM_LAST).map(Customer) {
        let Customer(id) = customer;
        insert.execute(params![id, customer.email(), customer.name(), customer.phone(), customer.city()])?;
    }
    Ok(())
}

/// It writes addresses in its own way, and knows of some moves and new numbers that nobody told the CRM.
fn fill_erp(erp: &Transaction<'_>) -> rusqlite::Result<()> {
    erp.execute_batch(ERP)?;
    let mut insert = erp.prepare("INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?)")?;
    for customer in (ERP_FIRST..=ERP_LAST).map(Customer) {
        let Customer(id) = customer;
        let mail = if id.is_multiple_of(3) { customer.email().to_uppercase() } else { customer.email() };
        let town = if id % 45 == 1 { "Ghent" } else { customer.city() };
        let tel = if id % 60 == 2 { "+32 9 70001".to_owned() } else { customer.phone() };
        insert.execute(params![customer.number(), mail, customer.name(), tel, town, id % 40 * 250])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_overlap_and_differ_as_the_story_tells() {
        let folder = tempfile::tempdir().unwrap();
        let systems = Systems::make(folder.path()).unwrap();
        assert_eq!(systems.number("crm", "SELECT count(DISTINCT lower(email)) FROM contacts").unwrap(), 2_000);
        assert_eq!(systems.number("erp", "SELECT count(DISTINCT lower(mail)) FROM customer").unwrap(), 2_000);
        assert_eq!(systems.number("erp", "SELECT count(*) FROM customer WHERE no <= 72000").unwrap(), 1_800);
        assert!(systems.number("erp", "SELECT count(*) FROM customer WHERE town = 'Ghent'").unwrap() > 30);
        assert!(systems.edit("erp", "UPDATE customer SET tel = '+49 30 1234567890 ext. 99'").is_err());
    }
}
