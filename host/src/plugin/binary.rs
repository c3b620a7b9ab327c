//! What a plugin's binary says about itself, read without compiling or running anything: manifest, imports, exports, size.
//! What a component does not import it cannot do; the list here is therefore a proof, not a promise.

use std::collections::BTreeSet;

use wasmparser::{Encoding, Instance, Parser, Payload};

use super::engine::sockets;
use super::limits::Limits;

pub(super) const MANIFEST_SECTION: &str = "lockstep:manifest";
/// The package of the contract in this version of the host.
const CONTRACT: &str = "lockstep:plugin/";
const CONTRACT_VERSION: &str = "@0.1.";

/// How the library is called that Python's interpreter is in: `libpython3.14.so`.
const PYTHON: &str = "libpython";

/// Interfaces that give nothing away: standard streams, coarse clocks, random numbers, a file system without a single folder.
const HARMLESS: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];
const WASI_VERSION: &str = "0.2.";

/// The capabilities of the contract, with what each one is good for.
const CAPABILITIES: &[(&str, &str)] = &[
    ("files", "read and write files below the folders its connection grants"),
    ("sql", "run statements on the databases its connection grants"),
    ("http", "send requests to the origins its connection grants"),
    ("log", "write log lines"),
];

/// Everything read from a binary.
#[derive(Clone, Debug)]
pub struct BinaryReport {
    /// The text of the manifest, if there is one.
    pub manifest: Option<String>,
    /// Imported interfaces, sorted.
    pub imports: Vec<String>,
    /// Exported interfaces, sorted.
    pub exports: Vec<String>,
    pub bytes: usize,
    pub functions: u32,
    /// Whether Python's interpreter is one of its parts.
    pub has_python: bool,
}

/// What is wrong with a binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BinaryFault {
    NotComponent(String),
    TooBig(String),
    ImportDenied(String),
    /// The contract in another version.
    Abi(String),
}

impl BinaryReport {
    /// Reads a binary and refuses what is no component, or too much to compile.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, BinaryFault> {
        check_header(bytes)?;
        if bytes.len() > limits.component_bytes {
            let reason = format!("{} bytes, more than {}", bytes.len(), limits.component_bytes);
            return Err(BinaryFault::TooBig(reason));
        }
        let mut reading = Reading::new(limits);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| BinaryFault::NotComponent(format!("it is damaged: {error}")))?;
            reading.payload(payload)?;
        }
        Ok(Self {
            manifest: reading.manifest,
            imports: reading.imports.into_iter().collect(),
            exports: reading.exports.into_iter().collect(),
            bytes: bytes.len(),
            functions: reading.functions,
            has_python: reading.has_python,
        })
    }

    /// Refuses imports nobody offers and versions of the contract nobody here speaks.
    pub(super) fn check_interfaces(&self) -> Result<(), BinaryFault> {
        for name in self.imports.iter().chain(&self.exports) {
            if let Some(interface) = name.strip_prefix(CONTRACT)
                && !interface.contains(CONTRACT_VERSION)
            {
                return Err(BinaryFault::Abi(name.clone()));
            }
        }
        match self.imports.iter().find(|name| !is_offered(name)) {
            Some(name) => Err(BinaryFault::ImportDenied(name.clone())),
            None => Ok(()),
        }
    }

    /// The interfaces of the contract it exports: `source`.
    pub fn sides(&self) -> impl Iterator<Item = &str> {
        self.exports.iter().filter_map(|name| interface_of(name))
    }

    pub fn exports_interface(&self, interface: &str) -> bool {
        self.exports.iter().any(|name| interface_of(name) == Some(interface))
    }

    pub fn imports_interface(&self, interface: &str) -> bool {
        self.imports.iter().any(|name| interface_of(name) == Some(interface))
    }

    pub fn authority(&self) -> Authority<'_> {
        Authority(self)
    }
}

/// The capabilities a binary imports, for people.
pub struct Authority<'a>(&'a BinaryReport);

impl Authority<'_> {
    /// The names of the imported capabilities.
    pub fn capabilities(&self) -> impl Iterator<Item = &'static str> {
        CAPABILITIES.iter().map(|(name, _)| *name).filter(|name| self.0.imports_interface(name))
    }

    /// What the plugin can do and what it cannot, in one sentence.
    pub fn sentence(&self) -> String {
        let can = self.able(true);
        let can = if can.is_empty() { "only compute".to_owned() } else { join(&can, "and") };
        format!("It can {can}; it cannot {}.", self.inability())
    }

    /// What it cannot do: `run statements … or see credentials`.
    pub fn inability(&self) -> String {
        let mut cannot = self.able(false);
        cannot.extend(["open sockets", "read the environment or any other file", "start processes", "see credentials"]);
        join(&cannot, "or")
    }

    fn able(&self, can: bool) -> Vec<&'static str> {
        let named = CAPABILITIES.iter().filter(|(name, _)| self.0.imports_interface(name) == can);
        named.map(|(_, what)| *what).collect()
    }
}

fn join(parts: &[&str], word: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} {word} {last}", most.join(", ")),
    }
}

/// `files` of `lockstep:plugin/files@0.1.0`.
fn interface_of(name: &str) -> Option<&str> {
    name.strip_prefix(CONTRACT)?.split('@').next()
}

fn is_offered(name: &str) -> bool {
    match interface_of(name) {
        Some(interface) => interface == "types" || CAPABILITIES.iter().any(|(offered, _)| *offered == interface),
        None => name
            .split_once('@')
            .is_some_and(|(interface, version)| version.starts_with(WASI_VERSION) && is_harmless(interface)),
    }
}

