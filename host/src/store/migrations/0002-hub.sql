-- What hubs keep. Tables that grow with the records are as narrow as they can be: their bodies end with a checksum of eight
-- bytes, and what they refer to is checked when it is written. All other rows end with a checksum like those of version 1.

-- One per sync that is a hub; its id is the sync's.
CREATE TABLE hub (
    id INTEGER PRIMARY KEY REFERENCES sync (id),
    epoch INTEGER NOT NULL,
    -- The first ids that were free when this hub was opened or committed last.
    next_record INTEGER NOT NULL,
    next_lineage INTEGER NOT NULL,
    next_conflict INTEGER NOT NULL,
    pin TEXT,
    checksum BLOB NOT NULL
) STRICT;

CREATE TABLE endpoint (
    id INTEGER PRIMARY KEY,
    sync INTEGER NOT NULL REFERENCES sync (id),
    name TEXT NOT NULL,
    cursor BLOB,
    enumerated_at INTEGER,
    scanned_at INTEGER,
    progress_at INTEGER,
    baselined INTEGER NOT NULL,
    checksum BLOB NOT NULL
) STRICT;

CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    sync INTEGER NOT NULL,
    -- Ends with a checksum.
    body BLOB NOT NULL
) STRICT;

CREATE TABLE link (
    endpoint INTEGER NOT NULL,
    remote BLOB NOT NULL,
    record INTEGER NOT NULL,
    -- A checksum of four bytes: a link that leads to another record would make one of two.
    mark INTEGER NOT NULL,
    PRIMARY KEY (endpoint, remote)
) STRICT, WITHOUT ROWID;

CREATE TABLE match_key (
    sync INTEGER NOT NULL,
    key BLOB NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (sync, key, record)
) STRICT, WITHOUT ROWID;

CREATE TABLE intent (
    endpoint INTEGER NOT NULL,
    record INTEGER NOT NULL,
    -- 0 planned, 1 sent, 2 unknown, 3 parked, 4 refused, 5 held.
    state INTEGER NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    deletes INTEGER NOT NULL,
    PRIMARY KEY (endpoint, record)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    endpoint INTEGER NOT NULL REFERENCES endpoint (id),
    remote BLOB NOT NULL,
    due INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX event_of_remote ON event (endpoint, remote);

CREATE TABLE conflict (
    id INTEGER PRIMARY KEY,
    sync TEXT NOT NULL REFERENCES sync (name),
    run INTEGER NOT NULL,
    record INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    closed_at INTEGER,
    body TEXT NOT NULL,
    resolution TEXT,
    checksum BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX conflict_open ON conflict (record, kind, subject) WHERE state = 'open';

CREATE TABLE lineage (
    id INTEGER PRIMARY KEY,
    sync INTEGER NOT NULL,
    record INTEGER NOT NULL,
    run INTEGER NOT NULL,
    at INTEGER NOT NULL,
    -- Ends with the hash of the chain and a checksum.
    body BLOB NOT NULL
) STRICT;

-- Entries of the lineage that follow each other and come from one run; the id is that of the first.
CREATE TABLE lineage_span (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    last INTEGER NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
