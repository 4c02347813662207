-- The reports over the tables of 0002. Names, columns and what they mean are those of 0001.

CREATE OR REPLACE VIEW active_users_daily {on_cluster} AS
SELECT site, day, active, comment, history, worklog, active_7d, active_30d
FROM headcount_rollup FINAL
WHERE active > 0 OR day <= toDate(formatDateTime(now64(3, 'UTC'), '%F', timezone));

CREATE OR REPLACE VIEW user_days {on_cluster} AS
SELECT
    days.site AS site, days.day AS day, days.account_id AS account_id, CAST(types.account_type, 'String') AS account_type,
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
LEFT JOIN (SELECT site, account_id, account_type FROM account_rollup FINAL) AS types
    ON types.site = days.site AND types.account_id = days.account_id;

-- What day it is at each site, as two arrays of one order: looked up there, somebody's days need no join. No site is more
-- than a day behind UTC. Days before the window are read only so far back as account_rollup may not have heard of them.
CREATE OR REPLACE VIEW user_usage {on_cluster} AS
WITH
    (SELECT (groupArray(toString(site)), groupArray(today)) FROM site_days) AS todays,
    least({days:UInt32}, toDate(now(), 'UTC') - toDate('1970-01-05')) AS window_days,
    days AS
    (
        SELECT
            site, account_id,
            max(last_at) AS last_at,
            sum(is_inside) AS active_days,
            sum(is_inside * arrayCount(one -> bitAnd(one, 3) = 0, facts)) AS comments,
            sum(is_inside * arrayCount(one -> bitAnd(one, 3) = 1, facts)) AS changes,
            sum(is_inside * arrayCount(one -> bitAnd(one, 3) = 2, facts)) AS worklogs
        FROM
        (
            SELECT
                site, account_id, last_at, facts,
                todays.2[indexOf(todays.1, toString(site))] AS today,
                toUInt64(day <= today AND day > today - window_days) AS is_inside
            FROM user_day_states FINAL
            WHERE day >= toDate(now(), 'UTC') - greatest(window_days, 4)
        )
        GROUP BY site, account_id
    )
SELECT
    known.site AS site,
    known.account_id AS account_id,
    known.display_name AS name,
    known.email AS email,
    CAST(known.account_type, 'String') AS account_type,
    CAST(known.status, 'String') AS status,
    CAST(known.licenses, 'Array(String)') AS licenses,
    CAST(known.roles, 'Array(String)') AS roles,
    if(days.account_id = '', known.last_at,
        greatest(ifNull(known.last_at, toDateTime64(0, 3, 'UTC')), CAST(days.last_at, 'DateTime64(3, ''UTC'')')))
        AS last_active_at,
    days.active_days AS active_days,
    days.comments AS comments,
    days.changes AS changes,
    days.worklogs AS worklogs
FROM account_rollup AS known FINAL
LEFT JOIN days ON days.site = known.site AND days.account_id = known.account_id;

-- Who is idle as account_rollup knows it, less those who acted in the last days, which it may not have heard of.
CREATE OR REPLACE VIEW idle_licenses_over {on_cluster} AS
WITH
    recent AS
    (
        SELECT site, account_id, max(states.last_at) AS last_at
        FROM user_day_states AS states
        WHERE states.day >= toDate(now(), 'UTC') - 5
        GROUP BY site, account_id
    )
SELECT
    known.site AS site,
    CAST(arrayJoin(known.licenses), 'String') AS product,
    known.account_id AS account_id,
    known.display_name AS name,
    known.email AS email,
    if(recent.account_id = '', known.last_at,
        greatest(ifNull(known.last_at, toDateTime64(0, 3, 'UTC')), CAST(recent.last_at, 'DateTime64(3, ''UTC'')')))
        AS last_active_at,
    dateDiff('day', toDate(formatDateTime(last_active_at, '%F', known.timezone)),
        toDate(formatDateTime(now64(3, 'UTC'), '%F', known.timezone))) AS days_idle
FROM account_rollup AS known FINAL LEFT JOIN recent ON recent.site = known.site AND recent.account_id = known.account_id
WHERE known.account_type = 'atlassian' AND notEmpty(known.licenses) AND (days_idle IS NULL OR days_idle >= {days:UInt32});

CREATE OR REPLACE VIEW license_usage_30d {on_cluster} AS
SELECT site, product, seats, assigned, active_30d AS active, toInt64(assigned) - toInt64(active_30d) AS idle
FROM license_rollup FINAL
WHERE toDate(formatDateTime(now64(3, 'UTC'), '%F', timezone)) BETWEEN day AND until;

CREATE OR REPLACE VIEW webhook_coverage_daily {on_cluster} AS
SELECT site, day, known, by_webhook, by_webhook / known AS share
FROM coverage_rollup FINAL;
