-- What reports are answered from without a look at the facts or at all of history: the hashes of somebody's day's facts,
-- and four tables that rollcall/warehouse/rollups.py writes from states and directory again and again. 0003 has the views.

---- The facts of somebody's day, as a set that replays leave alone ----

-- 62 bits of a hash of the fact's key, and its family in the last two: 0 comment, 1 history, 2 worklog.
ALTER TABLE user_day_states {on_cluster}
    ADD COLUMN IF NOT EXISTS facts SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64));

ALTER TABLE activity_in_to_user_day_states {on_cluster} MODIFY QUERY
SELECT
    site,
    toDate(formatDateTime(fromUnixTimestamp64Milli(activity_in.occurred_at, 'UTC'), '%F', timezone)) AS day,
    account_id,
    fromUnixTimestamp64Milli(min(activity_in.occurred_at), 'UTC') AS first_at,
    fromUnixTimestamp64Milli(max(activity_in.occurred_at), 'UTC') AS last_at,
    groupBitOr(toUInt8(transform(activity_in.family, ['comment', 'history', 'worklog'], [1, 2, 4], 0))) AS families,
    groupUniqArray(bitOr(bitAnd(sipHash64(event_key), 18446744073709551612),
        toUInt64(transform(activity_in.family, ['comment', 'history', 'worklog'], [0, 1, 2], 3)))) AS facts
FROM activity_in
WHERE account_id != ''
GROUP BY site, day, account_id;

-- Finds the facts that REST dates on a day.
ALTER TABLE activity_sources {on_cluster} ADD INDEX IF NOT EXISTS by_rest_time rest_occurred_at TYPE minmax GRANULARITY 1;

---- What is computed again where it was touched ----

-- Of several rows of a key the one computed last counts, and none at all where that says gone: read with FINAL.
-- computed_at is the server's time when the statement that wrote the row began, before it read anything. timezone is the
-- site's, so that a report needs no other table to know what day it is.

-- Days of the future too: whoever was active today is one of the active of the next 29 days.
CREATE TABLE headcount_rollup {on_cluster}
(
    site        LowCardinality(String),
    day         Date,
    timezone    String DEFAULT 'UTC',
    active      UInt64,
    comment     UInt64,
    history     UInt64,
    worklog     UInt64,
    active_7d   UInt64,
    active_30d  UInt64,
    computed_at DateTime64(6, 'UTC'),
    gone        UInt8
)
ENGINE = {replicated}ReplacingMergeTree(computed_at, gone)
ORDER BY (site, day)
SETTINGS index_granularity = 64;

-- What is known of an account, its days aside.
CREATE TABLE account_rollup {on_cluster}
(
    site         LowCardinality(String),
    account_id   String CODEC(ZSTD),
    timezone     String DEFAULT 'UTC',
    display_name String CODEC(ZSTD),
    email        Nullable(String) CODEC(ZSTD),
    account_type LowCardinality(String),
    status       LowCardinality(String),
    licenses     Array(LowCardinality(String)),
    roles        Array(LowCardinality(String)),
    last_at      Nullable(DateTime64(3, 'UTC')),
    computed_at  DateTime64(6, 'UTC'),
    gone         UInt8
)
ENGINE = {replicated}ReplacingMergeTree(computed_at, gone)
ORDER BY (site, account_id);

-- Seats from a day until another, both included: time alone makes people idle.
CREATE TABLE license_rollup {on_cluster}
(
    site        LowCardinality(String),
    product     LowCardinality(String),
    day         Date,
    until       Date,
    timezone    String DEFAULT 'UTC',
    seats       Nullable(UInt64),
    assigned    UInt64,
    active_30d  UInt64,
    computed_at DateTime64(6, 'UTC'),
    gone        UInt8
)
ENGINE = {replicated}ReplacingMergeTree(computed_at, gone)
ORDER BY (site, product, day);

CREATE TABLE coverage_rollup {on_cluster}
(
    site        LowCardinality(String),
    day         Date,
    known       UInt64,
    by_webhook  UInt64,
    computed_at DateTime64(6, 'UTC'),
    gone        UInt8
)
ENGINE = {replicated}ReplacingMergeTree(computed_at, gone)
ORDER BY (site, day)
SETTINGS index_granularity = 64;
