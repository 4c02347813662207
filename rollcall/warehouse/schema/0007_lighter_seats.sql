-- held_seats and seats again, with the same rows: of 10,000 people's directories over half a year, and of 80,000 people, they
-- needed more memory than a reader gets.

-- Who holds which product, through which groups, and since when: the first snapshot that has it after the latest that
-- lacked it, NULL where none lacked it. Snapshots that did not read a product's licenses say nothing of it.
CREATE OR REPLACE VIEW held_seats {on_cluster} AS
WITH
    readings AS
    (
        SELECT site, product, snapshot_id, toUInt32(row_number() OVER (PARTITION BY site, product ORDER BY snapshot_id)) AS number
        FROM
        (
            SELECT DISTINCT snapshots.site AS site, products.product AS product, snapshots.snapshot_id AS snapshot_id
            FROM directory_snapshots AS snapshots
            INNER JOIN (SELECT DISTINCT site, toString(product) AS product FROM directory_seats) AS products
                ON products.site = snapshots.site
            WHERE NOT hasAny(snapshots.lacks, ['licenses', concat('licenses:', products.product)])
        )
    ),
    newest AS (SELECT site, product, max(readings.snapshot_id) AS snapshot_id FROM readings GROUP BY site, product)
SELECT
    held.site AS site, held.product AS product, held.account_id AS account_id,
    arraySort(arrayDistinct(groups.names)) AS granted_by,
    arraySort(arrayDistinct(groups.defaults)) AS default_groups,
    if(held.first_number = 1, NULL, begins.snapshot_id) AS since
FROM
(
    SELECT
        site, toString(product) AS product, account_id,
        arraySort(groupUniqArray(number)) AS numbers,
        -- The last numbers without a gap: those as far from their place as the very last.
        arrayFirst((one, place) -> one - place = numbers[-1] - length(numbers), numbers, arrayEnumerate(numbers)) AS first_number
    FROM
    (
        SELECT licenses.site AS site, licenses.product AS product, licenses.account_id AS account_id, readings.number AS number
        FROM directory_licenses AS licenses
        INNER JOIN readings ON readings.site = licenses.site AND readings.product = licenses.product
            AND readings.snapshot_id = licenses.snapshot_id
    )
    GROUP BY site, product, account_id
    HAVING (site, product, numbers[-1]) IN (SELECT site, product, max(readings.number) FROM readings GROUP BY site, product)
) AS held
LEFT JOIN readings AS begins
    ON begins.site = held.site AND begins.product = held.product AND begins.number = held.first_number
LEFT JOIN
(
    SELECT site, toString(product) AS product, account_id, groupArray(toString(group)) AS names,
        groupArrayIf(toString(group), is_default) AS defaults
    FROM directory_grants
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM newest)
        AND (site, toString(directory_grants.product), snapshot_id) IN (SELECT site, product, snapshot_id FROM newest)
    GROUP BY site, product, account_id
) AS groups ON groups.site = held.site AND groups.product = held.product AND groups.account_id = held.account_id;

