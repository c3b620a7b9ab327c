//! Records of a table, as jobs show them.

use lockstep_plugin_sdk::error::{Error, Result};
use lockstep_plugin_sdk::types::{Limits, Rejection};

use super::{Collector, Taken, UPSERT};
use crate::csv::Rows;
use crate::form::push_text;
use crate::object::ID;

impl Collector {
    /// Takes a table's rows, without the first `skip`, until the page is full. Nothing between two commas is null.
    pub fn take_table(&mut self, text: &str, skip: usize, limits: Limits) -> Result<Taken> {
        let (mut rows, mut taken) = (Rows::new(text, ','), Taken { is_done: true, ..Taken::default() });
        let Some((_, header)) = rows.next()? else { return Err(no_table("it is empty")) };
        let place = |name: &str| header.iter().position(|cell| cell == name);
        let places: Vec<Option<usize>> = self.fields.iter().map(|field| place(&field.name)).collect();
        if place(ID).is_none() {
            return Err(no_table("it has no column `Id`"));
        }
        while let Some((range, cells)) = rows.next()? {
            if taken.elements >= skip && self.is_full(limits) {
                taken.is_cut = true;
                continue;
            }
            if taken.is_cut || taken.elements < skip {
                taken.elements += usize::from(!taken.is_cut);
                continue;
            }
            taken.elements += 1;
            let pushed = match cells.len() == header.len() {
                true => self.push_cells(&places, &cells),
                false => Err(Error::invalid_data(format!(
                    "the row has {} cells and the table {}",
                    cells.len(),
                    header.len()
                ))
                .with_code("salesforce.record")),
            };
            if let Err(error) = pushed {
                let id = place(ID).and_then(|place| cells.get(place)).map_or("", |id| id);
                let raw = text.get(range).unwrap_or_default();
                self.rejected.push(Rejection::new(format!("{ID} = {id}"), raw.as_bytes(), error));
            }
        }
        Ok(taken)
    }

    fn push_cells(&mut self, places: &[Option<usize>], cells: &[std::borrow::Cow<'_, str>]) -> Result<()> {
        let columns = self.batch.columns().iter_mut().zip(&self.kinds_of_fields).zip(places);
        let mut complaint = None;
        for ((column, kind), place) in columns {
            let pushed = match place.and_then(|place| cells.get(place)) {
                None => {
                    column.push_absent();
                    Ok(())
                }
                Some(cell) if cell.is_empty() => {
                    column.push_null();
                    Ok(())
                }
                Some(cell) => push_text(kind, column, cell.as_bytes()),
            };
            if let Err(reason) = pushed {
                let (name, logical) = (column.name().to_owned(), column.logical());
                complaint = Some((name, format!("is not {logical}: {reason}")));
                break;
            }
        }
        if let Some((name, reason)) = complaint {
            self.batch.abandon_row();
            return Err(Error::invalid_data(format!("`{name}` {reason}")).with_code("web.value").with_field(name));
        }
        self.batch.end_row();
        self.kinds.push(UPSERT);
        Ok(())
    }
}

fn no_table(reason: &str) -> Error {
    Error::transient(format!("Salesforce answered with something that is not the table of a job: {reason}"))
        .with_code("salesforce.csv")
}
