//! Services whose description is spread over documents: fetched from the service and from nowhere else, each once, or given as files.

use lockstep::connector::{Failure, FailureKind, Source as _};
use lockstep::plugin::PluginConnector;
use serde_json::json;

use crate::http::lab::Lab;
use crate::http::server::{Answer, Server};
use crate::plugins::{Reading, run};

const MANIFEST: &str = r#"
[streams.customers]
key = "Id"

[streams.customers.read]
operation = "List"
input = { }
records = "Customer"
"#;

/// The service, its operations, and three schemas, which all refer to each other.
const DOCUMENTS: &[(&str, &str)] = &[
    (
        "/services/crm.svc?wsdl",
        "<w:definitions xmlns:w='http://schemas.xmlsoap.org/wsdl/' xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:o='urn:o' xmlns:t='urn:s'
            targetNamespace='urn:s'><w:import namespace='urn:o' location='?wsdl=operations'/>
         <w:binding name='B' type='o:P'><s:binding style='document'/><w:operation name='List'><s:operation soapAction='urn:list'/></w:operation></w:binding>
         <w:service name='S'><w:port name='p' binding='t:B'><s:address location='http://inner.example:8080/services/crm.svc'/></w:port></w:service></w:definitions>",
    ),
    (
        "/services/crm.svc?wsdl=operations",
        "<w:definitions xmlns:w='http://schemas.xmlsoap.org/wsdl/' xmlns:x='http://www.w3.org/2001/XMLSchema' xmlns:t='urn:t' xmlns:o='urn:o' targetNamespace='urn:o'>
         <w:import namespace='urn:s' location='crm.svc?wsdl'/>
         <w:types><x:schema><x:import namespace='urn:t' schemaLocation='http://inner.example:8080/schemas/types.xsd'/></x:schema></w:types>
         <w:message name='In'><w:part name='p' element='t:List'/></w:message><w:message name='Out'><w:part name='p' element='t:ListResponse'/></w:message>
         <w:portType name='P'><w:operation name='List'><w:input message='o:In'/><w:output message='o:Out'/></w:operation></w:portType></w:definitions>",
    ),
    (
        "/schemas/types.xsd",
        "<x:schema xmlns:x='http://www.w3.org/2001/XMLSchema' xmlns:t='urn:t' targetNamespace='urn:t' elementFormDefault='qualified'>
         <x:import namespace='http://www.w3.org/XML/1998/namespace' schemaLocation='http://www.w3.org/2001/xml.xsd'/>
         <x:include schemaLocation='parts/customer.xsd'/>
         <x:element name='List'><x:complexType/></x:element>
         <x:element name='ListResponse'><x:complexType><x:sequence>
           <x:element name='Customer' type='t:Customer' minOccurs='0' maxOccurs='unbounded'/></x:sequence></x:complexType></x:element></x:schema>",
    ),
    (
        "/schemas/parts/customer.xsd",
        "<x:schema xmlns:x='http://www.w3.org/2001/XMLSchema' xmlns:m='urn:m' targetNamespace='urn:t' elementFormDefault='qualified'>
         <x:include schemaLocation='../types.xsd'/><x:import namespace='urn:m' schemaLocation='../money.xsd'/>
         <x:complexType name='Customer'><x:sequence><x:element name='Id' type='x:int'/>
           <x:element name='Credit' type='m:Money' minOccurs='0'/></x:sequence></x:complexType></x:schema>",
    ),
    (
        "/schemas/money.xsd",
        "<x:schema xmlns:x='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:m'>
         <x:simpleType name='Money'><x:restriction base='x:decimal'><x:totalDigits value='18'/><x:fractionDigits value='2'/></x:restriction></x:simpleType></x:schema>",
    ),
];

const ANSWER: &str = "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><ListResponse xmlns='urn:t'>\
    <Customer><Id>1</Id><Credit>2.50</Credit></Customer></ListResponse></s:Body></s:Envelope>";

/// A service with these documents, some of them with something else in them.
fn serve(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |_, request| {
        let found = DOCUMENTS.iter().find(|(target, _)| *target == request.target);
        match (request.method.as_str(), found) {
            ("POST", _) => Answer::body(ANSWER),
            (_, Some((_, document))) => Answer::body(change(document)),
            _ => Answer::status(404),
        }
    })
}

fn connect(url: &str, keys: &str) -> PluginConnector {
    let lab = Lab::new("");
    std::fs::write(lab.path().join("manifest.toml"), MANIFEST).unwrap();
    for (at, (_, document)) in DOCUMENTS.iter().enumerate() {
        std::fs::write(lab.path().join(format!("{at}.xml")), document).unwrap();
    }
    let text = format!(
        "http.api = {{ origin = \"{url}\", allow_private = true }}\nconfig = {{ manifest = \"manifest.toml\", {keys} }}"
    );
    lab.connect_plugin("soap", &text, lab.world()).unwrap_or_else(|error| panic!("{error}"))
}

