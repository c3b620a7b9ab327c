//! The least of an HTTP client, for what tests do behind the back of what they test.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Sends a request with a body of JSON; answers the body.
pub fn ask(port: u16, method: &str, path: &str, body: &str) -> String {
    send(port, method, path, "application/json", body)
}

/// The same with another kind of body.
pub fn send(port: u16, method: &str, path: &str, kind: &str, body: &str) -> String {
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = Vec::new();
    TcpStream::connect(("127.0.0.1", port))
        .and_then(|mut stream| {
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
            stream.read_to_end(&mut answer)
        })
        .unwrap_or_else(|error| panic!("the server does not answer: {error}"));
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if !head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        panic!("{method} {path}: `{head}` `{body}`");
    }
    body.to_owned()
}
