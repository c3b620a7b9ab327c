//! What is wrong between the syncs of a file: each may be right by itself and still undo what another does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cycle::cycles;
use super::{Deletes, HubDef, MirrorDef, SyncDef};
use crate::project::name::ConnectionName;
use crate::project::reader::{Entry, Read};

const ENDPOINT_EXAMPLE: &str = "endpoints.shop = { stream = \"customers\" }";

/// A stream, by its connection.
type StreamRef<'a> = (&'a ConnectionName, &'a str);

/// `entries` are those of the syncs, in the same order.
pub(in crate::project) fn check_between(syncs: &[SyncDef], entries: &[Entry<'_>]) -> Read<()> {
    let targets = check_shared_targets(syncs, entries);
    let references = check_references(syncs, entries);
    // Who writes the same field is told so; that it is a cycle as well would only be said twice.
    targets.and(references).and(check_double_writes(syncs, entries))?;
    check_cycles(syncs, entries)
}

/// A mirror that deletes whatever its own source does not show would delete what another sync wrote.
fn check_shared_targets(syncs: &[SyncDef], entries: &[Entry<'_>]) -> Read<()> {
    let mirrors = syncs.iter().zip(entries).filter_map(|(sync, entry)| Some((sync.as_mirror()?, entry)));
    for (mirror, entry) in mirrors.filter(|(mirror, _)| mirror.deletes == Deletes::Compare) {
        let target = (&mirror.target.connection, mirror.target.stream.as_str());
        let shares = |other: &&SyncDef| *other.name() != mirror.name && written_streams(other).contains(&target);
        if let Some(other) = syncs.iter().find(shares) {
            let reason = format!(
                "has `deletes = \"compare\"`, but `sync.{}` writes to the same stream and would lose its records",
                other.name()
            );
            return Err(entry.invalid_with(reason, "deletes = \"tombstones\""));
        }
    }
    Ok(())
}

fn written_streams(sync: &SyncDef) -> Vec<StreamRef<'_>> {
    match sync {
        SyncDef::Mirror(mirror) => vec![(&mirror.target.connection, mirror.target.stream.as_str())],
        SyncDef::Hub(hub) => {
            let written = hub.endpoints.iter().filter(|endpoint| endpoint.direction.writes());
            written.map(|endpoint| (&endpoint.connection, endpoint.stream.as_str())).collect()
        }
    }
}

/// A reference is a remote id, which only the referenced hub's endpoint in the same system can tell.
fn check_references(syncs: &[SyncDef], entries: &[Entry<'_>]) -> Read<()> {
    let hub_named = |name: &str| syncs.iter().filter_map(SyncDef::as_hub).find(|hub| hub.name.as_str() == name);
    let mut checked = Ok(());
    for (hub, entry) in syncs.iter().zip(entries).filter_map(|(sync, entry)| Some((sync.as_hub()?, entry))) {
        for field in &hub.fields {
            let Some(referenced) = field.reference.as_ref().and_then(|name| hub_named(name.as_str())) else { continue };
            let lost = hub.endpoints.iter().filter(|endpoint| field.columns.contains_key(&endpoint.name));
            if let Some(lost) = lost.into_iter().find(|endpoint| referenced.referred_by(endpoint).is_none()) {
                let reason = format!(
                    "names `{}`, which has no endpoint for the references of `{}`: that of the same name, or the only one of `{}`",
                    referenced.name, lost.name, lost.connection
                );
                let example = "endpoints.crm = { stream = \"Accounts\" }";
                checked = Err(entry.below(&["fields", &field.name, "reference"]).invalid_with(reason, example));
            }
        }
    }
    checked
}

/// The fields of a stream.
enum Written<'a> {
    All,
    Some(BTreeSet<&'a str>),
}

impl<'a> Written<'a> {
    /// A field of both. Where both have all there is none to name; that can only be two mirrors, which no hub minds.
    fn shared(&self, other: &Self) -> Option<&'a str> {
        match (self, other) {
            (Self::All, Self::All) => None,
            (Self::All, Self::Some(fields)) | (Self::Some(fields), Self::All) => fields.first().copied(),
            (Self::Some(own), Self::Some(others)) => own.intersection(others).next().copied(),
        }
    }
}

fn written(sync: &SyncDef) -> BTreeMap<StreamRef<'_>, Written<'_>> {
    match sync {
        SyncDef::Mirror(mirror) => {
            let stream = (&mirror.target.connection, mirror.target.stream.as_str());
            let fields = mirror.fields.iter().map(|line| line.target.as_str()).collect();
            [(stream, if mirror.fields.is_empty() { Written::All } else { Written::Some(fields) })].into()
        }
        SyncDef::Hub(hub) => hub
            .endpoints
            .iter()
            .map(|endpoint| {
                let fields = hub.fields.iter().filter(|field| hub.is_written(field, endpoint));
                let fields =
                    fields.filter_map(|field| Some(field.columns.get(&endpoint.name)?.field.as_str())).collect();
                ((&endpoint.connection, endpoint.stream.as_str()), Written::Some(fields))
            })
            .collect(),
    }
}

/// What earlier syncs write.
type Writers<'a> = HashMap<StreamRef<'a>, Vec<(&'a SyncDef, Written<'a>)>>;

/// A field that a hub writes has one policy, which is the hub's.
fn check_double_writes(syncs: &[SyncDef], entries: &[Entry<'_>]) -> Read<()> {
    let mut writers = Writers::new();
    let mut checked = Ok(());
    for (sync, entry) in syncs.iter().zip(entries) {
        let written = written(sync);
        if let Some(((connection, stream), field, other)) = clash(sync, &written, &writers) {
            let other = other.name();
            let reason = format!(
                "writes the field `{field}` of `{stream}` (`{connection}`), and so does `sync.{other}`: it would have two policies"
            );
            checked = Err(entry.invalid_with(reason, ENDPOINT_EXAMPLE));
        }
        for (stream, fields) in written {
            writers.entry(stream).or_default().push((sync, fields));
        }
    }
    checked
}

/// A field that another sync writes as well, if one of both is a hub.
fn clash<'a>(
    sync: &SyncDef,
    written: &BTreeMap<StreamRef<'a>, Written<'a>>,
    writers: &Writers<'a>,
) -> Option<(StreamRef<'a>, &'a str, &'a SyncDef)> {
    written.iter().find_map(|(stream, fields)| {
        let others = writers.get(stream)?.iter().filter(|(other, _)| sync.as_hub().or(other.as_hub()).is_some());
        others.into_iter().find_map(|(other, known)| Some((*stream, known.shared(fields)?, *other)))
    })
}

/// A place through which values go.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Node<'a> {
    /// Everything that is written to a stream as a whole.
    Into(StreamRef<'a>),
    Field(StreamRef<'a>, &'a str),
    /// Everything that is read of a stream as a whole.
    OutOf(StreamRef<'a>),
}

/// The way of a value, and the number of the sync that takes it there.
type Flow<'a> = (Node<'a>, Node<'a>, usize);

/// Values that come back to where they came from through several syncs have no policy at all.
fn check_cycles(syncs: &[SyncDef], entries: &[Entry<'_>]) -> Read<()> {
    let numbered = || syncs.iter().enumerate();
    let streams: Vec<Flow<'_>> = numbered()
        .filter_map(|(n, sync)| sync.as_mirror().map(|mirror| (n, mirror)))
        .map(|(n, mirror)| stream_flow(mirror, n))
        .collect();
    let fields: Vec<Flow<'_>> = numbered()
        .flat_map(|(n, sync)| match sync {
            SyncDef::Mirror(mirror) => mirror_flows(mirror, n),
            SyncDef::Hub(hub) => hub_flows(hub, n),
        })
        .collect();
    let is_hub = |n: &usize| syncs.get(*n).is_some_and(|sync| sync.as_hub().is_some());
    let of_mirrors = cycles(&with_passages(streams));
    let with_hubs = cycles(&with_passages(fields)).into_iter().filter(|cycle| cycle.iter().any(is_hub));
    let found: Vec<BTreeSet<usize>> = of_mirrors.into_iter().chain(with_hubs).collect();
    let reported: Vec<Read<()>> = found.iter().map(|cycle| report_cycle(cycle, syncs, entries)).collect();
    reported.into_iter().collect()
}

/// Records as such, which come and go with all their fields.
fn stream_flow(mirror: &MirrorDef, number: usize) -> Flow<'_> {
    let [source, target] = [&mirror.source, &mirror.target].map(|end| (&end.connection, end.stream.as_str()));
    (Node::OutOf(source), Node::Into(target), number)
}

/// Through a transform every field may go into any other.
fn mirror_flows(mirror: &MirrorDef, number: usize) -> Vec<Flow<'_>> {
    let [source, target] = [&mirror.source, &mirror.target].map(|end| (&end.connection, end.stream.as_str()));
    if mirror.fields.is_empty() {
        return vec![stream_flow(mirror, number)];
    }
    let from = |field| if mirror.transforms.is_empty() { Node::Field(source, field) } else { Node::OutOf(source) };
    let lines = mirror.fields.iter().filter_map(|line| Some((line.source()?, line.target.as_str())));
    lines.map(|(read, written)| (from(read), Node::Field(target, written), number)).collect()
}

fn hub_flows(hub: &HubDef, number: usize) -> Vec<Flow<'_>> {
    let mut flows = Vec::new();
    for field in &hub.fields {
        let node = |endpoint: &'_ str| {
            let end = hub.endpoint(endpoint)?;
            Some(Node::Field((&end.connection, end.stream.as_str()), field.columns.get(endpoint)?.field.as_str()))
        };
        let taken = hub.endpoints.iter().filter(|endpoint| field.is_taken_from(endpoint));
        for source in taken.filter_map(|endpoint| node(&endpoint.name)) {
            let written = hub.endpoints.iter().filter(|endpoint| hub.is_written(field, endpoint));
            let targets = written.filter_map(|endpoint| node(&endpoint.name)).filter(|target| *target != source);
            flows.extend(targets.map(|target| (source, target, number)));
        }
    }
    flows
}

