//! `#[derive(Record)]` of the Lockstep plugin SDK; documented there, at `lockstep_plugin_sdk::record::Record`.
//!
//! The macro only writes down which field is which: names, types and order. What a value is and how it is stored is decided by
//! traits of the SDK, so that a wrong field type is an ordinary compiler error at that type.

mod attributes;
mod expand;

/// Makes a struct a record: one field per column. See `lockstep_plugin_sdk::record::Record`.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::record(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
