//! Reads `http.ALIAS` and `budget` of a connection.

use std::path::Path;

use super::{HTTP_EXAMPLE, path_of, read_reference};
use crate::project::connection::http::{HttpGrant, RESERVE_DEFAULT, RateHeaders, RequestBudget};
use crate::project::connection::{Origin, OriginError, Scheme};
use crate::project::paste::below;
use crate::project::reader::{Entry, Read, Section};

mod auth;

use auth::{HeaderUse, check_header_name, read_auth};

pub(super) const BUDGET_EXAMPLE: &str = "budget = { requests_per_second = 10, daily = 50000 }";
const AUTH_EXAMPLE: &str = "auth = { bearer = \"env:CRM_TOKEN\" }";
const HEADERS_EXAMPLE: &str = "headers = { remaining = \"X-HubSpot-RateLimit-Remaining\" }";

/// More than any service lets a client send; a greater number is a mistake.
const PER_SECOND_MAX: f64 = 10_000.0;
/// Less than nine requests a day.
const PER_SECOND_MIN: f64 = 0.0001;
const CONCURRENCY_MAX: u64 = 1_000;

pub(super) fn read_http(entry: &Entry<'_>, dir: &Path) -> Read<HttpGrant> {
    let section = entry.section()?;
    let origin = section.required("origin", HTTP_EXAMPLE).and_then(|origin| read_origin(&origin));
    let private_example = "http.api = { origin = \"http://localhost:8080\", allow_private = true }";
    let allow_private = section.optional("allow_private", private_example).map(|flag| flag.flag()).transpose();
    let ca = section.optional("ca", "ca = \"authorities.pem\"");
    let authorities = ca.map(|ca| Ok(below(dir, &path_of(&ca)?))).transpose();
    let auth = section.optional("auth", AUTH_EXAMPLE);
    let is_private = matches!(allow_private, Ok(Some(true)));
    let read = auth.as_ref().map(|auth| read_auth(auth, dir, is_private)).transpose();
    section.close(&[]);
    let origin = origin?;
    if let Some(auth) = auth.filter(|_| origin.scheme == Scheme::Http && !is_private) {
        return Err(auth.invalid_with(
            "would send credentials without encryption",
            "origin = \"https://crm.example.com\"` or, for a server in the same protected network, `allow_private = true",
        ));
    }
    Ok(HttpGrant {
        origin,
        allow_private: allow_private?.unwrap_or(false),
        authorities: authorities?,
        auth: read?,
        place: entry.place.clone(),
    })
}

fn read_origin(entry: &Entry<'_>) -> Read<Origin> {
    match entry.text()?.parse() {
        Err(OriginError::Credentials) => Err(entry.secret_value(vec![format!("write `{HTTP_EXAMPLE}`")])),
        Err(error) => Err(entry.invalid(format_args!("is not an origin: {error}"))),
        Ok(origin) => Ok(origin),
    }
}

pub(super) fn read_budget(entry: &Entry<'_>) -> Read<RequestBudget> {
    let section = entry.section()?;
    let per_second = section
        .optional("requests_per_second", "requests_per_second = 10")
        .map(|number| number.number(PER_SECOND_MIN..=PER_SECOND_MAX))
        .transpose();
    let concurrency =
        section.optional("concurrency", "concurrency = 4").map(|number| number.whole_number(1..=CONCURRENCY_MAX));
    let daily = section.optional("daily", "daily = 50000").map(|number| number.whole_number(1..=u64::from(u32::MAX)));
    let daily = daily.transpose();
    let reserve = section.optional("reserve", "reserve = 0.2");
    let share = reserve.as_ref().map(|share| share.number(0.0..=1.0)).transpose();
    let headers = section.optional("headers", HEADERS_EXAMPLE).map(|headers| read_headers(&headers)).transpose();
    section.close(&[]);
    let daily = daily?;
    if let (Some(reserve), None) = (reserve, daily) {
        return Err(reserve.invalid_with("is a share of `daily`, which is missing", "daily = 50000, reserve = 0.2"));
    }
    Ok(RequestBudget {
        requests_per_second: per_second?,
        concurrency: concurrency.transpose()?.and_then(|number| u32::try_from(number).ok()),
        daily,
        reserve: share?.unwrap_or(RESERVE_DEFAULT),
        headers: headers?.unwrap_or_default(),
    })
}

fn read_headers(entry: &Entry<'_>) -> Read<RateHeaders> {
    let section = entry.section()?;
    let remaining = header(&section, "remaining", HEADERS_EXAMPLE);
    let used = header(&section, "used", "headers = { used = \"X-Shopify-Shop-Api-Call-Limit\" }");
    let reset = header(&section, "reset", "headers = { remaining = \"X-Left\", reset = \"X-Left-Until\" }");
    let daily_example = "headers = { daily_remaining = \"X-HubSpot-RateLimit-Daily-Remaining\" }";
    let daily_remaining = header(&section, "daily_remaining", daily_example);
    let daily_used = header(&section, "daily_used", "headers = { daily_used = \"Sforce-Limit-Info\" }");
    section.close(&[]);
    Ok(RateHeaders {
        remaining: remaining?,
        used: used?,
        reset: reset?,
        daily_remaining: daily_remaining?,
        daily_used: daily_used?,
    })
}

fn header(section: &Section<'_>, key: &'static str, example: &'static str) -> Read<Option<String>> {
    let name = section.optional(key, example);
    name.map(|name| check_header_name(&name, name.filled_text()?, HeaderUse::Read)).transpose()
}
