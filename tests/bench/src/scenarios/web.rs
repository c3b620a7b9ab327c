//! What reading from an HTTP API costs: answers in JSON, decoded inside the sandbox.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockstep::assembly::Assembly;
use lockstep::connector::{PageLimits, PageStatus, Source};
use lockstep::plugin::{Access, PluginConnector};
use lockstep::project::{PROJECT_FILE, Project};
use lockstep::world::World;

use super::whole;
use crate::lab::{Bench, cache, project};
use crate::measure::median;
use crate::report::{Goal, Report};

const GROUP: &str = "HTTP APIs, in one process";
/// Records of an answer: about 3 MB.
const ROWS: usize = 10_000;
const PAGES: usize = 20;

const METADATA: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="x"><edmx:DataServices><Schema Namespace="s" xmlns="y">
    <EntityType Name="A"><Key><PropertyRef Name="id"/></Key><Property Name="id" Type="Edm.Int64" Nullable="false"/>
    <Property Name="name" Type="Edm.String"/><Property Name="email" Type="Edm.String"/><Property Name="street" Type="Edm.String"/>
    <Property Name="city" Type="Edm.String"/><Property Name="note" Type="Edm.String"/>
    <Property Name="credit" Type="Edm.Decimal" Precision="18" Scale="2"/><Property Name="active" Type="Edm.Boolean"/>
    <Property Name="modifiedAt" Type="Edm.DateTimeOffset"/></EntityType>
    <EntityContainer Name="C"><EntitySet Name="A" EntityType="s.A"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"#;

fn answer() -> String {
    let row = |id: usize| {
        format!(
            "{{\"@odata.etag\":\"W/\\\"{id}\\\"\",\"id\":{id},\"name\":\"Müller {id}\",\"email\":\"user.{id}@mail.example.com\",\
             \"street\":\"{} Station Road\",\"city\":\"München\",\"note\":\"a note of some length, as people write them, \\\"quoted\\\" \
             and all\",\"credit\":\"{id}.25\",\"active\":true,\"modifiedAt\":\"2026-11-21T12:45:10.123Z\"}}",
            id % 200
        )
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    format!("{{\"@odata.context\":\"$metadata#A\",\"value\":[{}]", rows.join(","))
}

/// Serves the same page again and again; each names the next one.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = Arc::new(answer());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let page = page.clone();
            std::thread::spawn(move || talk(&stream, &page));
        }
    });
    port
}

fn talk(stream: &TcpStream, page: &str) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let target = head.split(' ').nth(1).unwrap_or_default();
        let number: usize = target.split_once("token=").map_or(0, |(_, number)| number.parse().unwrap());
        let end = if number + 1 < PAGES {
            format!(",\"@odata.nextLink\":\"A?$skiptoken={}\"}}", number + 1)
        } else {
            "}".to_owned()
        };
        let body: [&str; 2] = match target {
            target if target.contains("metadata") => [METADATA, ""],
            target if target.contains("count") => ["1", ""],
            _ => [page, &end],
        };
        let length = body[0].len() + body[1].len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let mut stream = stream;
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| body.iter().try_for_each(|part| stream.write_all(part.as_bytes())))
            .is_err()
        {
            return;
        }
    }
}

fn connector(port: u16) -> PluginConnector {
    let text = format!(
        "[project]\nname = \"bench\"\n[connection.api]\nplugin = \"odata\"\nconfig = {{ service = \"/s\", page_size = 10000, paging = \"links\" }}\n\
         http.api = {{ origin = \"http://127.0.0.1:{port}\", allow_private = true }}\n"
    );
    let folder = project("web", &text);
    let parsed = Project::parse(&text, folder.path(), PROJECT_FILE).unwrap();
    let mut assembly =
        Assembly::new(Arc::new(parsed), lockstep_bundle::PLUGINS, cache(), World::real(), Access::ReadWrite).unwrap();
    assembly.connector(&"api".parse().unwrap()).unwrap()
}

/// The same answers over one connection, and a reader that only looks at their syntax.
fn floor(port: u16) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut bytes, mut body) = (0, Vec::new());
    for number in 0..PAGES {
        write!(stream, "GET /s/A?$skiptoken={number} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body).unwrap();
        serde_json::from_slice::<serde::de::IgnoredAny>(&body).unwrap();
        bytes += length;
    }
    bytes
}

pub fn measure(bench: &Bench, report: &mut Report) {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let port = serve();
    let plugin = connector(port);
    let (mut floors, mut products, mut bytes): (Vec<Duration>, Vec<Duration>, usize) = (Vec::new(), Vec::new(), 0);
    for _ in 0..bench.times {
        let started = Instant::now();
        bytes = floor(port);
        floors.push(started.elapsed());
        let started = Instant::now();
        let rows = tokio.block_on(read(&plugin));
        products.push(started.elapsed());
        assert_eq!(rows, ROWS * PAGES);
    }
    let product = median(&products);
    let megabytes = bytes as f64 / 1e6;
    let what = format!(
        "`odata`: {megabytes:.0} MB of JSON answers in {PAGES} requests, decoded in the guest ({:.0} MB/s in all), against the same \
         answers over a bare connection and a native reader that checks their syntax",
        megabytes / product.as_secs_f64()
    );
    report.time(GROUP, &what, (Some(median(&floors)), product), Goal::Ratio(1.5));
    let what = "the same, 50 MB of answers in a second at least";
    report.time(GROUP, what, (None, product), Goal::Seconds(megabytes / 50.0));
}

async fn read(plugin: &PluginConnector) -> usize {
    let stream = plugin.discover(&["A".to_owned()]).await.unwrap().remove(0);
    let mut reader = Source::open(plugin, whole(&stream)).await.unwrap();
    let mut rows = 0;
    loop {
        let page = reader.next(PageLimits { rows: 10_000, bytes: 16 << 20 }).await.unwrap();
        rows += page.changes.rows();
        if page.status != PageStatus::More {
            return rows;
        }
    }
}
