//! What is known about one record.

use crate::record::Value;

/// One record: the agreed values, and what each endpoint last said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordState {
    pub life: Life,
    /// Grows with every change of an agreed value.
    pub version: u64,
    /// The newest entry of the lineage about this record; 0 = none.
    pub lineage: i64,
    /// One per field.
    pub canon: Vec<Canon>,
    /// One per endpoint.
    pub sides: Vec<Side>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Live,
    /// Deleted at this time, which is microseconds since 1970, by this source.
    Deleted {
        at: i64,
        by: Source,
    },
}

/// Who set something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Endpoint(usize),
    /// Somebody, by a command.
    Person,
}

/// The agreed value of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canon {
    /// None = nobody has said anything yet.
    pub value: Option<Value>,
    pub source: Source,
    /// When the source says the change was made: microseconds since 1970.
    pub at: Option<i64>,
    /// The entry of the lineage that set it; 0 = none.
    pub lineage: i64,
    /// Digests of the last four values before, a byte each, and how much it has gone back and forth.
    pub recent: u32,
    pub flips: u8,
    /// When the value changed last, by our clock: microseconds since 1970; 0 = it is what the record was made with.
    pub changed_at: i64,
    /// When somebody was last overruled who has no say about it, by our clock: microseconds since 1970; 0 = nobody was.
    pub resisted_at: i64,
    /// It goes back and forth, or somebody has to decide: nobody is written this field.
    pub quarantined: bool,
}

impl Default for Canon {
    fn default() -> Self {
        Self {
            value: None,
            source: Source::Person,
            at: None,
            lineage: 0,
            recent: 0,
            flips: 0,
            changed_at: 0,
            resisted_at: 0,
            quarantined: false,
        }
    }
}

/// One endpoint's copy of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    pub link: Link,
    /// One per field.
    pub shadow: Vec<Shadow>,
    /// A write whose outcome is not known.
    pub sent: Option<Box<Sent>>,
    /// A write that had not arrived when it was looked for, and may yet: another process may have stood still with it.
    pub late: Option<Box<Sent>>,
    /// Values from before our writes that may still be shown.
    pub fences: Vec<Fence>,
    /// Until when the record may not be shown, though it is there, or be shown, though it is gone.
    pub fenced_until: i64,
    /// Until when what it says anew may be older than what it has said: a reading may come from a copy that is behind the last one.
    pub unsure_until: i64,
    /// Complete enumerations do not show it.
    pub missing: Option<Missing>,
    /// Fields somebody has to decide about: they are not written here.
    pub held: Vec<usize>,
    /// Somebody has to decide about the delete: it is not done here.
    pub delete_held: bool,
    /// An intent for it is on record.
    pub is_queued: bool,
}

/// Which remote record a side is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// There is none yet.
    #[default]
    None,
    Linked(Box<[u8]>),
    /// It was deleted there.
    Gone(Box<[u8]>),
    /// It is there and no longer kept in agreement.
    Left(Box<[u8]>),
}

impl Link {
    pub fn remote(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Linked(remote) | Self::Gone(remote) | Self::Left(remote) => Some(remote),
        }
    }

    pub fn is_linked(&self) -> bool {
        matches!(self, Self::Linked(_))
    }
}

/// What an endpoint last said about a field, in the entity's type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shadow {
    #[default]
    Absent,
    Value(Value),
    /// How this endpoint shows the value `of`.
    Form {
        shows: Value,
        of: Value,
    },
}

impl Shadow {
    /// The value as the endpoint shows it.
    pub fn shown(&self) -> Option<&Value> {
        match self {
            Self::Absent => None,
            Self::Value(value) | Self::Form { shows: value, .. } => Some(value),
        }
    }
}

/// The first and the last of the enumerations in a row that have not shown a record, by our clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The enumeration before the first; the largest there is if there was none.
    pub before: i64,
    pub since: i64,
    pub last: i64,
}

