//! What can go wrong, each with a name: a seed switches about half of it on (swarm testing), and a failing seed is made smaller by
//! switching it off again.

macro_rules! quirks {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Quirk { $($(#[doc = $doc])* $name),* }

        impl Quirk {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

quirks! {
    /// Reads show the state of up to a declared time ago, record by record.
    StaleReads = "stale-reads",
    SecondTimes = "second-times",
    SkewedClocks = "skewed-clocks",
    JumpingClocks = "jumping-clocks",
    /// Records come more than once.
    Duplicates = "duplicates",
    /// Records come in any order.
    Shuffled = "shuffled",
    /// A call does its work, and its answer is lost.
    LostAnswers = "lost-answers",
    /// A call never arrives.
    LostRequests = "lost-requests",
    RateLimits = "rate-limits",
    ServerErrors = "server-errors",
    /// A flush fails after it has committed.
    CommitTimeouts = "commit-timeouts",
    /// A write fails with some of its rows applied.
    PartialBulk = "partial-bulk",
    /// Single rows are answered with retry.
    RowRetries = "row-retries",
    /// Single rows are answered with unknown.
    UnknownRows = "unknown-rows",
    /// Some values are refused for good.
    Validation = "validation",
    /// One refused value refuses the whole batch.
    BatchRefusal = "batch-refusal",
    UniqueEmails = "unique-emails",
    NoTombstones = "no-tombstones",
    /// Positions are forgotten, and tombstones with them.
    ExpiredPositions = "expired-positions",
    Downtime = "downtime",
    /// A full reading shows nothing and says that this was all.
    BlankScans = "blank-scans",
    /// Full readings show only a part and do not claim otherwise.
    PartialScans = "partial-scans",
    /// Incremental readings tell only the fields that changed.
    PartialRecords = "partial-records",
    CaseForms = "case-forms",
    TrimForms = "trim-forms",
    PhoneForms = "phone-forms",
    RoundForms = "round-forms",
    ShortForms = "short-forms",
    Crashes = "crashes",
    Zombies = "zombies",
    /// Systems that know no conditional writes.
    PlainUpserts = "plain-upserts",
    /// Systems whose keys are not their own.
    ClientKeys = "client-keys",
    ReadOnlyEnds = "read-only-ends",
    WriteOnlyEnds = "write-only-ends",
    FullReads = "full-reads",
    MassDeletes = "mass-deletes",
    Deletes = "deletes",
    Undeletes = "undeletes",
    /// The same record is made in two systems.
    Twins = "twins",
    EmailChanges = "email-changes",
    Swaps = "swaps",
    NullWrites = "null-writes",
    /// Somebody sets a field back to what it was.
    Reverts = "reverts",
    /// The same field is edited in several systems at once.
    Collisions = "collisions",
    Owners = "owners",
    Groups = "groups",
    PluginFaults = "plugin-faults",
    /// A person decides now and then, not only at the end.
    Persons = "persons",
    /// Programs in two systems that never agree about a field.
    Bots = "bots",
    /// Systems write values down in other words, units and types than the entity.
    Dialects = "dialects",
    /// Records point to each other.
    References = "references",
    /// The hub soon forgets what was deleted.
    Forgetting = "forgetting",
    /// Full readings may not show what has just been changed, while stale reads go on.
    Reindexing = "reindexing",
    /// One system is to have only some of the records.
    Segments = "segments",
}

/// A set of quirks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Quirks(pub u64);

impl Quirks {
    pub const EVERYTHING: Self = Self(u64::MAX);

    /// Whether the hub may not hear what became of a write.
    pub fn loses_answers(self) -> bool {
        [
            Quirk::LostAnswers,
            Quirk::LostRequests,
            Quirk::CommitTimeouts,
            Quirk::UnknownRows,
            Quirk::PluginFaults,
            Quirk::Crashes,
        ]
        .into_iter()
        .any(|quirk| self.has(quirk))
    }

    pub fn has(self, quirk: Quirk) -> bool {
        self.0 & (1 << quirk as u8) != 0
    }

    pub fn without(self, quirk: Quirk) -> Self {
        Self(self.0 & !(1 << quirk as u8))
    }

    pub fn with(self, quirk: Quirk) -> Self {
        Self(self.0 | (1 << quirk as u8))
    }

    pub fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn names(self) -> Vec<&'static str> {
        Quirk::ALL.iter().filter(|quirk| self.has(**quirk)).map(|quirk| quirk.name()).collect()
    }
}
