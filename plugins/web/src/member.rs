//! Single members of small objects.

use lockstep_json::read_object;

/// A text of an object.
pub fn member(object: &[u8], name: &str) -> Option<String> {
    let mut members = Vec::new();
    read_object(object, &mut members).ok()?;
    let found = members.iter().find(|member| &*member.key.of(object) == name.as_bytes())?;
    found.value.said(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_in_an_object_only() {
        let found = |object: &str| member(object.as_bytes(), "a");
        assert_eq!(found(r#"{"b":1,"a":"x\u0041"}"#).as_deref(), Some("xA"));
        assert_eq!(found(r#"{"a":{"c":[1]}}"#).as_deref(), Some(r#"{"c":[1]}"#));
        for none in [r#"{"a":null}"#, r#"{"b":1}"#, "[1]", "", r#"{"a":1"#] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
