//! An upstream that answers as it is told and notes down what it was asked.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockstep_test_servers::Certificate;

/// Serves until the test ends.
pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
}

type Upstream = dyn Fn(usize, &Request) -> Answer + Send + Sync;

struct Shared {
    answer: Box<Upstream>,
    requests: Mutex<Vec<Request>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    tls: Option<Arc<rustls::ServerConfig>>,
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// With names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub at: Instant,
}

/// What to do with a request.
pub enum Answer {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// The request is read and the connection cut.
    Cut,
    /// The head of an answer and a part of its body.
    CutBody,
    /// After a while.
    After(Duration, Box<Answer>),
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: format!("status {status}").into_bytes() }
    }

    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::Reply { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

impl Server {
    /// `answer` is given the number of the request, from 0.
    pub fn start(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(answer, None)
    }

    /// The same with TLS, as `localhost`.
    pub fn start_tls(
        certificate: &Certificate,
        answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        use rustls::pki_types::pem::PemObject as _;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = CertificateDer::pem_file_iter(certificate.certificate()).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(certificate.key()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self::listen(answer, Some(Arc::new(config)))
    }

    fn listen(
        answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            requests: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            tls,
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = serving.clone();
                std::thread::spawn(move || serve(stream, &serving));
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let raw = stream.try_clone().unwrap();
    match &shared.tls {
        None => talk(stream, &raw, shared),
        Some(config) => {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            talk(rustls::StreamOwned::new(connection, stream), &raw, shared);
        }
    }
}

/// One request per connection, and no more of HTTP than a client of ours needs.
fn talk(stream: impl Read + Write, raw: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    let Some(request) = read(&mut reader) else { return };
    let under_way = shared.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_under_way.fetch_max(under_way, Ordering::SeqCst);
    let number = {
        let mut requests = shared.requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let answer = waited((shared.answer)(number, &request));
    // Before the answer is there: whoever has it may send the next request.
    shared.under_way.fetch_sub(1, Ordering::SeqCst);
    reply(answer, reader.get_mut());
    let _ = raw.shutdown(Shutdown::Both);
}

fn read(reader: &mut impl std::io::BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: BTreeMap<String, String> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let mut words = lines[0].split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    Some(Request { method, target, headers, body: String::from_utf8(body).unwrap(), at: Instant::now() })
}

fn waited(answer: Answer) -> Answer {
    match answer {
        Answer::After(wait, answer) => {
            std::thread::sleep(wait);
            waited(*answer)
        }
        answer => answer,
    }
}

fn reply(answer: Answer, stream: &mut impl Write) {
    match answer {
        Answer::Reply { status, headers, body } => {
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} Answer\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
            // Whoever has hung up misses it.
            let _ = stream.write_all(&[head.as_bytes(), &body].concat()).and_then(|()| stream.flush());
        }
        Answer::Cut | Answer::After(..) => {}
        Answer::CutBody => {
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").and_then(|()| stream.flush());
        }
    }
}
