//! Values of every type on their way through files and databases: what arrives is what left, and null, nothing and the empty
//! text stay three things.

use lockstep_test_servers::Postgres;

use super::project::{DATABASE, FILES, Project, counts};

const TYPES: &str = "types = { flag = \"bool\", count = \"int64\", ratio = \"float64\", price = \"decimal(18,4)\", \
    exact = \"decimal\", day = \"date\", clock = \"time\", wall = \"datetime\", moment = \"timestamp\", \
    tag = \"uuid\", letters = \"text\", bytes = \"binary\", doc = \"json\" }";

const CSV: &str = "\
id,flag,count,ratio,price,exact,day,clock,wall,moment,tag,letters,bytes,doc\n\
1,,,,,,,,,,,,,\n\
2,true,-9223372036854775808,-1.5e-300,99999999999999.9999,123456789012345678901234567890.5,0001-01-01,23:59:59.999999,\
2026-11-21T12:00:00.000001,2026-11-21T12:00:00+02:00,00000000-0000-4000-8000-000000000000,\"\",\\x00ff,\"{\"\"b\"\": 1,  \"\"a\"\": null}\"\n\
3,false,9223372036854775807,5e-324,-0.0001,-0.1,9999-12-31,00:00:00,1969-12-31T23:59:59,1969-12-31T23:59:59.999999Z,\
ffffffff-ffff-4fff-bfff-ffffffffffff,\"a \"\"b\"\", ü\n🙂\",\\x,[]\n";

fn sync(name: &str, source: &str, target: &str) -> String {
    format!(
        "[sync.{name}]\nmode = \"mirror\"\nsource = {{ connection = {source} }}\n\
         target = {{ connection = {target} }}\n"
    )
}

/// The way there and back again: a file, SQLite, PostgreSQL, SQLite.
fn around(server: &Postgres, file: &str) -> Project {
    let text = [
        sync("one", &format!("{file}, key = [\"id\"], {TYPES}"), "\"copy\", stream = \"first\""),
        sync("two", "\"copy\", stream = \"first\"", "\"db\", stream = \"second\""),
        sync("three", "\"db\", stream = \"second\"", "\"copy\", stream = \"third\""),
    ];
    let lines = "[connection.lines]\nplugin = \"jsonl\"\nfiles.data = { path = \"data\" }\n";
    let project = Project::new(&format!("{FILES}{DATABASE}{lines}{}", text.concat()));
    project.write("url", server.url());
    project
}

fn written(project: &Project, code: i32) -> Vec<u64> {
    let document = project.run(&["run", "--json"]).ends(code).json();
    document["result"]["syncs"].as_array().unwrap().iter().map(|sync| counts(sync)[1]).collect()
}

const DIFFERENCES: &str = "select count(*) from (select * from (select * from first except select * from third) \
    union all select * from (select * from third except select * from first))";

#[test]
fn a_file_goes_around_unchanged() {
    let server = Postgres::start();
    let project = around(&server, "\"files\", stream = \"all.csv\"");
    project.write("data/all.csv", CSV);
    assert_eq!(written(&project, 0), [3, 3, 3]);
    assert_eq!(project.sqlite(DIFFERENCES), "0");
    let declared = |table: &str| project.sqlite(&format!("select name, type from pragma_table_info('{table}')"));
    assert_eq!(declared("third"), declared("first"));
    assert_eq!(project.sqlite("select flag, letters, bytes, doc from third where id = 1"), "NULL|NULL|NULL|NULL");
    assert_eq!(
        project.sqlite(
            "select flag, count, price, exact, day, clock, wall, moment, letters, bytes, doc from third where id = 2"
        ),
        "1|-9223372036854775808|99999999999999.9999|123456789012345678901234567890.5|0001-01-01|23:59:59.999999|\
         2026-11-21T12:00:00.000001|2026-11-21T10:00:00.000000Z||[00, ff]|{\"b\": 1,  \"a\": null}"
    );
    assert_eq!(project.sqlite("select letters, bytes from third where id = 3"), "a \"b\", ü\n🙂|[]");
    assert_eq!(
        server.psql(
            "select string_agg(format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute \
             where attrelid = 'second'::regclass and attnum > 0"
        ),
        "bigint, boolean, bigint, double precision, numeric(18,4), numeric, date, time without time zone, \
         timestamp without time zone, timestamp with time zone, uuid, text, bytea, json"
    );
    assert_eq!(written(&project, 0), [0, 0, 0], "what arrived is equal on every way");
}

#[test]
fn what_a_line_does_not_say_stays_as_it_is() {
    let server = Postgres::start();
    let project = around(&server, "\"lines\", stream = \"all.jsonl\"");
    let all = |letters: &str| {
        format!(
            "{{\"id\":1,\"flag\":true,\"count\":1,\"ratio\":0.5,\"price\":1.5,\"exact\":1.50,\"day\":\"2026-01-01\",\
             \"clock\":\"12:00:00\",\"wall\":\"2026-01-01T12:00:00\",\"moment\":\"2026-01-01T12:00:00Z\",\
             \"tag\":\"00000000-0000-4000-8000-000000000000\",\"letters\":{letters},\"bytes\":\"AP8=\",\"doc\":{{\"a\":1}}}}\n"
        )
    };
    project.write(
        "data/all.jsonl",
        all("\"first\"") + "{\"id\":2,\"letters\":\"two\"}\n{\"id\":3,\"letters\":\"three\"}\n",
    );
    assert_eq!(written(&project, 0), [3, 3, 3]);
    assert_eq!(project.sqlite(DIFFERENCES), "0");
    // The first line says nothing but its key and a number, the second says null, the third the empty text.
    project
        .write("data/all.jsonl", "{\"id\":1,\"count\":2}\n{\"id\":2,\"letters\":null}\n{\"id\":3,\"letters\":\"\"}\n");
    // The file no longer shows fields that it had.
    let drifted = project.run(&["run", "one"]);
    if drifted.code != Some(0) {
        drifted.says(&["LS0704"]);
        project.write(
            "data/all.jsonl",
            format!(
                "{{\"id\":1,\"count\":2}}\n{{\"id\":2,\"letters\":null}}\n{{\"id\":3,\"letters\":\"\"}}\n{}",
                all("\"nine\"").replace("\"id\":1", "\"id\":9")
            ),
        );
        project.run(&["run", "one"]).ends(0);
    }
    assert_eq!(
        project.sqlite("select count, flag, letters, doc from first where id < 9 order by id"),
        "2|1|first|{\"a\":1}\nNULL|NULL|NULL|NULL\nNULL|NULL||NULL"
    );
    written(&project, 0);
    assert_eq!(project.sqlite(DIFFERENCES), "0");
    assert_eq!(
        server.psql("select id, letters is null, letters from second order by id limit 3"),
        "1|f|first\n2|t|\n3|f|"
    );
}
