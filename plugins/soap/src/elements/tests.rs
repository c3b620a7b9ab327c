use super::*;
use crate::schema::tests::schema;
use crate::xml::{Characters, read};

const TYPES: &str = "<x:complexType name='A'><x:sequence><x:element name='b' type='x:int'/><x:element name='c' type='x:string' minOccurs='0' maxOccurs='9'/>
    <x:element name='n' type='x:string' nillable='true'/><x:element name='k' type='t:K' minOccurs='0'/></x:sequence><x:attribute name='id'/></x:complexType>
    <x:complexType name='K'/><x:complexType name='L'><x:complexContent><x:extension base='t:K'><x:sequence><x:element name='z' type='x:int'/></x:sequence></x:extension></x:complexContent></x:complexType>";

fn written(node: &str, omits_null: bool) -> Result<String> {
    let (schema, options) = (schema(TYPES), Options::default());
    let shape = Shape { schema: &schema, options: &options };
    let mut writer = Writer::default();
    writer.start(Some("urn:t"), "a");
    shape.write(
        &mut writer,
        &Node::read(node.as_bytes()).unwrap(),
        schema.type_named("urn:t", "A").unwrap(),
        omits_null,
    )?;
    writer.end();
    Ok(writer.finish())
}

#[test]
fn elements_are_written_in_the_order_of_the_schema() {
    let node = r#"{"n":null,"c":["x","<y>"],"b":7,"@id":"q\"","k":{"@xsi:type":"{urn:t}L","z":1}}"#;
    let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    let expected = format!(
        "<a xmlns=\"urn:t\" id=\"q&quot;\"><b>7</b><c>x</c><c>&lt;y&gt;</c><n {xsi} xsi:nil=\"true\"/>\
         <k {xsi} xmlns:t=\"urn:t\" xsi:type=\"t:L\"><z>1</z></k></a>"
    );
    assert_eq!(written(node, false).unwrap(), expected);
    // What was written is read as it was.
    let (schema, options) = (schema(TYPES), Options::default());
    let read = read(&expected, Characters::Strict).unwrap();
    let shape = Shape { schema: &schema, options: &options };
    let back = shape.document(&read, schema.type_named("urn:t", "A").unwrap());
    assert_eq!(
        back.to_json(),
        r#"{"@id":"q\"","b":"7","c":["x","<y>"],"n":null,"k":{"@xsi:type":"{urn:t}L","z":"1"}}"#
    );
}

#[test]
fn what_the_schema_does_not_know_is_refused() {
    for (node, code) in [
        (r#"{"B":1}"#, "soap.element"),
        (r#"{"b":null}"#, "soap.null"),
        (r#"{"k":{"@xsi:type":"{urn:t}X"}}"#, "soap.type"),
        ("{\"b\":\"\\u0001\"}", "soap.character"),
    ] {
        assert_eq!(written(node, false).unwrap_err().code, code, "{node}");
    }
    assert_eq!(written(r#"{"k":null,"b":1}"#, true).unwrap(), "<a xmlns=\"urn:t\"><b>1</b></a>");
    assert_eq!(written(r#"{"b":null}"#, true).unwrap_err().code, "soap.null");
}
