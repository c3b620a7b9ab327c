//! Hostile plugins end in a typed failure, the host goes on, and nothing that was not granted is reached.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use lockstep::connector::{
    Failure, PageLimits, ReadMode, ReadRequest, Sink, Source, Transform, WriteMode, WriteRequest,
};
use lockstep::plugin::{
    Access, Budget, Catalog, FilesRoot, Grants, HttpOrigin, HttpSettings, LimitWish, Limits, PluginBinary,
    PluginConnector, PrivateAddresses, Runtime,
};
use lockstep::project::RequestBudget;
use lockstep::record::{Changes, Field, Properties, Stream, batch_from_json, row_to_json};
use lockstep::store::PrivateFiles;
use lockstep::world::World;
use serde_json::json;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let cache = std::env::temp_dir().join("lockstep-test-cache");
    Runtime::new(cache, Limits::default()).unwrap()
});

fn load(guest: &str) -> PluginBinary {
    Catalog::new(&[]).from_path(&lockstep_tests::guest(guest), RUNTIME.limits()).unwrap()
}

fn limits() -> Limits {
    let wish = LimitWish {
        cpu_per_call: Some(Duration::from_millis(800)),
        wall_per_call: Some(Duration::from_secs(3)),
        memory_bytes: Some(64 << 20),
        ..LimitWish::default()
    };
    RUNTIME.limits().lowered(&wish)
}

/// A connector with one granted folder and one granted origin that nobody listens on.
fn faulty(behaviour: &str) -> (PluginConnector, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file.txt"), "content").unwrap();
    std::fs::write(folder.path().parent().unwrap().join("secret"), "secret").unwrap();
    let mut grants = Grants::none("test");
    grants.files.insert("data".into(), FilesRoot::new(folder.path().to_owned(), Access::ReadWrite));
    let origin = HttpOrigin::new(HttpSettings {
        origin: url::Url::parse("http://127.0.0.1:9").unwrap(),
        private: PrivateAddresses::Allowed,
        authorities: Vec::new(),
        budget: Arc::new(Budget::new("test", &RequestBudget::default(), PrivateFiles::of(folder.path(), "http"))),
        breaker: Arc::default(),
        world: World::real(),
    });
    grants.http.insert("api".into(), origin.unwrap_or_else(|failure| panic!("{failure}")));
    let config = json!({ "behaviour": behaviour });
    let clock = World::real().clock;
    let connector = PluginConnector::system(&RUNTIME, &load("faulty"), &config, grants, limits(), clock).unwrap();
    (connector, folder)
}

fn request() -> ReadRequest {
    ReadRequest {
        stream: "rows".into(),
        key: vec!["id".into()],
        fields: fields().to_vec(),
        mode: ReadMode::Full,
        cursor: None,
        options: Properties::default(),
    }
}

fn fields() -> Arc<[Field]> {
    [("id", "int64"), ("text", "text")].map(|(name, logical)| Field::new(name, logical.parse().unwrap())).into()
}

const PAGE: PageLimits = PageLimits { rows: 100, bytes: 1 << 20 };

