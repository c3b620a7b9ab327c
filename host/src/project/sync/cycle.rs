//! Finds cycles in directed graphs whose edges have owners.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// The owners of every cycle that takes more than one of them, a set for each knot of cycles. Edges without an owner only connect.
pub(super) fn cycles<N: Copy + Eq + Hash>(edges: &[(N, N, Option<usize>)]) -> Vec<BTreeSet<usize>> {
    let mut numbers: HashMap<N, usize> = HashMap::new();
    let mut number = |node: N| {
        let next = numbers.len();
        *numbers.entry(node).or_insert(next)
    };
    let edges: Vec<(usize, usize, Option<usize>)> =
        edges.iter().map(|(from, to, owner)| (number(*from), number(*to), *owner)).collect();
    let knots = knots(&edges, numbers.len());
    let mut owners: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (from, to, owner) in edges {
        if let (Some(from), Some(to), Some(owner)) = (knots.get(from), knots.get(to), owner)
            && from == to
        {
            owners.entry(*from).or_default().insert(owner);
        }
    }
    owners.into_values().filter(|owners| owners.len() > 1).collect()
}

/// The knot of every node: nodes of one knot can all be reached from each other. Kosaraju's way: in the reverse order in which a
/// first walk leaves them, a walk against the edges finds one knot at a time.
fn knots(edges: &[(usize, usize, Option<usize>)], nodes: usize) -> Vec<usize> {
    let (mut forth, mut back) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
    for (from, to, _) in edges {
        if let (Some(next), Some(previous)) = (forth.get_mut(*from), back.get_mut(*to)) {
            next.push(*to);
            previous.push(*from);
        }
    }
    let mut left = Vec::with_capacity(nodes);
    let mut seen = vec![false; nodes];
    for start in 0..nodes {
        walk(start, &forth, &mut seen, &mut left);
    }
    let mut knots = vec![0; nodes];
    let mut seen = vec![false; nodes];
    for (knot, start) in left.into_iter().rev().enumerate() {
        let mut reached = Vec::new();
        walk(start, &back, &mut seen, &mut reached);
        for node in reached {
            if let Some(of_node) = knots.get_mut(node) {
                *of_node = knot;
            }
        }
    }
    knots
}

/// Appends the nodes not seen before in the order in which a depth-first walk leaves them. Without recursion: chains may be long.
fn walk(start: usize, next: &[Vec<usize>], seen: &mut [bool], left: &mut Vec<usize>) {
    let mut path: Vec<(usize, usize)> = Vec::new();
    if enter(start, seen) {
        path.push((start, 0));
    }
    while let Some((node, step)) = path.last_mut() {
        match next.get(*node).and_then(|next| next.get(*step)) {
            Some(neighbour) => {
                *step += 1;
                if enter(*neighbour, seen) {
                    path.push((*neighbour, 0));
                }
            }
            None => {
                left.push(*node);
                path.pop();
            }
        }
    }
}

fn enter(node: usize, seen: &mut [bool]) -> bool {
    seen.get_mut(node).is_some_and(|seen| !std::mem::replace(seen, true))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(edges: &[(u8, u8, Option<usize>)], expected: &[&[usize]]) {
        let found = cycles(edges);
        let expected: Vec<BTreeSet<usize>> = expected.iter().map(|owners| owners.iter().copied().collect()).collect();
        assert_eq!(found, expected, "{edges:?}");
    }

    #[test]
    fn cycles_of_several_owners_are_found() {
        check(&[], &[]);
        check(&[(1, 2, Some(0)), (2, 1, Some(0))], &[]);
        check(&[(1, 2, Some(0)), (2, 1, Some(1))], &[&[0, 1]]);
        check(&[(1, 2, Some(0)), (2, 3, None), (3, 1, Some(1))], &[&[0, 1]]);
        check(&[(1, 2, Some(0)), (2, 3, Some(1)), (1, 3, Some(2))], &[]);
        check(&[(1, 2, Some(0)), (2, 1, Some(0)), (2, 3, Some(1))], &[]);
        check(&[(1, 2, Some(0)), (2, 3, Some(1)), (3, 1, Some(2)), (3, 4, Some(3))], &[&[0, 1, 2]]);
    }

    #[test]
    fn long_chains_need_no_stack() {
        let mut edges: Vec<(usize, usize, Option<usize>)> = (0..200_000).map(|n| (n, n + 1, Some(0))).collect();
        assert_eq!(cycles(&edges), Vec::<BTreeSet<usize>>::new());
        edges.push((200_000, 0, Some(1)));
        assert_eq!(cycles(&edges), [BTreeSet::from([0, 1])]);
    }

    /// By trying every way: which nodes can be reached from which.
    fn reachable(edges: &[(u8, u8, Option<usize>)]) -> BTreeSet<(u8, u8)> {
        let mut found: BTreeSet<(u8, u8)> = edges.iter().map(|(from, to, _)| (*from, *to)).collect();
        loop {
            let further: BTreeSet<(u8, u8)> = found
                .iter()
                .flat_map(|(a, b)| found.iter().filter(move |(c, _)| c == b).map(move |(_, d)| (*a, *d)))
                .collect();
            let before = found.len();
            found.extend(further);
            if found.len() == before {
                return found;
            }
        }
    }

    proptest! {
        #[test]
        fn an_owner_is_named_exactly_if_its_edge_lies_on_a_cycle_with_others(
            edges in proptest::collection::vec((0..8u8, 0..8u8, proptest::option::of(0..4usize)), 0..16)
        ) {
            let reach = reachable(&edges);
            let is_knot = |a: u8, b: u8| a == b || (reach.contains(&(a, b)) && reach.contains(&(b, a)));
            let mut expected: BTreeSet<usize> = BTreeSet::new();
            for (from, to, owner) in edges.iter().filter(|(from, to, _)| is_knot(*from, *to)) {
                let others = edges.iter().filter(|edge| is_knot(edge.0, *from) && is_knot(edge.0, edge.1) && edge.2.is_some());
                if let Some(owner) = owner && others.into_iter().any(|edge| edge.2 != Some(*owner)) {
                    expected.insert(*owner);
                }
                let _ = to;
            }
            let found: BTreeSet<usize> = cycles(&edges).into_iter().flatten().collect();
            prop_assert_eq!(found, expected);
        }
    }
}
