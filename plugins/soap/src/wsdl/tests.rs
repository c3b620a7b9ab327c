use super::*;
use crate::xml::{Characters, read};

fn wsdl(style: &str, kind: &str) -> Wsdl {
    let text = format!(
        "<d:definitions xmlns:d=\"{WSDL}\" xmlns:s=\"http://schemas.xmlsoap.org/wsdl/soap12/\" xmlns:t=\"urn:t\" xmlns:e=\"urn:e\" targetNamespace=\"urn:t\">
         <d:message name='In'><d:part name='p' element='e:Ask'/></d:message>
         <d:portType name='P'><d:operation name='Ask'><d:input message='t:In'/></d:operation></d:portType>
         <d:binding name='B' type='t:P'><s:binding style='{style}'/><d:operation name='Ask'><s:operation soapAction='urn:ask'/>
           <d:input><s:body use='{kind}'/></d:input></d:operation></d:binding>
         <d:service name='S'><d:port name='p' binding='t:B'><s:address location='https://inner:8443/svc?x=1'/></d:port></d:service></d:definitions>"
    );
    Wsdl::new(&[Box::leak(Box::new(read(String::leak(text), Characters::Strict).unwrap()))])
}

#[test]
fn operations_say_where_they_are_and_what_they_take() {
    let wsdl = wsdl("document", "literal");
    let found = wsdl.operation("Ask", None).unwrap();
    assert_eq!((found.version, &*found.action, &*found.path), (Version::V12, "urn:ask", "/svc?x=1"));
    assert!(found.input.is("urn:e", "Ask") && found.output.is_none());
    assert_eq!(wsdl.operation("Ask", Some(Version::V11)).unwrap_err().code, "soap.operation");
}

#[test]
fn what_cannot_be_spoken_is_refused() {
    for (style, kind, says) in [("rpc", "literal", "`rpc`"), ("document", "encoded", "`encoded`")] {
        let error = wsdl(style, kind).operation("Ask", None).unwrap_err();
        assert!(error.code == "soap.operation" && error.message.contains(says), "{error:?}");
    }
}
