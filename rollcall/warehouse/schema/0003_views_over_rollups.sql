-- The reports over the tables of 0002. Names, columns and what they mean are those of 0001.

-- As in 0001, in one look at the snapshots of a site: all that asks for it, and asks more than once, takes half as long.
CREATE OR REPLACE VIEW current_parts {on_cluster} AS
WITH
    arrayFilter(one -> one.2 > toDateTime64(0, 3, 'UTC'), arrayMap(
        kind -> (kind, arrayMax(one -> if(has(one.2, kind), toDateTime64(0, 3, 'UTC'), one.1), snapshots)),
        ['users', 'licenses', 'roles', 'projects'])) AS kinds,
    arrayDistinct(arrayFlatten(arrayMap(
        newest -> arrayMap(
            part -> (part, arrayFilter(one -> NOT hasAny(one.2, [newest.1, part]), snapshots) AS whole,
                newest.2),
            arrayFilter(part -> startsWith(part, concat(newest.1, ':')),
                arrayFlatten(arrayMap(one -> one.2, arrayFilter(one -> one.1 = newest.2, snapshots))))),
        kinds))) AS lacking
SELECT site, pair.1 AS part, pair.2 AS snapshot_id
FROM (SELECT site, groupArray((snapshot_id, lacks)) AS snapshots FROM directory_snapshots GROUP BY site)
ARRAY JOIN arrayConcat(kinds, arrayMap(
    one -> (one.1, if(empty(one.2), one.3, arrayMax(other -> other.1, one.2))), lacking)) AS pair;

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

-- As in 0001, but asking for each account's months instead of its days.
CREATE OR REPLACE VIEW accounts {on_cluster} AS
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
    FROM account_month_states
    UNION ALL
    SELECT
        site, account_id, '', NULL, toString(account_type), CAST(types.seen_at, 'DateTime64(3, ''UTC'')'),
        toUInt8(0), toUInt8(0), toUInt8(0)
    FROM account_types AS types
) AS rows
GROUP BY site, account_id
HAVING max(rows.listed) = 1 OR max(rows.acted) = 1;

