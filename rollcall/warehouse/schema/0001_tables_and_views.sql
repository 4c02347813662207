-- Rollcall's tables and views, by what they are for; docs/warehouse.md describes each to its readers.
--
-- A fact is inserted in one place, activity_in, and lies in four: whole in activity, its sources in activity_sources, what
-- its payload said of the account in account_types, and in the states of somebody's day in user_day_states. The directory is inserted beside that, a snapshot a run. All else is
-- views over these.
--
-- {on_cluster} and {replicated} say nothing unless the server belongs to a cluster. Tables of facts sync what is inserted
-- (fsync_after_insert, fsync_part_directory), because its offset on the log is committed next.

---- Sites: the settings, as far as views need them ----

-- The reporting time zone of each site.
CREATE TABLE sites {on_cluster}
(
    site       LowCardinality(String),
    timezone   LowCardinality(String),
    updated_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = {replicated}ReplacingMergeTree(updated_at)
ORDER BY site;

-- What day it is now at each site.
CREATE VIEW site_days {on_cluster} AS
SELECT site, any(current_sites.timezone) AS timezone, toDate(formatDateTime(now64(3, 'UTC'), '%F', timezone)) AS today
FROM sites AS current_sites FINAL
GROUP BY site;

---- The event log: how far this warehouse has it ----

-- The offset after the last record of each partition that is written here. Written after a batch and before the group
-- commits it, so that a committed offset beyond it shows that this warehouse is older than the group's position. A series
-- is a reading of the partition from its beginning; its name, and this warehouse's id, stand beside the committed offset.
CREATE TABLE log_positions {on_cluster}
(
    topic       String,
    series      String,
    partition   UInt32,
    next_offset SimpleAggregateFunction(max, UInt64)
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY (topic, series, partition)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

---- Facts ----

-- The way in: one insert here feeds every table that has to do with facts, so a fact cannot be in one and missing in
-- another for long (a crash in between is repaired by the same records read again). It keeps nothing itself. Its
-- columns are the fields of the log's activity record, and the reporting time zone of the site.
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

-- Which sources brought a fact, and when each first did. rest_occurred_at is when it happened as REST says, and NULL
-- when REST did not bring it.
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

-- Which types payloads gave an account, and when one last did: a payload's word is of the time it came at, whatever the
-- time of its fact, since REST gives an old fact's account as it is now. A table of its own, because activity keeps one
-- payload's word a fact, and a rebuild forgets: no word is lost by either.
CREATE TABLE account_types {on_cluster}
(
    site         LowCardinality(String),
    account_id   String CODEC(ZSTD),
    account_type LowCardinality(String),
    seen_at      SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY (site, account_id, account_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW activity_in_to_account_types {on_cluster} TO account_types AS
SELECT
    site, account_id, account_type,
    fromUnixTimestamp64Milli(max(received_at), 'UTC') AS seen_at
FROM activity_in
WHERE account_id != '' AND account_type != ''
GROUP BY site, account_id, account_type;

---- The rollup: who was active on which day ----

-- Only states that any replay, duplicate or reordering leaves alone: min, max and bit-or. A partition is a site's
-- month: the unit that a rebuild replaces. Families are bits: comment 1, history 2, worklog 4.
CREATE TABLE user_day_states {on_cluster}
(
    site         LowCardinality(String),
    day          Date,
    account_id   String CODEC(ZSTD),
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
    fromUnixTimestamp64Milli(min(activity_in.occurred_at), 'UTC') AS first_at,
    fromUnixTimestamp64Milli(max(activity_in.occurred_at), 'UTC') AS last_at,
    groupBitOr(toUInt8(transform(activity_in.family, ['comment', 'history', 'worklog'], [1, 2, 4], 0))) AS families
FROM activity_in
WHERE account_id != ''
GROUP BY site, day, account_id;

---- The directory: who there is, and who holds what ----

-- What reconcile runs learned, a snapshot a run. Rows count only once directory_snapshots, which is written last, holds
-- their snapshot.
CREATE TABLE directory_users {on_cluster}
(
    site         LowCardinality(String),
    snapshot_id  DateTime64(3, 'UTC'),
    account_id   String,
    display_name String,
    email        Nullable(String),
    account_type LowCardinality(String),
    active       Bool
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id, account_id);

CREATE TABLE directory_licenses {on_cluster}
(
    site        LowCardinality(String),
    snapshot_id DateTime64(3, 'UTC'),
    product     LowCardinality(String),
    account_id  String
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id, product, account_id);

CREATE TABLE directory_roles {on_cluster}
(
    site        LowCardinality(String),
    snapshot_id DateTime64(3, 'UTC'),
    account_id  String,
    role        LowCardinality(String),
    scope       LowCardinality(String)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id, account_id, scope, role);

CREATE TABLE directory_seats {on_cluster}
(
    site        LowCardinality(String),
    snapshot_id DateTime64(3, 'UTC'),
    product     LowCardinality(String),
    total       Nullable(UInt64),
    used        UInt64
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id, product);

-- lacks is what a snapshot has not: a kind (users, licenses, roles, projects), or one of a kind (licenses:jira-software,
-- roles:site admin, projects:ACME).
CREATE TABLE directory_snapshots {on_cluster}
(
    site         LowCardinality(String),
    snapshot_id  DateTime64(3, 'UTC'),
    completed_at DateTime64(3, 'UTC'),
    users        UInt64,
    licenses     UInt64,
    roles        UInt64,
    seats        UInt64,
    lacks        Array(String)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id);

-- The newest whole snapshot of each site, whatever parts it has.
CREATE VIEW current_snapshots {on_cluster} AS
SELECT site, max(snapshots.snapshot_id) AS snapshot_id
FROM directory_snapshots AS snapshots
GROUP BY site;

-- Of which snapshot each part of the directory is, so that what one run could not read stays as an earlier run read it:
-- what every view below reads. A row for each kind, and one more for each part of that snapshot's kind that is of another
-- snapshot. A kind that no snapshot has is not there. A part that no snapshot has is what the kind's snapshot has of it.
CREATE VIEW current_parts {on_cluster} AS
WITH
    kinds AS
    (
        SELECT snapshots.site AS site, kind, max(snapshots.snapshot_id) AS snapshot_id
        FROM directory_snapshots AS snapshots
        ARRAY JOIN ['users', 'licenses', 'roles', 'projects'] AS kind
        WHERE NOT has(snapshots.lacks, kind)
        GROUP BY site, kind
    ),
    lacking AS
    (
        SELECT DISTINCT
            kinds.site AS site, kinds.kind AS kind, kinds.snapshot_id AS snapshot_id,
            arrayJoin(arrayFilter(one -> startsWith(one, concat(kinds.kind, ':')), snapshots.lacks)) AS part
        FROM kinds INNER JOIN directory_snapshots AS snapshots
            ON snapshots.site = kinds.site AND snapshots.snapshot_id = kinds.snapshot_id
    )
SELECT site, part, snapshot_id
FROM
(
    SELECT site, kind AS part, snapshot_id
    FROM kinds
    UNION ALL
    SELECT
        lacking.site AS site, lacking.part AS part,
        if(countIf(NOT hasAny(snapshots.lacks, [lacking.kind, lacking.part])) = 0,
            max(lacking.snapshot_id),
            maxIf(snapshots.snapshot_id, NOT hasAny(snapshots.lacks, [lacking.kind, lacking.part]))) AS snapshot_id
    FROM lacking INNER JOIN directory_snapshots AS snapshots ON snapshots.site = lacking.site
    GROUP BY site, part
);

-- The type of each account of which anything said it: the directory's word while it lists the account, else atlassian if
-- any payload ever said so, else the newest type that a payload named. So one payload of a portal never hides an employee.
CREATE VIEW known_account_types {on_cluster} AS
SELECT
    site, account_id,
    argMax(words.said, (words.listed, words.said = 'atlassian', words.seen_at, words.said)) AS account_type
FROM
(
    SELECT site, account_id, toString(account_type) AS said, toUInt8(1) AS listed, snapshot_id AS seen_at
    FROM directory_users
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts WHERE part = 'users') AND account_type != ''
    UNION ALL
    SELECT site, account_id, toString(account_type), toUInt8(0), CAST(types.seen_at, 'DateTime64(3, ''UTC'')')
    FROM account_types AS types
) AS words
GROUP BY site, account_id;

-- Every account that is known: from the directory, or from having been active. Its type is that of known_account_types,
-- here by the same rule over the same rows: a join would read the directory twice and double what each report takes.
CREATE VIEW accounts {on_cluster} AS
SELECT
    site,
    account_id,
    max(rows.display_name) AS display_name,
    max(rows.email) AS email,
    argMax(rows.said, (rows.said != '', rows.listed, rows.said = 'atlassian', rows.seen_at, rows.said)) AS account_type,
    multiIf(
        max(rows.listed) = 1, if(max(rows.active) = 1, 'active', 'inactive'),
        (site IN (SELECT site FROM current_parts WHERE part = 'users')), 'gone',
        'unknown') AS status
FROM
(
    SELECT
        site, account_id, display_name, email, toString(account_type) AS said, snapshot_id AS seen_at,
        toUInt8(1) AS listed, toUInt8(active) AS active, toUInt8(0) AS acted
    FROM directory_users FINAL
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts WHERE part = 'users')
    UNION ALL
    SELECT DISTINCT
        site, account_id, '', NULL, '', toDateTime64(0, 3, 'UTC'),
        toUInt8(0), toUInt8(0), toUInt8(1)
    FROM user_day_states
    UNION ALL
    SELECT
        site, account_id, '', NULL, toString(account_type), CAST(types.seen_at, 'DateTime64(3, ''UTC'')'),
        toUInt8(0), toUInt8(0), toUInt8(0)
    FROM account_types AS types
) AS rows
GROUP BY site, account_id
HAVING max(rows.listed) = 1 OR max(rows.acted) = 1;

---- Reports ----

-- What people read of user_day_states: one row for somebody's day, whether or not the engine has merged its parts.
CREATE VIEW user_days {on_cluster} AS
SELECT
    days.site AS site, days.day AS day, days.account_id AS account_id, types.account_type AS account_type,
    days.first_at AS first_at, days.last_at AS last_at, days.families AS families,
    toBool(bitTest(families, 0)) AS comment,
    toBool(bitTest(families, 1)) AS history,
    toBool(bitTest(families, 2)) AS worklog
FROM
(
    SELECT
        site, day, account_id,
        CAST(min(states.first_at), 'DateTime64(3, ''UTC'')') AS first_at,
        CAST(max(states.last_at), 'DateTime64(3, ''UTC'')') AS last_at,
        CAST(groupBitOr(states.families), 'UInt8') AS families
    FROM user_day_states AS states
    GROUP BY site, day, account_id
) AS days
LEFT JOIN known_account_types AS types ON types.site = days.site AND types.account_id = days.account_id;

-- Head counts a day. Rolling counts come from exact sets: 7 and 30 days include the day itself.
CREATE VIEW active_users_daily {on_cluster} AS
WITH
    people AS (SELECT site, account_id FROM accounts WHERE account_type = 'atlassian'),
    active AS
    (
        SELECT
            site, day,
            uniqExactState(account_id) AS everybody,
            uniqExactIf(account_id, bitTest(families, 0)) AS comment,
            uniqExactIf(account_id, bitTest(families, 1)) AS history,
            uniqExactIf(account_id, bitTest(families, 2)) AS worklog
        FROM user_day_states
        WHERE (site, account_id) IN (SELECT site, account_id FROM people)
        GROUP BY site, day
    ),
    calendar AS
    (
        SELECT site, arrayJoin(arrayMap(n -> first_day + n, range(toUInt32(last_day - first_day + 1)))) AS day
        FROM
        (
            SELECT site, min(active.day) AS first_day, greatest(max(active.day), any(site_days.today)) AS last_day
            FROM active LEFT JOIN site_days USING (site)
            GROUP BY site
        )
    )
SELECT
    site, day,
    uniqExactMerge(everybody) OVER (PARTITION BY site ORDER BY day ROWS BETWEEN CURRENT ROW AND CURRENT ROW) AS active,
    comment, history, worklog,
    uniqExactMerge(everybody) OVER (PARTITION BY site ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS active_7d,
    uniqExactMerge(everybody) OVER (PARTITION BY site ORDER BY day ROWS BETWEEN 29 PRECEDING AND CURRENT ROW) AS active_30d
FROM calendar LEFT JOIN active USING (site, day);

-- One row an account, known or seen. Counts are facts of the last `days` days, today included. No window begins before
-- 1970, where a Date would wrap around into the future and nobody be active; no fact is from before 2002.
CREATE VIEW user_usage {on_cluster} AS
WITH
    windows AS
    (
        SELECT
            site, timezone, today,
            least({days:UInt32}, today - toDate('1970-01-03')) AS window_days,
            today - window_days + 1 AS first_day,
            toDateTime(toString(today - window_days - 1), 'UTC') AS look_from
        FROM site_days
    ),
    counts AS
    (
        SELECT
            facts.site AS site, facts.account_id AS account_id,
            countIf(family = 'comment') AS comments,
            countIf(family = 'history') AS changes,
            countIf(family = 'worklog') AS worklogs
        FROM activity AS facts FINAL INNER JOIN windows ON windows.site = facts.site
        WHERE facts.occurred_at >= (SELECT min(look_from) FROM windows)
            AND toDate(formatDateTime(facts.occurred_at, '%F', windows.timezone)) BETWEEN windows.first_day AND windows.today
            AND facts.account_id != ''
        GROUP BY site, account_id
    ),
    days AS
    (
        SELECT
            states.site AS site, states.account_id AS account_id,
            CAST(max(states.last_at), 'DateTime64(3, ''UTC'')') AS last_active_at,
            uniqExactIf(states.day, states.day BETWEEN windows.first_day AND windows.today) AS active_days
        FROM user_day_states AS states INNER JOIN windows ON windows.site = states.site
        GROUP BY site, account_id
    ),
    held_licenses AS
    (
        SELECT site, account_id, arraySort(groupUniqArray(toString(product))) AS licenses
        FROM directory_licenses FINAL
        WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts)
            AND (site, snapshot_id, if((site, concat('licenses:', toString(product)) AS part_of)
                IN (SELECT site, part FROM current_parts), part_of, 'licenses'))
                IN (SELECT site, snapshot_id, part FROM current_parts)
        GROUP BY site, account_id
    ),
    held_roles AS
    (
        SELECT
            site, account_id,
            arraySort(groupUniqArray(concat(toString(role), ' (', toString(scope), ')'))) AS roles
        FROM directory_roles FINAL
        WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts)
            AND (site, snapshot_id, if((site, concat(
                if(scope IN ('site admin', 'product access', 'group'), 'roles', 'projects') AS kind, ':', toString(scope)) AS part_of)
                IN (SELECT site, part FROM current_parts), part_of, kind))
                IN (SELECT site, snapshot_id, part FROM current_parts)
        GROUP BY site, account_id
    )
SELECT
    accounts.site AS site,
    accounts.account_id AS account_id,
    accounts.display_name AS name,
    accounts.email AS email,
    accounts.account_type AS account_type,
    accounts.status AS status,
    held_licenses.licenses AS licenses,
    held_roles.roles AS roles,
    if(days.account_id = '', NULL, days.last_active_at) AS last_active_at,
    days.active_days AS active_days,
    counts.comments AS comments,
    counts.changes AS changes,
    counts.worklogs AS worklogs
FROM accounts
LEFT JOIN days ON days.site = accounts.site AND days.account_id = accounts.account_id
LEFT JOIN counts ON counts.site = accounts.site AND counts.account_id = accounts.account_id
LEFT JOIN held_licenses ON held_licenses.site = accounts.site AND held_licenses.account_id = accounts.account_id
LEFT JOIN held_roles ON held_roles.site = accounts.site AND held_roles.account_id = accounts.account_id;

CREATE VIEW user_usage_30d {on_cluster} AS SELECT * FROM user_usage(days = 30);

-- People who hold a product and were not seen for `days` days. "No activity seen" is not "safe to remove": reading
-- leaves no trace. days_idle is NULL for those never seen.
CREATE VIEW idle_licenses_over {on_cluster} AS
SELECT
    usage.site AS site,
    arrayJoin(usage.licenses) AS product,
    usage.account_id AS account_id,
    usage.name AS name,
    usage.email AS email,
    usage.last_active_at AS last_active_at,
    dateDiff('day', toDate(formatDateTime(usage.last_active_at, '%F', site_days.timezone)), site_days.today) AS days_idle
FROM user_usage(days = {days:UInt32}) AS usage INNER JOIN site_days ON site_days.site = usage.site
WHERE usage.active_days = 0 AND usage.account_type = 'atlassian';

CREATE VIEW idle_licenses {on_cluster} AS SELECT * FROM idle_licenses_over(days = 30);

-- Seats of each product, how many are assigned to people, and how many of those were active in the last `days` days.
CREATE VIEW license_usage {on_cluster} AS
WITH
    holders AS
    (
        SELECT site, arrayJoin(licenses) AS product, account_id, active_days
        FROM user_usage(days = {days:UInt32})
        WHERE account_type = 'atlassian'
    ),
    used AS
    (
        SELECT site, product, count() AS assigned, countIf(active_days > 0) AS active
        FROM holders
        GROUP BY site, product
    )
SELECT
    seats.site AS site,
    seats.product AS product,
    seats.total AS seats,
    used.assigned AS assigned,
    used.active AS active,
    used.assigned - used.active AS idle
FROM
(
    SELECT site, toString(product) AS product, total
    FROM directory_seats FINAL
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts)
        AND (site, snapshot_id, if((site, concat('licenses:', toString(product)) AS part_of)
            IN (SELECT site, part FROM current_parts), part_of, 'licenses'))
            IN (SELECT site, snapshot_id, part FROM current_parts)
) AS seats
LEFT JOIN used ON used.site = seats.site AND used.product = seats.product;

CREATE VIEW license_usage_30d {on_cluster} AS SELECT * FROM license_usage(days = 30);

-- Of the facts that REST knows, how many a webhook brought.
CREATE VIEW webhook_coverage_daily {on_cluster} AS
SELECT
    sources.site AS site,
    toDate(formatDateTime(assumeNotNull(sources.rest_at), '%F', site_days.timezone)) AS day,
    count() AS known,
    countIf(sources.webhook_at IS NOT NULL) AS by_webhook,
    by_webhook / known AS share
FROM
(
    SELECT site, event_key, min(webhook_received_at) AS webhook_at, max(rest_occurred_at) AS rest_at
    FROM activity_sources
    GROUP BY site, event_key
    HAVING rest_at IS NOT NULL
) AS sources
INNER JOIN site_days ON site_days.site = sources.site
GROUP BY site, day;
