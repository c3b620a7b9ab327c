//! One group of fields of one event: is it a change, may it be made, does it collide.

use super::breaker;
use super::held::{holds, is_held, release, release_agreeing};
use super::news::{News, news, says_nothing_new, stated, unsettled};
use super::policy::{self, Dispute, Policy, Ruling};
use super::{Canon, Group, Link, Mechanism, Others, RecordState, Rules, Shadow, Source};
use crate::record::Value;

/// What became of a group of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody had said anything before.
    First,
    /// The endpoint had seen what it changed.
    Taken,
    /// Not its field: what is agreed will be written back.
    Restored,
    /// Not its field: it may keep it.
    Ignored,
    /// A collision: the incoming value won.
    Won,
    /// A collision: the agreed value stays.
    Lost,
    /// A collision: both changes were made.
    Merged,
    /// A collision: a person decides.
    Held,
    /// It went back and forth too often.
    Quarantined,
    /// A collision with what was a second copy until now: the agreed value stays.
    Spare,
}

impl Verdict {
    pub const ALL: &[Self] = &[
        Self::First,
        Self::Taken,
        Self::Restored,
        Self::Ignored,
        Self::Won,
        Self::Lost,
        Self::Merged,
        Self::Held,
        Self::Quarantined,
        Self::Spare,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Taken => "taken",
            Self::Restored => "restored",
            Self::Ignored => "ignored",
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Merged => "merged",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Spare => "spare",
        }
    }
}

/// An agreed value that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    pub field: usize,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// A verdict with everything that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub verdict: Verdict,
    pub dispute: Dispute,
    pub changes: Vec<FieldChange>,
    /// It has just been quarantined: a person is to be asked.
    pub is_over: bool,
}

impl Why {
    pub fn new(verdict: Verdict, dispute: Dispute) -> Self {
        Self { verdict, dispute, changes: Vec::new(), is_over: false }
    }

    /// A group moves together, so it is left alone together.
    fn quarantine(&mut self, state: &mut RecordState, members: &[usize]) {
        for field in members {
            state.canon.get_mut(*field).into_iter().for_each(|canon| canon.quarantined = true);
        }
        self.verdict = Verdict::Quarantined;
        self.is_over = true;
    }
}

/// What an event says about one group, and who says so.
pub struct Statement<'a> {
    pub endpoint: usize,
    pub values: &'a [Option<Value>],
    pub at: Option<i64>,
    pub now: i64,
    /// The entry of the lineage that will tell of it.
    pub lineage: i64,
    /// What is empty was lost, not emptied: it is put back.
    pub is_remade: bool,
    /// Who changed it has seen what we made; unless it was they who made it.
    pub is_found: bool,
    /// It is about what was a second copy until now: what was agreed without it stands.
    pub is_spare: bool,
}

/// What came of a statement.
pub enum Merged {
    /// It says nothing new.
    Nothing,
    /// It is what we wrote.
    Echo,
    /// It says what is agreed already. If somebody had to decide about it, that is over.
    Agreed {
        settled: bool,
    },
    /// It may be from before our own write: ask again then.
    Unsettled(i64),
    Decided {
        why: Why,
        settled: bool,
    },
    /// The resolver has to be asked.
    Ask(Dispute),
}

