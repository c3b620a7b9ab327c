//! The implementation that is written for a record.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, Field, Fields, Result};

use crate::attributes::FieldAttributes;

/// `impl Record for …`.
pub fn record(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named_fields(input)?;
    let attributes = fields.iter().copied().map(FieldAttributes::read).collect::<Result<Vec<_>>>()?;
    check_names(&attributes)?;
    let modified = modified(&attributes)?;
    let specs = fields.iter().zip(&attributes).map(|(field, attributes)| spec(field, attributes));
    let writes = fields.iter().enumerate().map(|(index, field)| {
        let name = &field.ident;
        quote_spanned!(field.ty.span()=> row.write(#index, &self.#name)?;)
    });
    let reads = fields.iter().enumerate().map(|(index, field)| {
        let name = &field.ident;
        quote_spanned!(field.ty.span()=> #name: row.read(#index)?)
    });
    let record = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::lockstep_plugin_sdk::record::Record for #record {
            const FIELDS: &'static [::lockstep_plugin_sdk::record::FieldSpec] = &[#(#specs),*];
            const MODIFIED: ::core::option::Option<&'static str> = #modified;

            fn write(
                &self,
                row: &mut ::lockstep_plugin_sdk::record::RowWriter<'_>,
            ) -> ::lockstep_plugin_sdk::error::Result<()> {
                #(#writes)*
                ::core::result::Result::Ok(())
            }

            fn read_row(
                row: &::lockstep_plugin_sdk::record::RowReader<'_>,
            ) -> ::lockstep_plugin_sdk::error::Result<Self> {
                ::core::result::Result::Ok(Self { #(#reads),* })
            }
        }
    })
}

fn named_fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &input.generics,
            "a record owns its values: it has no lifetimes and no generics",
        ));
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => Ok(fields.named.iter().collect()),
            _ => Err(Error::new_spanned(&input.ident, "a record is a struct with at least one named field")),
        },
        _ => Err(Error::new_spanned(&input.ident, "a record is a struct with named fields")),
    }
}

fn check_names(attributes: &[FieldAttributes]) -> Result<()> {
    for (index, field) in attributes.iter().enumerate() {
        if field.name.is_empty() {
            return Err(Error::new(field.name_span, "a column has a name"));
        }
        if attributes.iter().take(index).any(|earlier| earlier.name == field.name) {
            return Err(Error::new(field.name_span, format!("there are two columns `{}`", field.name)));
        }
    }
    Ok(())
}

/// The field that tells what changed since, of which there is at most one.
fn modified(attributes: &[FieldAttributes]) -> Result<TokenStream> {
    let mut marked = attributes.iter().filter(|field| field.is_modified);
    let first = marked.next();
    if let Some(second) = marked.next() {
        return Err(Error::new(second.name_span, "a record has one `modified` field"));
    }
    Ok(match first {
        Some(FieldAttributes { name, .. }) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    })
}

/// What the stream says about the field. Spans are those of the field's type, for that is what a compiler error is about.
fn spec(field: &Field, attributes: &FieldAttributes) -> TokenStream {
    let (ty, name) = (&field.ty, &attributes.name);
    let span = ty.span();
    let spec = match &attributes.logical {
        None => quote_spanned!(span=> ::lockstep_plugin_sdk::record::FieldSpec::of::<#ty>(#name)),
        Some(logical) => {
            let marker = syn::Ident::new(logical.marker, Span::call_site());
            let value = &logical.value;
            quote_spanned! {span=>
                ::lockstep_plugin_sdk::record::FieldSpec::with_type::<#ty, ::lockstep_plugin_sdk::record::holds::#marker>(
                    #name,
                    #value,
                )
            }
        }
    };
    if attributes.is_key { quote_spanned!(span=> #spec.key()) } else { spec }
}
