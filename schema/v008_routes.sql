-- Holdfast spool, schema version 8: by which rules points were kept from a backend. Kept as released: later versions are later
-- files.

-- Rules that settled points went by (docs/formats.md). Where a row of `deliveries` has the reason 'route ID', its places are
-- those of all points that were looked at: of them the rules let as many through as the row with the outcome 'confirmed' or
-- 'assumed' says, and kept back as many as the one with the outcome 'excluded' over the same places says. Which points these
-- are, the rules say: what they do with a point depends on its series alone.
CREATE TABLE routes (
    id                 TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 16),   -- of the rules' text (docs/formats.md)
    rules              TEXT    NOT NULL,
    first_wall         INTEGER NOT NULL                                        -- when they were first gone by
) STRICT, WITHOUT ROWID;
