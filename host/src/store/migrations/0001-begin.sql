-- Every row ends with a checksum over its table, its id and all of its other values.

CREATE TABLE sync (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    phase TEXT NOT NULL,
    cursor BLOB,
    pin_source TEXT,
    pin_target TEXT,
    pin_mapping TEXT,
    target_was_empty INTEGER,
    last_compare_at INTEGER,
    last_success_at INTEGER,
    -- How many dead letters are open, and the exclusive or of their key digests.
    open_letters INTEGER NOT NULL,
    open_keys BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;

CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    sync TEXT NOT NULL REFERENCES sync (name),
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER,
    read INTEGER NOT NULL,
    written INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    error_code TEXT,
    error_message TEXT,
    plugins TEXT NOT NULL,
    checksum BLOB NOT NULL
) STRICT;

CREATE INDEX run_of_sync ON run (sync);
CREATE INDEX run_running ON run (id) WHERE status = 'running';

-- What queries look at comes first: the records behind it may fill pages of their own.
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY,
    sync TEXT NOT NULL REFERENCES sync (name),
    run INTEGER NOT NULL REFERENCES run (id),
    state TEXT NOT NULL,
    key_digest BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    stage TEXT NOT NULL,
    key_text TEXT NOT NULL,
    position TEXT,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    detail_code TEXT NOT NULL,
    field TEXT,
    hint TEXT,
    plugin TEXT,
    record TEXT,
    raw BLOB,
    checksum BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX dead_letter_open ON dead_letter (sync, key_digest) WHERE state = 'open';
CREATE INDEX dead_letter_of_run ON dead_letter (run);

CREATE TABLE hold (
    id INTEGER PRIMARY KEY,
    sync TEXT NOT NULL REFERENCES sync (name),
    run INTEGER NOT NULL REFERENCES run (id),
    state TEXT NOT NULL,
    content BLOB NOT NULL,
    deletes INTEGER NOT NULL,
    total INTEGER NOT NULL,
    keys TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    decided_at INTEGER,
    checksum BLOB NOT NULL
) STRICT;

CREATE INDEX hold_of_run ON hold (run);
