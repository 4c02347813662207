-- Sites as the settings describe them: views need each site's reporting time zone.
CREATE TABLE sites {on_cluster}
(
    site       LowCardinality(String),
    timezone   LowCardinality(String),
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {replicated}ReplacingMergeTree(updated_at)
ORDER BY site;

-- The way in: one insert here feeds every table below, so a fact cannot be in one and missing in another for long
-- (a crash in between is repaired by the same records read again). It keeps nothing itself. Its columns are the
-- fields of the log's activity record, and the reporting time zone of the site.
CREATE TABLE activity_in {on_cluster}
(
    site         LowCardinality(String),
    event_key    String,
    account_id   String,
    account_type LowCardinality(String),
    family       LowCardinality(String),
    action       LowCardinality(String),
    occurred_at  Int64,
    issue_id     UInt64,
    issue_key    String,
    project_key  LowCardinality(String),
    fields       Array(String),
    source       LowCardinality(String),
    received_at  Int64,
    timezone     LowCardinality(String)
)
ENGINE = Null;

-- One fact a key. The version makes an attributed row win over an unattributed one, and REST over the webhook.
CREATE TABLE activity {on_cluster}
(
    site         LowCardinality(String),
    event_key    String CODEC(ZSTD),
    account_id   String CODEC(ZSTD),
    account_type LowCardinality(String),
    family       LowCardinality(String),
    action       LowCardinality(String),
    occurred_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    issue_id     UInt64 CODEC(ZSTD),
    issue_key    String CODEC(ZSTD),
    project_key  LowCardinality(String),
    fields       Array(LowCardinality(String)),
    source       LowCardinality(String),
    received_at  DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    version      UInt8 MATERIALIZED 2 * (account_id != '') + (source = 'reconcile'),
    INDEX by_time occurred_at TYPE minmax GRANULARITY 1
)
ENGINE = {replicated}ReplacingMergeTree(version)
ORDER BY (site, event_key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW activity_in_to_activity {on_cluster} TO activity AS
SELECT
    site, event_key, account_id, account_type, family, action,
    fromUnixTimestamp64Milli(occurred_at, 'UTC') AS occurred_at,
    issue_id, issue_key, project_key, fields, source,
    fromUnixTimestamp64Milli(received_at, 'UTC') AS received_at
FROM activity_in;

-- Which sources brought a fact, and when each first did.
CREATE TABLE activity_sources {on_cluster}
(
    site                  LowCardinality(String),
    event_key             String CODEC(ZSTD),
    webhook_received_at   SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    reconcile_received_at SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))),
    rest_occurred_at      SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC')))
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY (site, event_key)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW activity_in_to_sources {on_cluster} TO activity_sources AS
SELECT
    site, event_key,
    if(source = 'webhook', fromUnixTimestamp64Milli(received_at, 'UTC'), NULL) AS webhook_received_at,
    if(source = 'reconcile', fromUnixTimestamp64Milli(received_at, 'UTC'), NULL) AS reconcile_received_at,
    if(source = 'reconcile', fromUnixTimestamp64Milli(occurred_at, 'UTC'), NULL) AS rest_occurred_at
FROM activity_in;

-- The rollup. Only states that any replay, duplicate or reordering leaves alone: min, max and bit-or.
-- A partition is a site's month: the unit that a rebuild replaces.
CREATE TABLE user_day_states {on_cluster}
(
    site         LowCardinality(String),
    day          Date,
    account_id   String CODEC(ZSTD),
    account_type SimpleAggregateFunction(max, LowCardinality(String)),
    first_at     SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_at      SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    families     SimpleAggregateFunction(groupBitOr, UInt8)
)
ENGINE = {replicated}AggregatingMergeTree
PARTITION BY (site, toYYYYMM(day))
ORDER BY (site, day, account_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW activity_in_to_user_day_states {on_cluster} TO user_day_states AS
SELECT
    site,
    toDate(formatDateTime(fromUnixTimestamp64Milli(activity_in.occurred_at, 'UTC'), '%F', timezone)) AS day,
    account_id,
    max(activity_in.account_type) AS account_type,
    fromUnixTimestamp64Milli(min(activity_in.occurred_at), 'UTC') AS first_at,
    fromUnixTimestamp64Milli(max(activity_in.occurred_at), 'UTC') AS last_at,
    groupBitOr(toUInt8(transform(activity_in.family, ['comment', 'history', 'worklog'], [1, 2, 4], 0))) AS families
FROM activity_in
WHERE account_id != ''
GROUP BY site, day, account_id;

CREATE VIEW user_days {on_cluster} AS
SELECT
    site, day, account_id,
    toString(max(states.account_type)) AS account_type,
    CAST(min(states.first_at), 'DateTime64(3, ''UTC'')') AS first_at,
    CAST(max(states.last_at), 'DateTime64(3, ''UTC'')') AS last_at,
    CAST(groupBitOr(states.families), 'UInt8') AS families,
    toBool(bitTest(families, 0)) AS comment,
    toBool(bitTest(families, 1)) AS history,
    toBool(bitTest(families, 2)) AS worklog
FROM user_day_states AS states
GROUP BY site, day, account_id;
