//! Two databases with the same customers, what people change in them, and whether they agree in the end.

use lockstep_test_servers::Postgres;

use crate::lab::psql;

/// The twelve fields of a customer, besides the key each database gives by itself.
pub const FIELDS: [&str; 12] = [
    "name",
    "email",
    "phone",
    "street",
    "city",
    "country",
    "quantity",
    "amount",
    "active",
    "birthday",
    "updated_at",
    "note",
];

/// In one of this many records of a turn both sides change the same field.
const CONFLICT_STEP: u64 = 40;

/// Two databases that are to agree.
pub struct Pair<'a> {
    pub server: &'a Postgres,
    pub databases: [&'static str; 2],
    /// Customers each side begins with.
    pub rows: u64,
    /// In how many turns things are changed: each record in one of them at most.
    pub turns: u64,
}

/// What a turn changes, per side.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    pub updates: u64,
    pub conflicts: u64,
    pub inserts: u64,
    pub deletes: u64,
}

impl Pair<'_> {
    /// Both sides have the same customers under the same keys; new ones get odd keys here and even ones there, because Bucardo
    /// copies keys.
    pub fn fill(&self) {
        for (side, database) in self.databases.iter().enumerate() {
            self.server.psql(&format!("CREATE DATABASE {database}"));
            let first = 10 * self.rows + side as u64;
            psql(&self.url(side), &table(first));
            psql(&self.url(side), &rows(self.rows));
            psql(&self.url(side), "CREATE INDEX ON customers (updated_at)");
            psql(&self.url(side), "VACUUM ANALYZE customers");
        }
    }

    pub fn url(&self, side: usize) -> String {
        self.server.url_of(self.databases[side])
    }

    pub fn amounts(&self) -> Amounts {
        let records = self.rows / self.turns / CONFLICT_STEP;
        Amounts { updates: records * 10, conflicts: records, inserts: records * 2, deletes: records }
    }

    /// People work on both sides. Of every two records that both have changed, one was changed later in the first database and the
    /// other in the second.
    pub fn change(&self, turn: u64) {
        let of_turn = format!("id <= {} AND id % {} = {turn}", self.rows, self.turns);
        let place = format!("(id / {} % {CONFLICT_STEP})", self.turns);
        let inserts = self.amounts().inserts;
        for (side, database) in self.databases.iter().enumerate() {
            let (own, deleted) = if side == 0 { ("1 AND 9", 19) } else { ("10 AND 18", 20) };
            let is_later = format!("{place} > 0 OR {} = {side}", self.later());
            let name = side_name(side);
            psql(
                &self.url(side),
                &format!(
                    "UPDATE customers SET note = '{name} {turn} ' || id,
                     updated_at = now() - CASE WHEN {is_later} THEN interval '0' ELSE interval '1 minute' END
                     WHERE {of_turn} AND ({place} = 0 OR {place} BETWEEN {own})"
                ),
            );
            psql(&self.url(side), &format!("DELETE FROM customers WHERE {of_turn} AND {place} = {deleted}"));
            psql(
                &self.url(side),
                &format!(
                    "INSERT INTO customers ({}) SELECT 'New ' || i, '{name}.{turn}.' || i || '@mail.example.com', \
                     '+49 30 ' || i, i || ' New Street', 'Berlin', 'DE', i, i / 100.0, true, date '1990-01-01', now(), \
                     'new in {database}' FROM generate_series(1, {inserts}) i",
                    FIELDS.join(", ")
                ),
            );
        }
    }

    /// Which side changes a record later that both change.
    fn later(&self) -> String {
        format!("(id / {} / {CONFLICT_STEP} % 2)", self.turns)
    }

    /// Waits for no one: what both sides hold apart from their keys, as a count and a sum over hashes of the rows.
    pub fn checksums(&self) -> [String; 2] {
        let fields = FIELDS.join(", ");
        let sql =
            format!("SELECT count(*), sum(hashtextextended(concat_ws('|', {fields}), 0)::numeric) FROM customers");
        self.databases.map(|database| self.server.psql_in(database, &sql))
    }

    /// Fails unless both sides hold the same.
    pub fn agree(&self) {
        let [left, right] = self.checksums();
        assert_eq!(left, right, "`{}` and `{}` hold different customers", self.databases[0], self.databases[1]);
    }

    /// In how many of a turn's conflicts the later value stands on both sides.
    pub fn won_by_later(&self, turn: u64) -> u64 {
        let sql = format!(
            "SELECT count(*) FROM customers WHERE id <= {} AND id % {} = {turn} AND id / {} % {CONFLICT_STEP} = 0 \
             AND note = CASE WHEN {} = 0 THEN '{}' ELSE '{}' END || ' {turn} ' || id",
            self.rows,
            self.turns,
            self.turns,
            self.later(),
            side_name(0),
            side_name(1),
        );
        let right = |database| self.server.psql_in(database, &sql).parse::<u64>().unwrap();
        self.databases.map(right).into_iter().min().unwrap_or_default()
    }

    /// The values of a turn that had to lose.
    pub fn losers(&self, turn: u64) -> Vec<String> {
        let ids =
            (1..=self.rows).filter(|id| id % self.turns == turn && (id / self.turns).is_multiple_of(CONFLICT_STEP));
        ids.map(|id| format!("{} {turn} {id}", side_name(1 - (id / self.turns / CONFLICT_STEP % 2) as usize))).collect()
    }
}

