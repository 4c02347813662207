-- Whom Rollcall is to keep out, as a salt and the SHA-256 over it and the account's id, both in hex; nothing in it tells
-- who somebody is. Consumers ask it before they write. The latest row of an account counts. Cause: asked, closed (the
-- directory had it inactive, or no longer, for long), or back (it was closed, and the directory has it active again). Erased
-- says whether all that the warehouse had of it has gone, with the rollups computed since.
CREATE TABLE forgotten_accounts {on_cluster}
(
    salt     String,
    hash     String,
    cause    LowCardinality(String),
    erased   Bool,
    noted_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = {replicated}ReplacingMergeTree(noted_at)
ORDER BY (salt, hash)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
