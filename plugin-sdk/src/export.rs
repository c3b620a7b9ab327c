//! The macros that make a crate a plugin.

/// Makes this crate a plugin: exports the named interfaces of a type and embeds the crate's `plugin.toml`.
///
/// `export!(Postgres: source, lookup, compare, sink);` needs [`crate::source::Source`], [`crate::lookup::Lookup`],
/// [`crate::compare::Compare`] and [`crate::sink::Sink`] on `Postgres`. On other targets than wasm32 it does nothing, so that the
/// crate can be tested natively.
#[macro_export]
macro_rules! export {
    ($plugin:ty: $($interface:ident),+ $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const MANIFEST_BYTES: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml"));
            #[used]
            #[unsafe(link_section = "lockstep:manifest")]
            static MANIFEST: [u8; MANIFEST_BYTES.len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.toml"));
            $($crate::__export_interface!($plugin, $interface);)+
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            $($crate::__check_interface!($plugin, $interface);)+
        };
    };
}

/// On other targets nothing is exported; that the traits are there is checked all the same.
#[doc(hidden)]
#[macro_export]
macro_rules! __check_interface {
    ($plugin:ty, source) => {
        const _: fn(
            <$plugin as $crate::source::Source>::Config,
            Vec<String>,
        ) -> $crate::error::Result<Vec<$crate::types::Stream>> = <$plugin as $crate::source::Source>::discover;
    };
    ($plugin:ty, lookup) => {
        const _: fn(
            <$plugin as $crate::lookup::Lookup>::Config,
            $crate::types::ReadRequest,
            $crate::types::Batch,
        ) -> $crate::error::Result<$crate::types::Changes> = <$plugin as $crate::lookup::Lookup>::lookup;
    };
    ($plugin:ty, compare) => {
        const _: fn(
            <$plugin as $crate::compare::Compare>::Config,
            $crate::compare::CompareRequest,
        ) -> $crate::error::Result<Vec<String>> = <$plugin as $crate::compare::Compare>::methods;
    };
    ($plugin:ty, sink) => {
        const _: fn(
            <$plugin as $crate::sink::Sink>::Config,
            String,
        ) -> $crate::error::Result<Option<$crate::types::Stream>> = <$plugin as $crate::sink::Sink>::describe;
    };
    ($plugin:ty, transform) => {
        const _: fn(
            <$plugin as $crate::transform::Transform>::Config,
            $crate::types::Stream,
        ) -> $crate::error::Result<$crate::types::Stream> = <$plugin as $crate::transform::Transform>::describe;
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_interface {
    ($plugin:ty, source) => {
        struct SourceExport;
        const _: () = {
            use $crate::bindings::source::exports::lockstep::plugin::source as wit;
            use $crate::types::{ReadRequest, Stream};
            impl wit::Guest for SourceExport {
                type Reader = $crate::source::ReaderResource;
                fn discover(config: String, names: Vec<String>) -> $crate::error::Result<Vec<Stream>> {
                    <$plugin as $crate::source::Source>::discover($crate::config::parse(&config)?, names)
                }
                fn open(config: String, request: ReadRequest) -> $crate::error::Result<wit::Reader> {
                    let reader = <$plugin as $crate::source::Source>::open($crate::config::parse(&config)?, request)?;
                    Ok(wit::Reader::new($crate::source::ReaderResource::new(reader)))
                }
            }
        };
        $crate::bindings::source::export_source!(SourceExport with_types_in $crate::bindings::source);
    };
    ($plugin:ty, lookup) => {
        struct LookupExport;
        const _: () = {
            use $crate::types::{Batch, Changes, ReadRequest};
            impl $crate::bindings::lookup::exports::lockstep::plugin::lookup::Guest for LookupExport {
                fn lookup(config: String, request: ReadRequest, keys: Batch) -> $crate::error::Result<Changes> {
                    <$plugin as $crate::lookup::Lookup>::lookup($crate::config::parse(&config)?, request, keys)
                }
            }
        };
        $crate::bindings::lookup::export_lookup!(LookupExport with_types_in $crate::bindings::lookup);
    };
    ($plugin:ty, compare) => {
        struct CompareExport;
        const _: () = {
            use $crate::bindings::compare::exports::lockstep::plugin::compare as wit;
            impl wit::Guest for CompareExport {
                type EntryReader = $crate::compare::EntryReaderResource;
                fn methods(config: String, request: wit::CompareRequest) -> $crate::error::Result<Vec<String>> {
                    <$plugin as $crate::compare::Compare>::methods($crate::config::parse(&config)?, request)
                }
                fn digest(
                    config: String,
                    request: wit::CompareRequest,
                    buckets: u32,
                ) -> $crate::error::Result<wit::Digests> {
                    <$plugin as $crate::compare::Compare>::digest($crate::config::parse(&config)?, request, buckets)
                }
                fn entries(
                    config: String,
                    request: wit::CompareRequest,
                    buckets: u32,
                    wanted: Vec<u32>,
                ) -> $crate::error::Result<wit::EntryReader> {
                    let config = $crate::config::parse(&config)?;
                    let reader = <$plugin as $crate::compare::Compare>::entries(config, request, buckets, wanted)?;
                    Ok(wit::EntryReader::new($crate::compare::EntryReaderResource::new(reader)))
                }
            }
        };
        $crate::bindings::compare::export_compare!(CompareExport with_types_in $crate::bindings::compare);
    };
    ($plugin:ty, sink) => {
        struct SinkExport;
        const _: () = {
            use $crate::bindings::sink::exports::lockstep::plugin::sink as wit;
            use $crate::types::Stream;
            impl wit::Guest for SinkExport {
                type Writer = $crate::sink::WriterResource;
                fn describe(config: String, name: String) -> $crate::error::Result<Option<Stream>> {
                    <$plugin as $crate::sink::Sink>::describe($crate::config::parse(&config)?, name)
                }
                fn prepare(
                    config: String,
                    wanted: Stream,
                    options: Vec<(String, String)>,
                ) -> $crate::error::Result<wit::Prepared> {
                    let options = $crate::sink::PrepareOptions::from_options(&options);
                    <$plugin as $crate::sink::Sink>::prepare($crate::config::parse(&config)?, wanted, options)
                }
                fn open(config: String, request: wit::WriteRequest) -> $crate::error::Result<wit::Writer> {
                    let writer = <$plugin as $crate::sink::Sink>::open($crate::config::parse(&config)?, request)?;
                    Ok(wit::Writer::new($crate::sink::WriterResource::new(writer)))
                }
            }
        };
        $crate::bindings::sink::export_sink!(SinkExport with_types_in $crate::bindings::sink);
    };
    ($plugin:ty, transform) => {
        struct TransformExport;
        const _: () = {
            use $crate::bindings::transform::exports::lockstep::plugin::transform as wit;
            use $crate::types::Stream;
            impl wit::Guest for TransformExport {
                type Transformer = $crate::transform::TransformerResource;
                fn describe(config: String, input: Stream) -> $crate::error::Result<Stream> {
                    <$plugin as $crate::transform::Transform>::describe($crate::config::parse(&config)?, input)
                }
                fn open(config: String, input: Stream) -> $crate::error::Result<wit::Transformer> {
                    let config = $crate::config::parse(&config)?;
                    let transformer = <$plugin as $crate::transform::Transform>::open(config, input)?;
                    Ok(wit::Transformer::new($crate::transform::TransformerResource::new(transformer)))
                }
            }
        };
        $crate::bindings::transform::export_transform!(TransformExport with_types_in $crate::bindings::transform);
    };
}
