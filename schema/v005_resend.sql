-- Holdfast spool, schema version 5: what makes a request that is sent again one with its first sending. Kept as released:
-- later versions are later files. A row changes in the transaction of the points that it speaks of.

-- How far the streams of lines are that clients named.
CREATE TABLE streams (
    name               TEXT    NOT NULL PRIMARY KEY,
    committed_lines    INTEGER NOT NULL CHECK (committed_lines >= 0),
    created_wall       INTEGER NOT NULL,
    changed_at         INTEGER NOT NULL,              -- spool clock
    changed_wall       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests that came with an Idempotency-Key, with what their answer said.
CREATE TABLE request_keys (
    id                 INTEGER PRIMARY KEY,           -- rises: the lowest goes first
    key                BLOB    NOT NULL UNIQUE,       -- SHA-256 of the key and the credential it came with
    -- A body of lines is committed in parts. This is the SHA-256 of what of it is, and how many lines that are.
    body               BLOB    NOT NULL,
    committed_lines    INTEGER NOT NULL CHECK (committed_lines >= 0),
    is_complete        INTEGER NOT NULL CHECK (is_complete IN (0, 1)),
    stored_points      INTEGER NOT NULL CHECK (stored_points >= 0),
    refused_points     INTEGER NOT NULL CHECK (refused_points >= 0),
    dropped_points     INTEGER NOT NULL CHECK (dropped_points >= 0),
    noted_at           INTEGER NOT NULL,              -- spool clock, of its first part
    noted_wall         INTEGER NOT NULL
) STRICT;