/// With the ways inside the streams, which no sync makes: what is written as a whole is in every field, and what is in a field is
/// read with the whole.
fn with_passages(flows: Vec<Flow<'_>>) -> Vec<(Node<'_>, Node<'_>, Option<usize>)> {
    let mut all: Vec<(Node<'_>, Node<'_>, Option<usize>)> = Vec::new();
    for (from, to, sync) in flows {
        for node in [from, to] {
            match node {
                Node::Into(stream) | Node::OutOf(stream) => all.push((Node::Into(stream), Node::OutOf(stream), None)),
                Node::Field(stream, _) => {
                    all.push((Node::Into(stream), node, None));
                    all.push((node, Node::OutOf(stream), None));
                }
            }
        }
        all.push((from, to, Some(sync)));
    }
    all
}

/// At the last of them in the file, which is probably the one that came last.
fn report_cycle(cycle: &BTreeSet<usize>, syncs: &[SyncDef], entries: &[Entry<'_>]) -> Read<()> {
    let members: Vec<(&SyncDef, &Entry<'_>)> =
        cycle.iter().filter_map(|n| Some((syncs.get(*n)?, entries.get(*n)?))).collect();
    let Some(((last, entry), others)) = members.split_last() else { return Ok(()) };
    let names: Vec<String> = others.iter().map(|(sync, _)| format!("`sync.{}`", sync.name())).collect();
    let names = names.join(" and ");
    let all_hubs = members.iter().all(|(sync, _)| sync.as_hub().is_some());
    Err(match (last.as_hub(), all_hubs) {
        (Some(_), true) => entry.invalid_with(
            format_args!("and {names} have opposite policies: each writes what the other reads, so values go round without an end"),
            ENDPOINT_EXAMPLE,
        ),
        _ => entry.invalid_with(
            format_args!("makes a policy cycle with {names}: what one writes comes back through the other"),
            "mode = \"hub\"",
        ),
    })
}