fn side_name(side: usize) -> &'static str {
    if side == 0 { "east" } else { "west" }
}

fn table(first: u64) -> String {
    format!(
        "CREATE TABLE customers (id bigint GENERATED BY DEFAULT AS IDENTITY (START {first} INCREMENT 2) PRIMARY KEY, \
         name text, email text UNIQUE, phone text, street text, city text, country text, quantity bigint, \
         amount numeric(12,2), active boolean, birthday date, updated_at timestamptz, note text)"
    )
}

/// The same customers each time.
pub fn rows(count: u64) -> String {
    format!(
        "INSERT INTO customers (id, {}) SELECT i, (array['Anna','Björn','Chloé','David','Eva'])[1 + i % 5] || ' ' || \
         (array['Müller','Schmidt','O''Brien','Nguyen','García','Kowalski','van der Berg'])[1 + i % 7], \
         'customer.' || i || '@mail.example.com', '+49 30 ' || 1000000 + i, i % 200 || ' Station Road', \
         (array['Berlin','München','London','Paris','Sevilla','Łódź'])[1 + i % 6], (array['DE','GB','FR','ES'])[1 + i % 4], \
         i % 1000, (i * 7919 % 100000000) / 100.0, i % 2 = 0, date '1950-01-01' + (i * 31 % 20000)::int, \
         timestamptz '2026-01-01' + i * interval '1 second', 'a note, as people write them; ' || i * 104729 % 1000000 \
         FROM generate_series(1::bigint, {count}) i",
        FIELDS.join(", ")
    )
}

/// A project with a hub between two PostgreSQL databases; `keys` are further keys of each endpoint.
pub fn project_file(urls: [String; 2], keys: &str) -> String {
    let mut file = "[project]\nname = \"bench\"\n".to_owned();
    for (side, url) in urls.iter().enumerate() {
        let secret = super::super::files::secret(url);
        file.push_str(&format!(
            "[connection.{}]\nplugin = \"postgres\"\nsql.main = {{ url = \"file:{}\" }}\n",
            side_name(side),
            secret.display()
        ));
    }
    file.push_str(
        "[sync.customer]\nmode = \"hub\"\nmatch = [\"email\"]\nconflict = \"newest\"\ndelete_conflict = \"delete-wins\"\n",
    );
    for side in [0, 1] {
        let name = side_name(side);
        file.push_str(&format!("endpoints.{name} = {{ stream = \"customers\", modified = \"updated_at\"{keys} }}\n"));
    }
    file.push_str("[sync.customer.fields]\n");
    for field in FIELDS {
        file.push_str(&format!("{field} = {{ east = \"{field}\", west = \"{field}\" }}\n"));
    }
    file
}
