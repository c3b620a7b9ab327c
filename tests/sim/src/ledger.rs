//! What really happened: every change any system accepted, with who made it, and where every value came from. Only checkers look
//! at it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use lockstep::record::Value;

use crate::field::{Kind, email_key};
use crate::plan::Plan;
use crate::system::{Patch, Values};

/// Who changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A user of the system itself.
    User,
    /// The hub, by the number of its process.
    Hub(u32),
}

#[derive(Clone, Debug)]
pub struct Change {
    pub at: i64,
    pub system: usize,
    pub key: i64,
    pub author: Author,
    pub before: Option<Values>,
    pub after: Option<Values>,
    /// The run it happened in or before.
    pub run: u32,
}

impl Change {
    /// What the record is now, or was before it was deleted.
    pub fn values(&self) -> Option<&Values> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

/// The tokens of a unit's values; 0 where there is none.
pub type Tokens = Box<[u32]>;

/// What a user wrote, unit by unit.
#[derive(Clone, Debug)]
pub struct Write {
    pub at: i64,
    pub system: usize,
    pub key: i64,
    /// Who the record is.
    pub class: usize,
    pub unit: usize,
    pub tokens: Tokens,
    pub values: Vec<Value>,
    /// What the user saw.
    pub before: Option<Tokens>,
    /// The change it is part of.
    pub change: usize,
}

/// Everything that happened.
pub struct Ledger {
    plan: Arc<Plan>,
    pub changes: Vec<Change>,
    /// Those of the hub's whose answers have arrived, and that it has not noted yet.
    pub heard: Vec<usize>,
    /// Those of the hub's that it knows of.
    confirmed: HashSet<usize>,
    pub writes: Vec<Write>,
    /// Who saw what when writing: by unit and tokens.
    parents: HashMap<(usize, Tokens), Option<Tokens>>,
    /// What users have made a unit themselves.
    made: HashSet<(usize, Tokens)>,
    /// Written more than once: nothing follows from them.
    pub ambiguous: HashSet<(usize, Tokens)>,
    /// What the hub has sent for a record and has neither been done nor refused.
    on_its_way: HashMap<(usize, i64), Patch>,
    /// What the hub has sent for a field that was there already, by somebody else.
    foreseen: HashSet<(usize, i64, usize, Value)>,
    /// Classes of records that were outside a segment once.
    strayed: BTreeSet<usize>,
    /// Values a unit had through a user, or through what a system made of a value, by record.
    known: HashSet<(usize, usize, Vec<Value>)>,
    classes: Classes,
    pub token: u32,
    /// Fields of records about which a program has an opinion of its own.
    pub bots: BTreeMap<(usize, i64, usize), Value>,
    /// When each of them had to put it right.
    pub insisted: BTreeMap<(usize, i64, usize), Vec<i64>>,
    pub fought_over: BTreeSet<(usize, usize)>,
    /// When each run began.
    pub began: Vec<i64>,
}

/// Who is who: serials that belong to one record, as far as anybody can tell.
#[derive(Default)]
struct Classes {
    parent: Vec<usize>,
    serials: HashMap<Value, usize>,
    emails: HashMap<String, usize>,
}

impl Classes {
    fn find(&self, mut class: usize) -> usize {
        while self.parent[class] != class {
            class = self.parent[class];
        }
        class
    }

    fn of_serial(&mut self, serial: &Value) -> usize {
        let next = self.parent.len();
        let class = *self.serials.entry(serial.clone()).or_insert(next);
        if class == next {
            self.parent.push(next);
        }
        self.find(class)
    }

    fn join(&mut self, left: usize, right: usize) {
        let (left, right) = (self.find(left), self.find(right));
        self.parent[left.max(right)] = left.min(right);
    }
}

impl Ledger {
    pub fn new(plan: &Arc<Plan>) -> Self {
        Self {
            plan: plan.clone(),
            changes: Vec::new(),
            heard: Vec::new(),
            confirmed: HashSet::new(),
            writes: Vec::new(),
            parents: HashMap::new(),
            made: HashSet::new(),
            ambiguous: HashSet::new(),
            on_its_way: HashMap::new(),
            foreseen: HashSet::new(),
            strayed: BTreeSet::new(),
            known: HashSet::new(),
            classes: Classes::default(),
            token: 0,
            bots: BTreeMap::new(),
            insisted: BTreeMap::new(),
            fought_over: BTreeSet::new(),
            began: Vec::new(),
        }
    }

    pub fn next_token(&mut self) -> u32 {
        self.token += 1;
        self.token
    }

    /// The class of a record as it is now. Classes may still become one.
    pub fn class(&self, values: &Values) -> usize {
        self.class_of(&values[self.plan.serial()])
    }

    pub fn class_of(&self, serial: &Value) -> usize {
        let class = self.classes.serials.get(serial);
        class.map_or(usize::MAX, |class| self.classes.find(*class))
    }

    pub fn class_now(&self, class: usize) -> usize {
        if class == usize::MAX { class } else { self.classes.find(class) }
    }

