//! A consumer of events: a small server for HTTP on a port of its own that notes down what it is given.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// Serves until the test ends.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    /// Answers to the next requests; 201 when they are used up.
    answers: Mutex<VecDeque<Answer>>,
}

#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Status(u16),
    /// None at all, and the connection stays open.
    Silence,
}

#[derive(Clone, Debug)]
pub struct Request {
    /// `POST /api/v1/lineage HTTP/1.1`.
    pub line: String,
    /// With names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Value,
    pub status: u16,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Receiver {
    pub fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// On a port that nobody has listened on before.
    pub fn start_at(port: u16) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", port)).unwrap())
    }

    fn listen(listener: TcpListener) -> Self {
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                std::thread::spawn(move || serve(stream, &serving));
            }
        });
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next requests are answered so, in this order.
    pub fn will_answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.answers.lock().unwrap().extend(answers);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The events it has taken, in their order.
    pub fn events(&self) -> Vec<Value> {
        self.requests().into_iter().filter(|request| request.status < 300).map(|request| request.body).collect()
    }
}

/// One request per connection, and no more of HTTP than a client of ours needs.
fn serve(stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = shared.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(201));
    let status = match answer {
        Answer::Status(status) => status,
        Answer::Silence => 999,
    };
    let body = serde_json::from_slice(&body).unwrap();
    shared.requests.lock().unwrap().push(Request { line: lines[0].clone(), headers, body, status });
    let mut stream = reader.into_inner();
    match answer {
        Answer::Status(status) => {
            write!(stream, "HTTP/1.1 {status} Answer\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
        // Until the other side hangs up.
        Answer::Silence => {
            let _ = stream.read(&mut [0]);
        }
    }
}
