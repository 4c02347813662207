-- user_usage as before, but right for any number of days: a Date below 1970 wraps around, and a window that began in
-- the future had nobody active in it. Longer windows than that are all the same, as no fact is from before 2002.
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