    fn learn_class(&mut self, values: &Values) -> usize {
        let class = self.classes.of_serial(&values[self.plan.serial()]);
        let email = self.plan.field(Kind::Email).filter(|_| self.plan.email_matches);
        if let Some(email) = email.and_then(|field| email_key(&values[field])) {
            let other = *self.classes.emails.entry(email).or_insert(class);
            self.classes.join(class, other);
        }
        self.classes.find(class)
    }

    pub fn unit_tokens(&self, unit: usize, values: &Values) -> Tokens {
        let fields = &self.plan.units[unit];
        fields.iter().map(|field| self.plan.fields[*field].kind.token(&values[*field]).unwrap_or(0)).collect()
    }

    fn unit_values(&self, unit: usize, values: &Values) -> Vec<Value> {
        self.plan.units[unit].iter().map(|field| values[*field].clone()).collect()
    }

    /// Whether every value of a unit that is there says where it comes from.
    pub fn is_traced(&self, unit: usize) -> bool {
        self.plan.units[unit].iter().all(|field| self.plan.fields[*field].kind.has_token())
    }

    /// A user has changed something.
    pub fn user_change(&mut self, system: usize, key: i64, before: Option<Values>, after: Option<Values>, at: i64) {
        let change = self.changes.len();
        self.look_like_the_hub((system, key), before.as_ref(), after.as_ref());
        self.foresee((system, key), before.as_ref(), after.as_ref());
        if let Some(after) = &after {
            let class = self.learn_class(after);
            if self.plan.field(Kind::Active).is_some_and(|active| after[active] == Value::Bool(false)) {
                self.strayed.insert(class);
            }
            let is_back = before.is_none() && self.is_last_of((system, key), after);
            for unit in 0..self.plan.units.len() {
                let seen = before.as_ref().map(|before| self.unit_values(unit, before));
                let values = self.unit_values(unit, after);
                self.known.insert((class, unit, values.clone()));
                if seen.as_ref() == Some(&values) {
                    continue;
                }
                let tokens = self.unit_tokens(unit, after);
                let before = before.as_ref().map(|before| self.unit_tokens(unit, before));
                if !is_back {
                    self.made.insert((unit, tokens.clone()));
                }
                self.remember(unit, &tokens, before.clone());
                self.writes.push(Write { at, system, key, class, unit, tokens, values, before, change });
            }
        }
        let run = self.run();
        self.changes.push(Change { at, system, key, author: Author::User, before, after, run });
    }

    /// A record is written as a whole. Who writes one of the values that were on their way to it looks like somebody who changes the
    /// others after all of them have arrived.
    fn look_like_the_hub(&mut self, record: (usize, i64), before: Option<&Values>, after: Option<&Values>) {
        let (Some(patch), Some(before), Some(after)) = (self.on_its_way.get(&record), before, after) else { return };
        if !patch.iter().any(|(field, sent)| before[*field] != *sent && after[*field] == *sent) {
            return;
        }
        let mut meant = before.to_vec();
        patch.iter().for_each(|(field, sent)| meant[*field] = sent.clone());
        let meant = Values::from(meant);
        let units = (0..self.plan.units.len()).filter(|unit| {
            let sent = self.unit_values(*unit, &meant);
            sent != self.unit_values(*unit, before) && sent != self.unit_values(*unit, after)
        });
        self.ambiguous.extend(units.map(|unit| (unit, self.unit_tokens(unit, &meant))).collect::<Vec<_>>());
    }

    /// Who sets a field to what was on its way to it does what the hub would have done.
    fn foresee(&mut self, (system, key): (usize, i64), before: Option<&Values>, after: Option<&Values>) {
        let (Some(patch), Some(after)) = (self.on_its_way.get(&(system, key)), after) else { return };
        let is_same = |(field, sent): &&(usize, Value)| {
            after[*field] == *sent && before.is_none_or(|before| before[*field] != *sent)
        };
        self.foreseen.extend(patch.iter().filter(is_same).map(|(field, sent)| (system, key, *field, sent.clone())));
    }

    /// The hub sends something for a record, which is like this now.
    pub fn send(&mut self, record: (usize, i64), patch: &Patch, now: &Values) {
        let (system, key) = record;
        let of_it = |change: &&Change| change.system == system && change.key == key;
        for (field, sent) in patch.iter().filter(|(field, sent)| now[*field] == *sent) {
            let is_it = |change: &&Change| {
                let before = change.before.as_ref().map(|before| &before[*field]);
                change.after.as_ref().is_some_and(|after| Some(&after[*field]) != before)
            };
            let last = self.changes.iter().rev().filter(of_it).find(is_it);
            if last.is_some_and(|change| change.author == Author::User) {
                self.foreseen.insert((system, key, *field, sent.clone()));
            }
        }
        self.on_its_way.insert(record, patch.clone());
    }