/// Sockets may be named, because runtimes of whole languages do; behind the names is nothing.
fn is_harmless(interface: &str) -> bool {
    HARMLESS.contains(&interface) || interface.starts_with(sockets::PREFIX)
}

fn check_header(bytes: &[u8]) -> Result<(), BinaryFault> {
    let reason = match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "it is a core module; build it for `wasm32-wasip2`, or wrap it with `wasm-tools component new`"
        }
        [0, b'a', b's', b'm', ..] => "it is WebAssembly of an unknown version",
        _ if bytes.trim_ascii_start().starts_with(b"(") => "it is WebAssembly text; only binaries are loaded",
        _ => "it does not begin with the WebAssembly header",
    };
    Err(BinaryFault::NotComponent(reason.to_owned()))
}

struct Reading<'a> {
    limits: &'a Limits,
    /// How many modules and components we are inside of.
    depth: u32,
    parts: u32,
    functions: u32,
    manifest: Option<String>,
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
    has_python: bool,
}

impl<'a> Reading<'a> {
    fn new(limits: &'a Limits) -> Self {
        let (imports, exports) = (BTreeSet::new(), BTreeSet::new());
        Self { limits, depth: 0, parts: 0, functions: 0, manifest: None, imports, exports, has_python: false }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), BinaryFault> {
        let damaged =
            |error: wasmparser::BinaryReaderError| BinaryFault::NotComponent(format!("it is damaged: {error}"));
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if self.depth == 0 => {
                return Err(BinaryFault::NotComponent("it is a core module".to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                self.count_part(1)?;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::InstanceSection(section) => {
                self.count_part(section.count())?;
                for instance in section {
                    self.has_python |= is_linked_with(&instance.map_err(damaged)?, PYTHON);
                }
            }
            Payload::ComponentInstanceSection(section) => self.count_part(section.count())?,
            Payload::CodeSectionStart { count, .. } => self.count_functions(count)?,
            Payload::CodeSectionEntry(body) => self.check_function(body.range().len())?,
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                self.manifest = Some(String::from_utf8_lossy(section.data()).into_owned());
            }
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                for import in section {
                    self.imports.insert(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 0 => {
                for export in section {
                    self.exports.insert(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn count_part(&mut self, count: u32) -> Result<(), BinaryFault> {
        self.parts = self.parts.saturating_add(count);
        if self.parts > self.limits.component_parts || self.depth > 8 {
            return Err(BinaryFault::TooBig(format!("more than {} nested parts", self.limits.component_parts)));
        }
        Ok(())
    }

    fn count_functions(&mut self, count: u32) -> Result<(), BinaryFault> {
        self.functions = self.functions.saturating_add(count);
        if self.functions > self.limits.component_functions {
            return Err(BinaryFault::TooBig(format!("more than {} functions", self.limits.component_functions)));
        }
        Ok(())
    }

    fn check_function(&self, bytes: usize) -> Result<(), BinaryFault> {
        if bytes > self.limits.function_bytes {
            return Err(BinaryFault::TooBig(format!(
                "a function of {bytes} bytes, more than {}",
                self.limits.function_bytes
            )));
        }
        Ok(())
    }
}

/// Whether a module is given what a library has whose name begins like this.
fn is_linked_with(instance: &Instance<'_>, library: &str) -> bool {
    match instance {
        Instance::Instantiate { args, .. } => args.iter().any(|arg| arg.name.starts_with(library)),
        Instance::FromExports(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY_COMPONENT: &[u8] = &[0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    fn fault(bytes: &[u8]) -> String {
        match BinaryReport::read(bytes, &Limits::default()) {
            Err(BinaryFault::NotComponent(reason)) => reason,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_is_no_component_is_named() {
        assert!(fault(b"\0asm\x01\0\0\0").contains("core module"));
        assert!(fault(b"  (component)").contains("text"));
        assert!(fault(b"").contains("header"));
        assert!(fault(b"\0asm\x0d\0\x01\0\xff\xff").contains("damaged"));
        assert!(BinaryReport::read(EMPTY_COMPONENT, &Limits::default()).is_ok());
    }

    #[test]
    fn unknown_imports_and_versions_are_refused() {
        let report = |import: &str| BinaryReport {
            manifest: None,
            imports: vec![import.to_owned()],
            exports: Vec::new(),
            bytes: 0,
            functions: 0,
            has_python: false,
        };
        for denied in [
            "wasi:sockets/tcp@0.3.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:cli/stdin@0.3.0",
            "evil:x/y",
            "lockstep:plugin/host@0.1.0",
        ] {
            assert_eq!(report(denied).check_interfaces(), Err(BinaryFault::ImportDenied(denied.into())), "{denied}");
        }
        for fine in ["wasi:io/streams@0.2.6", "wasi:sockets/tcp@0.2.9", "lockstep:plugin/sql@0.1.7"] {
            assert_eq!(report(fine).check_interfaces(), Ok(()), "{fine}");
        }
        let newer = "lockstep:plugin/sql@0.2.0";
        assert_eq!(report(newer).check_interfaces(), Err(BinaryFault::Abi(newer.into())));
    }

    #[test]
    fn authority_is_one_sentence() {
        let report = BinaryReport {
            manifest: None,
            imports: vec!["lockstep:plugin/files@0.1.0".into()],
            exports: Vec::new(),
            bytes: 0,
            functions: 0,
            has_python: false,
        };
        let sentence = report.authority().sentence();
        assert!(
            sentence.starts_with("It can read and write files below the folders its connection grants; it cannot run"),
            "{sentence}"
        );
    }

    proptest! {
        #[test]
        fn damaged_binaries_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [EMPTY_COMPONENT, &tail].concat();
            let _ = BinaryReport::read(&bytes, &Limits::default());
        }
    }
}
