-- What reconcile runs learned, a snapshot a run. Rows count only once directory_snapshots holds their snapshot.
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

CREATE TABLE directory_snapshots {on_cluster}
(
    site         LowCardinality(String),
    snapshot_id  DateTime64(3, 'UTC'),
    completed_at DateTime64(3, 'UTC'),
    users        UInt64,
    licenses     UInt64,
    roles        UInt64,
    seats        UInt64
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id);

-- The newest whole snapshot of each site: what every view below reads.
CREATE VIEW current_snapshots {on_cluster} AS
SELECT site, max(snapshots.snapshot_id) AS snapshot_id
FROM directory_snapshots AS snapshots
GROUP BY site;

-- Every account that is known: from the directory, or from having been active. The directory's word on the
-- account's type wins over what webhooks said.
CREATE VIEW accounts {on_cluster} AS
SELECT
    site,
    account_id,
    max(rows.display_name) AS display_name,
    max(rows.email) AS email,
    if(max(rows.listed_type) != '', max(rows.listed_type), max(rows.seen_type)) AS account_type,
    multiIf(
        max(rows.listed) = 1, if(max(rows.active) = 1, 'active', 'inactive'),
        (site IN (SELECT site FROM current_snapshots)), 'gone',
        'unknown') AS status
FROM
(
    SELECT
        site, account_id, display_name, email, toString(account_type) AS listed_type, '' AS seen_type,
        toUInt8(1) AS listed, toUInt8(active) AS active
    FROM directory_users FINAL
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_snapshots)
    UNION ALL
    SELECT site, account_id, '', NULL, '', toString(max(account_type)), toUInt8(0), toUInt8(0)
    FROM user_day_states
    GROUP BY site, account_id
) AS rows
GROUP BY site, account_id;

CREATE VIEW site_days {on_cluster} AS
SELECT site, any(current_sites.timezone) AS timezone, toDate(formatDateTime(now64(3, 'UTC'), '%F', timezone)) AS today
FROM sites AS current_sites FINAL
GROUP BY site;
