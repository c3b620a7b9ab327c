pub mod bindings;
pub mod capability;
