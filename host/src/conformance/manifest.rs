//! What the plugin says of itself.

use super::lab::Lab;
use super::{Check, Verdict, fails, holds, skips};
use crate::error::Explain as _;
use crate::plugin::{PluginBinary, PluginError};

/// Capabilities whose use is bound to an alias.
const WITH_ALIASES: &[&str] = &["files", "sql", "http"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "manifest.present",
        title: "the manifest is in the component",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "embed `plugin.toml` as the custom section `lockstep:manifest`: the Rust SDK's `export!` does",
        run: |lab| Box::pin(async { refused(lab, |error| matches!(error, PluginError::ManifestMissing { .. })) }),
    },
    Check {
        id: "manifest.valid",
        title: "the manifest can be read",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "correct `plugin.toml` where the message points to",
        run: |lab| Box::pin(async { refused(lab, |error| matches!(error, PluginError::Manifest { .. })) }),
    },
    Check {
        id: "manifest.capabilities",
        title: "every capability that is imported is asked for",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "add it to `capabilities` in `plugin.toml`, or leave out what uses it",
        run: |lab| Box::pin(async { refused(lab, |error| matches!(error, PluginError::ImportUnasked { .. })) }),
    },
    Check {
        id: "manifest.modest",
        title: "no capability is asked for that is not used",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "remove it from `capabilities` in `plugin.toml`: whoever approves a plugin believes that it is used",
        run: |lab| Box::pin(async { modest(lab.binary()?) }),
    },
    Check {
        id: "manifest.aliases",
        title: "every capability has its aliases, and no other",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "name under `[aliases]` what a project must grant: `files = [\"data\"]`",
        run: |lab| Box::pin(async { aliases(lab.binary()?) }),
    },
    Check {
        id: "manifest.schema",
        title: "`[config]` is a JSON Schema that can be used",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "correct `[config]` in `plugin.toml`: a JSON Schema of an object, written as TOML",
        run: |lab| Box::pin(async { schema(lab.binary()?) }),
    },
    Check {
        id: "manifest.closed",
        title: "a setting that is spelled wrongly is refused",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "say `type = \"object\"` and `additionalProperties = false` under `[config]`",
        run: |lab| Box::pin(async { closed(lab.binary()?) }),
    },
    Check {
        id: "manifest.defaults",
        title: "every default is a value its own schema allows",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "correct the `default` of the key that is named",
        run: |lab| Box::pin(async { defaults(lab.binary()?) }),
    },
    Check {
        id: "manifest.described",
        title: "licence and description say what it is",
        rule: "docs/guides/write-a-plugin.md, make it yours",
        fix: "fill in `license` and `description` in `plugin.toml`",
        run: |lab| Box::pin(async { described(lab.binary()?) }),
    },
    Check {
        id: "manifest.name",
        title: "the file's name does not say another name or version",
        rule: "docs/guides/write-a-plugin.md, check it",
        fix: "rename the file to `NAME.wasm` or `NAME-VERSION.wasm`, or correct `plugin.toml`",
        run: |lab| Box::pin(async { name(lab) }),
    },
    Check {
        id: "manifest.version",
        title: "other bytes than those pinned have another version",
        rule: "docs/guides/audit-a-plugin.md, whether it is still the same file",
        fix: "raise `version` in `plugin.toml` with each release",
        run: |lab| Box::pin(async { version(lab) }),
    },
];

fn refused(lab: &Lab, is_this: fn(&PluginError) -> bool) -> Verdict {
    match &lab.subject.binary {
        Ok(_) => Ok(()),
        Err(error) if is_this(error) => fails(format!("{error} ({})", error.code().id)),
        Err(_) => skips("its binary cannot be used"),
    }
}

fn modest(binary: &PluginBinary) -> Verdict {
    let used: Vec<&str> = binary.report.authority().capabilities().collect();
    let unused = binary.manifest.capabilities.iter().find(|asked| !used.contains(&asked.as_str()));
    holds(unused.is_none(), || format!("it asks for `{}` and does not import it", unused.map_or("", String::as_str)))
}

fn aliases(binary: &PluginBinary) -> Verdict {
    let manifest = &binary.manifest;
    for capability in binary.report.authority().capabilities().filter(|name| WITH_ALIASES.contains(name)) {
        if manifest.aliases.get(capability).is_none_or(Vec::is_empty) {
            return fails(format!("it imports `{capability}` and names no alias for it"));
        }
    }
    let idle = manifest.aliases.keys().find(|name| !manifest.capabilities.contains(name));
    holds(idle.is_none(), || {
        format!("it names aliases of `{}`, which it does not ask for", idle.map_or("", String::as_str))
    })
}