-- One row a person and product, with the verdict and its evidence; docs/seats.md has the rules, and they stand here alone.
-- Days are those of the site; `inside` is whether the days that were read begin within the threshold.
CREATE OR REPLACE VIEW seats {on_cluster} AS
WITH
    rules AS
    (
        SELECT
            days.site AS site, toString(days.timezone) AS timezone, days.today AS today,
            if(given.site = '', 90, given.idle_days) AS idle_days,
            if(given.site = '', 30, given.new_days) AS new_days,
            if(given.site = '', 0.95, given.coverage_line) AS coverage_line,
            given.products AS products, given.exemptions AS exemptions
        FROM site_days AS days LEFT JOIN (SELECT * FROM seat_settings FINAL) AS given ON given.site = days.site
    ),
    callers AS
    (
        SELECT site, argMax(reads_as, snapshot_id) AS account_id
        FROM directory_snapshots
        WHERE reads_as != ''
        GROUP BY site
    ),
    -- The first day that was read, or that has a fact.
    first_days AS
    (
        SELECT site, toNullable(min(days.day)) AS day
        FROM
        (
            SELECT site, min(states.day) AS day FROM user_day_states AS states GROUP BY site
            UNION ALL
            SELECT read.site, toDate(formatDateTime(read.since, '%F', toString(zones.timezone)))
            FROM (SELECT site, since FROM directory_days_read FINAL) AS read
            INNER JOIN site_days AS zones ON zones.site = read.site
        ) AS days
        GROUP BY site
    ),
    -- What is the same for all who hold a product.
    products AS
    (
        SELECT
            held.site AS site, held.product AS product, rules.timezone AS timezone, rules.today AS today,
            indexOf(arrayMap(one -> one.1, rules.products), held.product) AS place,
            if(place = 0, rules.idle_days, rules.products[place].2) AS idle_days,
            if(place = 0, rules.new_days, rules.products[place].3) AS new_days,
            rules.coverage_line AS coverage_line,
            rules.exemptions AS exemptions,
            callers.account_id AS caller,
            first_days.day AS known_since
        FROM (SELECT DISTINCT site, toString(directory_seats.product) AS product FROM directory_seats) AS held
        INNER JOIN rules ON rules.site = held.site
        LEFT JOIN callers ON callers.site = held.site
        LEFT JOIN first_days ON first_days.site = held.site
    ),
    -- A sum, which the engine does not put off until after the join with the holders: then each of them would have a copy of
    -- a year of days.
    coverage AS
    (
        SELECT products.site AS site, products.product AS product, sum(days.by_webhook) / sum(days.known) AS share
        FROM products INNER JOIN webhook_coverage_daily AS days ON days.site = products.site
        WHERE days.day > products.today - products.idle_days AND days.day <= products.today
        GROUP BY site, product
    ),
    holders AS
    (
        SELECT *, groupArray(product) OVER (PARTITION BY site, account_id) AS held_products
        FROM held_seats
    ),
    -- Who is of type atlassian and active in Jira, as the view accounts has them: the directory's word counts, and where it
    -- says no type, what was ever said. Read alone, as the view groups all that ever acted by their names.
    people AS
    (
        SELECT site, account_id, display_name, email
        FROM directory_users FINAL
        WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts WHERE part = 'users') AND active
            AND (account_type = 'atlassian' OR (account_type = '' AND (site, account_id) IN
                (SELECT site, account_id FROM account_types WHERE account_type = 'atlassian')))
    ),
    acts AS
    (
        SELECT site, account_id, groupArray((kind, last_at)) AS acts
        FROM last_acts
        GROUP BY site, account_id
    ),
    -- The newest word on each, of two of one moment the later reading's. One number to compare by takes half of what a pair
    -- of them does; -1 is for never, as a maximum passes over what is NULL.
    looks AS
    (
        SELECT
            site, toString(directory_looked.product) AS product, account_id,
            argMax(
                ifNull(toUnixTimestamp64Milli(looked_at), -1),
                bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Milli(as_of)), 64), toUnixTimestamp64Milli(snapshot_id))) AS at_ms,
            if(at_ms = -1, NULL, fromUnixTimestamp64Milli(at_ms, 'UTC')) AS last_at,
            max(directory_looked.as_of) AS told_at
        FROM directory_looked
        WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM directory_snapshots)
        GROUP BY site, product, account_id
    ),
    added AS
    (
        SELECT site, account_id, argMax(toNullable(added_to_org), snapshot_id) AS at
        FROM directory_added
        WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM directory_snapshots)
        GROUP BY site, account_id
    ),
    members AS
    (
        SELECT site, account_id, groupUniqArray(toString(role)) AS names
        FROM directory_roles
        WHERE scope = 'group' AND (site, snapshot_id, if((site, 'roles:group') IN (SELECT site, part FROM current_parts),
            'roles:group', 'roles')) IN (SELECT site, snapshot_id, part FROM current_parts)
        GROUP BY site, account_id
    ),
    evidence AS
    (
        SELECT
            holders.site AS site, holders.product AS product, holders.account_id AS account_id,
            people.display_name AS name, people.email AS email,
            products.timezone AS timezone, products.today AS today,
            products.idle_days AS idle_days, products.new_days AS new_days,
            coverage.share AS share, coverage.site != '' AND share < products.coverage_line AS is_thin,
            arrayMap(act -> (act.1, act.2, multiIf(
                act.1 = 'software', holders.product = 'jira-software',
                act.1 = 'service_desk', holders.product = 'jira-servicedesk',
                act.1 = 'product_discovery', holders.product = 'jira-product-discovery',
                act.1 = 'business', holders.product IN ('jira-core', 'jira-software')
                    OR NOT hasAny(holders.held_products, ['jira-core', 'jira-software']),
                1)), acts.acts) AS judged_acts,
            arrayMap(act -> act.2, arrayFilter(act -> act.3, judged_acts)) AS counting,
            arrayMap(act -> act.2, arrayFilter(act -> NOT act.3, judged_acts)) AS elsewhere,
            if(empty(counting), NULL, arrayMax(counting)) AS did_at,
            if(empty(elsewhere), NULL, arrayMax(elsewhere)) AS did_elsewhere_at,
            looks.last_at AS looked_at,
            if(looks.account_id = '', NULL, looks.told_at) AS looked_as_of,
            products.known_since AS known_since,
            coalesce(holders.since, added.at) AS holds_since,
            holders.granted_by AS granted_by,
            arrayMap(one -> concat(one, if(has(holders.default_groups, one), ' (default)', '')), holders.granted_by) AS grants,
            arrayConcat(products.exemptions,
                if(products.caller = holders.account_id, [('', holders.account_id, 'Rollcall reads with it', NULL)], []))
                AS exemptions,
            arrayFilter(one -> ((one.2 != '' AND one.2 = holders.account_id)
                OR (one.1 != '' AND has(arrayConcat(members.names, holders.granted_by), one.1)))
                AND ifNull(one.4 >= products.today, 1), exemptions) AS standing,
            arraySort((one, number) -> (-toInt32(ifNull(one.4, toDate('2149-06-06'))), number),
                standing, arrayEnumerate(standing))[1] AS exemption
        FROM holders
        INNER JOIN products ON products.site = holders.site AND products.product = holders.product
        LEFT JOIN coverage ON coverage.site = holders.site AND coverage.product = holders.product
        INNER JOIN people ON people.site = holders.site AND people.account_id = holders.account_id
        LEFT JOIN acts ON acts.site = holders.site AND acts.account_id = holders.account_id
        LEFT JOIN looks ON looks.site = holders.site AND looks.product = holders.product
            AND looks.account_id = holders.account_id
        LEFT JOIN added ON added.site = holders.site AND added.account_id = holders.account_id
        LEFT JOIN members ON members.site = holders.site AND members.account_id = holders.account_id
    ),
    judged AS
    (
        SELECT
            *,
            toDate(formatDateTime(did_at, '%F', timezone)) AS did_day,
            toDate(formatDateTime(looked_at, '%F', timezone)) AS looked_day,
            toDate(formatDateTime(holds_since, '%F', timezone)) AS holds_day,
            ifNull(toDate(formatDateTime(looked_as_of, '%F', timezone)) > today - 3, 0) AS is_told,
            ifNull(known_since > today - idle_days + 1, 1) AS inside,
            notEmpty(standing) AS is_exempt,
            multiIf(
                ifNull(did_day > today - idle_days, 0), 'active',
                is_told AND ifNull(looked_day > today - idle_days, 0), 'reader',
                is_exempt, 'exempt',
                ifNull(today - holds_day < new_days, 0), 'new',
                NOT is_told OR (inside AND looked_at IS NULL), 'unseen',
                did_at IS NULL AND looked_at IS NULL, 'never',
                'idle') AS verdict,
            ifNull(toString(known_since), 'the beginning') AS from_day
        FROM evidence
    )
