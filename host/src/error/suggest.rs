//! Finds the name somebody probably meant.

/// The nearest of `names`, if it is near enough to be a slip of the hand.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let slips_max = (wrong.chars().count() / 3).clamp(1, 4);
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&wrong, &name.to_lowercase()), name))
        .filter(|(slips, name)| *slips <= slips_max || is_cut_short(&wrong, name))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

/// `conn` for `connection`: at least three letters, so that `a` does not suggest everything that begins with it.
fn is_cut_short(wrong: &str, name: &str) -> bool {
    wrong.len() >= 3 && name.to_lowercase().starts_with(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wrong: &str, expected: Option<&str>) {
        assert_eq!(nearest(wrong, ["source", "target", "mode", "key", "connection"]), expected, "{wrong}");
    }

    #[test]
    fn slips_are_found_and_guesses_are_not_made() {
        check("sourc", Some("source"));
        check("soruce", Some("source"));
        check("Target", Some("target"));
        check("conn", Some("connection"));
        check("keys", Some("key"));
        check("password", None);
        check("c", None);
        check("", None);
    }
}
