//! Whether what is said is what a guide shows.

/// What counts of a line: times, sizes, counts of functions and digests may be others.
fn plain(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |word: &str| {
        word.chars().next().is_some_and(|c| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',')
    };
    let units = ["min", "s", "ms", "µs", "B", "kB", "MB", "functions", "MiB"];
    let is_unit =
        |word: Option<&&str>| word.is_some_and(|word| units.contains(&word.trim_end_matches([',', ';', '.'])));
    let is_digest = |word: &str| {
        let hex = word.strip_prefix("sha256:").or_else(|| word.strip_prefix("blake3:")).unwrap_or(word);
        hex.len() >= 12 && hex.chars().all(|c| c.is_ascii_hexdigit())
    };
    let shown = words.iter().enumerate().map(|(at, word)| match word {
        word if is_number(word) && is_unit(words.get(at + 1)) => "#",
        word if is_digest(word) => "#",
        word if word.chars().all(|c| c == '-') && word.len() > 3 => "----",
        word => word,
    });
    shown.collect::<Vec<_>>().join(" ").replace("# min # s", "# s")
}

/// Whether a line is the pattern, in which `…` stands for anything.
fn is_like(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Nothing shown fits anything. Else every line has to be there, in order and next to each other unless `…` is between.
pub fn fits(shown: &[String], said: &str) -> Result<(), String> {
    if shown.iter().all(|line| line.trim().is_empty()) {
        return Ok(());
    }
    let said: Vec<String> = said.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let shown: Vec<String> = shown.iter().map(|line| plain(line)).filter(|line| !line.is_empty()).collect();
    let (mut at, mut may_skip) = (0, false);
    for pattern in &shown {
        if pattern == "…" {
            may_skip = true;
            continue;
        }
        let rest = &said[at..];
        let found = rest.iter().position(|line| is_like(pattern, line)).filter(|found| may_skip || *found == 0);
        at += found.ok_or_else(|| {
            format!("`{pattern}` is not what comes next: `{}`", rest.first().map_or("", String::as_str))
        })? + 1;
        may_skip = false;
    }
    if at < said.len() && !may_skip {
        return Err(format!("`{}` is not shown", said[at]));
    }
    Ok(())
}

#[test]
fn only_what_may_differ_may_differ() {
    let fits = |shown: &str, said: &str| fits(&shown.lines().map(str::to_owned).collect::<Vec<_>>(), said).is_ok();
    assert!(fits("", "anything"));
    assert!(fits("2 read in 0.04 s\nb", "2 read in 1.20 s\nb"));
    assert!(fits("built in 58.0 s from Python", "built in 1 min 4 s from Python"));
    assert!(!fits("2 read in 0.04 s", "3 read in 0.04 s"));
    assert!(fits("a\n…\nd", "a\nb\nc\nd") && fits("a\n…", "a\nb") && fits("a … d", "a b c d"));
    assert!(!fits("a\nc", "a\nb\nc") && !fits("a", "a\nb") && !fits("a\nb", "a") && !fits("a … d", "a b c"));
    assert!(
        fits("digest 0011223344556677", "digest aabbccddeeff0011")
            && fits("size 1.8 MB, 5 functions", "size 18 MB, 6 functions")
    );
}
