-- Holdfast spool, schema version 7: where running totals stand at backends that are sent increments. Kept as released: later
-- versions are later files.

-- The last point of each total that such a backend took, written in the transaction that settles it.
CREATE TABLE counters (
    backend_id         INTEGER NOT NULL REFERENCES backends (id),
    -- The XXH3 of the series, 128 bits (docs/formats.md), and which of its totals: 0 for the value of a plain counter.
    series_high        INTEGER NOT NULL,
    series_low         INTEGER NOT NULL,
    part               INTEGER NOT NULL CHECK (part >= 0),
    value              REAL    NOT NULL CHECK (value >= 0),
    time               INTEGER NOT NULL,              -- as measured
    start_time         INTEGER NOT NULL,              -- as the sender said; 0: it did not
    window_sum         REAL    NOT NULL,              -- increments sent for the window that `time` is in
    settled_at         INTEGER NOT NULL,              -- spool clock
    PRIMARY KEY (backend_id, series_high, series_low, part)
) STRICT, WITHOUT ROWID;