/// How late a write may arrive: a day in microseconds. A machine that was put to sleep goes on in the morning.
const LATE_MAX: i64 = 86_400_000_000;

/// A write that has left, or was about to when the process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub kind: SentKind,
    /// Fields and the values they were given.
    pub patch: Vec<(usize, Value)>,
    pub at: i64,
    /// Of a question: what the record showed instead of the patch when it was asked, one per field of it, then what it had shown
    /// before earlier questions of the same; and when the former was written by the endpoint's clock.
    pub shown: Vec<(usize, Value)>,
    pub shown_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentKind {
    Create,
    Update,
    /// An update of which something was shown before anybody answered: it has arrived.
    Shown,
    Delete,
    /// Values the record did not show are written once more, to learn whether it has a form of its own for them.
    Question,
    /// A question that arrived: what the record shows once the lag is over is the answer.
    Asked,
    /// A write that arrived and that the record does not show yet.
    Unseen,
}

impl Sent {
    /// Nothing: the record is to be looked at.
    pub fn look(now: i64) -> Self {
        Self { kind: SentKind::Unseen, patch: Vec::new(), at: now, shown: Vec::new(), shown_at: None }
    }

    pub fn is_look(&self) -> bool {
        self.kind == SentKind::Unseen && self.patch.is_empty()
    }

    /// What a field was given.
    pub fn value(&self, field: usize) -> Option<&Value> {
        self.patch.iter().find(|(sent, _)| *sent == field).map(|(_, value)| value)
    }

    /// What a field showed before earlier questions, the last one at the end.
    pub fn shown_earlier(&self, field: usize) -> impl Iterator<Item = &Value> {
        let earlier = self.shown.get(self.patch.len()..).unwrap_or_default();
        earlier.iter().filter(move |(known, _)| *known == field).map(|(_, value)| value)
    }

    /// Leaves out what else was sent.
    pub fn narrow(&mut self, is_kept: impl Fn(usize) -> bool) {
        self.patch.retain(|(field, _)| is_kept(*field));
        self.shown.retain(|(field, _)| is_kept(*field));
    }

    /// Whether a write nobody has seen arrive may still do so.
    pub fn may_arrive(&self, now: i64) -> bool {
        now.saturating_sub(self.at) < LATE_MAX
    }
}

impl SentKind {
    /// Whether it changes what is there, if it arrives.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }

    /// Whether what the record shows later says something about its form.
    pub fn is_question(self) -> bool {
        matches!(self, Self::Question | Self::Asked | Self::Unseen)
    }
}

/// A value that may still be shown until some time, though it is no longer there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub field: usize,
    pub before: Value,
    pub until: i64,
}

impl RecordState {
    pub fn new(fields: usize, endpoints: usize) -> Self {
        Self {
            life: Life::Live,
            version: 0,
            lineage: 0,
            canon: vec![Canon::default(); fields],
            sides: (0..endpoints).map(|_| Side::new(fields)).collect(),
        }
    }

    pub fn value(&self, field: usize) -> Option<&Value> {
        self.canon.get(field).and_then(|canon| canon.value.as_ref())
    }

    /// The agreed values, one per field.
    pub fn values(&self) -> Vec<Option<Value>> {
        self.canon.iter().map(|canon| canon.value.clone()).collect()
    }

    /// The agreed value an endpoint has seen last. What it showed for an earlier one may be what is agreed now.
    pub fn seen(&self, endpoint: usize, field: usize) -> Option<&Value> {
        match self.side(endpoint)?.shadow(field) {
            Shadow::Absent => None,
            Shadow::Form { shows, .. } if self.value(field) == Some(shows) => Some(shows),
            Shadow::Value(value) | Shadow::Form { of: value, .. } => Some(value),
        }
    }

