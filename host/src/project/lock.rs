//! The lock file `lockstep.lock`: which plugin, byte for byte, the project has been used with.
//!
//! It is written by Lockstep and belongs into version control. What to do about a digest that differs is for the caller to
//! decide; here nothing is pinned, re-pinned or forgiven without being told.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::connection::PluginRef;
use super::error::{ProjectError, ProjectErrors};
use super::reader::{Entry, File, Read, Section};
use super::{read_limited, shown};

/// The lock file's name.
pub const LOCK_FILE: &str = "lockstep.lock";

const HEADER: &str =
    "# Written by Lockstep: the plugins this project has been used with. Keep it in version control.\n";
const BUNDLED: &str = "bundled";
const PLUGIN_EXAMPLE: &str = "[[plugin]]";

/// The pins of one project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pins: BTreeMap<PluginRef, Pin>,
}

/// One plugin as it was when it was pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    pub plugin: PluginRef,
    /// The name the plugin's manifest gives it.
    pub name: String,
    pub version: String,
    pub digest: PluginDigest,
}

/// SHA-256 of a plugin's file. Written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginDigest([u8; 32]);

/// A text that is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is `sha256:` and 64 hexadecimal digits in lower case")]
pub struct DigestError;

/// How a plugin compares with its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockCheck<'a> {
    /// It has no pin yet.
    New,
    Same,
    /// It is not the one pinned. For a bundled plugin of another version, that is what an update of Lockstep looks like.
    Differs {
        pinned: &'a Pin,
    },
}

impl Lock {
    /// The lock file of a project's folder; no file is an empty lock.
    pub fn load(dir: &Path) -> Result<Self, ProjectErrors> {
        let path = dir.join(LOCK_FILE);
        let bytes = match read_limited(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(|source| ProjectError::Unreadable { path: path.clone(), source })?,
        };
        let text =
            std::str::from_utf8(&bytes).map_err(|error| super::not_utf8(&shown(&path), &bytes, error.valid_up_to()))?;
        Self::parse(text, &shown(&path))
    }

    /// Reads a lock from a text; `file` stands in error messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ProjectErrors> {
        File::new(file, text).read(text, read_lock)
    }

    pub fn check(&self, plugin: &PluginRef, digest: &PluginDigest) -> LockCheck<'_> {
        match self.pins.get(plugin) {
            None => LockCheck::New,
            Some(pin) if pin.digest == *digest => LockCheck::Same,
            Some(pinned) => LockCheck::Differs { pinned },
        }
    }

    /// Pins a plugin, in place of an earlier pin of the same one.
    pub fn pin(&mut self, pin: Pin) {
        self.pins.insert(pin.plugin.clone(), pin);
    }

    /// Forgets the plugins the project no longer uses.
    pub fn retain(&mut self, used: impl Fn(&PluginRef) -> bool) {
        self.pins.retain(|plugin, _| used(plugin));
    }

    /// Bundled plugins first, then paths, each sorted.
    pub fn pins(&self) -> impl Iterator<Item = &Pin> {
        self.pins.values()
    }

    /// Writes the lock file: it is either the old one or the new one, whatever happens meanwhile. Equal content is left alone.
    pub fn save(&self, dir: &Path) -> Result<(), ProjectErrors> {
        let path = dir.join(LOCK_FILE);
        let text = self.to_string();
        if std::fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        replace_file(dir, &path, text.as_bytes())
            .map_err(|source| ProjectErrors::from(ProjectError::Unwritable { path, source }))
    }
}

/// The text of the lock file.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEADER)?;
        for pin in self.pins.values() {
            let source = match &pin.plugin {
                PluginRef::Bundled(_) => BUNDLED.to_owned(),
                PluginRef::Path(path) => path.display().to_string(),
            };
            writeln!(f, "\n[[plugin]]\nname = {}\nversion = {}", quoted(&pin.name), quoted(&pin.version))?;
            writeln!(f, "digest = \"{}\"\nsource = {}", pin.digest, quoted(&source))?;
        }
        Ok(())
    }
}

fn quoted(text: &str) -> toml_edit::Value {
    toml_edit::Value::from(text)
}

fn read_lock(top: &Section<'_>) -> Read<Lock> {
    let entries = top.optional("plugin", PLUGIN_EXAMPLE).map(|plugins| plugins.elements()).transpose();
    top.close(&[]);
    let mut lock = Lock::default();
    let pins: Vec<(Entry<'_>, Read<Pin>)> = entries?
        .unwrap_or_default()
        .into_iter()
        .map(|entry| {
            let pin = read_pin(&entry);
            (entry, pin)
        })
        .collect();
    for (entry, pin) in pins {
        let pin = pin?;
        // After a careless merge both sides may be there; which one is meant, only a person knows.
        if lock.pins.contains_key(&pin.plugin) {
            return Err(entry.invalid(format_args!("pins `{}` a second time", pin.plugin)));
        }
        lock.pin(pin);
    }
    Ok(lock)
}

fn read_pin(entry: &Entry<'_>) -> Read<Pin> {
    let section = entry.section()?;
    let name = section.required("name", "name = \"csv\"");
    let version = section.required("version", "version = \"0.1.0\"").and_then(|version| version.text());
    let digest = section.required("digest", "digest = \"sha256:…\"").and_then(|digest| digest.parsed());
    let source = section.required("source", "source = \"bundled\"").and_then(|source| source.filled_text());
    section.close(&[]);
    let name = name?;
    let plugin = match source? {
        BUNDLED => PluginRef::Bundled(name.parsed()?),
        path => PluginRef::Path(PathBuf::from(path)),
    };
    Ok(Pin { plugin, name: name.text()?.to_owned(), version: version?.to_owned(), digest: digest? })
}

/// Writes beside the file and renames: a reader sees the old file or the new one, never a part.
fn replace_file(dir: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!(".{LOCK_FILE}.{}", std::process::id()));
    let written = write_durably(&temporary, content).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    sync_folder(dir)
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A rename is durable once its folder is; only Unix can say so of a folder.
fn sync_folder(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        std::fs::File::open(dir)?.sync_all()?;
    }
    Ok(())
}

