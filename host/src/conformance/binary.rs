//! What the file itself says, before anything of it runs.

use super::lab::Lab;
use super::{Check, Stop, Verdict, fails, holds, skips};
use crate::error::Explain as _;
use crate::plugin::PluginError;

const INTERFACES: &[&str] = &["source", "lookup", "compare", "sink", "transform"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "binary.component",
        title: "the file is a WebAssembly component, whole and undamaged",
        rule: "wit/README.md",
        fix: "build it for `wasm32-wasip2`, or make a component of the module with `wasm-tools component new`",
        run: |lab| Box::pin(async { refused(lab, |error| matches!(error, PluginError::NotComponent { .. })) }),
    },
    Check {
        id: "binary.size",
        title: "the component is within what the host compiles",
        rule: "host/src/plugin/limits.rs",
        fix: "build it with optimisation for size (`opt-level = \"z\"`, `lto = \"fat\"`, `strip = true`) and leave out what it does not use",
        run: |lab| Box::pin(async { refused(lab, |error| matches!(error, PluginError::TooBig { .. })) }),
    },
    Check {
        id: "binary.contract",
        title: "the contract is spoken in a version this host knows",
        rule: "wit/README.md, rules for a change",
        fix: "build it against `wit/v0.1` of this repository, or with the SDK of this version",
        run: |lab| Box::pin(async { refused(lab, |error| matches!(error, PluginError::Abi { .. })) }),
    },
    Check {
        id: "binary.imports",
        title: "nothing is imported that the host does not offer",
        rule: "wit/v0.1/worlds.wit, world capabilities",
        fix: "leave out what wants it: sockets, `wasi:http` and folders are not offered; requests go through `lockstep:plugin/http`",
        run: |lab| Box::pin(async { refused(lab, |error| matches!(error, PluginError::ImportDenied { .. })) }),
    },
    Check {
        id: "binary.exports",
        title: "at least one interface of the contract is exported",
        rule: "wit/v0.1/worlds.wit",
        fix: "export `source`, `lookup`, `compare`, `sink` or `transform`: in Rust by naming them in `export!`",
        run: |lab| Box::pin(async { exports(lab) }),
    },
    Check {
        id: "binary.links",
        title: "it compiles, and its functions have the types of the contract",
        rule: "wit/v0.1",
        fix: "generate its bindings anew from `wit/v0.1`, unchanged",
        run: |lab| Box::pin(links(lab)),
    },
    Check {
        id: "binary.pure",
        title: "a transform imports no capability but `log`",
        rule: "wit/v0.1/transform.wit",
        fix: "make the transform a plugin of its own, without `files`, `sql` and `http`",
        run: |lab| Box::pin(async { pure(lab) }),
    },
];

/// Fails for a binary that was refused for this reason; one that was refused for another is not asked.
fn refused(lab: &Lab, is_this: fn(&PluginError) -> bool) -> Verdict {
    match &lab.subject.binary {
        Ok(_) => Ok(()),
        Err(error) if is_this(error) => fails(format!("{error} ({})", error.code().id)),
        Err(error) if is_earlier(error) => Ok(()),
        Err(_) => skips("its binary cannot be used"),
    }
}

/// Whether the binary was read through before it was refused.
fn is_earlier(error: &PluginError) -> bool {
    matches!(
        error,
        PluginError::Manifest { .. } | PluginError::ManifestMissing { .. } | PluginError::ImportUnasked { .. }
    )
}

fn exports(lab: &Lab) -> Verdict {
    let report = &lab.binary()?.report;
    holds(INTERFACES.iter().any(|interface| report.exports_interface(interface)), || {
        format!(
            "it exports {}",
            if report.exports.is_empty() { "nothing".to_owned() } else { report.exports.join(", ") }
        )
    })
}

async fn links(lab: &Lab) -> Verdict {
    lab.binary()?;
    match lab.fresh() {
        Ok(connector) => connector.check_exports().await.map_err(Stop::from),
        // What the configuration lacks has been told before any check.
        Err(error @ PluginError::Config { .. }) => skips(error.to_string()),
        Err(PluginError::Manifest { .. }) => skips("`manifest.schema` failed"),
        Err(error) => fails(format!("{error} ({})", error.code().id)),
    }
}

fn pure(lab: &Lab) -> Verdict {
    lab.exports("transform")?;
    match lab.fresh_transform() {
        Err(Stop::Fails(reason)) if reason.contains("a transform must not") => fails(reason),
        _ => Ok(()),
    }
}
