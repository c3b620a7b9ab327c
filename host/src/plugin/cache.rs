//! Compiled plugins on disk.
//!
//! Compiled code is native code: whoever can write it runs as us. It lies in a private folder, under a key made of the plugin's
//! digest and everything the compiler's output depends on, and each entry carries a keyed digest; an entry that does not
//! verify is thrown away and made again. The bytes that were verified are the bytes that are loaded.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write as _;
use std::path::PathBuf;

use siphasher::sip128::{Hasher128 as _, SipHasher13};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::catalog::PluginBinary;

pub(super) struct CompiledCache {
    dir: PathBuf,
}

const SEAL_BYTES: usize = 32;
const KEY_FILE: &str = "host.key";

impl CompiledCache {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The compiled plugin, if it is here and genuine.
    pub fn load(&self, engine: &Engine, binary: &PluginBinary) -> Option<Component> {
        let key = self.host_key()?;
        let name = entry_name(engine, binary);
        let bytes = fs::read(self.dir.join(&name)).ok()?;
        let (seal, code) = bytes.split_at_checked(SEAL_BYTES)?;
        if blake3::Hash::from_slice(seal).ok()? != seal_of(&key, &name, code) {
            tracing::warn!(entry = name, "a compiled plugin in the cache is not ours; compiling it again");
            return None;
        }
        deserialize_own(engine, code).ok()
    }

    /// Keeps the compiled plugin. A cache that cannot be written costs time, not correctness.
    pub fn store(&self, engine: &Engine, binary: &PluginBinary, code: &[u8]) {
        let name = entry_name(engine, binary);
        if let Err(error) = self.try_store(&name, code) {
            tracing::warn!(folder = %self.dir.display(), %error, "cannot keep compiled plugins; they are compiled at each start");
        }
    }

    fn try_store(&self, name: &str, code: &[u8]) -> std::io::Result<()> {
        create_private_dir(&self.dir)?;
        let key = match self.host_key() {
            Some(key) => key,
            None => self.make_host_key()?,
        };
        let mut entry = Vec::with_capacity(SEAL_BYTES + code.len());
        entry.extend_from_slice(seal_of(&key, name, code).as_bytes());
        entry.extend_from_slice(code);
        self.write_whole(name, &entry)
    }

    /// Writes a file that appears under its name whole or not at all.
    fn write_whole(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let temporary = self.dir.join(format!("{name}.{}.tmp", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(&temporary, self.dir.join(name))
    }

    fn host_key(&self) -> Option<[u8; 32]> {
        fs::read(self.dir.join(KEY_FILE)).ok()?.try_into().ok()
    }

    fn make_host_key(&self) -> std::io::Result<[u8; 32]> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        self.write_whole(KEY_FILE, &key)?;
        Ok(key)
    }
}

fn create_private_dir(dir: &std::path::Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// The name binds the entry to the plugin and to every setting of the compiler.
fn entry_name(engine: &Engine, binary: &PluginBinary) -> String {
    let mut hasher = SipHasher13::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.write(env!("CARGO_PKG_VERSION").as_bytes());
    format!("{}-{:032x}.cwasm", hex(&binary.digest), hasher.finish128().as_u128())
}

fn hex(digest: &crate::project::PluginDigest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seal_of(key: &[u8; 32], name: &str, code: &[u8]) -> blake3::Hash {
    blake3::Hasher::new_keyed(key).update(name.as_bytes()).update(&[0]).update(code).finalize()
}

/// Loads code that this process has just compiled, or that carries our seal.
pub(super) fn deserialize_own(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` trusts its input to be the unmodified output of `precompile_component`. It is called with nothing
    // else: either the bytes the compiler returned in this process, or bytes whose keyed digest was checked with a key that only
    // this user can read. The engine itself checks that version and settings fit.
    #[allow(unsafe_code, reason = "the one place where compiled code is loaded")]
    unsafe {
        Component::deserialize(engine, code)
    }
}