impl PluginDigest {
    /// The digest of a plugin's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PluginDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PluginDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PluginDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64).ok_or(DigestError)?;
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = pair
                .iter()
                .try_fold(0, |high, digit| hex_value(*digit).map(|low| high << 4 | low))
                .ok_or(DigestError)?;
        }
        Ok(Self(digest))
    }
}

/// Lower case only: a digest has one spelling.
fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::testing::TempDir;
    use proptest::prelude::*;

    fn pin(plugin: &str, content: &[u8]) -> Pin {
        let plugin = match plugin.parse() {
            Ok(name) => PluginRef::Bundled(name),
            Err(_) => PluginRef::Path(plugin.into()),
        };
        Pin { plugin, name: "csv".into(), version: "0.1.0".into(), digest: PluginDigest::of(content) }
    }

    #[test]
    fn a_lock_is_saved_and_loaded() {
        let dir = TempDir::new("lock");
        let mut lock = Lock::load(dir.path()).unwrap();
        assert_eq!(lock.pins().count(), 0);
        lock.pin(pin("csv", b"1"));
        lock.pin(pin("plugins/my \"own\".wasm", b"2"));
        lock.save(dir.path()).unwrap();
        assert_eq!(Lock::load(dir.path()).unwrap(), lock);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the temporary file is gone");
    }

    #[test]
    fn the_text_is_for_people_too() {
        let mut lock = Lock::default();
        lock.pin(pin("csv", b""));
        insta::assert_snapshot!(lock.to_string(), @r#"
        # Written by Lockstep: the plugins this project has been used with. Keep it in version control.

        [[plugin]]
        name = "csv"
        version = "0.1.0"
        digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        source = "bundled"
        "#);
    }

    #[test]
    fn a_plugin_is_compared_with_its_pin() {
        let mut lock = Lock::default();
        let (one, two) = (pin("csv", b"1"), pin("csv", b"2"));
        assert_eq!(lock.check(&one.plugin, &one.digest), LockCheck::New);
        lock.pin(one.clone());
        assert_eq!(lock.check(&one.plugin, &one.digest), LockCheck::Same);
        assert_eq!(lock.check(&one.plugin, &two.digest), LockCheck::Differs { pinned: &one });
        assert_eq!(lock.check(&PluginRef::Path("csv".into()), &one.digest), LockCheck::New, "a path is another plugin");
        lock.pin(two.clone());
        assert_eq!(lock.check(&one.plugin, &two.digest), LockCheck::Same);
        lock.retain(|_| false);
        assert_eq!(lock.check(&one.plugin, &two.digest), LockCheck::New);
    }

    #[test]
    fn a_lock_that_cannot_be_written_leaves_the_old_one() {
        let dir = TempDir::new("lock-failing");
        std::fs::create_dir(dir.path().join(LOCK_FILE)).unwrap();
        let error = Lock::default().save(dir.path()).unwrap_err();
        assert!(matches!(error.iter().next(), Some(ProjectError::Unwritable { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(Lock::parse(text, LOCK_FILE).unwrap_err().to_string(), expected);
    }

    #[test]
    fn damaged_locks_are_refused() {
        let valid = {
            let mut lock = Lock::default();
            lock.pin(pin("csv", b""));
            lock.to_string()
        };
        let twice = format!("{valid}{}", valid.trim_start_matches(HEADER));
        check(&twice, "lockstep.lock:9: `plugin[1]` pins `csv` a second time");
        check(
            &valid.replace("sha256:e", "sha256:E"),
            "lockstep.lock:6: `plugin[0].digest` is `sha256:E3b0c44298fc1c149afbf4c8996fb9242…`: a digest is `sha256:` and 64 \
             hexadecimal digits in lower case",
        );
        check(&valid.replace("version", "versoin"), "lockstep.lock:5: there is no key `versoin` in `plugin[0]`");
        check("<<<<<<< HEAD\n", "lockstep.lock:1: not valid TOML at column 9: key with no value, expected `=`");
    }

    proptest! {
        #[test]
        fn digests_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let digest = PluginDigest::of(&bytes);
            prop_assert_eq!(digest.to_string().parse::<PluginDigest>(), Ok(digest));
        }

        #[test]
        fn what_is_written_is_read(names in proptest::collection::btree_set("\\PC{1,20}", 0..5), version in "\\PC{0,10}") {
            let mut lock = Lock::default();
            for name in names.iter().filter(|name| *name != BUNDLED) {
                lock.pin(Pin { plugin: PluginRef::Path(name.into()), version: version.clone(), ..pin("csv", name.as_bytes()) });
            }
            prop_assert_eq!(Lock::parse(&lock.to_string(), LOCK_FILE).unwrap(), lock);
        }
    }
}
