//! A project whose only connection sends requests, on a clock that jumps.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lockstep::assembly::Assembly;
use lockstep::connector::{Failure, PageLimits, ReadMode, ReadRequest, Source};
use lockstep::plugin::{Access, PluginConnector};
use lockstep::project::{PROJECT_FILE, Project};
use lockstep::record::{Properties, Stream, row_to_json};
use lockstep::world::{Clock, Random, World};
use serde_json::{Value, json};

/// Time that passes only where somebody waits for it, and then at once.
#[derive(Clone, Default)]
pub struct JumpClock(Arc<Mutex<Jumps>>);

#[derive(Default)]
struct Jumps {
    elapsed: Duration,
    slept: Vec<Duration>,
}

impl JumpClock {
    pub fn advance(&self, time: Duration) {
        self.0.lock().unwrap().elapsed += time;
    }

    /// Every wait, in order.
    pub fn slept(&self) -> Vec<Duration> {
        self.0.lock().unwrap().slept.clone()
    }
}

#[async_trait]
impl Clock for JumpClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(784_111_777, 0).unwrap() + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let mut jumps = self.0.lock().unwrap();
        jumps.elapsed += duration;
        jumps.slept.push(duration);
    }
}

/// Chance that always says the same.
struct Constant(u64);

impl Random for Constant {
    fn next_u64(&self) -> u64 {
        self.0
    }
}

/// A project folder and its connection `crm`, ready to be asked.
pub struct Lab {
    pub folder: tempfile::TempDir,
    pub clock: JumpClock,
}

/// What the plugin was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 0 = a failure.
    pub status: i64,
    pub headers: String,
    pub body: String,
    pub error: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.property("lockstep-code").unwrap_or_default()
    }

    pub fn property(&self, name: &str) -> Option<&str> {
        let properties = self.error["properties"].as_array()?;
        properties.iter().find(|pair| pair[0] == name).and_then(|pair| pair[1].as_str())
    }
}

impl Lab {
    /// `secret` is what `file:secret` leads to.
    pub fn new(secret: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap(), clock: JumpClock::default() };
        std::fs::write(lab.folder.path().join("secret"), secret).unwrap();
        lab
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `keys` are those of the connection besides its plugin.
    pub fn connect(&self, keys: &str) -> PluginConnector {
        self.try_connect(keys).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn try_connect(&self, keys: &str) -> Result<PluginConnector, lockstep::Error> {
        self.connect_in(keys, self.world())
    }

    pub fn connect_in(&self, keys: &str, world: World) -> Result<PluginConnector, lockstep::Error> {
        self.connect_plugin(&lockstep_tests::guest("requests").display().to_string(), keys, world)
    }

    /// Another plugin than the one that shows what it is answered.
    pub fn connect_plugin(&self, plugin: &str, keys: &str, world: World) -> Result<PluginConnector, lockstep::Error> {
        let text = format!("[project]\nname = \"lab\"\n[connection.crm]\nplugin = \"{plugin}\"\n{keys}\n");
        let project = Project::parse(&text, self.path(), PROJECT_FILE)?;
        let cache = std::env::temp_dir().join("lockstep-test-cache");
        let mut assembly = Assembly::new(Arc::new(project), lockstep_bundle::PLUGINS, cache, world, Access::ReadWrite)?;
        assembly.connector(&"crm".parse().unwrap())
    }

    /// Time that jumps, and chance that always says the same.
    pub fn world(&self) -> World {
        World { clock: Arc::new(self.clock.clone()), random: Arc::new(Constant(49_999)) }
    }
}

/// Sends one request.
pub async fn ask(connector: &PluginConnector, method: &str, target: &str) -> Answer {
    send(connector, &json!([[{ "method": method, "target": target }]])).await.remove(0)
}

/// Sends rounds of requests.
pub async fn send(connector: &PluginConnector, rounds: &Value) -> Vec<Answer> {
    try_send(connector, &rounds.to_string()).await.unwrap_or_else(|failure| panic!("{failure}"))
}

pub async fn try_send(connector: &PluginConnector, stream: &str) -> Result<Vec<Answer>, Failure> {
    let found: Stream = connector.discover(&[stream.to_owned()]).await?.remove(0);
    let request = ReadRequest {
        stream: stream.to_owned(),
        key: found.key.clone(),
        fields: found.fields.clone(),
        mode: ReadMode::Full,
        cursor: None,
        options: Properties::default(),
    };
    let mut reader = Source::open(connector, request).await?;
    let page = reader.next(PageLimits { rows: 1000, bytes: 1 << 20 }).await?;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = (0..page.changes.rows()).map(|row| row_to_json(&page.changes.data, row));
    let answers = rows.map(|row| {
        let row = Value::from(row);
        Answer {
            status: row["status"].as_i64().unwrap(),
            headers: text(&row, "headers"),
            body: text(&row, "body"),
            error: serde_json::from_str(&text(&row, "error")).unwrap_or_default(),
        }
    });
    Ok(answers.collect())
}
