//! Lists by every kind of paging, and services that cannot be trusted with them.

use super::*;
use crate::testing::{reply, serve};

fn records(listed: &Listed) -> Vec<String> {
    listed.records.iter().map(|raw| raw.get().to_owned()).collect()
}

fn client() -> Client {
    Client::new("api").below("/v1")
}

/// Everything that is shown, and the targets that were asked for.
fn all(
    paging: Paging,
    page: fn(&Reply) -> Result<Listed>,
    mut answer: impl FnMut(&str) -> Reply + 'static,
) -> Result<(Vec<String>, Vec<String>)> {
    let asked = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = asked.clone();
    let _served = serve(move |ask| {
        log.borrow_mut().push(ask.target.clone());
        Ok(answer(&ask.target))
    });
    let (mut found, mut pages) = (Vec::new(), client().pages(client().get("list"), paging));
    while let Some(reply) = pages.fetch()? {
        let listed = page(&reply)?;
        pages.advance(&reply, &listed, &[])?;
        found.extend(records(&listed));
        assert!(asked.borrow().len() < 100, "without an end: {:?}", asked.borrow());
    }
    let asked = asked.borrow().clone();
    Ok((found, asked))
}

fn slice(target: &str, parameter: &str, size: usize) -> Reply {
    let from: usize = of(target, parameter).unwrap().parse().unwrap();
    let shown: Vec<String> = (from..(from + size).min(5)).map(|number| number.to_string()).collect();
    reply(200, &format!("[{}]", shown.join(",")))
}

#[test]
fn counted_lists_end_with_an_empty_page() {
    let (found, asked) = all(Paging::Offset("skip"), Listed::array, |target| slice(target, "skip", 2)).unwrap();
    assert_eq!(found, ["0", "1", "2", "3", "4"]);
    assert_eq!(asked, ["/v1/list?skip=0", "/v1/list?skip=2", "/v1/list?skip=4", "/v1/list?skip=5"]);
    let numbered =
        |target: &str| reply(200, if of(target, "page").unwrap() < "3" { &target[target.len() - 1..] } else { "" });
    let listed = |reply: &Reply| match reply.body.as_slice() {
        [] => Ok(Listed::default()),
        body => Ok(Listed::new(vec![Raw::new(std::str::from_utf8(body).unwrap()).unwrap()])),
    };
    assert_eq!(all(Paging::Number("page", 1), listed, numbered).unwrap().0, ["1", "2"]);
    let last = |reply: &Reply| Listed::array(reply).map(|listed| listed.more(false));
    assert_eq!(all(Paging::Offset("skip"), last, |target| slice(target, "skip", 2)).unwrap().1.len(), 1);
}

#[test]
fn marks_and_links_lead_on() {
    let marked = |reply: &Reply| {
        let page: (Vec<Raw>, Option<String>) = reply.json()?;
        Ok(Listed::new(page.0).then(page.1))
    };
    let answer = |target: &str| reply(200, if target.contains("after=x%2F7") { "[[2],null]" } else { "[[1],\"x/7\"]" });
    let (found, asked) = all(Paging::Mark("after"), marked, answer).unwrap();
    assert_eq!((found, asked), (vec!["1".into(), "2".into()], vec!["/v1/list".into(), "/v1/list?after=x%2F7".into()]));
    let answer = |target: &str| {
        reply(200, if target.ends_with("p=2") { "[[2],\"\"]" } else { "[[1],\"https://inner/v1/list?p=2\"]" })
    };
    assert_eq!(all(Paging::Link, marked, answer).unwrap().0, ["1", "2"]);
    let header = |target: &str| {
        let mut answer = reply(200, if target.ends_with("p=2") { "[2]" } else { "[1]" });
        let next = "<https://inner/v1/list?a,b>; rel=\"prev\", </v1/list?p=2>; title=\"x\"; rel=\"last next\"";
        let said = if target.ends_with("p=2") { "<https://inner/v1/list>; rel=\"first\"" } else { next };
        answer.headers.push(("Link".into(), said.into()));
        answer
    };
    assert_eq!(all(Paging::LinkHeader, Listed::array, header).unwrap().0, ["1", "2"]);
    assert_eq!(all(Paging::Single, Listed::array, |_| reply(200, "[7]")).unwrap().0, ["7"]);
}

#[test]
fn circles_and_links_that_lead_out_are_errors() {
    let linked = |reply: &Reply| {
        let page: (Vec<Raw>, Option<String>) = reply.json()?;
        Ok(Listed::new(page.0).then(page.1))
    };
    let code = |paging, page, answer: fn(&str) -> Reply| all(paging, page, answer).unwrap_err().code;
    assert_eq!(code(Paging::Offset("skip"), Listed::array, |_| reply(200, "[1]")), "http.cycle");
    assert_eq!(code(Paging::Number("page", 0), Listed::array, |_| reply(200, "[1]")), "http.cycle");
    assert_eq!(code(Paging::Mark("after"), linked, |_| reply(200, "[[1],\"x\"]")), "http.cycle");
    let two = |target: &str| reply(200, if target.ends_with('2') { "[[2],\"list?1\"]" } else { "[[1],\"list?2\"]" });
    assert_eq!(code(Paging::Link, linked, two), "http.cycle");
    assert_eq!(code(Paging::Link, linked, |_| reply(200, "[[],\"list\"]")), "http.cycle");
    assert_eq!(code(Paging::Link, linked, |_| reply(200, "[[1],\"https://evil.example/x\"]")), "http.link");
    assert_eq!(code(Paging::Link, linked, |_| reply(200, "[[1],\"/v2/list\"]")), "http.link");
}

