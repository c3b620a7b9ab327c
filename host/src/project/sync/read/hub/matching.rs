//! Reads `match` and `score`.

use crate::project::reader::{Entry, Read, Section};
use crate::project::{MatchField, MatchRule, Matching, Normaliser, ScoredRule};

const MATCH_EXAMPLE: &str = "match = [\"email\"]";
const RULES_EXAMPLE: &str = "match = [[\"first_name\", \"last_name\"], \"email\"]";
const SCORE_EXAMPLE: &str =
    "score = { block = [\"zip\"], fields = { name = 0.7, street = 0.3 }, link = 0.9, review = 0.6 }";

const NORMALISERS: [(&str, Normaliser); 4] = [
    ("text", Normaliser::Text),
    ("exact", Normaliser::Exact),
    ("digits", Normaliser::Digits),
    ("name", Normaliser::Name),
];

/// How far the weights' sum may be from 1: who writes thirds has three digits of them.
const WEIGHTS_TOLERANCE: f64 = 0.001;

/// `fields` are the names of the entity's fields. That nothing is to be matched must be said: `match = []`.
pub(super) fn read_matching(section: &Section<'_>, fields: &[String]) -> Read<Matching> {
    let scored = section.optional("score", SCORE_EXAMPLE).map(|score| read_score(&score, fields)).transpose();
    let exact = match (&scored, section.optional("match", MATCH_EXAMPLE)) {
        (_, Some(rules)) => read_rules(&rules, fields),
        (Ok(None), None) => section.required("match", MATCH_EXAMPLE).map(|_| Vec::new()),
        (_, None) => Ok(Vec::new()),
    };
    Ok(Matching { exact: exact?, scored: scored? })
}

fn read_rules(entry: &Entry<'_>, fields: &[String]) -> Read<Vec<MatchRule>> {
    let rules: Vec<Read<MatchRule>> = entry.elements()?.iter().map(|rule| read_rule(rule, fields)).collect();
    rules.into_iter().collect()
}

/// One field, or a list of fields that must all be equal.
fn read_rule(entry: &Entry<'_>, fields: &[String]) -> Read<MatchRule> {
    if entry.as_text().is_some() || entry.as_section().is_some() {
        return Ok(MatchRule { fields: vec![read_match_field(entry, fields)?] });
    }
    if !entry.is_list() {
        return Err(entry.invalid_with("must be a field or a list of fields", RULES_EXAMPLE));
    }
    Ok(MatchRule { fields: read_match_fields(entry, fields, RULES_EXAMPLE)? })
}

fn read_match_fields(entry: &Entry<'_>, fields: &[String], example: &str) -> Read<Vec<MatchField>> {
    let mut read: Vec<MatchField> = Vec::new();
    for element in entry.elements()? {
        let field = read_match_field(&element, fields)?;
        if read.iter().any(|known| known.field == field.field) {
            return Err(element.invalid(format_args!("names `{}` a second time", field.field)));
        }
        read.push(field);
    }
    match read.is_empty() {
        true => Err(entry.invalid_with("must name at least one field", example)),
        false => Ok(read),
    }
}

/// `"email"` or `{ field = "phone", normalise = "digits" }`.
fn read_match_field(entry: &Entry<'_>, fields: &[String]) -> Read<MatchField> {
    let Some(section) = entry.as_section() else {
        return Ok(MatchField {
            field: known_field(entry, entry.filled_text()?, fields)?,
            normalise: Normaliser::Text,
        });
    };
    let field = section.required("field", "{ field = \"phone\", normalise = \"digits\" }");
    let field = field.and_then(|field| known_field(&field, field.filled_text()?, fields));
    let normalise = read_normaliser(&section);
    section.close(&[]);
    Ok(MatchField { field: field?, normalise: normalise? })
}

/// Without any field every name would be wrong, and the cause would be lost among them.
fn known_field(entry: &Entry<'_>, name: &str, fields: &[String]) -> Read<String> {
    match fields.iter().any(|field| field == name) || fields.is_empty() {
        true => Ok(name.to_owned()),
        false => Err(entry.undefined("field", name, fields)),
    }
}

fn read_normaliser(section: &Section<'_>) -> Read<Normaliser> {
    let normalise = section.optional("normalise", "normalise = \"digits\"");
    Ok(normalise.map(|normalise| normalise.choice(&NORMALISERS)).transpose()?.unwrap_or_default())
}

fn read_score(entry: &Entry<'_>, fields: &[String]) -> Read<ScoredRule> {
    let section = entry.section()?;
    let block =
        section.required("block", SCORE_EXAMPLE).and_then(|block| read_match_fields(&block, fields, SCORE_EXAMPLE));
    let weights = section.required("fields", SCORE_EXAMPLE).and_then(|weights| read_weights(&weights, fields));
    let link = section.required("link", SCORE_EXAMPLE).and_then(|link| link.number(0.0..=1.0));
    let review = section.required("review", SCORE_EXAMPLE).and_then(|review| review.number(0.0..=1.0));
    section.close(&[]);
    let (link, review) = (link?, review?);
    if review <= 0.0 || review > link {
        return Err(entry.invalid(format_args!(
            "must have a `review` above 0 and at most `link`, found `review = {review}` and `link = {link}`"
        )));
    }
    Ok(ScoredRule { block: block?, fields: weights?, link, review })
}

fn read_weights(entry: &Entry<'_>, fields: &[String]) -> Read<Vec<(MatchField, f64)>> {
    let weights: Vec<Read<(MatchField, f64)>> =
        entry.section()?.entries(SCORE_EXAMPLE).iter().map(|weight| read_weight(weight, fields)).collect();
    let weights: Vec<(MatchField, f64)> = weights.into_iter().collect::<Read<_>>()?;
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    match (sum - 1.0).abs() <= WEIGHTS_TOLERANCE {
        true => Ok(weights),
        false => Err(entry.invalid(format_args!("must have weights with a sum of 1, found {sum:.3}"))),
    }
}

/// `name = 0.7` or `name = { weight = 0.7, normalise = "name" }`.
fn read_weight(entry: &Entry<'_>, fields: &[String]) -> Read<(MatchField, f64)> {
    let field = known_field(entry, &entry.key, fields);
    let Some(section) = entry.as_section() else {
        let weight = read_number(entry);
        return Ok((MatchField { field: field?, normalise: Normaliser::Text }, weight?));
    };
    let weight = section
        .required("weight", "name = { weight = 0.7, normalise = \"name\" }")
        .and_then(|weight| read_number(&weight));
    let normalise = read_normaliser(&section);
    section.close(&[]);
    Ok((MatchField { field: field?, normalise: normalise? }, weight?))
}

fn read_number(entry: &Entry<'_>) -> Read<f64> {
    match entry.number(0.0..=1.0)? {
        weight if weight > 0.0 => Ok(weight),
        _ => Err(entry.invalid("must be more than 0: a field without weight says nothing")),
    }
}
