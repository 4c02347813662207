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

-- One row an account, known or seen. Counts are facts of the last `days` days, today included.
CREATE VIEW user_usage {on_cluster} AS
WITH
    windows AS
    (
        SELECT
            site, timezone, today, today - {days:UInt32} + 1 AS first_day,
            toDateTime(toString(today - {days:UInt32} - 1), 'UTC') AS look_from
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
        WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_snapshots)
        GROUP BY site, account_id
    ),
    held_roles AS
    (
        SELECT
            site, account_id,
            arraySort(groupUniqArray(concat(toString(role), ' (', toString(scope), ')'))) AS roles
        FROM directory_roles FINAL
        WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_snapshots)
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
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_snapshots)
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
