-- Holdfast spool, schema version 1. One database a tenant. Kept as released: later versions are later files.
--
-- Words: a place is (sequence, ordinal), the stable address of a point. A position is the same point counted from the
-- first point the spool ever accepted; it makes the size of a range one subtraction, also across sequences. Ranges run
-- from their first place up to, not including, their end place. Times are nanoseconds: `*_at` on the spool clock
-- (never goes back), `*_wall` on the wall clock, `*_time` as measured by the sender.
-- Set before the first table: page_size 4096, auto_vacuum INCREMENTAL, application_id 0x486f6c64 ('Hold').

-- Whose spool this is. Exactly one row.
CREATE TABLE spool (
    id                 INTEGER PRIMARY KEY CHECK (id = 1),
    tenant             TEXT    NOT NULL,
    tenant_uuid        BLOB    NOT NULL CHECK (length(tenant_uuid) = 16),
    created_wall       INTEGER NOT NULL,
    -- The end of everything accepted: the place and position the next batch gets.
    next_sequence      INTEGER NOT NULL CHECK (next_sequence >= 1),
    next_position      INTEGER NOT NULL CHECK (next_position >= 0),
    accepted_requests  INTEGER NOT NULL DEFAULT 0,
    refused_points     INTEGER NOT NULL DEFAULT 0,
    dropped_points     INTEGER NOT NULL DEFAULT 0,   -- drop_newest: turned into a loss row, never had a place
    -- Counts transactions: recovery sees by it whether a commit of unknown outcome is there, repack whether the ledger
    -- is still the one it read.
    ledger_version     INTEGER NOT NULL DEFAULT 0,
    -- Spool clock (storage.md 9): its last value, and what it was read against.
    clock_at           INTEGER NOT NULL,
    clock_boot         INTEGER NOT NULL,
    clock_boot_id      TEXT    NOT NULL,
    clock_wall         INTEGER NOT NULL,
    -- 0 from open to close: still 0 at open means the process did not end by itself.
    closed_cleanly     INTEGER NOT NULL DEFAULT 1 CHECK (closed_cleanly IN (0, 1))
) STRICT;

-- Each life of this file as a file: new at creation, salvage and restore. Every id that leaves the node carries it.
CREATE TABLE incarnations (
    id                 INTEGER PRIMARY KEY,
    uuid               BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    reason             TEXT    NOT NULL CHECK (reason IN ('created', 'salvaged', 'restored', 'copied')),
    first_sequence     INTEGER NOT NULL,
    created_wall       INTEGER NOT NULL
) STRICT;

-- Data keys, wrapped by the tenant's key. Empty while a tenant has none: key_id 0 means not sealed.
CREATE TABLE data_keys (
    key_id             INTEGER PRIMARY KEY CHECK (key_id > 0),
    wrapped            BLOB    NOT NULL,
    wrapping           TEXT    NOT NULL,
    created_wall       INTEGER NOT NULL,
    retired_wall       INTEGER
) STRICT;

-- What was committed. One row a commit; after a repack one row may span [sequence, last_sequence].
-- The block comes last, so that its overflow pages are not read for the columns before it. There is no index on the time:
-- it never falls from row to row, and a further index is a further page in every commit.
CREATE TABLE batches (
    sequence           INTEGER PRIMARY KEY,
    last_sequence      INTEGER NOT NULL,
    position           INTEGER NOT NULL CHECK (position >= 0),
    points             INTEGER NOT NULL CHECK (points >= 0),
    received_at        INTEGER NOT NULL,
    received_wall      INTEGER NOT NULL,
    first_time         INTEGER NOT NULL,
    last_time          INTEGER NOT NULL,
    key_id             INTEGER NOT NULL DEFAULT 0,
    block              BLOB    NOT NULL,
    CHECK (last_sequence >= sequence),
    CHECK (last_time >= first_time)
) STRICT;

