-- Holdfast spool, schema version 6: evidence of tampering. Kept as released: later versions are later files.

-- What a row was when the node wrote it, under a key that is not in this file (docs/formats.md, "The chain"): the life of
-- the chain and the epoch of the key, 4 bytes each, and 16 bytes of HMAC-SHA-256. NULL where there was no key.
ALTER TABLE batches      ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);
ALTER TABLE receipts     ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);
ALTER TABLE deliveries   ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);
ALTER TABLE dead_letters ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);
ALTER TABLE losses       ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);
ALTER TABLE events       ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);
ALTER TABLE bases        ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);
ALTER TABLE base_copies  ADD COLUMN tag BLOB CHECK (tag IS NULL OR length(tag) = 24);

-- How many rows each table has, their sum, and how far the links go, as of this row's `ledger_version`. NULL while there
-- was never a key; of an earlier version where the node went on without its key.
ALTER TABLE spool        ADD COLUMN chain_state BLOB;

-- What happened to the rows as a whole, newest last. Each has the head of the one before it; the oldest are folded into
-- one. Places are positions (see v001), counts are since the link before.
CREATE TABLE links (
    id                 INTEGER PRIMARY KEY,           -- the length of the chain with it
    kind               TEXT    NOT NULL,              -- started, resumed, salvaged, restored, sealed, altered, key, folded
    wall               INTEGER NOT NULL,
    ledger_version     INTEGER NOT NULL,
    life               INTEGER NOT NULL,
    epoch              INTEGER NOT NULL,
    pruned_position    INTEGER,
    pruned_end         INTEGER,
    pruned_rows        INTEGER NOT NULL,
    repacked_rows      INTEGER NOT NULL,
    merged_rows        INTEGER NOT NULL,
    removed_rows       INTEGER NOT NULL,              -- of the other tables
    altered_rows       INTEGER NOT NULL,
    detail             TEXT    NOT NULL,
    rows               BLOB    NOT NULL CHECK (length(rows) = 32),
    former             BLOB    NOT NULL CHECK (length(former) = 32),
    head               BLOB    NOT NULL CHECK (length(head) = 32)
) STRICT;
