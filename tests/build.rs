//! Builds the guests that only tests use, and the plugin of the examples.

use std::error::Error;
use std::path::Path;

const GUESTS: &[&str] = &[
    "lockstep-guest-crooked",
    "lockstep-guest-faulty",
    "lockstep-guest-numbers",
    "lockstep-guest-requests",
    "lockstep-guest-twins",
    "lockstep-guest-twins-http",
    "lockstep-guest-twins-impure",
    "lockstep-guest-twins-transform",
    "lockstep-hello-plugin",
];

fn main() -> Result<(), Box<dyn Error>> {
    let components = lockstep_guest_build::build(GUESTS)?;
    let out = std::env::var("OUT_DIR")?;
    for component in components {
        let name = component.file_name().ok_or("a component without a name")?;
        std::fs::copy(&component, Path::new(&out).join(name))?;
    }
    Ok(())
}