SELECT
    site, product, account_id, name, email, verdict,
    if(verdict = 'idle', greatest(ifNull(did_at, looked_at), ifNull(looked_at, did_at)), NULL) AS since,
    did_at, did_elsewhere_at, looked_at, looked_as_of, known_since, holds_since, granted_by,
    if(is_exempt, exemption.3, NULL) AS exempt_reason,
    if(is_exempt, exemption.4, NULL) AS exempt_until,
    concat(
        multiIf(
            verdict = 'active', concat('acted in the product on ', toString(assumeNotNull(did_day))),
            verdict = 'reader', concat('looked at it on ', toString(assumeNotNull(looked_day)), ' and did nothing in it for ',
                toString(idle_days), ' days'),
            verdict = 'exempt', concat('exempt', ifNull(concat(' until ', toString(exemption.4)), ''), ': ', exemption.3),
            verdict = 'new', concat('holds it since ', toString(assumeNotNull(holds_day)), ', for less than ',
                toString(new_days), ' days'),
            verdict = 'unseen' AND looked_as_of IS NULL,
                'no activity seen; whether they looked is not known',
            verdict = 'unseen' AND NOT is_told, concat('no activity seen; whether they looked was last told on ',
                formatDateTime(assumeNotNull(looked_as_of), '%F', timezone), ', too long ago'),
            verdict = 'unseen', 'no activity seen, and nobody saw them look',
            verdict = 'never', concat('no activity seen since ', from_day, ', and they never looked at it'),
            concat('no activity seen since ', ifNull(toString(did_day), from_day), ', and they ',
                ifNull(concat('looked at it last on ', toString(looked_day)), 'never looked at it'))),
        if(verdict IN ('never', 'idle') OR (verdict = 'unseen' AND is_told), concat('; as of ',
            formatDateTime(assumeNotNull(looked_as_of), '%F %R', timezone), ', a look of the day before may not be told yet'), ''),
        multiIf(
            empty(granted_by) OR verdict NOT IN ('unseen', 'never', 'idle'), '',
            length(granted_by) = 1, concat('; granted by ', grants[1]),
            concat('; granted by ', arrayStringConcat(arraySlice(grants, 1, -1), ', '), ' and ', grants[-1],
                ', leaving one of them is not enough')),
        if(inside AND verdict != 'active', concat('; days are known since ', from_day, ' only'), ''),
        if(is_thin AND verdict != 'active', concat('; webhooks brought ', toString(floor(100 * share)),
            ' % of what Jira knows of these days'), '')) AS why
FROM judged;
