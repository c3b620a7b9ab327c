//! The hub a seed runs: what a project file would have said.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep::project::{
    ConflictPolicy, DEAD_LETTERS_MAX_DEFAULT, DeleteConflict, Direction, Expression, Guard, HubColumn, HubDef,
    HubDeletes, HubEndpoint, HubField, MatchField, MatchRule, Matching, Normaliser, OnExit, Others, Owner, Place,
    TOMBSTONES_DEFAULT,
};
use lockstep::record::LogicalType;

use super::{Decides, FieldPlan, Plan, Position, Profile, Restores};
use crate::chance::Chance;
use crate::field::Kind;
use crate::quirks::{Quirk, Quirks};

/// The name of the hub.
pub const SYNC: &str = "people";
/// The column that the hub fills when it makes a record, and what with.
pub const ORIGIN: &str = "origin";
pub const ORIGIN_VALUE: &str = "hub";

pub(super) fn place() -> Place {
    Place::new(&"lockstep.toml".into(), 1)
}

/// The entity's fields and what is decided together.
pub fn fields(chance: &mut Chance, quirks: Quirks, systems: usize) -> (Vec<FieldPlan>, Vec<Vec<usize>>) {
    let optional = [Kind::Phone, Kind::Amount, Kind::Visits, Kind::Tags, Kind::Note, Kind::Due, Kind::Active];
    let mut kinds = vec![Kind::Serial, Kind::Email, Kind::Name];
    if quirks.has(Quirk::Groups) {
        kinds.extend([Kind::City, Kind::Zip]);
    }
    for kind in optional {
        if chance.permille(450) {
            kinds.push(kind);
        }
    }
    if quirks.has(Quirk::References) {
        kinds.push(Kind::Boss);
    }
    if quirks.has(Quirk::Segments) && !kinds.contains(&Kind::Active) {
        kinds.push(Kind::Active);
    }
    let mut units: Vec<Vec<usize>> = Vec::new();
    let mut fields: Vec<FieldPlan> = Vec::new();
    for kind in kinds {
        let decides = decides(chance, kind);
        let owner = owner(chance, quirks, kind, systems);
        if kind == Kind::Zip {
            // What is decided together is decided alike.
            let city = fields.last().expect("the city comes first").clone();
            units[city.unit].push(fields.len());
            fields.push(FieldPlan { kind, ..city });
            continue;
        }
        units.push(vec![fields.len()]);
        fields.push(FieldPlan { kind, decides, owner, unit: units.len() - 1 });
    }
    (fields, units)
}

fn decides(chance: &mut Chance, kind: Kind) -> Decides {
    let plain = chance.pick(&[Decides::Manual, Decides::Priority, Decides::Newest, Decides::Newest]);
    match kind {
        Kind::Serial => Decides::Priority,
        Kind::Visits => Decides::Counter,
        Kind::Tags => Decides::Set,
        _ => plain,
    }
}

fn owner(chance: &mut Chance, quirks: Quirks, kind: Kind, systems: usize) -> Option<(usize, Restores)> {
    let is_owned = chance.permille(200) && quirks.has(Quirk::Owners);
    let system = chance.index(systems.min(2));
    let restores = if chance.coin() { Restores::Yes } else { Restores::No };
    let may_be_owned = !matches!(kind, Kind::Serial | Kind::Email | Kind::Visits | Kind::Tags | Kind::Zip);
    (is_owned && may_be_owned).then_some((system, restores))
}

/// The system that is to have only what is not inactive. The first one shows what is agreed.
pub fn segment(chance: &mut Chance, quirks: Quirks, fields: &[FieldPlan], systems: &[Profile]) -> Option<usize> {
    let active = fields.iter().position(|field| field.kind == Kind::Active && field.owner.is_none())?;
    let may_be = |system: &usize| systems[*system].reads && systems[*system].writes && systems[*system].has(active);
    let fitting: Vec<usize> = (1..systems.len()).filter(may_be).collect();
    (quirks.has(Quirk::Segments) && !fitting.is_empty()).then(|| chance.pick(&fitting))
}

/// Stands where the plan is not complete yet.
pub fn empty() -> HubDef {
    HubDef {
        name: SYNC.parse().expect("a name"),
        endpoints: Vec::new(),
        fields: Vec::new(),
        matching: Matching::default(),
        deletes: HubDeletes::Propagate,
        delete_conflict: DeleteConflict::Manual,
        guard: Guard::default(),
        clock_doubt: Duration::from_secs(2),
        tombstones: TOMBSTONES_DEFAULT,
        trigger_every: None,
        dead_letters_max: DEAD_LETTERS_MAX_DEFAULT,
        place: place(),
    }
}

