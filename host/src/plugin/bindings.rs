//! Bindings generated from `wit/`. WIT types stop here and in `convert`.

pub(super) mod convert;

#[allow(missing_docs, nonstandard_style, unused_variables, clippy::all, clippy::pedantic, clippy::restriction)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit/v0.1",
        inline: "
            package lockstep:host;
            world everything {
                include lockstep:plugin/capabilities@0.1.0;
                include lockstep:plugin/source-plugin@0.1.0;
                include lockstep:plugin/lookup-plugin@0.1.0;
                include lockstep:plugin/compare-plugin@0.1.0;
                include lockstep:plugin/sink-plugin@0.1.0;
                include lockstep:plugin/transform-plugin@0.1.0;
            }
        ",
        world: "lockstep:host/everything",
        imports: { default: async | trappable },
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
        require_store_data_send: true,
        with: {
            "lockstep:plugin/files.file": crate::plugin::capability::files::OpenFile,
            "lockstep:plugin/files.new-file": crate::plugin::capability::files::NewFile,
            "lockstep:plugin/sql.session": crate::plugin::capability::sql::Session,
            "lockstep:plugin/sql.rows": crate::plugin::capability::sql::Rows,
            "lockstep:plugin/sql.ingest": crate::plugin::imports::sql::TypedIngest,
        },
    });
}

pub(super) use generated::exports::lockstep::plugin as exports;
pub(super) use generated::lockstep;
