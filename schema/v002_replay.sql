-- Holdfast spool, schema version 2: replay jobs.

-- Stored points that are sent once more, to one backend. A job touches no term of that backend's equation; its own is
-- selected = sent + dead + lost + excluded + pruned, all in points, as of the cursor.
CREATE TABLE replays (
    id                 INTEGER PRIMARY KEY,
    backend_id         INTEGER NOT NULL REFERENCES backends (id),
    state              TEXT    NOT NULL CHECK (state IN ('running', 'paused', 'done', 'cancelled')),
    -- Why the job paused by itself.
    problem            TEXT    NOT NULL DEFAULT '',
    -- What is selected: series, times as measured (from the first up to, not including, the end), sequences.
    selector           TEXT,
    first_time         INTEGER,
    end_time           INTEGER,
    first_sequence     INTEGER NOT NULL,
    end_sequence       INTEGER NOT NULL,
    points_per_second  INTEGER,                       -- NULL: as fast as the backend takes them
    -- Where it began, where it ends, and up to where all is settled.
    start_position     INTEGER NOT NULL CHECK (start_position >= 0),
    end_position       INTEGER NOT NULL,
    cursor_sequence    INTEGER NOT NULL,
    cursor_ordinal     INTEGER NOT NULL CHECK (cursor_ordinal >= 0),
    cursor_position    INTEGER NOT NULL,
    sent_points        INTEGER NOT NULL DEFAULT 0 CHECK (sent_points >= 0),
    dead_points        INTEGER NOT NULL DEFAULT 0 CHECK (dead_points >= 0),
    lost_points        INTEGER NOT NULL DEFAULT 0 CHECK (lost_points >= 0),
    excluded_points    INTEGER NOT NULL DEFAULT 0 CHECK (excluded_points >= 0),
    pruned_points      INTEGER NOT NULL DEFAULT 0 CHECK (pruned_points >= 0),
    created_wall       INTEGER NOT NULL,
    changed_wall       INTEGER NOT NULL,
    asked              TEXT    NOT NULL,              -- by whom, and what for
    CHECK (start_position <= cursor_position),
    CHECK (cursor_position <= end_position)
) STRICT;

-- What a backend refused of a job: runs of neighbouring points with one answer, with the first point of each as a block
-- of one. The points themselves are in the spool while it keeps them.
CREATE TABLE replay_refusals (
    id                 INTEGER PRIMARY KEY,
    replay_id          INTEGER NOT NULL REFERENCES replays (id),
    first_sequence     INTEGER NOT NULL,
    first_ordinal      INTEGER NOT NULL,
    points             INTEGER NOT NULL,
    reason             TEXT    NOT NULL,
    status             INTEGER NOT NULL,
    excerpt            TEXT    NOT NULL,
    refused_wall       INTEGER NOT NULL,
    block              BLOB    NOT NULL
) STRICT;
CREATE INDEX replay_refusals_replay ON replay_refusals (replay_id);