    /// Whether the hub has sent what a change made of a field, without having seen it or before anybody answered: nobody can tell one from
    /// the other then.
    pub fn is_foreseen(&self, change: &Change, field: usize) -> bool {
        let value = |after: &Values| (change.system, change.key, field, after[field].clone());
        change.after.as_ref().is_some_and(|after| self.foreseen.contains(&value(after)))
    }

    /// Whether somebody has sent the record out of a segment.
    pub fn has_strayed(&self, class: usize) -> bool {
        self.strayed.iter().any(|strayed| self.class_now(*strayed) == class)
    }

    /// What was sent for a record was refused.
    pub fn refuse(&mut self, record: (usize, i64)) {
        self.on_its_way.remove(&record);
    }

    /// Whether this is what a record was last: who brings it back makes up nothing.
    fn is_last_of(&self, (system, key): (usize, i64), values: &Values) -> bool {
        let of_it = |change: &&Change| change.system == system && change.key == key;
        let last = self.changes.iter().rev().find(of_it);
        last.is_some_and(|change| change.before.as_ref() == Some(values))
    }

    fn remember(&mut self, unit: usize, tokens: &Tokens, before: Option<Tokens>) {
        let name = (unit, tokens.clone());
        // Two people who write the same mean different things by it.
        match self.parents.get(&name) {
            Some(_) => drop(self.ambiguous.insert(name)),
            None => drop(self.parents.insert(name, before)),
        }
    }

    /// The hub has changed something, or has written what was there already.
    pub fn hub_change(
        &mut self,
        process: u32,
        (system, key): (usize, i64),
        before: Option<Values>,
        after: Option<Values>,
        at: i64,
    ) {
        self.on_its_way.remove(&(system, key));
        if let Some(after) = &after {
            self.learn_class(after);
        }
        let run = self.run();
        self.changes.push(Change { at, system, key, author: Author::Hub(process), before, after, run });
    }

    /// Whether the hub has written these values there once and never heard of it: nobody can tell then whether whoever wrote after that
    /// has seen them.
    pub fn is_doubtful(&self, (system, key): (usize, i64), unit: usize, tokens: &Tokens) -> bool {
        self.changes.iter().enumerate().any(|(number, change)| {
            let is_there = change.system == system && change.key == key && change.author != Author::User;
            let is_it = |after: &Values| self.unit_tokens(unit, after) == *tokens;
            is_there && !self.is_confirmed(number) && change.after.as_ref().is_some_and(is_it)
        })
    }

    /// A process has noted what it has heard of these systems.
    pub fn note(&mut self, process: u32, systems: &BTreeSet<usize>) {
        let (changes, author) = (&self.changes, Author::Hub(process));
        let is_noted = |change: &Change| change.author == author && systems.contains(&change.system);
        self.confirmed.extend(self.heard.extract_if(.., |change| is_noted(&changes[*change])));
    }

    /// Whether the hub knows that a change it made was made.
    pub fn is_confirmed(&self, change: usize) -> bool {
        self.confirmed.contains(&change)
    }

    /// What a system made of a value that is known is known too.
    pub fn learn_form(&mut self, unit: usize, after: &Values) {
        let class = self.class(after);
        let values = self.unit_values(unit, after);
        self.known.insert((class, unit, values));
    }

    /// The number of the latest run.
    pub fn run(&self) -> u32 {
        self.began.len() as u32
    }

    /// Whether a record's unit ever had these values through a user.
    pub fn is_known(&self, class: usize, unit: usize, values: &[Value]) -> bool {
        let class = self.class_now(class);
        self.known.contains(&(class, unit, values.to_vec()))
            || self
                .known
                .iter()
                .any(|(other, at, known)| *at == unit && known.as_slice() == values && self.class_now(*other) == class)
    }

    /// All values of a record's unit that are known.
    pub fn known_values(&self, class: usize, unit: usize) -> impl Iterator<Item = &Vec<Value>> {
        let class = self.class_now(class);
        let fits = move |(other, at, _): &&(usize, usize, Vec<Value>)| *at == unit && self.class_now(*other) == class;
        self.known.iter().filter(fits).map(|(_, _, values)| values)
    }

    /// Whether whoever wrote `later` had seen `earlier`, directly or not.
    pub fn had_seen(&self, unit: usize, later: &Tokens, earlier: &Tokens) -> bool {
        let mut at = Some(later.clone());
        let mut steps = 0;
        while let Some(tokens) = at {
            if tokens == *earlier {
                return true;
            }
            steps += 1;
            if steps > 10_000 {
                return false;
            }
            at = self.parents.get(&(unit, tokens)).cloned().flatten();
        }
        false
    }

    pub fn is_ambiguous(&self, unit: usize, tokens: &Tokens) -> bool {
        tokens.contains(&0) || self.ambiguous.contains(&(unit, tokens.clone()))
    }

    /// Whether a user wrote these tokens together.
    pub fn was_written(&self, unit: usize, tokens: &Tokens) -> bool {
        self.made.contains(&(unit, tokens.clone()))
    }
}