-- What day it is at each site, as two arrays of one order: looked up there, somebody's months need no join. No site is more
-- than a day behind UTC. Months before the window are read only so far back as account_rollup may not have heard of them.
CREATE OR REPLACE VIEW user_usage {on_cluster} AS
WITH
    (SELECT (groupArray(toString(site)), groupArray(today)) FROM site_days) AS todays,
    least({days:UInt32}, toDate(now(), 'UTC') - toDate('1970-03-01')) AS window_days,
    months AS
    (
        SELECT
            site, account_id,
            max(last_at) AS last_at,
            sum(bitCount(bitAnd(days, inside))) AS active_days,
            sum(arrayCount(code -> code BETWEEN first AND last, codes)) AS comments,
            sum(arrayCount(code -> code BETWEEN 32 + first AND 32 + last, codes)) AS changes,
            sum(arrayCount(code -> code BETWEEN 64 + first AND 64 + last, codes)) AS worklogs
        FROM
        (
            SELECT
                site, account_id, last_at, days,
                -- The window within the month, as days from 0; none is inside where it ends before it begins.
                toInt32(transform(site, todays.1, todays.2, toDate(0))) - toInt32(month) AS until_today,
                toInt8(greatest(until_today - toInt32(window_days) + 1, 0)) AS first,
                toInt8(greatest(least(until_today, 31), -1)) AS last,
                if(first > last, toUInt32(0), toUInt32(bitAnd(
                    bitShiftLeft(toUInt64(1), last + 1) - bitShiftLeft(toUInt64(1), first), 4294967295))) AS inside,
                arrayMap(fact -> toInt8(bitAnd(fact, 127)), facts) AS codes
            FROM account_month_states FINAL
            WHERE month >= toStartOfMonth(toDate(now(), 'UTC') - greatest(window_days, 4))
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
    if(months.account_id = '', known.last_at,
        greatest(ifNull(known.last_at, toDateTime64(0, 3, 'UTC')), CAST(months.last_at, 'DateTime64(3, ''UTC'')')))
        AS last_active_at,
    months.active_days AS active_days,
    months.comments AS comments,
    months.changes AS changes,
    months.worklogs AS worklogs
FROM account_rollup AS known FINAL
LEFT JOIN months ON months.site = known.site AND months.account_id = known.account_id;

-- The same at 30 days, written out: a view within a view costs its analysis again, a quarter of the answer's time.
CREATE OR REPLACE VIEW user_usage_30d {on_cluster} AS
WITH
    (SELECT (groupArray(toString(site)), groupArray(today)) FROM site_days) AS todays,
    least(30, toDate(now(), 'UTC') - toDate('1970-03-01')) AS window_days,
    months AS
    (
        SELECT
            site, account_id,
            max(last_at) AS last_at,
            sum(bitCount(bitAnd(days, inside))) AS active_days,
            sum(arrayCount(code -> code BETWEEN first AND last, codes)) AS comments,
            sum(arrayCount(code -> code BETWEEN 32 + first AND 32 + last, codes)) AS changes,
            sum(arrayCount(code -> code BETWEEN 64 + first AND 64 + last, codes)) AS worklogs
        FROM
        (
            SELECT
                site, account_id, last_at, days,
                toInt32(transform(site, todays.1, todays.2, toDate(0))) - toInt32(month) AS until_today,
                toInt8(greatest(until_today - toInt32(window_days) + 1, 0)) AS first,
                toInt8(greatest(least(until_today, 31), -1)) AS last,
                if(first > last, toUInt32(0), toUInt32(bitAnd(
                    bitShiftLeft(toUInt64(1), last + 1) - bitShiftLeft(toUInt64(1), first), 4294967295))) AS inside,
                arrayMap(fact -> toInt8(bitAnd(fact, 127)), facts) AS codes
            FROM account_month_states FINAL
            WHERE month >= toStartOfMonth(toDate(now(), 'UTC') - greatest(window_days, 4))
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
    if(months.account_id = '', known.last_at,
        greatest(ifNull(known.last_at, toDateTime64(0, 3, 'UTC')), CAST(months.last_at, 'DateTime64(3, ''UTC'')')))
        AS last_active_at,
    months.active_days AS active_days,
    months.comments AS comments,
    months.changes AS changes,
    months.worklogs AS worklogs
FROM account_rollup AS known FINAL
LEFT JOIN months ON months.site = known.site AND months.account_id = known.account_id;

-- Who holds a product, less those who have a day in the window. An act dated tomorrow is no day in it.
CREATE OR REPLACE VIEW idle_licenses_over {on_cluster} AS
WITH
    (SELECT (groupArray(toString(site)), groupArray(today)) FROM site_days) AS todays,
    least({days:UInt32}, toDate(now(), 'UTC') - toDate('1970-03-01')) AS window_days,
    recent AS
    (
        SELECT
            site, account_id, max(last_at) AS last_at,
            max(bitAnd(days, if(first > last, toUInt32(0), toUInt32(bitAnd(
                bitShiftLeft(toUInt64(1), last + 1) - bitShiftLeft(toUInt64(1), first), 4294967295)))) != 0) AS is_active
        FROM
        (
            SELECT
                site, account_id, last_at, days,
                toInt32(transform(site, todays.1, todays.2, toDate(0))) - toInt32(month) AS until_today,
                toInt8(greatest(until_today - toInt32(window_days) + 1, 0)) AS first,
                toInt8(greatest(least(until_today, 31), -1)) AS last
            FROM account_month_states
            WHERE month >= toStartOfMonth(toDate(now(), 'UTC') - greatest(window_days, 4))
        )
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
WHERE known.account_type = 'atlassian' AND notEmpty(known.licenses) AND NOT recent.is_active;

-- As with `user_usage_30d`, written out.
CREATE OR REPLACE VIEW idle_licenses {on_cluster} AS
WITH
    (SELECT (groupArray(toString(site)), groupArray(today)) FROM site_days) AS todays,
    least(30, toDate(now(), 'UTC') - toDate('1970-03-01')) AS window_days,
    recent AS
    (
        SELECT
            site, account_id, max(last_at) AS last_at,
            max(bitAnd(days, if(first > last, toUInt32(0), toUInt32(bitAnd(
                bitShiftLeft(toUInt64(1), last + 1) - bitShiftLeft(toUInt64(1), first), 4294967295)))) != 0) AS is_active
        FROM
        (
            SELECT
                site, account_id, last_at, days,
                toInt32(transform(site, todays.1, todays.2, toDate(0))) - toInt32(month) AS until_today,
                toInt8(greatest(until_today - toInt32(window_days) + 1, 0)) AS first,
                toInt8(greatest(least(until_today, 31), -1)) AS last
            FROM account_month_states
            WHERE month >= toStartOfMonth(toDate(now(), 'UTC') - greatest(window_days, 4))
        )
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
WHERE known.account_type = 'atlassian' AND notEmpty(known.licenses) AND NOT recent.is_active;

CREATE OR REPLACE VIEW license_usage_30d {on_cluster} AS
SELECT site, product, seats, assigned, active_30d AS active, toInt64(assigned) - toInt64(active_30d) AS idle
FROM license_rollup FINAL
WHERE toDate(formatDateTime(now64(3, 'UTC'), '%F', timezone)) BETWEEN day AND until;

CREATE OR REPLACE VIEW webhook_coverage_daily {on_cluster} AS
SELECT site, day, known, by_webhook, by_webhook / known AS share
FROM coverage_rollup FINAL;