fn schema(binary: &PluginBinary) -> Verdict {
    let Some(schema) = &binary.manifest.config else { return Ok(()) };
    match jsonschema::validator_for(schema) {
        Ok(_) => Ok(()),
        Err(error) => fails(error.to_string()),
    }
}

/// No schema knows this key.
const MISSPELLED: &str = "lockstep_misspelled_key";

fn closed(binary: &PluginBinary) -> Verdict {
    let Some(schema) = &binary.manifest.config else { return skips("it has no `[config]`: it takes no settings") };
    let Ok(validator) = jsonschema::validator_for(schema) else { return skips("`manifest.schema` failed") };
    // What else a configuration must have is missing in both.
    let faults = |config: &serde_json::Value| validator.iter_errors(config).count();
    let refuses = faults(&serde_json::json!({ MISSPELLED: 1 })) > faults(&serde_json::json!({}));
    holds(refuses, || format!("a connection with `config = {{ {MISSPELLED} = 1 }}` is accepted"))
}

fn defaults(binary: &PluginBinary) -> Verdict {
    let Some(schema) = &binary.manifest.config else { return Ok(()) };
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let Some(default) = property.get("default") else { continue };
        let mut alone = schema.clone();
        if let Some(alone) = alone.as_object_mut() {
            alone.remove("required");
        }
        let Ok(validator) = jsonschema::validator_for(&alone) else { return skips("`manifest.schema` failed") };
        let config = serde_json::json!({ name: default });
        if let Some(error) = validator.iter_errors(&config).next() {
            return fails(format!("the default of `{name}`: {error}"));
        }
    }
    Ok(())
}

fn described(binary: &PluginBinary) -> Verdict {
    let manifest = &binary.manifest;
    let empty = [("license", &manifest.license), ("description", &manifest.description)];
    let empty = empty.iter().find(|(_, text)| text.trim().is_empty());
    holds(empty.is_none(), || format!("`{}` is empty", empty.map_or("", |(name, _)| name)))
}

fn name(lab: &Lab) -> Verdict {
    let manifest = &lab.binary()?.manifest;
    let file = lab.subject.name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.strip_suffix(".wasm").unwrap_or(file).to_lowercase().replace('_', "-");
    if !names(&stem, manifest.name.as_str()) {
        return fails(format!("the file is `{file}` and the manifest says `{}`", manifest.name));
    }
    match version_in(&stem) {
        Some(version) if version != manifest.version => {
            fails(format!("the file is `{file}` and the manifest says version {}", manifest.version))
        }
        _ => Ok(()),
    }
}

/// Whether the words of the name follow each other in the words of the file's name: `lockstep-hello-plugin` names `hello`.
fn names(stem: &str, name: &str) -> bool {
    let (stem, name): (Vec<&str>, Vec<&str>) = (stem.split('-').collect(), name.split('-').collect());
    stem.windows(name.len()).any(|words| words == name)
}

/// `1.2.3` of `crm-1.2.3`.
fn version_in(stem: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        let numbers: Vec<&str> = word.split('.').collect();
        numbers.len() == 3
            && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    stem.split('-').find(is_version)
}

fn version(lab: &Lab) -> Verdict {
    let binary = lab.binary()?;
    let Some(pinned) = &lab.subject.pinned else { return skips("no project pins it") };
    let manifest = &binary.manifest;
    if pinned.name != manifest.name.as_str() {
        return fails(format!("`{}` is pinned in its place", pinned.name));
    }
    let is_same = pinned.digest == binary.digest;
    holds(is_same || pinned.version != manifest.version, || {
        format!("{} is pinned as {}, and this is {}", binary.label(), pinned.digest, binary.digest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_called_more_than_the_plugin() {
        assert!(names("lockstep-hello-plugin", "hello"));
        assert!(names("http-json-1.0.0", "http-json"));
        assert!(!names("json-http", "http-json"));
        assert!(!names("hello2", "hello"));
        assert_eq!(version_in("crm-1.20.3"), Some("1.20.3"));
        assert_eq!(version_in("crm-1.2"), None);
    }
}
