//! Puts a manifest into a component, whatever tool made it.

use wasmparser::{Validator, WasmFeatures};

use super::binary::{BinaryFault, BinaryReport, MANIFEST_SECTION};
use super::catalog::{Catalog, PluginBinary, PluginError};
use super::limits::Limits;

/// Magic number and version.
const HEADER_BYTES: usize = 8;
const CUSTOM_SECTION: u8 = 0;

/// A component with its manifest, found fit to be loaded.
#[derive(Debug)]
pub struct Packed {
    pub bytes: Vec<u8>,
    pub binary: PluginBinary,
}

/// The component with this text as its manifest, in place of one it has. `name` stands in error messages.
pub fn pack(name: &str, component: &[u8], manifest: &str) -> Result<Packed, PluginError> {
    let limits = Limits::default();
    let fault = |fault: BinaryFault| PluginError::from_fault(name, fault);
    BinaryReport::read(component, &limits).map_err(fault)?;
    check_code(component).map_err(fault)?;
    let mut bytes = without_manifest(component).ok_or_else(|| fault(damaged("a section goes beyond the end")))?;
    append_manifest(&mut bytes, manifest);
    let binary = Catalog::from_bytes(name, bytes.clone(), &limits)?;
    Ok(Packed { bytes, binary })
}

/// Everything the compiler would find, found before anybody ships it.
fn check_code(component: &[u8]) -> Result<(), BinaryFault> {
    let checked = Validator::new_with_features(WasmFeatures::default()).validate_all(component);
    checked.map(drop).map_err(|error| damaged(&error.to_string()))
}

fn damaged(reason: &str) -> BinaryFault {
    BinaryFault::NotComponent(format!("it is damaged: {reason}"))
}

/// The bytes of all other sections, as they are; none if the sections make no sense.
fn without_manifest(component: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = component.split_at_checked(HEADER_BYTES)?;
    let mut kept = header.to_vec();
    while let Some((&id, behind_id)) = rest.split_first() {
        let (size, content) = read_number(behind_id)?;
        let (content, next) = content.split_at_checked(size)?;
        let section = rest.get(..rest.len() - next.len())?;
        if id != CUSTOM_SECTION || !is_manifest(content) {
            kept.extend_from_slice(section);
        }
        rest = next;
    }
    Some(kept)
}

fn is_manifest(content: &[u8]) -> bool {
    let name = read_number(content).and_then(|(length, name)| name.get(..length));
    name == Some(MANIFEST_SECTION.as_bytes())
}

fn append_manifest(bytes: &mut Vec<u8>, manifest: &str) {
    let name = MANIFEST_SECTION.as_bytes();
    let mut content = Vec::new();
    write_number(&mut content, name.len());
    content.extend_from_slice(name);
    content.extend_from_slice(manifest.as_bytes());
    bytes.push(CUSTOM_SECTION);
    write_number(bytes, content.len());
    bytes.extend_from_slice(&content);
}

/// A number of at most 32 bits in LEB128, and what stands behind it.
fn read_number(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0_u64;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        bytes = rest;
        if byte < 0x80 {
            return Some((usize::try_from(number).ok()?, bytes));
        }
    }
    None
}

fn write_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &[u8] = &[0, b'a', b's', b'm', 0x0d, 0, 1, 0];
    const MANIFEST: &str = "name = \"a\"\nversion = \"1.0.0\"\n";

    fn refused(bytes: &[u8], manifest: &str) -> String {
        pack("x.wasm", bytes, manifest).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_takes_the_place_of_another() {
        let first = pack("x.wasm", EMPTY, MANIFEST).unwrap();
        assert_eq!(first.binary.label(), "a@1.0.0");
        let second = pack("x.wasm", &first.bytes, &MANIFEST.replace("1.0.0", "2.0.0")).unwrap();
        assert_eq!(second.binary.label(), "a@2.0.0");
        assert_eq!(second.bytes.len(), first.bytes.len());
        assert_eq!(without_manifest(&second.bytes).unwrap(), EMPTY);
    }

    #[test]
    fn other_sections_stay_as_they_are() {
        let with_note = [EMPTY, &[0, 6, 4, b'n', b'o', b't', b'e', b'!']].concat();
        let packed = pack("x.wasm", &with_note, MANIFEST).unwrap();
        assert!(packed.bytes.starts_with(&with_note));
    }

    #[test]
    fn what_is_no_component_is_named_with_the_reason() {
        assert!(refused(b"\0asm\x01\0\0\0", MANIFEST).contains("core module"));
        assert!(refused(b"(component)", MANIFEST).contains("text"));
        assert!(refused(&[EMPTY, &[0, 200, 1]].concat(), MANIFEST).contains("damaged"));
        // A component section that holds what no component may.
        assert!(refused(&[EMPTY, &[7, 1, 1]].concat(), MANIFEST).contains("damaged"));
        assert!(refused(EMPTY, "name = 7").contains("manifest"));
        assert!(refused(EMPTY, &format!("{MANIFEST}exports = [\"source\"]")).contains("`source`"));
    }

    proptest! {
        #[test]
        fn damaged_components_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = pack("x.wasm", &[EMPTY, &tail].concat(), MANIFEST);
        }

        #[test]
        fn numbers_come_back(number in 0..u32::MAX as usize) {
            let mut bytes = Vec::new();
            write_number(&mut bytes, number);
            prop_assert_eq!(read_number(&bytes), Some((number, &b""[..])));
        }
    }
}
