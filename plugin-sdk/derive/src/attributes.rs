//! What `#[record(…)]` says about a field.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Field, LitInt, LitStr, Result, Token};

/// One field of a record, as its attributes describe it.
pub struct FieldAttributes {
    /// The column's name.
    pub name: String,
    /// Where the name stands, for messages about it.
    pub name_span: Span,
    pub is_key: bool,
    pub is_modified: bool,
    pub logical: Option<Logical>,
}

/// A logical type that is not the field type's own.
pub struct Logical {
    /// The type in `lockstep_plugin_sdk::record::holds` that the field's type must be able to hold.
    pub marker: &'static str,
    /// An expression of type `LogicalType`.
    pub value: TokenStream,
}

/// Logical types that stand for themselves: the word, the marker, the variant.
const PLAIN: &[(&str, &str, &str)] = &[
    ("json", "JsonTexts", "Json"),
    ("uuid", "Uuids", "Uuid"),
    ("timestamp", "Instants", "Timestamp"),
    ("datetime", "Instants", "Datetime"),
    ("date", "Days", "Date"),
    ("time", "TimesOfDay", "Time"),
];

const KNOWN: &str =
    "`key`, `modified`, `rename = \"…\"`, `decimal(p, s)`, `json`, `uuid`, `timestamp`, `datetime`, `date` and `time`";

impl FieldAttributes {
    pub fn read(field: &Field) -> Result<Self> {
        let ident =
            field.ident.as_ref().ok_or_else(|| syn::Error::new_spanned(field, "a record's fields have names"))?;
        // `r#type` is the column `type`.
        let text = ident.to_string();
        let name = text.strip_prefix("r#").unwrap_or(&text).to_owned();
        let mut attributes = Self { name, name_span: ident.span(), is_key: false, is_modified: false, logical: None };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("record")) {
            attribute.parse_nested_meta(|meta| attributes.take(&meta))?;
        }
        Ok(attributes)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let word = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        match word.as_str() {
            "key" => self.is_key = true,
            "modified" => self.is_modified = true,
            "rename" => {
                let name: LitStr = meta.value()?.parse()?;
                (self.name, self.name_span) = (name.value(), name.span());
            }
            "decimal" => self.set_logical(meta, decimal(meta)?)?,
            word => match PLAIN.iter().find(|(known, ..)| *known == word) {
                Some((_, marker, variant)) => self.set_logical(meta, plain(marker, variant))?,
                None => return Err(meta.error(format!("there is no `{word}` here; there are {KNOWN}"))),
            },
        }
        Ok(())
    }

    fn set_logical(&mut self, meta: &ParseNestedMeta<'_>, logical: Logical) -> Result<()> {
        if self.logical.is_some() {
            return Err(meta.error("a field has one type"));
        }
        self.logical = Some(logical);
        Ok(())
    }
}

fn plain(marker: &'static str, variant: &str) -> Logical {
    let variant = syn::Ident::new(variant, Span::call_site());
    Logical { marker, value: quote!(::lockstep_plugin_sdk::values::LogicalType::#variant) }
}

/// `decimal(18, 2)`: all digits, digits behind the point.
fn decimal(meta: &ParseNestedMeta<'_>) -> Result<Logical> {
    let content;
    syn::parenthesized!(content in meta.input);
    let precision: LitInt = content.parse()?;
    content.parse::<Token![,]>()?;
    let scale: LitInt = content.parse()?;
    let (digits, behind): (u16, u16) = (precision.base10_parse()?, scale.base10_parse()?);
    if digits == 0 || behind > digits {
        let message = format!("a decimal of {digits} digits, {behind} of them behind the point, does not exist");
        return Err(syn::Error::new_spanned(precision, message));
    }
    let shape = quote!(::lockstep_plugin_sdk::values::DecimalShape { precision: #digits, scale: #behind });
    let value = quote!(::lockstep_plugin_sdk::values::LogicalType::Decimal(::core::option::Option::Some(#shape)));
    Ok(Logical { marker: "Digits", value })
}
