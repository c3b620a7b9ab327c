use super::*;
use proptest::prelude::*;
use quick_xml::events::Event;

fn tree(text: &str) -> Element<'_> {
    read(text, Characters::Strict).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

#[test]
fn elements_have_namespaces_by_uri_and_not_by_prefix() {
    let root = tree(
        r#"<?xml version="1.0"?><a:r xmlns:a="urn:a" xmlns="urn:d"><b x="1" a:y="2"/><b xmlns=""/><a xmlns:a="urn:b"><a:c/></a></a:r>"#,
    );
    assert!(root.is("urn:a", "r"));
    assert!(root.children[0].is("urn:d", "b") && root.children[1].is("", "b"));
    assert_eq!(root.children[0].attribute("x"), Some("1"));
    assert_eq!(root.children[0].attribute_of("urn:a", "y"), Some("2"));
    assert!(root.children[2].children[0].is("urn:b", "c"));
    let typed = tree(
        r#"<r xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:t="urn:t"><a i:nil="1"/><b i:type="t:B"/></r>"#,
    );
    assert!(typed.children[0].is_nil() && !typed.is_nil());
    assert!(typed.children[1].kind.as_ref().unwrap().is("urn:t", "B"));
}

#[test]
fn text_is_what_it_means() {
    assert_eq!(tree("<a> x&amp;&#xFC;&#10;<![CDATA[<b>&amp;]]>\r\n<!-- no --><b/>y</a>").text, " x&ü\n<b>&amp;\ny");
    assert_eq!(tree("<a b='&lt;\n\"'/>").attribute("b"), Some("< \""));
}

#[test]
fn characters_that_xml_does_not_have_are_dropped_where_that_is_wanted() {
    for text in
        ["<a>&#4; Primary</a>", "<a>\u{4} Primary</a>", "<a><![CDATA[\u{4} Primary]]></a>", "<a>&#xFFFF; Primary</a>"]
    {
        assert!(read(text, Characters::Strict).is_err(), "{text}");
        assert_eq!(read(text, Characters::Dropped).unwrap().text, " Primary", "{text}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for (text, reason) in [
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "type of its own"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "type of its own"),
        ("<a>&b;</a>", "not defined"),
        ("<a>&#xD800;</a>", "does not have"),
        ("<a>&#+5;</a>", "not defined"),
        ("<a b='1' b='2'/>", "twice"),
        ("<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", "twice"),
        ("<x:a/>", "not declared"),
        ("<a></b>", "has not begun"),
        ("<a/><b/>", "second root"),
        ("<a/>x", "outside"),
        ("x<a/>", "outside"),
        ("<a b=c/>", "quotes"),
        ("<a b='1'c='2'/>", "space"),
        ("<1/>", "name"),
        ("<a b='<'/>", "value"),
        (&"<a>".repeat(200), "too deep"),
    ] {
        let fault = read(text, Characters::Strict).unwrap_err();
        assert!(fault.reason.contains(reason) && !fault.breaks_off, "{text}: {fault:?}");
    }
}

proptest! {
    /// Wherever a document is cut, that is what is said of it.
    #[test]
    fn what_breaks_off_says_so(at in 1usize..120) {
        let text = "<?xml version='1.0'?><a:r xmlns:a='urn:a' b=\"c\"><!-- x --><b>t&amp;u</b><![CDATA[z]]><c d='e'/> f</a:r>";
        let cut = &text[..at.min(text.len() - 1)];
        let fault = read(cut, Characters::Strict).unwrap_err();
        prop_assert!(fault.breaks_off, "{} {:?}", cut, fault);
    }

    #[test]
    fn nothing_panics(text in "[<>/a-c:=\"' &;!\\[\\]?#x-]{0,60}") {
        let _ = read(&text, Characters::Strict);
    }

    /// Whatever both take is the same to both.
    #[test]
    fn others_read_the_same(text in "(<a( b='[a&;x]{0,4}')?>|</a>|<b/>|[a-z ]{1,3}|&amp;|&#65;|<!--c-->|<!\\[CDATA\\[<x\\]\\]>){1,12}") {
        let text = format!("<r>{text}</r>");
        if let Ok(root) = read(&text, Characters::Strict) {
            prop_assert_eq!(shown(&root), by_others(&text), "{}", text);
        }
    }

    #[test]
    fn what_is_written_is_read(text in "[ -~\t\r\nüÀ-ÿ€]{0,40}") {
        let mut writer = Writer::default();
        writer.start(Some("urn:a"), "a");
        writer.attribute("b", &text);
        writer.start(Some(""), "c");
        writer.text(&text);
        writer.end();
        writer.end();
        let written = writer.finish();
        let root = tree(&written);
        prop_assert!(root.is("urn:a", "a"));
        let inner = root.child("", "c").unwrap();
        prop_assert_eq!(root.attribute("b"), Some(&*text));
        prop_assert_eq!(&*inner.text, &*text);
    }
}

fn shown(element: &Element<'_>) -> String {
    let children: String = element.children.iter().map(shown).collect();
    let attributes: String =
        element.attributes.iter().map(|known| format!(" {}={}", known.name.local, known.value)).collect();
    format!("<{}{attributes}>{}{children}</>", element.raw, element.text)
}

fn by_others(text: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open: Vec<(String, String, String)> = vec![Default::default()];
    let name = |start: &quick_xml::events::BytesStart<'_>| {
        let attributes: String = start
            .attributes()
            .map(|known| known.unwrap())
            .map(|known| {
                let value = known.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap();
                format!(" {}={value}", known.key.as_ref())
            })
            .collect();
        format!("{}{attributes}", start.name().as_ref())
    };
    loop {
        let event = reader.read_event().unwrap();
        match event {
            Event::Start(start) => open.push((name(&start), String::new(), String::new())),
            Event::Empty(start) => open.last_mut().unwrap().2.push_str(&format!("<{}></>", name(&start))),
            Event::End(_) => {
                let (name, text, children) = open.pop().unwrap();
                open.last_mut().unwrap().2.push_str(&format!("<{name}>{text}{children}</>"));
            }
            Event::Text(text) => open.last_mut().unwrap().1.push_str(&text),
            Event::GeneralRef(reference) => {
                let meant = match reference.resolve_char_ref().unwrap() {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference).unwrap().to_owned(),
                };
                open.last_mut().unwrap().1.push_str(&meant);
            }
            Event::CData(text) => open.last_mut().unwrap().1.push_str(&text),
            Event::Eof => return open.pop().unwrap().2,
            _ => {}
        }
    }
}
