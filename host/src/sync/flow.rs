//! What a mirror moves, column by column, as it is told to others.

use super::setup::Mirror;
use crate::lineage::{Flow, Origin, OutputFlow};
use crate::project::FieldValue;
use crate::record::{Field, Mapping, Stream};

const SOURCE: usize = 0;
const TARGET: usize = 1;

/// `source` as it is read, `output` as it comes out of the last transform, `target` with all of its fields.
pub(super) fn flow(mirror: &Mirror, source: &Stream, output: &Stream, mapping: &Mapping, target: &Stream) -> Flow {
    let fields = mapping.output_fields();
    let line = |(field, from): (&Field, Option<&str>)| {
        let from = output.field(from?)?;
        Some((field.name.clone(), origins(mirror, source, from, field)))
    };
    let fields = fields.iter().zip(mapping.sources()).filter_map(line).collect();
    Flow {
        streams: vec![source.fields.clone(), target.fields.clone()],
        outputs: vec![OutputFlow { end: TARGET, fields, records: Vec::new() }],
    }
}

/// The columns of the source behind one of the target. What a plugin makes of a record the host cannot look into: a field that
/// goes in and comes out under its own name is believed to be the same one, any other may be made of all.
fn origins(mirror: &Mirror, source: &Stream, from: &Field, field: &Field) -> Vec<Origin> {
    let mut steps: Vec<String> = mirror.transforms.iter().map(|end| format!("plugin {}", end.plugin.label)).collect();
    if from.logical != field.logical {
        steps.push(format!("{} to {}", from.logical, field.logical));
    }
    steps.extend(default_of(mirror, &field.name));
    match source.field(&from.name) {
        Some(_) => vec![Origin::described(SOURCE, &from.name, &steps)],
        None => source.fields.iter().map(|field| Origin::described(SOURCE, &field.name, &steps)).collect(),
    }
}

/// A value of the project stands in where the source has none.
fn default_of(mirror: &Mirror, target: &str) -> Option<String> {
    let line = mirror.def.fields.iter().find(|line| line.target == target)?;
    match &line.value {
        FieldValue::Source { default: Some(default), .. } => Some(format!("{default} where it is empty")),
        _ => None,
    }
}