    /// A copy that was left alone is one of the record's again; what it shows where nothing is agreed any more is news. Answers whether it
    /// was left alone.
    pub fn come_back(&mut self, endpoint: usize) -> bool {
        let Some(side) = self.sides.get_mut(endpoint) else { return false };
        let Link::Left(remote) = &mut side.link else { return false };
        side.link = Link::Linked(std::mem::take(remote));
        for (shadow, canon) in side.shadow.iter_mut().zip(&self.canon) {
            if canon.value.is_none() {
                *shadow = Shadow::Absent;
            }
        }
        true
    }

    pub fn side(&self, endpoint: usize) -> Option<&Side> {
        self.sides.get(endpoint)
    }

    pub fn is_live(&self) -> bool {
        self.life == Life::Live
    }
}

impl Side {
    pub fn new(fields: usize) -> Self {
        Self { shadow: vec![Shadow::Absent; fields], ..Self::default() }
    }

    pub fn shadow(&self, field: usize) -> &Shadow {
        self.shadow.get(field).unwrap_or(&Shadow::Absent)
    }

    pub fn set_shadow(&mut self, field: usize, shadow: Shadow) {
        if let Some(place) = self.shadow.get_mut(field) {
            *place = shadow;
        }
    }

    /// The copy is gone. A list that is behind may go on showing it, also once there is another one under the same id.
    pub fn forget_copy(&mut self) {
        self.link = Link::None;
        for (field, shadow) in self.shadow.iter_mut().enumerate() {
            let shown = std::mem::take(shadow).shown().cloned();
            self.fences.extend(shown.map(|before| Fence { field, before, until: self.fenced_until }));
        }
    }

    pub fn is_held(&self, field: usize) -> bool {
        self.held.contains(&field)
    }

    /// What was sent for a field, while nobody knows whether it arrived.
    pub fn sent_value(&self, field: usize) -> Option<&Value> {
        self.sent.as_ref()?.value(field)
    }

    /// What a field was given by a write of which nobody knows whether it has arrived.
    pub fn unheard(&self, field: usize, now: i64) -> Option<&Value> {
        self.sent_value(field).or_else(|| self.late_value(field, now))
    }

    fn late_value(&self, field: usize, now: i64) -> Option<&Value> {
        self.still_late(now)?.value(field)
    }

    /// A write that was given up, and may arrive all the same.
    fn still_late(&self, now: i64) -> Option<&Sent> {
        self.late.as_deref().filter(|late| late.may_arrive(now))
    }

    /// Whether a copy may have been made of which nobody has heard.
    pub fn may_be_made(&self, now: i64) -> bool {
        self.sent.as_deref().into_iter().chain(self.still_late(now)).any(|made| made.kind == SentKind::Create)
    }

    /// Whether what is missing may have been deleted by us: nobody has heard of it, or it came later than anybody waited.
    pub fn may_be_deleted(&self, now: i64) -> bool {
        self.sent.as_deref().into_iter().chain(self.still_late(now)).any(|sent| sent.kind == SentKind::Delete)
    }

    /// Whether a value is our own write, which arrived after all. Written again meanwhile, or long ago, it is not.
    pub fn is_late(&self, field: usize, value: &Value, now: i64) -> bool {
        self.late_value(field, now) == Some(value)
    }

    /// Whether the endpoint was asked if this value is its form of what was written.
    pub fn is_in_question(&self, field: usize, value: &Value) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.shown.iter().any(|(asked, shown)| *asked == field && shown == value))
    }

    /// Until when what a field shows may be from before our own write: what was there before it, or what somebody made of that
    /// and it has overwritten.
    pub fn unsettled_until(&self, field: usize, now: i64) -> Option<i64> {
        self.fences_of(field, now).map(|fence| fence.until).max()
    }

    /// Until when this value may be from before our own write; none if it is not.
    pub fn fenced(&self, field: usize, value: &Value, now: i64) -> Option<i64> {
        self.fences_of(field, now).filter(|fence| fence.before == *value).map(|fence| fence.until).max()
    }

    fn fences_of(&self, field: usize, now: i64) -> impl Iterator<Item = &Fence> {
        self.fences.iter().filter(move |fence| fence.field == field && now < fence.until)
    }
}