/// Decides about one group and changes the state accordingly.
pub fn merge_group(
    state: &mut RecordState,
    group: usize,
    statement: &Statement<'_>,
    rules: &Rules,
    resolver: &dyn Fn(&Dispute) -> Option<Ruling>,
) -> Merged {
    let endpoint = statement.endpoint;
    let Some(definition) = rules.groups.get(group) else { return Merged::Nothing };
    if says_nothing_new(state, &definition.fields, statement, rules) {
        return Merged::Nothing;
    }
    let fields = stated(state, &definition.fields, statement, rules);
    let mut echoes = false;
    let is_change = |(field, value): &(usize, &Value)| {
        let news = news(state, (endpoint, statement.now), *field, value, rules);
        echoes |= matches!(news, News::Echo);
        matches!(news, News::Change)
    };
    let said = fields.iter().map(|(field, value)| (*field, value));
    let changed: Vec<(usize, &Value)> = said.filter(is_change).collect();
    if changed.is_empty() {
        return if echoes { Merged::Echo } else { Merged::Nothing };
    }
    if let Some(until) = unsettled(state, endpoint, &changed, statement.now, rules) {
        return Merged::Unsettled(until);
    }
    let dispute = dispute(state, (group, definition), &fields, statement);
    if is_silent(state, &fields, &dispute, definition, endpoint) {
        see(state, endpoint, &fields);
        return Merged::Agreed { settled: false };
    }
    let is_owner = is_owners(definition, endpoint, rules);
    if !is_owner && breaker::is_quarantined(state, &definition.fields) {
        see(state, endpoint, &fields);
        let why = Why::new(Verdict::Quarantined, dispute);
        return Merged::Decided { why, settled: false };
    }
    let is_empty = changed.iter().all(|(_, value)| value.is_null());
    let dispute = match overrule(state, definition, statement, (&fields, is_empty), dispute, rules) {
        Ok(why) => return Merged::Decided { why, settled: false },
        Err(dispute) => dispute,
    };
    let verdict = match judge(state, &fields, &dispute, rules) {
        Judged::Agreed => {
            see(state, endpoint, &fields);
            let released = release(state, endpoint, &definition.fields);
            return Merged::Agreed { settled: released && !is_held(state, &definition.fields) };
        }
        // It may be somebody's who has made the same record: what it replaces is to be found.
        Judged::Clear(Verdict::Taken) if statement.is_found => (Verdict::Won, Ruling::Incoming),
        Judged::Clear(verdict) => (verdict, Ruling::Incoming),
        // What others said before the owner was asked stands until the owner says something.
        Judged::Collision if is_owner => (Verdict::Won, Ruling::Incoming),
        // What it added to is still to be decided about: that cannot be told apart from what it adds now.
        Judged::Collision if definition.policy.adds_up() && holds(state, endpoint, &definition.fields) => {
            (Verdict::Held, Ruling::Manual)
        }
        Judged::Collision if statement.is_spare && !definition.policy.adds_up() => (Verdict::Spare, Ruling::Current),
        Judged::Collision => match policy::rule(&dispute, &definition.policy, rules, resolver) {
            None => return Merged::Ask(dispute),
            Some(ruling) => (verdict_of(&ruling), ruling),
        },
    };
    let is_open = verdict.0 == Verdict::Held;
    let why = carry_out(state, definition, &fields, statement, dispute, verdict, rules);
    Merged::Decided { why, settled: settles(state, definition, endpoint, is_open, rules) }
}

/// Ends what waited for a decision about a group, but for one that is open now. Answers whether anything did, and nothing does any more.
fn settles(state: &mut RecordState, group: &Group, endpoint: usize, is_open: bool, rules: &Rules) -> bool {
    let members = &group.fields;
    let mut released = !is_open && release(state, endpoint, members);
    released |= release_agreeing(state, members, is_open.then_some(endpoint));
    // An owner's word settles what others insist on, as a person's would.
    released |= is_owners(group, endpoint, rules) && breaker::forgive(state, members);
    released && !is_held(state, members)
}

/// What has no say, because it was lost and not emptied, or because another owns it. Gives the dispute back if there is nothing of
/// the kind.
fn overrule(
    state: &mut RecordState,
    group: &Group,
    statement: &Statement<'_>,
    (fields, is_empty): (&[(usize, Value)], bool),
    dispute: Dispute,
    rules: &Rules,
) -> Result<Why, Dispute> {
    if statement.is_remade && is_empty {
        return Ok(not_allowed(state, (group, fields), statement, dispute, Others::Restore, rules));
    }
    let Some((owner, others)) = owned_by_another(state, group, statement.endpoint, fields, rules) else {
        return Err(dispute);
    };
    if others == Others::Restore {
        ask_owner(state, owner, fields, statement);
    }
    Ok(not_allowed(state, (group, fields), statement, dispute, others, rules))
}

/// Whether all that is said is null by somebody who was never asked: a record that has no value there has said nothing against
/// those that have one, unless it is the owner's.
fn is_silent(
    state: &RecordState,
    fields: &[(usize, Value)],
    dispute: &Dispute,
    group: &Group,
    endpoint: usize,
) -> bool {
    let is_first = dispute.base.iter().all(Option::is_none);
    let is_owner = group.owner.is_some_and(|(owner, _)| owner == endpoint);
    let all_null = fields.iter().all(|(_, value)| value.is_null());
    is_first && all_null && !is_owner && fields.iter().any(|(field, _)| state.value(*field) != Some(&Value::Null))
}

/// Whether nobody has said anything yet and the owner does not know the record, or is just being given it: a new record brings its
/// values along.
fn is_newborn(state: &RecordState, owner: usize, fields: &[(usize, Value)]) -> bool {
    let unknown = state.side(owner).is_none_or(|side| side.link == Link::None);
    unknown && fields.iter().all(|(field, _)| state.value(*field).is_none())
}

