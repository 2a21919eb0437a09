-- Holdfast spool, schema version 3: blocks may stand on bases. Kept as released: later versions are later files.

-- Series that the blocks of many rows share, each a block of its own (docs/formats.md). Stored twice, in tables of their own
-- and so on pages of their own, because many rows stand on one. The id is the sequence of the first row that does; a merged
-- row may stand on what its parts stood on. Deleted when no row can stand on it any more.
CREATE TABLE bases (
    id                 INTEGER PRIMARY KEY,
    block              BLOB NOT NULL
) STRICT;
CREATE TABLE base_copies (
    id                 INTEGER PRIMARY KEY,
    block              BLOB NOT NULL
) STRICT;
