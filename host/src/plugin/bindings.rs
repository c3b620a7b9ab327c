//! Bindings generated from `wit/`. WIT types stop here.
#![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]

wasmtime::component::bindgen!({
    path: "../wit/v0.1",
    inline: "
        package lockstep:host;
        world host {
            include lockstep:plugin/capabilities@0.1.0;
            include lockstep:plugin/source-plugin@0.1.0;
            include lockstep:plugin/lookup-plugin@0.1.0;
            include lockstep:plugin/compare-plugin@0.1.0;
            include lockstep:plugin/sink-plugin@0.1.0;
            include lockstep:plugin/transform-plugin@0.1.0;
        }
    ",
    world: "lockstep:host/host",
    imports: { default: async | trappable },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
    require_store_data_send: true,
});
