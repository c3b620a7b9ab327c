//! What the project says about an entity, in numbers.

use super::HubRun;
use super::setup::{End, micros};
use crate::project::{self, ConflictPolicy, HubDef, HubDeletes, HubEndpoint, MatchField, OnExit, ScoredRule};
use crate::record::{Field, LogicalType};
use crate::resolve::{
    DeleteConflict, Deletes, EndpointRule, ExitRule, Group, Mechanism, Normaliser, Others, Policy, Rules,
};

/// How records are matched, in numbers.
pub(super) struct Matching {
    pub exact: Vec<Vec<(usize, Normaliser)>>,
    pub scored: Option<Scored>,
}

pub(super) struct Scored {
    pub block: Vec<(usize, Normaliser)>,
    pub fields: Vec<(usize, Normaliser, f64)>,
    pub link: f64,
    pub review: f64,
}

pub(super) fn rules(def: &HubDef, entity: &[Field], ends: &[End], run: &HubRun) -> Rules {
    let place = |name: &str| def.endpoints.iter().position(|endpoint| endpoint.name == name);
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of = vec![0; entity.len()];
    for (index, field) in entity.iter().enumerate() {
        let defined = def.fields.iter().find(|known| known.name == field.name);
        let name = defined.and_then(|known| known.group.clone()).unwrap_or_else(|| field.name.clone());
        let moves_together =
            defined.is_some_and(|known| known.group.is_some()) && run.options.safety.has(Mechanism::AtomicGroups);
        let at = groups.iter().position(|group| group.name == name && moves_together).unwrap_or_else(|| {
            let policy = defined.map_or(Policy::Manual, |known| policy(&known.conflict, &place));
            let owner = defined.and_then(|known| known.owner.as_ref());
            let owner = owner.and_then(|owner| {
                let others = match owner.others {
                    project::Others::Restore => Others::Restore,
                    project::Others::Ignore => Others::Ignore,
                };
                Some((place(&owner.endpoint)?, others))
            });
            groups.push(Group { name: name.clone(), fields: Vec::new(), policy, owner });
            groups.len() - 1
        });
        if let (Some(group), Some(of)) = (groups.get_mut(at), group_of.get_mut(index)) {
            group.fields.push(index);
            *of = at;
        }
    }
    Rules {
        groups,
        group_of,
        exact: (entity.iter().enumerate()).map(|(index, field)| is_exact(index, field, ends)).collect(),
        endpoints: def
            .endpoints
            .iter()
            .zip(ends)
            .map(|(endpoint, end)| endpoint_rule(def, endpoint, end, entity))
            .collect(),
        deletes: match def.deletes {
            HubDeletes::Propagate => Deletes::Propagate,
            HubDeletes::Ignore => Deletes::Ignore,
            HubDeletes::Archive => Deletes::Archive,
        },
        delete_conflict: match def.delete_conflict {
            project::DeleteConflict::Manual => DeleteConflict::Manual,
            project::DeleteConflict::EditWins => DeleteConflict::EditWins,
            project::DeleteConflict::DeleteWins => DeleteConflict::DeleteWins,
        },
        clock_doubt: micros(def.clock_doubt),
        safety: run.options.safety,
    }
}

fn is_exact(index: usize, field: &Field, ends: &[End]) -> bool {
    let points = ends.iter().flat_map(|end| &end.references).any(|reference| reference.field == index);
    points || matches!(field.logical, LogicalType::Bool | LogicalType::Date)
}

fn policy(policy: &ConflictPolicy, place: &impl Fn(&str) -> Option<usize>) -> Policy {
    match policy {
        ConflictPolicy::Manual => Policy::Manual,
        ConflictPolicy::Priority(names) => Policy::Priority(names.iter().filter_map(|name| place(name)).collect()),
        ConflictPolicy::Newest => Policy::Newest,
        ConflictPolicy::Counter => Policy::Counter,
        ConflictPolicy::Set { separator } => Policy::Set { separator: separator.clone() },
        ConflictPolicy::Resolver(_) => Policy::Resolver,
    }
}

fn endpoint_rule(def: &HubDef, endpoint: &HubEndpoint, end: &End, entity: &[Field]) -> EndpointRule {
    let column = |field: &Field| {
        def.fields.iter().find(|known| known.name == field.name).and_then(|known| known.columns.get(&endpoint.name))
    };
    let maps: Vec<bool> =
        entity.iter().map(|field| column(field).is_some_and(|column| column.constant.is_none())).collect();
    let (is_read, is_written) =
        (endpoint.direction.reads() && end.source.is_some(), endpoint.direction.writes() && end.sink.is_some());
    let declared = end.stream.properties.get("visibility-lag-ms").and_then(|ms| ms.parse::<i64>().ok());
    EndpointRule {
        name: endpoint.name.clone(),
        reads: maps.iter().map(|maps| *maps && is_read).collect(),
        writes: maps.iter().map(|maps| *maps && is_written).collect(),
        is_read,
        is_written,
        lag: endpoint.visibility_lag.map(micros).or(declared.map(|ms| ms.saturating_mul(1000))).unwrap_or(0),
        remakes: is_written && !end.can_update,
        on_exit: match endpoint.on_exit {
            OnExit::Unlink => ExitRule::Unlink,
            OnExit::Delete => ExitRule::Delete,
            OnExit::Archive(_) => ExitRule::Archive,
        },
    }
}

impl Matching {
    pub fn of(def: &HubDef, entity: &[Field]) -> Self {
        let field = |field: &MatchField| {
            let index = entity.iter().position(|known| known.name == field.field)?;
            Some((index, normaliser(field.normalise)))
        };
        let scored = |rule: &ScoredRule| {
            Some(Scored {
                block: rule.block.iter().map(field).collect::<Option<_>>()?,
                fields: rule
                    .fields
                    .iter()
                    .map(|(known, weight)| field(known).map(|(index, normaliser)| (index, normaliser, *weight)))
                    .collect::<Option<_>>()?,
                link: rule.link,
                review: rule.review,
            })
        };
        Self {
            exact: def.matching.exact.iter().filter_map(|rule| rule.fields.iter().map(field).collect()).collect(),
            scored: def.matching.scored.as_ref().and_then(scored),
        }
    }
}

fn normaliser(normaliser: project::Normaliser) -> Normaliser {
    match normaliser {
        project::Normaliser::Text => Normaliser::Text,
        project::Normaliser::Exact => Normaliser::Exact,
        project::Normaliser::Digits => Normaliser::Digits,
        project::Normaliser::Name => Normaliser::Name,
    }
}
