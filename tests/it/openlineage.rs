//! What runs tell others in the words of OpenLineage: the events themselves against the published schemas, and that they arrive
//! whatever happens to the consumer or to us, without ever holding up a sync.

mod columns;
mod delivery;
mod endings;
mod events;
mod receiver;