const FETCHED: &str = "wsdl_path = \"/services/crm.svc?wsdl\"";

async fn check(plugin: &PluginConnector) {
    let shown = Reading::full(plugin, "customers").discovered().await.read().await;
    assert_eq!(json!(shown.records), json!([{"Id": 1, "Credit": "2.50"}]));
    let stream = plugin.discover(&[]).await.unwrap().remove(0);
    let logical: Vec<String> = stream.fields.iter().map(|field| field.logical.to_string()).collect();
    assert_eq!(logical, ["int64", "decimal(18,2)"]);
}

async fn refused(server: &Server) -> Failure {
    connect(&server.url(), FETCHED).discover(&[]).await.unwrap_err()
}

#[test]
fn documents_that_refer_to_each_other_are_fetched_once_and_all_from_the_service() {
    run(async {
        let server = serve(str::to_owned);
        check(&connect(&server.url(), FETCHED)).await;
        let fetched: Vec<String> = server
            .requests()
            .into_iter()
            .filter(|request| request.method == "GET")
            .map(|request| request.target)
            .collect();
        // A circle ends, whatever host a document names it is this one that is asked, and what everybody knows is not asked for at all.
        let mut expected: Vec<String> = DOCUMENTS.iter().map(|(target, _)| (*target).to_owned()).collect();
        let mut once = fetched.clone();
        once.sort();
        once.dedup();
        expected.sort();
        assert_eq!((once, fetched.len() % DOCUMENTS.len()), (expected, 0), "{fetched:?}");
        let posted: Vec<String> = server
            .requests()
            .into_iter()
            .filter(|request| request.method == "POST")
            .map(|request| request.target)
            .collect();
        assert_eq!(posted, ["/services/crm.svc"]);
    });
}

#[test]
fn documents_that_are_given_as_files_are_found_by_the_names_others_have_for_them() {
    run(async {
        let server = serve(|_| panic!("nothing is fetched"));
        let schemas = "\"?wsdl=operations\" = \"1.xml\", \"crm.svc?wsdl\" = \"0.xml\", \"types.xsd\" = \"2.xml\", \"customer.xsd\" = \"3.xml\"";
        let keys = format!("wsdl = \"0.xml\", schemas = {{ {schemas}, \"money.xsd\" = \"4.xml\" }}");
        check(&connect(&server.url(), &keys)).await;
        // One that is missing is named, with what to write.
        let keys = format!("wsdl = \"0.xml\", schemas = {{ {schemas} }}");
        let failure = connect(&server.url(), &keys).discover(&[]).await.unwrap_err();
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "soap.wsdl"));
        let shown = format!("{failure} {:?}", failure.properties);
        assert!(shown.contains("`../money.xsd`") && shown.contains("\\\"money.xsd\\\" = "), "{shown}");
    });
}

#[test]
fn nothing_is_fetched_from_another_origin() {
    run(async {
        let other = Server::start(|_, _| panic!("another origin was asked"));
        for (location, code) in [
            (format!("{}/money.xsd", other.url()), "soap.wsdl"),
            (format!("//127.0.0.1:{}/money.xsd", other.port), "soap.wsdl"),
            ("file:///etc/passwd".to_owned(), "http.link"),
            ("../../../money.xsd".to_owned(), "http.link"),
        ] {
            let server = serve(move |document| document.replace("../money.xsd", &location));
            let failure = refused(&server).await;
            assert_eq!(failure.detail_code, code, "{failure}");
        }
        assert!(other.requests().is_empty(), "{:?}", other.requests());
    });
}

#[test]
fn descriptions_that_do_not_end_or_are_none_are_refused() {
    run(async {
        // Each refers to another one.
        let endless = Server::start(|number, _| {
            Answer::body(format!(
                "<x:schema xmlns:x='http://www.w3.org/2001/XMLSchema'><x:include schemaLocation='{number}.xsd'/></x:schema>"
            ))
        });
        let failure = refused(&endless).await;
        assert_eq!((failure.kind, failure.detail_code.as_str()), (FailureKind::Config, "soap.wsdl"));
        assert!(failure.message.contains("200"), "{failure}");
        assert_eq!(endless.requests().len(), 201);
        let page = serve(|document| match document.contains("urn:m'>") {
            true => "<html><body>log in</body></html>".to_owned(),
            false => document.to_owned(),
        });
        let failure = refused(&page).await;
        assert_eq!(failure.detail_code, "soap.wsdl", "{failure}");
        assert!(failure.message.contains("/schemas/money.xsd"), "{failure}");
        let bomb = serve(|document| format!("<!DOCTYPE x [<!ENTITY a 'aaaa'>]>{document}"));
        assert_eq!(refused(&bomb).await.detail_code, "soap.wsdl");
    });
}