-- One row an accepted request: it owns `points` ordinals of `sequence`, from `first_ordinal`. A request over more than
-- one batch has one row for each, with the same group. Ids rise with sequences, so that a place is found by halving: an
-- index would be a further page in every commit.
CREATE TABLE receipts (
    id                 INTEGER PRIMARY KEY,
    sequence           INTEGER NOT NULL,
    first_ordinal      INTEGER NOT NULL,
    points             INTEGER NOT NULL,
    request_id         TEXT    NOT NULL,
    request_part       INTEGER NOT NULL DEFAULT 0,   -- 0, 1, ... when one request became several batches
    trace_parent       TEXT,
    source             TEXT    NOT NULL,
    peer               TEXT    NOT NULL,
    body_bytes         INTEGER NOT NULL,
    refused_points     INTEGER NOT NULL DEFAULT 0,
    exemplars          INTEGER NOT NULL DEFAULT 0,
    received_at        INTEGER NOT NULL,
    received_wall      INTEGER NOT NULL
) STRICT;

-- What of an accepted request was set aside as invalid: the first ones each, the rest by reason.
CREATE TABLE refusals (
    id                 INTEGER PRIMARY KEY,
    receipt_id         INTEGER NOT NULL,
    reason             TEXT    NOT NULL,
    points             INTEGER NOT NULL,
    line               INTEGER,
    detail             TEXT    NOT NULL
) STRICT;
CREATE INDEX refusals_receipt ON refusals (receipt_id);

-- A backend is its config key. Its counters are terms of the equation (storage.md 3); pending is counted over ranges.
CREATE TABLE backends (
    id                 INTEGER PRIMARY KEY,
    name               TEXT    NOT NULL UNIQUE,
    type               TEXT    NOT NULL,
    first_sequence     INTEGER NOT NULL,
    created_wall       INTEGER NOT NULL,
    detached_wall      INTEGER,
    -- Where its tail was closed: points from here on are excluded until it returns.
    detached_position  INTEGER,
    -- The open tail of the live lane: all from here on is owed. NULL while detached.
    tail_sequence      INTEGER,
    tail_ordinal       INTEGER,
    tail_position      INTEGER,
    delivered_points   INTEGER NOT NULL DEFAULT 0 CHECK (delivered_points >= 0),
    assumed_points     INTEGER NOT NULL DEFAULT 0 CHECK (assumed_points >= 0),
    dead_points        INTEGER NOT NULL DEFAULT 0 CHECK (dead_points >= 0),
    lost_points        INTEGER NOT NULL DEFAULT 0 CHECK (lost_points >= 0),
    excluded_points    INTEGER NOT NULL DEFAULT 0 CHECK (excluded_points >= 0),
    -- Nothing at or beyond this sequence was ever sent: reserved ahead of the first send (storage.md 4).
    sent_before        INTEGER NOT NULL DEFAULT 0,
    -- What was sent by a process that did not live to settle it lies before this sequence.
    unknown_before     INTEGER NOT NULL DEFAULT 0,
    retry              TEXT,                          -- JSON, see RetryState
    limits             TEXT,                          -- JSON, what was learned (largest body taken)
    CHECK ((tail_sequence IS NULL) = (tail_ordinal IS NULL)),
    CHECK ((tail_sequence IS NULL) = (tail_position IS NULL)),
    CHECK ((detached_wall IS NULL) = (detached_position IS NULL)),
    -- Attached with a tail, or detached without one.
    CHECK ((tail_position IS NULL) = (detached_position IS NOT NULL))
) STRICT;

-- What a backend is owed besides the open tail.
CREATE TABLE ranges (
    backend_id         INTEGER NOT NULL REFERENCES backends (id),
    lane               INTEGER NOT NULL CHECK (lane IN (0, 1, 2)),   -- live, backlog, replay
    job_id             INTEGER NOT NULL DEFAULT 0,                   -- a replay job; 0 = first obligation
    first_sequence     INTEGER NOT NULL,
    first_ordinal      INTEGER NOT NULL,
    first_position     INTEGER NOT NULL,
    end_sequence       INTEGER NOT NULL,
    end_ordinal        INTEGER NOT NULL,
    end_position       INTEGER NOT NULL,
    PRIMARY KEY (backend_id, job_id, first_sequence, first_ordinal),
    CHECK (end_position > first_position)
) STRICT, WITHOUT ROWID;

