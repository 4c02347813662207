-- Each part of the directory is read from the newest snapshot that has it, so that what one run could not read stays as
-- an earlier run read it.

-- What a snapshot has not: a kind (users, licenses, roles, projects), or one of a kind (licenses:jira-software,
-- roles:site admin, projects:ACME). Snapshots from before this column lack nothing.
ALTER TABLE directory_snapshots {on_cluster} ADD COLUMN IF NOT EXISTS lacks Array(String);

-- Of which snapshot each part is: a row for each kind, and one more for each part of that snapshot's kind that is of
-- another snapshot. A kind that no snapshot has is not there. A part that no snapshot has is what the kind's snapshot
-- has of it.
CREATE OR REPLACE VIEW current_parts {on_cluster} AS
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

-- The views that read the directory, as before but for the snapshots they choose.

CREATE OR REPLACE VIEW accounts {on_cluster} AS
SELECT
    site,
    account_id,
    max(rows.display_name) AS display_name,
    max(rows.email) AS email,
    if(max(rows.listed_type) != '', max(rows.listed_type), max(rows.seen_type)) AS account_type,
    multiIf(
        max(rows.listed) = 1, if(max(rows.active) = 1, 'active', 'inactive'),
        (site IN (SELECT site FROM current_parts WHERE part = 'users')), 'gone',
        'unknown') AS status
FROM
(
    SELECT
        site, account_id, display_name, email, toString(account_type) AS listed_type, '' AS seen_type,
        toUInt8(1) AS listed, toUInt8(active) AS active
    FROM directory_users FINAL
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts WHERE part = 'users')
    UNION ALL
    SELECT site, account_id, '', NULL, '', toString(max(account_type)), toUInt8(0), toUInt8(0)
    FROM user_day_states
    GROUP BY site, account_id
) AS rows
GROUP BY site, account_id;

CREATE OR REPLACE VIEW user_usage {on_cluster} AS
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

CREATE OR REPLACE VIEW license_usage {on_cluster} AS
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
