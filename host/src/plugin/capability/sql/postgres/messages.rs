//! The messages we send, appended to a buffer.

/// How a value travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Format {
    Text = 0,
    Binary = 1,
}

const PROTOCOL_3_0: u32 = 196_608;
const TLS_REQUEST: u32 = 80_877_103;
const CANCEL_REQUEST: u32 = 80_877_102;

pub(super) fn tls_request(out: &mut Vec<u8>) {
    out.extend_from_slice(&8u32.to_be_bytes());
    out.extend_from_slice(&TLS_REQUEST.to_be_bytes());
}

pub(super) fn cancel_request(out: &mut Vec<u8>, key: super::wire::CancelKey) {
    out.extend_from_slice(&16u32.to_be_bytes());
    out.extend_from_slice(&CANCEL_REQUEST.to_be_bytes());
    out.extend_from_slice(&key.process.to_be_bytes());
    out.extend_from_slice(&key.secret.to_be_bytes());
}

pub(super) fn startup<'a>(out: &mut Vec<u8>, parameters: impl Iterator<Item = (&'a str, &'a str)>) {
    counted(out, |out| {
        out.extend_from_slice(&PROTOCOL_3_0.to_be_bytes());
        for (name, value) in parameters {
            text(out, name);
            text(out, value);
        }
        out.push(0);
    });
}

/// The answer to a request for a password, in the form that was asked for.
pub(super) fn password(out: &mut Vec<u8>, password: &[u8]) {
    message(out, b'p', |out| {
        out.extend_from_slice(password);
        out.push(0);
    });
}

pub(super) fn sasl_initial(out: &mut Vec<u8>, mechanism: &str, data: &[u8]) {
    message(out, b'p', |out| {
        text(out, mechanism);
        value(out, data);
    });
}

pub(super) fn sasl_response(out: &mut Vec<u8>, data: &[u8]) {
    message(out, b'p', |out| out.extend_from_slice(data));
}

/// One or more statements without parameters.
pub(super) fn query(out: &mut Vec<u8>, statements: &str) {
    message(out, b'Q', |out| text(out, statements));
}

/// Into the unnamed statement; the server infers the types of the parameters.
pub(super) fn parse(out: &mut Vec<u8>, statement: &str) {
    message(out, b'P', |out| {
        out.push(0);
        text(out, statement);
        out.extend_from_slice(&0u16.to_be_bytes());
    });
}

/// Of the unnamed statement.
pub(super) fn describe(out: &mut Vec<u8>) {
    message(out, b'D', |out| out.extend_from_slice(b"S\0"));
}

/// The unnamed statement into the unnamed portal. `values` writes one counted value per parameter.
pub(super) fn bind(out: &mut Vec<u8>, parameters: &[Format], results: &[Format], values: impl FnOnce(&mut Vec<u8>)) {
    message(out, b'B', |out| {
        out.extend_from_slice(&[0, 0]);
        formats(out, parameters);
        out.extend_from_slice(&(parameters.len() as u16).to_be_bytes());
        values(out);
        formats(out, results);
    });
}

/// All rows of the unnamed portal.
pub(super) fn execute(out: &mut Vec<u8>) {
    message(out, b'E', |out| out.extend_from_slice(&[0; 5]));
}

pub(super) fn sync(out: &mut Vec<u8>) {
    message(out, b'S', |_| {});
}

/// The head of a message of COPY data; [`copy_data_end`] sets its length.
pub(super) fn copy_data_begin(out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'd', 0, 0, 0, 0]);
}

/// `out` holds one message of COPY data and nothing else.
pub(super) fn copy_data_end(out: &mut [u8]) {
    let length = (out.len() - 1) as u32;
    if let Some(place) = out.get_mut(1..5) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

pub(super) fn copy_done(out: &mut Vec<u8>) {
    message(out, b'c', |_| {});
}

pub(super) fn copy_fail(out: &mut Vec<u8>, reason: &str) {
    message(out, b'f', |out| text(out, reason));
}

/// A value with its length before it.
pub(super) fn value(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

/// A value whose length is known only when it has been written.
pub(super) fn value_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - start - 4) as u32;
    set_length(out, start, length);
}

fn formats(out: &mut Vec<u8>, formats: &[Format]) {
    out.extend_from_slice(&(formats.len() as u16).to_be_bytes());
    for format in formats {
        out.extend_from_slice(&(*format as u16).to_be_bytes());
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn message(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    counted(out, body);
}

/// A length that counts itself, and what it counts.
fn counted(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = (out.len() - start) as u32;
    set_length(out, start, length);
}

fn set_length(out: &mut [u8], start: usize, length: u32) {
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