pub fn definition(plan: &Plan, chance: &mut Chance) -> HubDef {
    let deletes = if chance.permille(150) { HubDeletes::Ignore } else { HubDeletes::Propagate };
    let horizon = Duration::from_secs(3600 * chance.pick(&[6, 12, 24, 72]));
    let delete_conflict = chance.pick(&[DeleteConflict::Manual, DeleteConflict::EditWins, DeleteConflict::DeleteWins]);
    let mut endpoints: Vec<HubEndpoint> = plan.systems.iter().map(endpoint).collect();
    if let Some(endpoint) = plan.segment.and_then(|system| endpoints.get_mut(system)) {
        endpoint.filter = Some(Expression { text: "active != false".to_owned(), place: place() });
        endpoint.on_exit = if plan.options.seed.is_multiple_of(2) { OnExit::Delete } else { OnExit::Unlink };
    }
    HubDef {
        endpoints,
        fields: hub_fields(plan),
        matching: matching(plan),
        deletes,
        delete_conflict,
        guard: Guard { rows: chance.between(3, 6).unsigned_abs(), share: 0.2 },
        tombstones: if plan.quirks.has(Quirk::Forgetting) { horizon } else { TOMBSTONES_DEFAULT },
        clock_doubt: Duration::from_secs(chance.below(4)),
        ..empty()
    }
}

fn endpoint(profile: &Profile) -> HubEndpoint {
    HubEndpoint {
        name: profile.name.into(),
        connection: profile.name.parse().expect("a name"),
        stream: "people".into(),
        direction: match (profile.reads, profile.writes) {
            (true, true) => Direction::Both,
            (true, false) => Direction::Read,
            _ => Direction::Write,
        },
        key: Vec::new(),
        modified: (profile.position != Position::None).then(|| "updated".into()),
        lookback: None,
        types: BTreeMap::new(),
        filter: None,
        on_exit: OnExit::Unlink,
        archive: None,
        visibility_lag: (profile.lag > 0 && profile.lag % 2 == 0)
            .then(|| Duration::from_micros(profile.lag.unsigned_abs())),
        enumerate_every: None,
        place: place(),
    }
}

fn hub_fields(plan: &Plan) -> Vec<HubField> {
    let mut fields: Vec<HubField> =
        plan.fields.iter().enumerate().map(|(at, field)| hub_field(plan, at, field)).collect();
    let filled = plan.systems.iter().filter(|profile| profile.has_origin && profile.writes);
    let columns: BTreeMap<String, HubColumn> = filled
        .map(|profile| (profile.name.into(), HubColumn { constant: Some(ORIGIN_VALUE.into()), ..column(ORIGIN) }))
        .collect();
    if !columns.is_empty() {
        fields.push(HubField {
            name: ORIGIN.into(),
            columns,
            logical: Some(LogicalType::Text),
            owner: None,
            conflict: ConflictPolicy::Manual,
            group: None,
            reference: None,
            tags: Vec::new(),
            place: place(),
        });
    }
    fields
}

fn column(name: &str) -> HubColumn {
    HubColumn {
        field: name.to_owned(),
        read: None,
        write: None,
        values: Vec::new(),
        default: None,
        constant: None,
        place: place(),
    }
}

fn hub_field(plan: &Plan, at: usize, field: &FieldPlan) -> HubField {
    let column = |profile: &Profile| {
        let mut column = column(profile.columns[at].as_ref()?);
        profile.dialects[at].map(&mut column);
        Some((profile.name.to_owned(), column))
    };
    let is_reference = field.kind == Kind::Boss;
    HubField {
        name: field.kind.name().into(),
        columns: plan.systems.iter().filter_map(column).collect(),
        logical: Some(field.kind.logical()).filter(|_| !is_reference),
        owner: field.owner.map(|(system, restores)| Owner {
            endpoint: plan.systems[system].name.into(),
            others: if restores == Restores::Yes { Others::Restore } else { Others::Ignore },
        }),
        conflict: match field.decides {
            Decides::Manual => ConflictPolicy::Manual,
            // The order of the systems, turned round: else it would be what happens anyway.
            Decides::Priority => {
                ConflictPolicy::Priority(plan.systems.iter().rev().map(|system| system.name.to_owned()).collect())
            }
            Decides::Newest => ConflictPolicy::Newest,
            Decides::Counter => ConflictPolicy::Counter,
            Decides::Set => ConflictPolicy::Set { separator: Some(";".into()) },
        },
        group: (plan.units[field.unit].len() > 1).then(|| "address".into()),
        reference: is_reference.then(|| SYNC.parse().expect("a name")),
        tags: Vec::new(),
        place: place(),
    }
}

fn matching(plan: &Plan) -> Matching {
    let rule = |kind: Kind, normalise| MatchRule { fields: vec![MatchField { field: kind.name().into(), normalise }] };
    let mut exact = Vec::new();
    if plan.serial_matches {
        exact.push(rule(Kind::Serial, Normaliser::Exact));
    }
    if plan.email_matches {
        exact.push(rule(Kind::Email, Normaliser::Text));
    }
    Matching { exact, scored: None }
}
