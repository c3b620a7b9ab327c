//! Streams whose records belong to those of another: that one is gone through, and for each of its records the children are read.
//!
//! All children are read each time, whether their parent has changed or not: many an API does not move a parent's time when a child
//! is edited.

use lockstep_plugin_sdk::batch::BatchView;
use lockstep_plugin_sdk::source::Reader as _;
use lockstep_plugin_sdk::types::{Field, Limits, ReadRequest};
use lockstep_web::plain;

use super::StreamReader;
use super::plan::Plan;
use crate::Result;
use crate::cursor::{Spot, Way};

const PARENTS: Limits = Limits { rows: 1000, bytes: 1 << 20 };

/// The parents, page by page.
pub struct Family {
    reader: Box<StreamReader>,
    fields: Vec<Field>,
    page: Option<Parents>,
    place: usize,
    /// Whether every parent will have been shown.
    pub is_whole: bool,
}

struct Parents {
    values: Vec<Vec<(String, String)>>,
    /// Where the page behind this one begins; none behind the last one.
    next: Option<String>,
}

impl Family {
    /// None for a stream without a parent.
    pub fn new(plan: &Plan, way: &Way) -> Result<Option<Self>> {
        let Some(name) = &plan.spec.parent else { return Ok(None) };
        let parent = plan.connection.manifest.stream(name)?;
        let mut names = parent.key.clone();
        names.extend(plan.spec.fields.iter().filter_map(|field| field.parent.clone()));
        let mut seen = Vec::new();
        names.retain(|name| {
            let is_new = !seen.contains(name);
            seen.push(name.clone());
            is_new
        });
        let fields = names
            .iter()
            .map(|name| Ok(Field::new(name, parent.known_field(name)?.logical)))
            .collect::<Result<Vec<Field>>>()?;
        let cursor = way.parent.as_ref().and_then(|spot| spot.page.clone()).map(String::into_bytes);
        let request = ReadRequest {
            stream: name.clone(),
            key: parent.key.clone(),
            fields: fields.clone(),
            mode: "full".to_owned(),
            cursor,
            options: Vec::new(),
        };
        let reader = Box::new(super::open(plan.connection.clone(), &request)?);
        Ok(Some(Self { reader, fields, page: None, place: 0, is_whole: true }))
    }

    /// Goes to the next parent there is; answers whether there is one.
    pub fn arrive(&mut self, way: &mut Way) -> Result<bool> {
        let spot = way.parent.get_or_insert_default();
        loop {
            if let Some(page) = &self.page {
                if spot.skip < page.values.len() {
                    self.place = spot.skip;
                    return Ok(true);
                }
                let Some(next) = &page.next else { return Ok(false) };
                *spot = Spot { page: Some(next.clone()), skip: 0 };
            }
            self.page = Some(self.load()?);
        }
    }

    fn load(&mut self) -> Result<Parents> {
        let page = self.reader.next(PARENTS)?;
        // Children of a parent that cannot be read would seem to be gone.
        if let Some(rejection) = page.rejected.into_iter().next() {
            return Err(rejection.error.into());
        }
        let view = BatchView::new(&page.changes.data);
        let is_gone =
            |row: usize| page.changes.kinds.as_ref().and_then(|kinds| kinds.get(row)).is_some_and(|kind| *kind == 1);
        let mut values = Vec::new();
        for row in (0..view.rows()).filter(|row| !is_gone(*row)) {
            let mut named = Vec::new();
            for field in &self.fields {
                let column = view.column(&field.name);
                let value = column
                    .map(|column| Ok::<_, lockstep_plugin_sdk::error::Error>(plain(column, field.logical()?, row)));
                named.push((field.name.clone(), value.transpose()?.flatten().unwrap_or_default()));
            }
            values.push(named);
        }
        let is_last = page.status != "more";
        self.is_whole &= !is_last || page.status == "enumeration-complete";
        let next = (!is_last).then(|| String::from_utf8_lossy(&page.next_cursor).into_owned());
        Ok(Parents { values, next })
    }

    /// The fields of the parent that was arrived at.
    pub fn values(&self) -> Vec<(String, String)> {
        self.page.as_ref().and_then(|page| page.values.get(self.place)).cloned().unwrap_or_default()
    }

    /// The children of this one are through.
    pub fn leave(way: &mut Way) {
        way.parent.get_or_insert_default().skip += 1;
        way.at = Spot::default();
        way.anchor = None;
    }
}
