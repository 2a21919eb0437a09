-- Holdfast spool, schema version 4: lives in which bases were made. Kept as released: later versions are later files.

-- Rows of one life stand on no base of another: none at or beyond a life's first sequence on one that has an id before it.
-- A life ends with the process, or when its bases are let go. A row for each that made bases, while bases of former ones are
-- there; without it those are kept for longer than they need be, and nothing is lost.
CREATE TABLE base_lives (
    first_sequence     INTEGER PRIMARY KEY
) STRICT;
