use super::*;

#[test]
fn what_comes_with_the_plugin_can_be_read() {
    for (api, parameters) in [
        ("hubspot", ""),
        ("stripe", ""),
        ("woocommerce", ""),
        ("shopify", ""),
        ("mailchimp", r#""list":"a""#),
        ("odoo", r#""database":"a","login":"b""#),
    ] {
        let config = format!(r#"{{"api":"{api}","parameters":{{{parameters}}}}}"#);
        let read = read_config(&config).unwrap_or_else(|error| panic!("{api}: {}", error.message));
        assert!(!read.streams.is_empty());
    }
    assert_eq!(bundled::all().members().len(), 6);
}

#[test]
fn parameters_are_given_where_they_are_needed_and_known() {
    let read = |config: &str| read_config(config).map_err(|error| error.code);
    assert_eq!(read(r#"{"api":"mailchimp"}"#).unwrap_err(), "api.parameter");
    assert_eq!(read(r#"{"api":"hubspot","parameters":{"list":"x"}}"#).unwrap_err(), "api.parameter");
    assert_eq!(read(r#"{"api":"hubspotty"}"#).unwrap_err(), "api.name");
    assert_eq!(read("{}").unwrap_err(), "api.name");
    assert_eq!(read("").unwrap_err(), "api.name");
}

#[test]
fn a_manifest_of_ones_own_is_laid_over_the_one_that_is_named() {
    let own = r#"{"api":"stripe","manifest":{"streams":{"customers":{"fields":{"tier":{"path":"metadata.tier"}}},"invoices":null}}}"#;
    let read = read_config(own).unwrap();
    let customers = read.stream("customers").unwrap();
    assert_eq!(customers.field("tier").unwrap().path, ["metadata", "tier"]);
    assert!(customers.field("email").is_some() && read.stream("invoices").is_err());
}
