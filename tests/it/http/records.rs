//! A service that keeps records: `POST /records` makes one, `DELETE /records/ID` takes it away, `GET /records` lists them.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::server::{Answer, Request, Server};

pub struct Records {
    pub server: Server,
    kept: Arc<Mutex<Vec<Value>>>,
}

impl Records {
    pub fn start() -> Self {
        let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
        let records = kept.clone();
        let server = Server::start(move |_, request| answer(&mut records.lock().unwrap(), request));
        Self { server, kept }
    }

    pub fn kept(&self) -> Vec<Value> {
        self.kept.lock().unwrap().clone()
    }
}

fn answer(records: &mut Vec<Value>, request: &Request) -> Answer {
    match request.method.as_str() {
        "POST" => {
            let mut record: Value = serde_json::from_str(&request.body).unwrap();
            let next = records.iter().filter_map(|record| record["id"].as_i64()).max().unwrap_or(0) + 1;
            let id = record.get("id").and_then(Value::as_i64).unwrap_or(next);
            if records.iter().any(|record| record["id"] == id) {
                return Answer::status(409);
            }
            record["id"] = json!(id);
            records.push(record.clone());
            Answer::body(record.to_string())
        }
        "DELETE" => {
            records.retain(|record| !request.target.ends_with(&format!("/{}", record["id"])));
            Answer::body("{}")
        }
        _ => Answer::body(json!(records).to_string()),
    }
}