#[test]
fn parameters_are_set_and_found() {
    for text in ["2026-01-01T00:00:00+01:00", "ü%", ""] {
        assert_eq!(decoded(of(&with("/a?x=1", "b", text), "b").unwrap()), text);
    }
    assert_eq!(with("/a", "b", 1), "/a?b=1");
    assert_eq!(with("/a?b=1&bb=2", "b", "x y"), "/a?bb=2&b=x%20y");
    assert_eq!((of("/a?bb=2&b=1", "b"), of("/a?bb=2", "b"), of("/a", "b")), (Some("1"), None, None));
}

const SECOND: i64 = 1_000_000;
const BY_TIME: Paging = Paging::Time { since: "since", number: "page", form: |time| (time.0 / SECOND).to_string() };

/// Reads a list of (id, second) by pages of three; `meddle` may change it before each answer.
fn by_time(
    store: Vec<(u32, i64)>,
    mut meddle: impl FnMut(usize, &mut Vec<(u32, i64)>) + 'static,
) -> Result<Vec<(u32, i64)>> {
    let (mut store, mut asked) = (store, 0);
    let _served = serve(move |ask| {
        asked += 1;
        meddle(asked, &mut store);
        let since = of(&ask.target, "since").map_or(0, |since| since.parse().unwrap());
        let number: usize = of(&ask.target, "page").unwrap().parse().unwrap();
        let mut found: Vec<_> = store.iter().filter(|(_, time)| *time >= since).collect();
        found.sort_by_key(|(id, time)| (*time, *id));
        let shown: Vec<String> =
            found.into_iter().skip((number - 1) * 3).take(3).map(|(id, time)| format!("[{id},{time}]")).collect();
        Ok(reply(200, &format!("[{}]", shown.join(","))))
    });
    let (mut shown, mut pages) = (Vec::new(), client().pages(client().get("list"), BY_TIME));
    while let Some(reply) = pages.fetch()? {
        let listed = Listed::array(&reply)?;
        let read: Vec<(u32, i64)> = listed.records.iter().map(|raw| serde_json::from_str(raw.get()).unwrap()).collect();
        let times: Vec<_> = read.iter().map(|(_, time)| Some(time * SECOND)).collect();
        let news = pages.advance(&reply, &listed, &times)?;
        shown.extend(read.into_iter().zip(news).filter(|(_, is_new)| *is_new).map(|(record, _)| record));
    }
    Ok(shown)
}

fn ids(shown: &[(u32, i64)]) -> Vec<u32> {
    let mut ids: Vec<u32> = shown.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[test]
fn lists_by_time_show_every_record_once_however_many_share_a_time() {
    for share in [1, 2, 3, 4, 7, 40] {
        let store: Vec<(u32, i64)> = (0..40).map(|id| (id, i64::from(id / share))).collect();
        assert_eq!(by_time(store.clone(), |_, _| {}).unwrap(), store, "{share}");
    }
    assert_eq!(by_time(Vec::new(), |_, _| {}).unwrap(), []);
}

#[test]
fn records_that_move_between_pages_are_not_missed() {
    for share in [1, 5, 30] {
        let store: Vec<(u32, i64)> = (0..30).map(|id| (id, i64::from(id / share))).collect();
        let shown = by_time(store, |asked, store| {
            // Each edit moves a record to the end, and all behind it one to the front.
            if asked % 3 == 0 && asked < 10 {
                store[asked].1 = 100 + asked as i64;
            }
        });
        assert_eq!(ids(&shown.unwrap()), (0..30).collect::<Vec<u32>>(), "{share}");
    }
}

#[test]
fn times_out_of_order_and_records_that_never_keep_still_are_errors() {
    assert_eq!(in_order(&[Some(2), None, Some(1)]).unwrap_err().code, "http.order");
    assert!(in_order(&[Some(1), None, Some(1), Some(2)]).is_ok());
    let listed = Listed::new(vec![Raw::new("1").unwrap(), Raw::new("2").unwrap()]);
    let mut pages = client().pages(client().get("list"), BY_TIME);
    let advanced = pages.advance(&reply(200, ""), &listed, &[Some(9 * SECOND), Some(SECOND)]);
    assert_eq!(advanced.unwrap_err().code, "http.order");
    let store: Vec<(u32, i64)> = (0..9).map(|id| (id, 5)).collect();
    // Somebody adds records of that very time, pass for pass.
    let shown = by_time(store, |asked, store| store.push((100 + asked as u32, 5)));
    assert_eq!(shown.unwrap_err().code, "http.moving");
}
