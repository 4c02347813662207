-- What reports are answered from without a look at the facts or at all of history: the months of each account as states,
-- and four tables that rollcall/warehouse/rollups.py writes from states and directory again and again. 0003 has the views.

---- The months of an account, as states that replays leave alone ----

-- Days are bits: the lowest is the month's first. Of each fact, its day less one in the 5 lowest bits, its family in the
-- next 2 (0 comment, 1 history, 2 worklog), and 57 bits of a hash of its key. is_whole is 1 in months that a rebuild wrote.
-- Partitions are those of user_day_states, and a rebuild replaces both.
CREATE TABLE account_month_states {on_cluster}
(
    site         LowCardinality(String),
    month        Date,
    account_id   String CODEC(ZSTD),
    last_at      SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    days         SimpleAggregateFunction(groupBitOr, UInt32),
    comment_days SimpleAggregateFunction(groupBitOr, UInt32),
    history_days SimpleAggregateFunction(groupBitOr, UInt32),
    worklog_days SimpleAggregateFunction(groupBitOr, UInt32),
    facts        SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    is_whole     SimpleAggregateFunction(max, UInt8)
)
ENGINE = {replicated}AggregatingMergeTree
PARTITION BY (site, toYYYYMM(month))
ORDER BY (site, month, account_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW activity_in_to_account_month_states {on_cluster} TO account_month_states AS
SELECT
    site,
    toStartOfMonth(day) AS month,
    account_id,
    fromUnixTimestamp64Milli(max(occurred), 'UTC') AS last_at,
    groupBitOr(bit) AS days,
    groupBitOr(if(kind = 0, bit, 0)) AS comment_days,
    groupBitOr(if(kind = 1, bit, 0)) AS history_days,
    groupBitOr(if(kind = 2, bit, 0)) AS worklog_days,
    groupUniqArray(bitOr(bitShiftLeft(sipHash64(event_key), 7), toUInt64(32 * kind + toDayOfMonth(day) - 1))) AS facts,
    toUInt8(0) AS is_whole
FROM
(
    SELECT
        site, account_id, event_key, activity_in.occurred_at AS occurred,
        toDate(formatDateTime(fromUnixTimestamp64Milli(activity_in.occurred_at, 'UTC'), '%F', timezone)) AS day,
        toUInt8(transform(activity_in.family, ['comment', 'history', 'worklog'], [0, 1, 2], 3)) AS kind,
        bitShiftLeft(toUInt32(1), toDayOfMonth(day) - 1) AS bit
    FROM activity_in
    WHERE account_id != ''
)
GROUP BY site, month, account_id;

---- Days whose coverage may be another ----

-- Of which days REST brought facts, and when last: who takes over from a consumer that died computes what that left. It
-- does not wait for the disk: only days older than a month and a half hang on it.
CREATE TABLE touched_days {on_cluster}
(
    site       LowCardinality(String),
    day        Date,
    touched_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY (site, day);

CREATE MATERIALIZED VIEW activity_in_to_touched_days {on_cluster} TO touched_days AS
SELECT
    site,
    toDate(formatDateTime(fromUnixTimestamp64Milli(occurred_at, 'UTC'), '%F', timezone)) AS day,
    now64(6, 'UTC') AS touched_at
FROM activity_in
WHERE source = 'reconcile'
GROUP BY site, day;

-- Finds the facts that REST dates on a day, and those that webhooks brought lately.
ALTER TABLE activity_sources {on_cluster} ADD INDEX IF NOT EXISTS by_rest_time rest_occurred_at TYPE minmax GRANULARITY 1;
ALTER TABLE activity_sources {on_cluster} ADD INDEX IF NOT EXISTS by_receipt webhook_received_at TYPE minmax GRANULARITY 1;

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