fn dispute(
    state: &RecordState,
    (group, Group { fields: members, policy, .. }): (usize, &Group),
    fields: &[(usize, Value)],
    statement: &Statement<'_>,
) -> Dispute {
    let newest = members
        .iter()
        .filter_map(|field| state.canon.get(*field))
        .filter(|canon| canon.value.is_some())
        .max_by_key(|canon| (canon.lineage, canon.at));
    Dispute {
        group,
        base: members.iter().map(|field| base(state, policy, *field, statement)).collect(),
        current: members.iter().map(|field| state.value(*field).cloned()).collect(),
        incoming: members
            .iter()
            .map(|field| fields.iter().find(|(known, _)| known == field).map(|(_, value)| value.clone()))
            .collect(),
        current_source: newest.map_or(Source::Endpoint(statement.endpoint), |canon| canon.source),
        incoming_source: Source::Endpoint(statement.endpoint),
        current_at: newest.and_then(|canon| canon.at),
        incoming_at: statement.at,
    }
}

/// What a field was before somebody changed it, as far as anybody knows. Of a set each item is a matter of its own.
fn base(state: &RecordState, policy: &Policy, field: usize, statement: &Statement<'_>) -> Option<Value> {
    let seen = state.seen(statement.endpoint, field);
    let of_set = || {
        let Policy::Set { separator } = policy else { return None };
        let written = state.side(statement.endpoint)?.unheard(field, statement.now)?;
        policy::set_before(seen, written, statement.values.get(field)?.as_ref()?, separator.as_deref())
    };
    of_set().or_else(|| seen.cloned())
}

fn is_owners(group: &Group, endpoint: usize, rules: &Rules) -> bool {
    rules.safety.has(Mechanism::Ownership) && group.owner.is_some_and(|(owner, _)| owner == endpoint)
}

/// Whose group it is, and what others may do, if it is not the endpoint's.
fn owned_by_another(
    state: &RecordState,
    group: &Group,
    endpoint: usize,
    fields: &[(usize, Value)],
    rules: &Rules,
) -> Option<(usize, Others)> {
    let (owner, others) = group.owner?;
    let is_bound = owner != endpoint && rules.safety.has(Mechanism::Ownership) && !is_newborn(state, owner, fields);
    is_bound.then_some((owner, others))
}

/// Where nobody has said anything the owner's copy is what is to be restored, be it empty.
fn ask_owner(state: &mut RecordState, owner: usize, fields: &[(usize, Value)], statement: &Statement<'_>) {
    let Some(side) = state.sides.get(owner).filter(|side| side.link.is_linked()) else { return };
    let shown: Vec<(usize, Value)> =
        fields.iter().filter_map(|(field, _)| Some((*field, side.shadow(*field).shown()?.clone()))).collect();
    for (field, value) in shown {
        if let Some(canon) = state.canon.get_mut(field).filter(|canon| canon.value.is_none()) {
            canon.value = Some(value);
            canon.source = Source::Endpoint(owner);
            canon.lineage = statement.lineage;
            state.version += 1;
        }
    }
}

fn not_allowed(
    state: &mut RecordState,
    (group, fields): (&Group, &[(usize, Value)]),
    statement: &Statement<'_>,
    dispute: Dispute,
    others: Others,
    rules: &Rules,
) -> Why {
    let verdict = match others {
        Others::Restore => Verdict::Restored,
        Others::Ignore => Verdict::Ignored,
    };
    let mut why = Why::new(verdict, dispute);
    let mut is_over = false;
    for (field, value) in fields {
        let agreed = state.value(*field).cloned();
        let shadow = match (others, agreed) {
            (Others::Ignore, Some(of)) => Shadow::Form { shows: value.clone(), of },
            _ => Shadow::Value(value.clone()),
        };
        if let Some(side) = state.sides.get_mut(statement.endpoint) {
            side.set_shadow(*field, shadow);
        }
        let Some(canon) = state.canon.get_mut(*field).filter(|_| others == Others::Restore) else { continue };
        breaker::resist(canon, value, statement.now);
        is_over |= breaker::is_over(canon, rules);
    }
    if is_over {
        why.quarantine(state, &group.fields);
    }
    why
}

enum Judged {
    Agreed,
    Clear(Verdict),
    Collision,
}

