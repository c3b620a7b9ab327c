//! What a mirror does, told as a list of sentences; each on fakes, in simulated time.

mod chaos;
mod crashes;
mod deletes;
mod failures;
mod letters;
mod loading;
mod retries;
mod schemas;
mod transforms;
