use super::*;

fn root() -> (tempfile::TempDir, FilesRoot) {
    let dir = tempfile::tempdir().unwrap();
    let root = FilesRoot::new(dir.path().to_owned(), Access::ReadWrite);
    (dir, root)
}

#[tokio::test]
async fn files_are_listed_sorted_and_with_their_folders() {
    let (dir, root) = root();
    std::fs::create_dir(dir.path().join("b")).unwrap();
    std::fs::write(dir.path().join("b/x.csv"), "1").unwrap();
    std::fs::write(dir.path().join("a.csv"), "22").unwrap();
    let entries = list(&root, 10).await.unwrap();
    let names: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.size)).collect();
    assert_eq!(names, [("a.csv", 2), ("b/x.csv", 1)]);
    assert_eq!(list(&root, 1).await.unwrap_err().code.id, "LS0407");
}

#[tokio::test]
async fn no_path_leads_out() {
    let (dir, root) = root();
    std::fs::write(dir.path().join("a"), "x").unwrap();
    std::os::unix::fs::symlink("/etc", dir.path().join("link")).unwrap();
    for path in ["../a", "/etc/passwd", "", ".", "b/../../a", "a\0", "link/passwd", "..\\a"] {
        let failure = open(&root, path).await.err().unwrap_or_else(|| panic!("{path} was opened"));
        assert_eq!(failure.code.id, "LS0502", "{path}: {failure}");
        assert!(create(&root, path).await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn a_new_file_appears_whole_or_not_at_all() {
    let (dir, root) = root();
    let mut dropped = create(&root, "out/x").await.unwrap();
    dropped.append(b"half").unwrap();
    drop(dropped);
    assert_eq!(list(&root, 10).await.unwrap(), []);
    let mut file = create(&root, "out/x").await.unwrap();
    file.append(b"whole").unwrap();
    assert_eq!(file.finish().await.unwrap().size, 5);
    assert_eq!(std::fs::read(dir.path().join("out/x")).unwrap(), b"whole");
    assert!(file.append(b"more").is_err());
}

#[tokio::test]
async fn who_only_looks_makes_nothing() {
    let (dir, root) = root();
    let folder = root.0.live().unwrap().path.clone();
    let root = FilesRoot::new(folder, Access::ReadOnly);
    let failure = create(&root, "out/x").await.err().unwrap();
    assert!(failure.message.contains("only looks"), "{failure}");
    assert!(!dir.path().join("out").exists());
    std::fs::write(dir.path().join("a"), "x").unwrap();
    assert!(open(&root, "a").await.is_ok());
}

#[tokio::test]
async fn a_digest_follows_the_content() {
    let (dir, root) = root();
    let path = dir.path().join("a");
    std::fs::write(&path, "one").unwrap();
    let mut file = open(&root, "a").await.unwrap();
    let first = file.digest().await.unwrap();
    assert_eq!(first, blake3::hash(b"one").as_bytes());
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two").unwrap();
    assert_eq!(file.digest().await.unwrap(), blake3::hash(b"onetwo").as_bytes());
    assert_eq!(file.read(3, 10).unwrap(), b"two");
    assert_eq!(file.read(99, 10).unwrap(), b"");
}