-- What was settled: kept as long as receipts; adjacent ones coalesce. There is no index on what a settle changes of the
-- row before it: a further page in every settle.
CREATE TABLE deliveries (
    id                 INTEGER PRIMARY KEY,
    backend_id         INTEGER NOT NULL REFERENCES backends (id),
    job_id             INTEGER NOT NULL DEFAULT 0,
    first_sequence     INTEGER NOT NULL,
    first_ordinal      INTEGER NOT NULL,
    end_sequence       INTEGER NOT NULL,
    end_ordinal        INTEGER NOT NULL,
    points             INTEGER NOT NULL,
    outcome            TEXT    NOT NULL CHECK (outcome IN ('confirmed', 'assumed', 'excluded')),
    reason             TEXT,
    first_attempt_wall INTEGER NOT NULL,
    settled_at         INTEGER NOT NULL,
    settled_wall       INTEGER NOT NULL,
    attempts           INTEGER NOT NULL,
    status             INTEGER NOT NULL
) STRICT;
CREATE INDEX deliveries_place ON deliveries (backend_id, first_sequence, first_ordinal);

-- Points a backend would not take. One row a point, with the point itself as a block of one.
CREATE TABLE dead_letters (
    id                 INTEGER PRIMARY KEY,
    backend_id         INTEGER NOT NULL REFERENCES backends (id),
    origin_sequence    INTEGER NOT NULL,
    origin_ordinal     INTEGER NOT NULL,
    request_id         TEXT    NOT NULL,
    reason             TEXT    NOT NULL,
    status             INTEGER NOT NULL,
    excerpt            TEXT    NOT NULL,
    attempts           INTEGER NOT NULL,
    first_attempt_wall INTEGER NOT NULL,
    buried_at          INTEGER NOT NULL,
    buried_wall        INTEGER NOT NULL,
    key_id             INTEGER NOT NULL DEFAULT 0,
    block              BLOB    NOT NULL,
    UNIQUE (backend_id, origin_sequence, origin_ordinal)
) STRICT;
CREATE INDEX dead_letters_buried ON dead_letters (buried_at);

-- Every counted, explained end of points without delivery. backend_id is NULL for points that never had a place
-- (drop_newest) and for a spool that was set aside.
CREATE TABLE losses (
    id                 INTEGER PRIMARY KEY,
    backend_id         INTEGER REFERENCES backends (id),
    reason             TEXT    NOT NULL CHECK (reason IN
        ('quota', 'age', 'purge', 'corruption', 'erasure', 'drop_newest', 'dead_letter_budget', 'dead_letter_age',
         'spool_set_aside')),
    first_sequence     INTEGER,
    first_ordinal      INTEGER,
    end_sequence       INTEGER,
    end_ordinal        INTEGER,
    first_time         INTEGER,
    last_time          INTEGER,
    points             INTEGER,                       -- NULL: not known, only for a spool that could not be read
    lost_at            INTEGER NOT NULL,
    lost_wall          INTEGER NOT NULL,
    detail             TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX losses_at ON losses (lost_at);

-- Requests whose exact make-up must survive a restart (storage.md 5): backends that deduplicate by request, or take
-- deltas. Its rows are pinned.
CREATE TABLE chunks (
    id                 INTEGER PRIMARY KEY,
    backend_id         INTEGER NOT NULL REFERENCES backends (id),
    request_key        TEXT    NOT NULL,
    places             TEXT    NOT NULL,              -- JSON [[first, ordinal, end, ordinal], ...]
    encoder_version    INTEGER NOT NULL,
    limits             TEXT    NOT NULL,
    created_at         INTEGER NOT NULL,
    UNIQUE (backend_id, request_key)
) STRICT;

-- What happened to this spool, newest last; bounded.
CREATE TABLE events (
    id                 INTEGER PRIMARY KEY,
    kind               TEXT    NOT NULL,
    at                 INTEGER NOT NULL,
    wall               INTEGER NOT NULL,
    detail             TEXT    NOT NULL
) STRICT;