fn judge(state: &RecordState, fields: &[(usize, Value)], dispute: &Dispute, rules: &Rules) -> Judged {
    if fields.iter().all(|(field, value)| state.value(*field) == Some(value)) && !adds_up(state, dispute, rules) {
        return Judged::Agreed;
    }
    if fields.iter().all(|(field, _)| state.value(*field).is_none()) {
        return Judged::Clear(Verdict::First);
    }
    let seen_all =
        dispute.base.iter().zip(&dispute.current).all(|(base, current)| current.is_none() || base == current);
    if seen_all || !rules.safety.has(Mechanism::BaseComparison) {
        Judged::Clear(Verdict::Taken)
    } else {
        Judged::Collision
    }
}

/// Whether equal values are two changes all the same: two who count one more each have counted two.
fn adds_up(state: &RecordState, dispute: &Dispute, rules: &Rules) -> bool {
    let is_counter = rules.groups.get(dispute.group).is_some_and(|group| group.policy == Policy::Counter);
    is_counter
        && rules.safety.has(Mechanism::CounterMerge)
        && (dispute.current_source != dispute.incoming_source || !is_written(state, dispute, rules))
        && dispute.base.iter().zip(&dispute.current).any(|(base, current)| base.is_some() && base != current)
}

/// Whether what is shown may be our own write, which we did not hear of and have given up since.
fn is_written(state: &RecordState, dispute: &Dispute, rules: &Rules) -> bool {
    let Source::Endpoint(endpoint) = dispute.incoming_source else { return false };
    let fields = rules.groups.get(dispute.group).map(|group| group.fields.as_slice()).unwrap_or_default();
    let Some(late) = state.side(endpoint).and_then(|side| side.late.as_ref()) else { return false };
    let mut shown = fields.iter().zip(&dispute.incoming);
    shown.any(|(field, value)| value.as_ref().zip(late.value(*field)).is_some_and(|(value, sent)| value == sent))
}

fn verdict_of(ruling: &Ruling) -> Verdict {
    match ruling {
        Ruling::Incoming => Verdict::Won,
        Ruling::Current => Verdict::Lost,
        Ruling::Merged(_) => Verdict::Merged,
        Ruling::Manual => Verdict::Held,
    }
}

fn carry_out(
    state: &mut RecordState,
    group: &Group,
    fields: &[(usize, Value)],
    statement: &Statement<'_>,
    dispute: Dispute,
    (verdict, ruling): (Verdict, Ruling),
    rules: &Rules,
) -> Why {
    let (endpoint, members) = (statement.endpoint, &group.fields);
    see(state, endpoint, fields);
    let values: Vec<(usize, Value)> = match ruling {
        // What nobody has said anything about yet is no part of what wins.
        Ruling::Current => fields.iter().filter(|(field, _)| state.value(*field).is_none()).cloned().collect(),
        Ruling::Manual => {
            if rules.safety.has(Mechanism::ManualHold)
                && let Some(side) = state.sides.get_mut(endpoint)
            {
                let new = members.iter().filter(|field| !side.held.contains(field)).copied().collect::<Vec<_>>();
                side.held.extend(new);
            }
            Vec::new()
        }
        Ruling::Incoming => fields.to_vec(),
        Ruling::Merged(values) => {
            members.iter().zip(values).filter_map(|(field, value)| Some((*field, value?))).collect()
        }
    };
    let mut why = Why::new(verdict, dispute);
    let mut is_over = false;
    for (field, value) in values {
        let Some(canon) = state.canon.get_mut(field) else { continue };
        if canon.value.as_ref() == Some(&value) {
            continue;
        }
        let before = canon.value.clone();
        let is_first = state.lineage == 0 && canon.value.is_none();
        set(canon, value.clone(), Source::Endpoint(endpoint), statement);
        is_over |= breaker::is_over(canon, rules);
        if is_first {
            canon.changed_at = 0;
        }
        why.changes.push(FieldChange { field, before, after: Some(value) });
    }
    if !why.changes.is_empty() {
        state.version += 1;
    }
    if is_over && !is_owners(group, endpoint, rules) {
        why.quarantine(state, members);
    }
    why
}

/// Gives a field a value.
fn set(canon: &mut Canon, value: Value, source: Source, statement: &Statement<'_>) {
    breaker::count(canon, &value, source, statement.now);
    canon.changed_at = statement.now;
    canon.value = Some(value);
    canon.source = source;
    canon.at = statement.at;
    canon.lineage = statement.lineage;
}

/// The endpoint shows these values now.
fn see(state: &mut RecordState, endpoint: usize, fields: &[(usize, Value)]) {
    let Some(side) = state.sides.get_mut(endpoint) else { return };
    for (field, value) in fields {
        // What it shows now is no longer from before.
        side.fences.retain(|fence| fence.field != *field || fence.before != *value);
        side.set_shadow(*field, Shadow::Value(value.clone()));
    }
}
