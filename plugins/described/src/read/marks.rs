//! What leads on in an answer: headers, and what records are called.

use lockstep_json::Node;

use crate::record::find;

/// A header; of `Link` the target that is next (RFC 8288).
pub fn header(headers: &[(String, String)], name: &str) -> Option<String> {
    let values = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    if !name.eq_ignore_ascii_case("link") {
        return values.into_iter().next().cloned();
    }
    let links: Vec<&str> = values.flat_map(|value| value.split('<').skip(1)).collect();
    links.into_iter().find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let value = value.trim().trim_end_matches(',').trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel") && value.split(' ').any(|word| word.eq_ignore_ascii_case("next"))
        });
        is_next.then(|| target.to_owned())
    })
}

/// What a record is called by its key, in whatever form the API has it.
pub fn called(text: &[u8], members: &[lockstep_json::Member], key: &[Vec<String>]) -> Option<String> {
    let part = |path: &Vec<String>| find(text, members, path).ok().flatten().and_then(|(text, value)| value.said(text));
    let parts: Vec<String> = key.iter().map(part).collect::<Option<_>>()?;
    Some(parts.join("\u{1f}"))
}

/// A value for the next request, with what it is.
pub fn remembered(value: lockstep_json::Value, text: &[u8]) -> Option<String> {
    match Node::of(value, text).ok()? {
        Node::Number(number) => Some(format!("#{number}")),
        node => node.said().map(|said| format!("${said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let next = |value: &str| header(&[("link".to_owned(), value.to_owned())], "Link");
        assert_eq!(next("<https://a/x?p=2>; rel=\"next\"").as_deref(), Some("https://a/x?p=2"));
        assert_eq!(
            next("</x?p=1>; rel=first, </x?p=3,4>; title=\"a\"; rel=\"last next\"").as_deref(),
            Some("/x?p=3,4")
        );
        for other in ["", "</x>; rel=prev", "</x>", "x; rel=next"] {
            assert_eq!(next(other), None, "{other}");
        }
        assert_eq!(header(&[("X-Total".to_owned(), "7".to_owned())], "x-total").as_deref(), Some("7"));
    }
}
