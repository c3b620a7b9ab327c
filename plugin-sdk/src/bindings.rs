//! Generated from `wit/`: one module per exported interface, so that a plugin exports any subset; the types and the imports are
//! shared. Nothing here is meant to be used directly, except by the export macros.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]

/// The shared types and everything a plugin may import. A plugin that calls none of it imports none of it.
pub mod capabilities {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        world: "lockstep:plugin/capabilities",
        generate_all,
        generate_unused_types: true,
    });
}

pub mod source {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        world: "lockstep:plugin/source-plugin",
        with: { "lockstep:plugin/types@0.1.0": super::capabilities::lockstep::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_source",
        default_bindings_module: "lockstep_plugin_sdk::bindings::source",
    });
}

pub mod lookup {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        world: "lockstep:plugin/lookup-plugin",
        with: { "lockstep:plugin/types@0.1.0": super::capabilities::lockstep::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_lookup",
        default_bindings_module: "lockstep_plugin_sdk::bindings::lookup",
    });
}

pub mod compare {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        world: "lockstep:plugin/compare-plugin",
        with: { "lockstep:plugin/types@0.1.0": super::capabilities::lockstep::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_compare",
        default_bindings_module: "lockstep_plugin_sdk::bindings::compare",
    });
}

pub mod sink {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        world: "lockstep:plugin/sink-plugin",
        with: { "lockstep:plugin/types@0.1.0": super::capabilities::lockstep::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_sink",
        default_bindings_module: "lockstep_plugin_sdk::bindings::sink",
    });
}

pub mod transform {
    wit_bindgen::generate!({
        path: "../wit/v0.1",
        world: "lockstep:plugin/transform-plugin",
        with: { "lockstep:plugin/types@0.1.0": super::capabilities::lockstep::plugin::types },
        pub_export_macro: true,
        export_macro_name: "export_transform",
        default_bindings_module: "lockstep_plugin_sdk::bindings::transform",
    });
}
