use super::*;
use crate::xml::{Characters, read};

/// A schema with this in it, for the namespace `urn:t`.
pub fn schema(inside: &str) -> Schema {
    let text = format!(
        "<x:schema xmlns:x=\"{XSD}\" xmlns:t=\"urn:t\" targetNamespace=\"urn:t\" elementFormDefault=\"qualified\">{inside}</x:schema>"
    );
    let root: Doc = Box::leak(Box::new(read(String::leak(text), Characters::Strict).unwrap()));
    let roots: &'static [Here<'static>] = vec![Here::root(root)].leak();
    Schema::new(roots)
}

fn shown(schema: &Schema, name: &str) -> Vec<String> {
    let kind = schema.type_named("urn:t", name).unwrap();
    let one = |decl: &&Decl| {
        let (kind, is_nillable) = schema.resolved(decl);
        let logical = schema.logical(kind).map_or("-".to_owned(), |logical| logical.to_string());
        let marks = [(decl.is_many, "*"), (decl.is_optional, "?"), (is_nillable, "0")];
        let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        format!("{}{}{logical}{marks}", decl.name.local, if decl.name.space.is_empty() { "=" } else { ":" })
    };
    schema.children(kind).iter().map(one).collect()
}

#[test]
fn types_are_what_they_are_derived_from() {
    let schema = schema(
        "<x:complexType name='B'><x:complexContent><x:extension base='t:A'><x:choice maxOccurs='unbounded'>
           <x:element name='c' type='x:int'/><x:element ref='t:d'/></x:choice><x:attribute name='id'/></x:extension></x:complexContent></x:complexType>
         <x:complexType name='A'><x:sequence><x:element name='a' type='t:Money' minOccurs='0'/><x:group ref='t:G'/>
           <x:element name='n' form='unqualified' nillable='true'><x:simpleType><x:restriction base='x:string'><x:enumeration value='p'/></x:restriction></x:simpleType></x:element>
         </x:sequence></x:complexType>
         <x:group name='G'><x:sequence><x:element name='g'><x:complexType><x:sequence/></x:complexType></x:element></x:sequence></x:group>
         <x:simpleType name='Money'><x:restriction base='x:decimal'><x:totalDigits value='10'/><x:fractionDigits value='2'/></x:restriction></x:simpleType>
         <x:element name='d' type='x:date' nillable='1'/>",
    );
    assert_eq!(shown(&schema, "B"), ["a:decimal(10,2)?", "g:-", "n=text0", "c:int64*?", "d:date*?0"]);
    assert_eq!(schema.attributes(schema.type_named("urn:t", "B").unwrap()), ["id"]);
    assert_eq!(schema.element(&Name { space: "urn:t".into(), local: "d" }).unwrap().name.local, "d");
}

#[test]
fn types_that_hold_themselves_come_to_an_end() {
    let schema = schema(
        "<x:complexType name='A'><x:complexContent><x:extension base='t:A'><x:sequence><x:element name='a' type='t:A'/><x:group ref='t:G'/></x:sequence></x:extension></x:complexContent></x:complexType>
         <x:group name='G'><x:sequence><x:group ref='t:G'/></x:sequence></x:group>",
    );
    assert!(schema.children(schema.type_named("urn:t", "A").unwrap()).len() <= BASES_MAX);
}