async fn read(behaviour: &str) -> Result<usize, Failure> {
    let (connector, _folder) = faulty(behaviour);
    let mut reader = Source::open(&connector, request()).await?;
    let outcome = reader.next(PAGE).await.map(|page| page.changes.rows());
    if outcome.is_err() {
        // A dead instance is never entered again, and says so rather than trapping.
        assert!(reader.next(PAGE).await.is_err());
    }
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_page_arrives() {
    assert_eq!(read("none").await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_break_has_its_code() {
    for (behaviour, code, text) in [
        ("panic", "LS0401", "panicked in source.next: no such row (tests/guests/faulty/src/lib.rs:"),
        ("trap", "LS0401", "source.next"),
        ("exit", "LS0401", "called exit in source.next"),
        ("loop", "LS0402", "used up its processor time in source.next"),
        ("copy-memory", "LS0402", "used up its processor time"),
        ("sleep", "LS0403", "took longer than 3 s in source.next"),
        ("recurse", "LS0408", "overflowed its stack in source.next"),
        ("fill-memory", "LS0404", "ran out of memory in source.next"),
        ("hoard-handles", "LS0407", "opened too many handles"),
        ("push-too-much", "LS0405", "passed too much to the host at once"),
        ("too-many-rows", "LS0406", "101 records where 100 were asked for"),
        ("wrong-row-count", "LS0406", "3 values for 7 rows"),
        ("unknown-column", "LS0406", "column `idx` was not asked for"),
        ("falling-offsets", "LS0406", "offsets that do not fit"),
        ("wild-offsets", "LS0406", "offsets that do not fit"),
        ("not-utf8", "LS0406", "column `text`"),
        ("short-bitmap", "LS0406", "a bitmap of 0 bytes"),
        ("other-layout", "LS0406", "an unknown layout"),
        ("unknown-status", "LS0406", "the page status `maybe` does not exist"),
        ("unknown-kind", "LS0406", "change kind 9 is unknown"),
        ("huge-cursor", "LS0406", "a cursor of 1048576 bytes"),
        ("secret-hunting", "LS0406", "the page status `` does not exist"),
    ] {
        let started = Instant::now();
        let failure = read(behaviour).await.expect_err(behaviour);
        assert_eq!(failure.code.id, code, "{behaviour}: {}", failure.message);
        assert!(failure.message.contains(text), "{behaviour}: {}", failure.message);
        assert!(failure.message.contains("faulty@0.1.0"), "{behaviour}: {}", failure.message);
        assert!(started.elapsed() < Duration::from_secs(20), "{behaviour} took {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_is_bounded_and_harmless() {
    for behaviour in ["flood-stderr", "flood-log", "forge-log", "ask-for-too-much-chance"] {
        assert_eq!(read(behaviour).await.unwrap(), 3, "{behaviour}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_is_denied() {
    assert_eq!(read("use-what-is-not-granted").await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_contradicts_itself_is_refused() {
    for behaviour in ["discover-twice-the-same-field", "discover-a-key-without-field"] {
        let (connector, _folder) = faulty(behaviour);
        assert_eq!(connector.discover(&[]).await.unwrap_err().code.id, "LS0406", "{behaviour}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_plugin_does_not_disturb_another() {
    let (broken, _one) = faulty("loop");
    let (good, _two) = faulty("none");
    let looping = tokio::spawn(async move {
        let mut reader = Source::open(&broken, request()).await?;
        reader.next(PAGE).await.map(|_| ())
    });
    for _ in 0..20 {
        let mut reader = Source::open(&good, request()).await.unwrap();
        assert_eq!(reader.next(PAGE).await.unwrap().changes.rows(), 3);
    }
    assert_eq!(looping.await.unwrap().unwrap_err().code.id, "LS0402");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_contradicts_itself_is_refused() {
    let (connector, _folder) = faulty("too-many-statuses");
    let stream = Sink::describe(&connector, "rows").await.unwrap().unwrap();
    let request = WriteRequest { stream, mode: WriteMode::Upsert, options: Properties::default() };
    let mut writer = Sink::open(&connector, request).await.unwrap();
    let batch = batch_from_json(&fields(), &[json!({"id": 1, "text": "a"})]).unwrap();
    let failure = writer.write(&Changes::upserts(batch)).await.unwrap_err();
    assert_eq!(failure.code.id, "LS0406", "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_cross_the_border_whole() {
    let clock = World::real().clock;
    let config = json!({"rows": 2500});
    let numbers =
        PluginConnector::system(&RUNTIME, &load("numbers"), &config, Grants::none("n"), Limits::default(), clock)
            .unwrap();
    let stream = numbers.discover(&[]).await.unwrap().remove(0);
    let request = ReadRequest { fields: stream.fields.clone(), stream: stream.name.clone(), ..request() };
    let mut reader = Source::open(&numbers, request).await.unwrap();
    let mut rows = 0;
    loop {
        let page = reader.next(PageLimits { rows: 1000, bytes: 1 << 30 }).await.unwrap();
        rows += page.changes.rows();
        if page.status != lockstep::connector::PageStatus::More {
            break;
        }
    }
    assert_eq!(rows, 2500);
}

/// The records that a transform makes of two, the second of which is `bad`.
async fn transform(behaviour: &str) -> Result<Vec<serde_json::Value>, Failure> {
    let config = json!({ "behaviour": behaviour });
    let connector = PluginConnector::transform(&RUNTIME, &load("crooked"), &config, limits()).unwrap();
    let stream = Stream {
        name: "rows".into(),
        key: vec!["id".into()],
        fields: fields().to_vec(),
        properties: Properties::default(),
    };
    let mut transformer = Transform::open(&connector, &stream).await?;
    let records = [json!({"id": 1, "text": "good"}), json!({"id": 2, "text": "bad"})];
    let page = Changes::upserts(batch_from_json(&fields(), &records).unwrap());
    let outcome = transformer.apply(&page).await;
    if let Err(failure) = &outcome
        && failure.code.id != "LS0406"
    {
        assert!(transformer.apply(&page).await.is_err(), "{behaviour}: a dead instance was entered again");
    }
    let changes = outcome?.changes;
    Ok((0..changes.rows()).map(|row| json!(row_to_json(&changes.data, row))).collect())
}

/// 100 calls that each keep 4 MB would need 400 MB in one instance, which may have 64.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_has_grown_is_replaced_before_it_fails() {
    let (connector, _folder) = faulty("leak-memory");
    for call in 0..100 {
        let streams = Source::discover(&connector, &[]).await;
        assert!(streams.is_ok(), "call {call}: {}", streams.unwrap_err());
    }
}

/// Nor do pages, where the next may go to another instance: behind a flush, and in a transform always.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_takes_pages_is_replaced_before_it_fails() {
    let (connector, _folder) = faulty("leak-memory");
    let stream = Sink::describe(&connector, "rows").await.unwrap().unwrap();
    let page = Changes::upserts(batch_from_json(&fields(), &[json!({"id": 1, "text": "bad"})]).unwrap());
    let config = json!({ "behaviour": "leak-memory" });
    let crooked = PluginConnector::transform(&RUNTIME, &load("crooked"), &config, limits()).unwrap();
    let mut transformer = Transform::open(&crooked, &stream).await.unwrap();
    let request = WriteRequest { stream, mode: WriteMode::Upsert, options: Properties::default() };
    let mut writer = Sink::open(&connector, request).await.unwrap();
    let mut written = 0;
    for number in 0..100 {
        let outcome = transformer.apply(&page).await;
        assert_eq!(outcome.unwrap_or_else(|failure| panic!("page {number}: {failure}")).changes.rows(), 1);
        writer.write(&page).await.unwrap_or_else(|failure| panic!("page {number}: {failure}"));
        if number % 5 == 4 {
            written += writer.flush().await.unwrap().written;
        }
    }
    assert_eq!(written, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transform_is_believed_no_more_than_a_source() {
    assert_eq!(transform("none").await.unwrap().len(), 2);
    for (behaviour, code, text) in [
        ("panic", "LS0401", "panicked in transform.apply: no such rule (tests/guests/crooked/src/lib.rs:"),
        ("loop", "LS0402", "used up its processor time in transform.apply"),
        ("sleep", "LS0403", "took longer than 3 s in transform.apply"),
        ("fill-memory", "LS0404", "ran out of memory in transform.apply"),
        ("drop-a-row", "LS0406", "1 rows for 2 without saying where they come from"),
        ("lie-about-rows", "LS0406", "2 values for 3 rows"),
        ("rename-columns", "LS0406", "column `idx` was not asked for"),
        ("forge-origins", "LS0406", "origins that do not fit its rows"),
        ("too-few-origins", "LS0406", "origins that do not fit its rows"),
        ("reject-a-ghost", "LS0406", "a rejected row that does not exist"),
        ("not-utf8", "LS0406", "column `text`"),
        ("describe-twice-the-same-field", "LS0406", "two fields `text`"),
        ("describe-a-type-that-does-not-exist", "LS0406", "field `id`"),
    ] {
        let failure = transform(behaviour).await.expect_err(behaviour);
        assert_eq!(failure.code.id, code, "{behaviour}: {}", failure.message);
        assert!(failure.message.contains(text), "{behaviour}: {}", failure.message);
        assert!(failure.message.contains("crooked@0.1.0"), "{behaviour}: {}", failure.message);
    }
}

/// Clock, chance and environment are there, for a plugin's standard library wants them; they never change.
#[tokio::test(flavor = "multi_thread")]
async fn a_transform_sees_nothing_but_its_input() {
    let seen = transform("ask-for-time-and-chance").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(transform("ask-for-time-and-chance").await.unwrap(), seen);
    let text = seen[0]["text"].as_str().unwrap();
    assert!(text.ends_with(" 0 []"), "{text}");
}
