//! `source.discover`.

use super::lab::Lab;
use super::{Check, Verdict, fails, holds, skips, told};
use crate::connector::Source as _;
use crate::plugin::RULE_PROPERTY;
use crate::record::{LogicalType, Stream};

/// No system has a stream of this name.
pub(super) const NO_SUCH_STREAM: &str = "lockstep_check_no_such_stream";
/// What a stream may say of how it is written.
const WRITE_MODES: &[&str] = &["upsert", "delete", "insert", "update"];
/// Properties that are `true` or `false`.
const FLAGS: &[&str] = &["tracks-changes", "reports-deletes", "empty"];

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "discover.answers",
        title: "discovery ends with the streams there are",
        rule: "wit/v0.1/source.wit, discover",
        fix: "answer what the system says, or an error with its kind; never panic",
        run: |lab| Box::pin(answers(lab)),
    },
    Check {
        id: "discover.streams",
        title: "streams are well-formed: known types, no field twice, keys that are fields",
        rule: "wit/v0.1/types.wit, stream and field",
        fix: "give every field one name and one of the logical types, and name only fields in `key`",
        run: |lab| Box::pin(streams(lab)),
    },
    Check {
        id: "discover.names",
        title: "every stream and every field has a name, and no two streams the same",
        rule: "wit/v0.1/types.wit, stream",
        fix: "tell streams apart by their whole name (`schema.table`)",
        run: |lab| Box::pin(names(lab)),
    },
    Check {
        id: "discover.chosen",
        title: "only the streams that were named are answered",
        rule: "wit/v0.1/source.wit, discover",
        fix: "heed `names` unless it is empty: in Rust with `source::only`",
        run: |lab| Box::pin(chosen(lab)),
    },
    Check {
        id: "discover.missing",
        title: "a name that does not exist is left out",
        rule: "wit/v0.1/source.wit, discover",
        fix: "leave out what is not there instead of answering an error or making it up",
        run: |lab| Box::pin(missing(lab)),
    },
    Check {
        id: "discover.stable",
        title: "asked twice, it answers the same",
        rule: "wit/v0.1/source.wit, discover",
        fix: "sort what the system answers in no order, and take types from its schema rather than from a few records",
        run: |lab| Box::pin(stable(lab)),
    },
    Check {
        id: "discover.properties",
        title: "properties the host knows have values it knows",
        rule: "wit/v0.1/types.wit, stream.properties",
        fix: "`write` lists upsert, delete, insert and update; `modified` is a field of a time or a whole number; flags are `true` or `false`",
        run: |lab| Box::pin(properties(lab)),
    },
];

async fn answers(lab: &Lab) -> Verdict {
    match lab.discovered().await? {
        Err(failure) if failure.properties.get(RULE_PROPERTY).is_none() => {
            lab.note(failure);
            fails(told(failure))
        }
        _ => Ok(()),
    }
}

async fn streams(lab: &Lab) -> Verdict {
    match lab.discovered().await? {
        Err(failure) if failure.properties.get(RULE_PROPERTY).is_some() => fails(told(failure)),
        Err(_) => skips("`discover.answers` failed"),
        Ok(_) => Ok(()),
    }
}

async fn names(lab: &Lab) -> Verdict {
    let streams = lab.streams().await?;
    for (at, stream) in streams.iter().enumerate() {
        if stream.name.is_empty() {
            return fails("a stream has an empty name");
        }
        if streams.iter().take(at).any(|other| other.name == stream.name) {
            return fails(format!("two streams are called `{}`", stream.name));
        }
        if stream.fields.iter().any(|field| field.name.is_empty()) {
            return fails(format!("a field of `{}` has an empty name", stream.name));
        }
    }
    Ok(())
}

async fn chosen(lab: &Lab) -> Verdict {
    let stream = lab.stream().await?;
    let found = lab.answered(lab.connector().await?.discover(std::slice::from_ref(&stream.name)).await)?;
    let others: Vec<&str> = found.iter().map(|found| found.name.as_str()).filter(|name| *name != stream.name).collect();
    if let Some(other) = others.first() {
        return fails(format!("asked for `{}`, it answers `{other}` as well", stream.name));
    }
    holds(found.len() == 1, || format!("asked for `{}`, it answers {} streams", stream.name, found.len()))
}

async fn missing(lab: &Lab) -> Verdict {
    lab.streams().await?;
    let found = lab.answered(lab.connector().await?.discover(&[NO_SUCH_STREAM.to_owned()]).await)?;
    match found.first() {
        // One that answers too much is told by another check.
        Some(stream) if stream.name != NO_SUCH_STREAM => skips("it answers streams that were not asked for"),
        Some(_) => fails("it answers a stream that cannot be there"),
        None => Ok(()),
    }
}

async fn stable(lab: &Lab) -> Verdict {
    let streams = lab.streams().await?;
    let again = lab.answered(lab.connector().await?.discover(&[]).await)?;
    let differs = streams.iter().zip(&again).find(|(first, second)| !is_same(first, second));
    if let Some((first, second)) = differs {
        return fails(format!(
            "`{}` is described otherwise the second time, or in another place (`{}`)",
            first.name, second.name
        ));
    }
    holds(streams.len() == again.len(), || {
        format!("{} streams the first time, {} the second", streams.len(), again.len())
    })
}

/// What it holds may change while somebody looks.
fn is_same(first: &Stream, second: &Stream) -> bool {
    (&first.name, &first.key, &first.fields) == (&second.name, &second.key, &second.fields)
}

async fn properties(lab: &Lab) -> Verdict {
    for stream in lab.streams().await? {
        let of = |what: String| fails(format!("`{}`: {what}", stream.name));
        if let Some(modes) = stream.properties.get("write") {
            let unknown = modes.split(',').map(str::trim).find(|mode| !mode.is_empty() && !WRITE_MODES.contains(mode));
            if let Some(mode) = unknown {
                return of(format!("`write` lists `{mode}`"));
            }
        }
        for flag in FLAGS {
            if let Some(value) = stream.properties.get(flag).filter(|value| !matches!(*value, "true" | "false")) {
                return of(format!("`{flag}` is `{value}`"));
            }
        }
        let Some(modified) = stream.properties.get("modified") else { continue };
        match stream.field(modified).map(|field| field.logical) {
            None => return of(format!("`modified` names `{modified}`, which is no field")),
            Some(LogicalType::Bool | LogicalType::Float64 | LogicalType::Binary | LogicalType::Json) => {
                return of(format!("`modified` names `{modified}`, which tells no order"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
