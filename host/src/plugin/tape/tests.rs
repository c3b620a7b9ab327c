use super::*;

fn head() -> Head {
    Head {
        plugin: "requests@0.1.0".into(),
        digest: "sha256:0".into(),
        connection: "crm".into(),
        config: json!({"page": 2}),
        grants: [("http".to_owned(), [("api".to_owned(), "https://a.example".to_owned())].into())].into(),
        streams: vec!["contacts".into()],
        page_rows: 10,
        page_bytes: 100,
        began: DateTime::UNIX_EPOCH,
        chance: 7,
        writes: None,
        checked: None,
    }
}

fn recording(exchanges: &[(&str, &str)]) -> Recording {
    let tape = Tape::record(head(), crate::world::World::real().clock);
    let track = tape.track("http", "api");
    for (target, body) in exchanges {
        track.keep(json!({"method": "GET", "target": target, "headers": [["a", "b"]]}), Ok(json!(body))).unwrap();
    }
    Recording { head: head(), exchanges: tape.exchanges(), gave: vec![json!({"stream": "contacts"})] }
}

fn ask(tape: &Tape, target: &str) -> Result<String, Failure> {
    tape.track("http", "api").answer(&json!({"method": "GET", "target": target, "headers": []}))
}

#[test]
fn a_request_is_answered_in_its_order_and_then_as_the_last_time() {
    let recording = recording(&[("/a", "1"), ("/b", "x"), ("/a", "1"), ("/a", "2")]);
    assert_eq!(recording.exchanges.len(), 3, "what is the same in a row is one line");
    let tape = Tape::play(&recording);
    let answers: Vec<String> = (0..4).map(|_| ask(&tape, "/a").unwrap()).collect();
    assert_eq!(answers, ["1", "1", "2", "2"]);
    assert_eq!(tape.unasked(), ["http.api: GET /b"]);
}

#[test]
fn what_was_not_recorded_is_told() {
    let tape = Tape::play(&recording(&[("/a", "1")]));
    let failure = ask(&tape, "/a?page=2").unwrap_err();
    assert_eq!(failure.code.id, "LS0518");
    assert!(failure.message.ends_with("was not recorded: http.api: GET /a?page=2"), "{failure}");
    assert_eq!(tape.gaps(), ["http.api: GET /a?page=2"]);
}

#[test]
fn failures_come_back_as_failures() {
    let tape = Tape::record(head(), crate::world::World::real().clock);
    let failure = Failure::new(FailureKind::Transient, &codes::HTTP_UNKNOWN, "http", "no answer");
    let asked = json!({"method": "POST", "target": "/a"});
    tape.track("http", "api").keep(asked.clone(), Err(failure_to_json(&failure))).unwrap();
    let tape = Tape::play(&Recording { head: head(), exchanges: tape.exchanges(), gave: Vec::new() });
    let again = tape.track("http", "api").answer::<String>(&asked).unwrap_err();
    assert_eq!((again.kind, again.code.id), (FailureKind::Transient, "LS0516"));
}

#[test]
fn a_file_is_the_same_afterwards() {
    let before = recording(&[("/a", "1"), ("/a", "1"), ("/b", "{}")]);
    assert_eq!(Recording::parse("r", &before.to_text(&[])).unwrap(), before);
    for (text, part) in [("", "line 1"), ("{}", "line 1"), ("a\n", "line 1")] {
        assert!(Recording::parse("r", text).unwrap_err().to_string().contains(part), "{text}");
    }
    let newer = before.to_text(&[]).replacen("\"lockstep-recording\":1", "\"lockstep-recording\":2", 1);
    assert!(Recording::parse("r", &newer).unwrap_err().to_string().contains("version 2"));
    let broken = format!("{}nonsense\n", before.to_text(&[]));
    assert!(Recording::parse("r", &broken).unwrap_err().to_string().contains("line 5"));
}

#[test]
fn neither_secrets_nor_tokens_are_written() {
    let mut recording = recording(&[
        ("/login?key=s3cret%2Dvalue", r#"{"access_token": "tok-en-0123456789", "n": 1}"#),
        ("/x", "<a:sessionId>session-0123456789</a:sessionId>"),
    ]);
    recording.exchanges[1].asked["headers"] = json!([["x-token", "tok-en-0123456789"]]);
    recording.exchanges[1].got =
        json!({"headers": [["X-CSRF-Token", "csrf-0123456789"]], "body": recording.exchanges[1].got});
    recording.gave.push(json!({"twice": json!({"in": json!("s3\"cret-value").to_string()}).to_string()}));
    recording.gave.push(json!({"s3cret-value": {"text": "c2Vzc2lvbi0wMTIzNDU2Nzg5"}}));
    let text = recording.to_text(&["s3cret-value".to_owned(), "s3\"cret-value".to_owned()]);
    for secret in ["s3cret", "cret-value", "tok-en", "session-0", "csrf-0", "c2Vzc2lvb"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains(r#"["x-token","*****************"]"#), "{text}");
}

#[test]
fn chance_and_time_repeat_themselves() {
    let recording = recording(&[("/a", "1")]);
    let (one, other) = (Tape::play(&recording), Tape::play(&recording));
    let first = one.chance();
    assert_eq!(first, other.chance());
    assert_ne!(first, one.chance(), "instances differ");
    assert_eq!(one.now(), recording.head.began);
    ask(&one, "/a").unwrap();
    assert_eq!(one.elapsed(), Duration::from_millis(recording.exchanges[0].elapsed_ms));
}
