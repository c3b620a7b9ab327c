//! Sockets that are not there.
//!
//! Runtimes of whole languages import `wasi:sockets` whether a plugin uses it or not. Behind these names the host has nothing, not
//! even a function that refuses: each one ends the instance. So a plugin can be linked that names sockets, and none can open one.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime_wasi_io::poll::DynPollable;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

use crate::plugin::fault::SocketWanted;
use crate::plugin::instance::State;

pub const PREFIX: &str = "wasi:sockets/";

/// What a handle to a socket would stand for; there is no value of it.
enum Nothing {}

/// The linker with what this component imports of sockets, if it imports any.
pub fn with_dead_ends(linker: &Linker<State>, component: &Component) -> wasmtime::Result<Linker<State>> {
    let mut linker = linker.clone();
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        if let (true, ComponentItem::ComponentInstance(instance)) = (name.starts_with(PREFIX), &import.ty) {
            let mut dead = linker.instance(name)?;
            for (item, export) in instance.exports(engine) {
                dead_end(&mut dead, item, &export.ty)?;
            }
        }
    }
    Ok(linker)
}

fn dead_end(linker: &mut LinkerInstance<'_, State>, name: &str, item: &ComponentItem) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => linker.func_new(name, |_, _, _, _| Err(SocketWanted.into())),
        ComponentItem::Resource(_) => linker.resource(name, resource(name), |_, _| Err(SocketWanted.into())),
        _ => Ok(()),
    }
}

/// Some of the names are of resources of `wasi:io`, which are there.
fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        _ => ResourceType::host::<Nothing>(),
    }
}
