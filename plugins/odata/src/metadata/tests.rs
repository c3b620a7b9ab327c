use super::*;

const V4: &str = r#"<?xml version="1.0"?>
<edmx:Edmx Version="4.0" xmlns:edmx="x"><edmx:DataServices>
<Schema Namespace="acme.crm" Alias="Self" xmlns="y">
  <EntityType Name="base" Abstract="true"><Property Name="createdon" Type="Edm.DateTimeOffset"/></EntityType>
  <EntityType Name="account" BaseType="Self.base">
    <Key><PropertyRef Name="accountid"/></Key>
    <Property Name="accountid" Type="Edm.Guid" Nullable="false"/>
    <Property Name="name" Type="Edm.String" MaxLength="160"><Annotation Term="Org.OData.Core.V1.Description" String="Who &amp; what"/></Property>
    <Property Name="revenue" Type="Edm.Decimal" Precision="18" Scale="4"/>
    <Property Name="rate" Type="Edm.Decimal" Scale="Variable"/>
    <Property Name="state" Type="Self.State"/>
    <Property Name="kind" Type="acme.crm.Kind"/>
    <Property Name="tags" Type="Collection(Edm.String)"/>
    <Property Name="photo" Type="Edm.Stream"/>
    <Property Name="_owner_value" Type="Edm.Guid"/>
    <NavigationProperty Name="owner" Type="Self.account"><ReferentialConstraint Property="_owner_value" ReferencedProperty="accountid"/></NavigationProperty>
    <Annotation Term="OData.Community.Keys.V1.AlternateKeys"><Collection><Record><PropertyValue Property="Key"><Collection>
      <Record><PropertyValue Property="Alias" String="number"/><PropertyValue Property="Name" PropertyPath="number"/></Record>
    </Collection></PropertyValue></Record></Collection></Annotation>
  </EntityType>
  <EnumType Name="State"><Member Name="Open" Value="0"/></EnumType>
  <TypeDefinition Name="Kind" UnderlyingType="Edm.Int32"/>
  <EntityContainer Name="System">
    <EntitySet Name="accounts" EntityType="Self.account"><NavigationPropertyBinding Path="owner" Target="accounts"/>
      <Annotation Term="Org.OData.Capabilities.V1.ChangeTracking"><Record><PropertyValue Property="Supported" Bool="true"/></Record></Annotation>
    </EntitySet>
  </EntityContainer>
  <Annotations Target="Self.base/createdon"><Annotation Term="Core.Computed" Bool="true"/></Annotations>
  <Annotations Target="Self.System/accounts"><Annotation Term="Capabilities.DeleteRestrictions"><Record><PropertyValue Property="Deletable" Bool="false"/></Record></Annotation></Annotations>
</Schema></edmx:DataServices></edmx:Edmx>"#;

const V2: &str = r#"<edmx:Edmx Version="1.0" xmlns:edmx="x"><edmx:DataServices m:DataServiceVersion="2.0" xmlns:m="m">
<Schema Namespace="API" xmlns="y" xmlns:sap="s">
  <EntityType Name="PartnerType" sap:label="Partner"><Key><PropertyRef Name="Partner"/></Key>
    <Property Name="Partner" Type="Edm.String" Nullable="false" MaxLength="10"/>
    <Property Name="Changed" Type="Edm.DateTime" sap:display-format="Date"/>
    <Property Name="At" Type="Edm.DateTime"/>
    <Property Name="Total" Type="Edm.Decimal" Precision="16" Scale="3" sap:creatable="false" sap:updatable="false"/>
  </EntityType>
  <EntityContainer Name="C"><EntitySet Name="Partners" EntityType="API.PartnerType" sap:creatable="false"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"#;

#[test]
fn version_4_is_read_with_what_it_is_annotated_with() {
    let metadata = parse(V4).unwrap();
    let set = metadata.set("accounts").unwrap();
    assert_eq!(metadata.version, Version::V4);
    assert_eq!(metadata.key(set), ["accountid"]);
    let types: Vec<(String, String)> =
        metadata.properties(set).iter().map(|(property, edm)| (property.name.clone(), edm.to_string())).collect();
    let expected = [
        ("createdon", "Edm.DateTimeOffset"),
        ("accountid", "Edm.Guid"),
        ("name", "Edm.String"),
        ("revenue", "Edm.Decimal(18,4)"),
        ("rate", "Edm.Decimal"),
        ("state", "enum:acme.crm.State"),
        ("kind", "Edm.Int32"),
        ("tags", "Collection(Edm.String)"),
        ("_owner_value", "Edm.Guid"),
    ];
    assert_eq!(types, expected.map(|(name, edm)| (name.to_owned(), edm.to_owned())));
    let properties = metadata.properties(set);
    assert!(properties[0].0.is_computed && !properties[1].0.is_computed && !properties[1].0.is_nullable);
    assert_eq!(properties[2].0.comment.as_deref(), Some("Who & what"));
    assert_eq!(metadata.alternate_keys(set), [["number"]]);
    assert!(set.tracks_changes && set.is_insertable && !set.is_deletable);
    let navigations = metadata.navigations(set);
    assert_eq!(navigations[0].0.dependent.as_deref(), Some("_owner_value"));
    assert_eq!(navigations[0].1, Some("accounts"));
}

#[test]
fn version_2_is_read() {
    let metadata = parse(V2).unwrap();
    let set = metadata.set("Partners").unwrap();
    assert_eq!((metadata.version, metadata.key(set)), (Version::V2, vec!["Partner".to_owned()]));
    let properties = metadata.properties(set);
    assert_eq!(properties[1].1, Edm::DateTimeDay);
    assert_eq!(properties[2].1, Edm::DateTime);
    assert_eq!(properties[3].1.to_string(), "Edm.Decimal(16,3)");
    assert!(properties[3].0.is_computed && !set.is_insertable && set.is_updatable);
    assert_eq!(metadata.comment(set), Some("Partner"));
}

#[test]
fn what_is_no_metadata_is_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><edmx:Edmx Version=\"4.0\"/>";
    let unknown = V4.replace("&amp;", "&a;");
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let mut texts = vec![bomb.to_owned(), unknown, deep, String::new(), "{}".into(), "<html></html>".into()];
    texts.extend((1..V4.len()).step_by(97).map(|end| V4[..end].to_owned()));
    for text in texts {
        assert_eq!(parse(&text).unwrap_err().code, "odata.metadata", "{}", &text[..text.len().min(60)]);
    }
}

#[test]
fn a_type_that_is_its_own_ancestor_ends() {
    let metadata = parse(&V4.replace("Name=\"base\"", "Name=\"base\" BaseType=\"Self.account\"")).unwrap();
    assert!(metadata.properties(metadata.set("accounts").unwrap()).len() > 8);
}
