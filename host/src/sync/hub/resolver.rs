//! Conflicts that a plugin decides: a transform without any import is given both values and answers with one.

use std::sync::Arc;

use super::decide::Answers;
use super::work::Work;
use crate::connector::Transform;
use crate::record::{Changes, Field, LogicalType, Properties, Stream, Value, batch_of_values, values_of};
use crate::resolve::{Dispute, Ruling};
use crate::sync::error::SyncError;

/// The name of the stream a resolver is given.
const STREAM: &str = "conflicts";

impl Work<'_> {
    /// Asks the resolvers about disputes. One it does not answer, or answers with nonsense, is for a person.
    pub async fn ask_resolver(&self, disputes: Vec<Dispute>, answers: &mut Answers) -> Result<(), SyncError> {
        for dispute in disputes {
            let ruling = match self.resolver(&dispute) {
                Some(resolver) => self.ruling(resolver, &dispute).await.unwrap_or(Ruling::Manual),
                None => Ruling::Manual,
            };
            answers.insert(dispute, ruling);
        }
        Ok(())
    }

    fn resolver(&self, dispute: &Dispute) -> Option<&Arc<dyn Transform>> {
        let group = self.settled.rules.groups.get(dispute.group)?;
        let name = &self.settled.entity.get(*group.fields.first()?)?.name;
        self.hub.resolvers.get(name)
    }

    /// What the resolver makes of a dispute: for each field a column `value`, or null columns `winner` naming an endpoint.
    async fn ruling(&self, resolver: &Arc<dyn Transform>, dispute: &Dispute) -> Option<Ruling> {
        let fields = &self.settled.rules.groups.get(dispute.group)?.fields;
        let mut values = Vec::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate() {
            let logical = self.settled.entity.get(*field)?.logical;
            let name = self.settled.entity.get(*field)?.name.clone();
            values.push(Some(self.one_value(resolver, dispute, at, &name, logical).await?));
        }
        Some(if values == dispute.incoming {
            Ruling::Incoming
        } else if values == dispute.current {
            Ruling::Current
        } else {
            Ruling::Merged(values)
        })
    }

    async fn one_value(
        &self,
        resolver: &Arc<dyn Transform>,
        dispute: &Dispute,
        at: usize,
        name: &str,
        logical: LogicalType,
    ) -> Option<Value> {
        let columns = [
            ("field", LogicalType::Text),
            ("base", logical),
            ("current", logical),
            ("incoming", logical),
            ("current_endpoint", LogicalType::Text),
            ("incoming_endpoint", LogicalType::Text),
            ("current_at", LogicalType::Timestamp),
            ("incoming_at", LogicalType::Timestamp),
        ];
        let fields: Arc<[Field]> = columns.iter().map(|(name, logical)| Field::new(*name, *logical)).collect();
        let time = |at: Option<i64>| Some(at.map_or(Value::Null, Value::Int));
        let row = [
            Some(Value::text(name)),
            Some(dispute.base.get(at).cloned().flatten().unwrap_or(Value::Null)),
            dispute.current.get(at).cloned().flatten().or(Some(Value::Null)),
            dispute.incoming.get(at).cloned().flatten().or(Some(Value::Null)),
            Some(Value::text(&self.source_name(dispute.current_source))),
            Some(Value::text(&self.source_name(dispute.incoming_source))),
            time(dispute.current_at),
            time(dispute.incoming_at),
        ];
        let batch = batch_of_values(&fields, &[&row]).ok()?;
        let stream = Stream {
            name: STREAM.to_owned(),
            key: vec!["field".to_owned()],
            fields: fields.to_vec(),
            properties: Properties::default(),
        };
        let mut transformer = resolver.open(&stream).await.ok()?;
        let transformed = transformer.apply(&Changes::upserts(batch)).await.ok()?;
        let data = &transformed.changes.data;
        let (field, column) = data.iter().find(|(field, _)| field.name == "value" && field.logical == logical)?;
        values_of(field, column).into_iter().next().flatten()
    }
}
