//! The mechanisms that keep the invariants, each with a name, so that each can be shown to be needed.

/// Declares the mechanisms with their names and what they prevent.
macro_rules! mechanisms {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// Something that keeps an invariant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Mechanism { $($(#[doc = $doc])* $name),* }

        impl Mechanism {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

mechanisms! {
    /// A value that is what was sent is no change.
    EchoTest = "echo test",
    /// A change on top of what an endpoint had seen is no conflict; any other is.
    BaseComparison = "base comparison",
    /// A value from before our own write, inside the endpoint's lag, is looked at again later.
    SettleFence = "settle fence",
    /// An event about a record that was deleted does not bring it back by itself.
    TombstoneCheck = "tombstone check",
    /// A record we have just deleted may still be shown for a while.
    DeleteFence = "delete fence",
    /// A record we have just created may not be shown for a while.
    CreateFence = "create fence",
    /// Absent is no statement.
    AbsentIsNotNull = "absent is not null",
    /// An edit the deleting endpoint had not seen is a conflict.
    EditAgainstDelete = "edit against delete",
    /// What an endpoint makes of our value is remembered as its form.
    CanonicalForms = "canonical forms",
    /// A field that goes back and forth is left alone.
    Breaker = "oscillation breaker",
    /// Fields of a group move together.
    AtomicGroups = "atomic groups",
    /// Only the owner sets a field.
    Ownership = "ownership",
    /// A field in conflict is not written until somebody decides.
    ManualHold = "manual hold",
    /// Times closer than the clock doubt say nothing.
    ClockDoubt = "clock doubt",
    /// Counters add up.
    CounterMerge = "counter merge",
    /// Sets unite.
    SetMerge = "set merge",
    /// What loses is kept where it can be read.
    LoserKept = "loser kept",
    /// Records are linked by their match keys before new ones are made.
    MatchBeforeCreate = "match before create",
    /// A remote record that may be several, or a second one with the same match key, is not linked, and asks a person.
    DuplicateCheck = "duplicate check",
    /// The cursor moves with the page's decisions, not before.
    CursorWithDecisions = "cursor after inbox",
    /// An intent is durable before its first byte leaves.
    IntentBeforeSend = "intent before send",
    /// A write whose outcome is unknown is looked up before it is tried again.
    LookBeforeRetry = "look before retry",
    /// A create whose outcome is unknown is searched for before it is tried again.
    CreateLadder = "create ladder",
    /// An update is written only if the record is still as it was last seen.
    ConditionalWrite = "conditional write",
    /// A delete is written only if the record is still as it was last seen.
    ConditionalDelete = "conditional delete",
    /// Deletes are inferred only from a complete enumeration.
    CompletenessProof = "completeness proof",
    /// Where reads may be stale, a record must be missing twice.
    SecondScan = "second scan",
    /// Many deletes at once wait for approval.
    Guard = "mass-delete guard",
    /// A reference to a record that is not there yet waits.
    Parking = "parking",
    /// Each row's own answer is believed, not the whole batch's.
    RowResults = "row results",
    /// A batch that fails is taken apart until the row at fault stands alone.
    Bisecting = "bisecting",
    /// A gap or a lost position means reading everything again.
    RebaselineOnGap = "re-baseline on gap",
    /// A commit of somebody who no longer holds the lease is refused.
    Fencing = "fencing epoch",
    /// Events that cannot be decided yet are kept.
    Inbox = "inbox of waiting events",
    /// A refused write is a dead letter, and does not hold up others.
    DeadLetters = "dead letters",
}

/// Which mechanisms work. Everything but a test uses all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safety(u64);

impl Default for Safety {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Safety {
    /// All but one: for tests that show what it is good for.
    pub fn without(mechanism: Mechanism) -> Self {
        Self(!(1 << mechanism as u8))
    }

    pub fn has(self, mechanism: Mechanism) -> bool {
        self.0 & (1 << mechanism as u8) != 0
    }
}
