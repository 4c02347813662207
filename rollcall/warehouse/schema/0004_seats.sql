-- Seats: of which type each project is, through which groups people hold a product, and when they looked at it.

---- The directory, further ----

-- The account that Rollcall itself reads with, where the run knew it.
ALTER TABLE directory_snapshots {on_cluster} ADD COLUMN IF NOT EXISTS reads_as String;

-- Projects, live and archived, with Jira's type. A snapshot has all of them or none.
CREATE TABLE directory_projects {on_cluster}
(
    site        LowCardinality(String),
    snapshot_id DateTime64(3, 'UTC'),
    project_key LowCardinality(String),
    type        LowCardinality(String)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id, project_key);

-- The groups through which a license is held; they come and go with the licenses of their product. Jira puts whoever is
-- given the product anew into the default ones.
CREATE TABLE directory_grants {on_cluster}
(
    site        LowCardinality(String),
    snapshot_id DateTime64(3, 'UTC'),
    product     LowCardinality(String),
    account_id  String,
    group       LowCardinality(String),
    is_default  Bool
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, snapshot_id, product, account_id, group);

-- When people looked at a product last, NULL for never, and when the organization said so. In the order in which the
-- newest word on somebody is looked for: a run may learn of some people only.
CREATE TABLE directory_looked {on_cluster}
(
    site        LowCardinality(String),
    snapshot_id DateTime64(3, 'UTC'),
    product     LowCardinality(String),
    account_id  String CODEC(ZSTD),
    looked_at   Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD),
    as_of       DateTime64(3, 'UTC') CODEC(ZSTD)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, product, account_id, snapshot_id);

CREATE TABLE directory_added {on_cluster}
(
    site         LowCardinality(String),
    snapshot_id  DateTime64(3, 'UTC'),
    account_id   String CODEC(ZSTD),
    added_to_org DateTime64(3, 'UTC') CODEC(ZSTD)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (site, account_id, snapshot_id);

-- From when on a site's days were read from REST without a hole, as the newest run says.
CREATE TABLE directory_days_read {on_cluster}
(
    site        LowCardinality(String),
    snapshot_id DateTime64(3, 'UTC'),
    since       DateTime64(3, 'UTC')
)
ENGINE = {replicated}ReplacingMergeTree(snapshot_id)
ORDER BY site;

---- Settings of seats, as far as views need them ----

-- A row a site, whole: days for all products and for some (key, idle_days, new_days), and whose seats are not called idle
-- (group, account, reason, last day), in the settings' order.
CREATE TABLE seat_settings {on_cluster}
(
    site          LowCardinality(String),
    idle_days     UInt32,
    new_days      UInt32,
    coverage_line Float64,
    products      Array(Tuple(String, UInt32, UInt32)),
    exemptions    Array(Tuple(String, String, String, Nullable(Date))),
    updated_at    DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC')
)
ENGINE = {replicated}ReplacingMergeTree(updated_at)
ORDER BY site;

---- Who acted in which project ----

-- Somebody's day in a project, like user_day_states a state that replays leave alone. An act whose payload names no
-- project has its issue instead, for another act of the same issue may.
CREATE TABLE project_day_states {on_cluster}
(
    site        LowCardinality(String),
    day         Date,
    account_id  String CODEC(ZSTD),
    project_key LowCardinality(String),
    issue_id    UInt64 CODEC(ZSTD),
    last_at     SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = {replicated}AggregatingMergeTree
PARTITION BY (site, toYYYYMM(day))
ORDER BY (site, day, account_id, project_key, issue_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW activity_in_to_project_day_states {on_cluster} TO project_day_states AS
SELECT
    site,
    toDate(formatDateTime(fromUnixTimestamp64Milli(activity_in.occurred_at, 'UTC'), '%F', timezone)) AS day,
    account_id, project_key,
    if(activity_in.project_key = '', activity_in.issue_id, 0) AS issue_id,
    fromUnixTimestamp64Milli(max(activity_in.occurred_at), 'UTC') AS last_at
FROM activity_in
WHERE account_id != ''
GROUP BY site, day, account_id, project_key, issue_id;

-- In which project an issue is: REST's word before the webhook's, then the newest. A maximum, so that replays and
-- reordering change nothing.
CREATE TABLE issue_projects {on_cluster}
(
    site     LowCardinality(String),
    issue_id UInt64,
    word     SimpleAggregateFunction(max, Tuple(UInt8, DateTime64(3, 'UTC'), String)) CODEC(ZSTD)
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY (site, issue_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW activity_in_to_issue_projects {on_cluster} TO issue_projects AS
SELECT
    site, issue_id,
    max((toUInt8(source = 'reconcile'), fromUnixTimestamp64Milli(activity_in.received_at, 'UTC'), toString(project_key)))
        AS word
FROM activity_in
WHERE project_key != '' AND issue_id != 0
GROUP BY site, issue_id;

-- What was there before, once.
INSERT INTO project_day_states (site, day, account_id, project_key, issue_id, last_at)
SELECT
    facts.site AS site,
    toDate(formatDateTime(facts.occurred_at, '%F', if(zones.timezone = '', 'UTC', toString(zones.timezone)))) AS day,
    facts.account_id AS account_id, facts.project_key AS project_key,
    if(facts.project_key = '', facts.issue_id, 0) AS issue_id,
    max(facts.occurred_at) AS last_at
FROM activity AS facts FINAL LEFT JOIN (SELECT site, timezone FROM sites FINAL) AS zones ON zones.site = facts.site
WHERE facts.account_id != ''
GROUP BY site, day, account_id, project_key, issue_id
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO issue_projects (site, issue_id, word)
SELECT
    facts.site AS site, facts.issue_id AS issue_id,
    max((toUInt8(facts.source = 'reconcile'), facts.received_at, toString(facts.project_key))) AS word
FROM activity AS facts
WHERE facts.project_key != '' AND facts.issue_id != 0
GROUP BY site, issue_id;

---- Seats: did, looked, may ----

-- When somebody acted last, by the kind of project: software, service_desk, product_discovery, business, or '' for any
-- other and where the project is not known.
CREATE VIEW last_acts {on_cluster} AS
WITH
    types AS
    (
        SELECT site, toString(project_key) AS project_key, toString(type) AS type
        FROM directory_projects FINAL
        WHERE (site, snapshot_id) IN
        (
            SELECT site, max(projects.snapshot_id) FROM directory_projects AS projects
            WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM directory_snapshots)
            GROUP BY site
        )
    ),
    acts AS
    (
        SELECT site, account_id, toString(states.project_key) AS project_key, max(states.last_at) AS last_at
        FROM project_day_states AS states
        WHERE states.project_key != ''
        GROUP BY site, account_id, project_key
        UNION ALL
        SELECT nameless.site, nameless.account_id, issues.project_key, nameless.last_at
        FROM
        (
            SELECT site, account_id, issue_id, max(states.last_at) AS last_at
            FROM project_day_states AS states
            WHERE states.project_key = ''
            GROUP BY site, account_id, issue_id
        ) AS nameless
        LEFT JOIN
        (
            SELECT site, issue_id, tupleElement(max(projects.word), 3) AS project_key
            FROM issue_projects AS projects
            WHERE (site, issue_id) IN (SELECT site, issue_id FROM project_day_states WHERE project_key = '')
            GROUP BY site, issue_id
        ) AS issues ON issues.site = nameless.site AND issues.issue_id = nameless.issue_id
    )
SELECT
    acts.site AS site, acts.account_id AS account_id,
    if(types.type IN ('software', 'service_desk', 'product_discovery', 'business'), types.type, '') AS kind,
    max(CAST(acts.last_at, 'DateTime64(3, ''UTC'')')) AS last_at
FROM acts LEFT JOIN types ON types.site = acts.site AND types.project_key = acts.project_key
GROUP BY site, account_id, kind;

-- Who holds which product, through which groups, and since when: the first snapshot that has it after the latest that
-- lacked it, NULL where none lacked it. Snapshots that did not read a product's licenses say nothing of it.
CREATE VIEW held_seats {on_cluster} AS
WITH
    readings AS
    (
        SELECT site, product, snapshot_id, row_number() OVER (PARTITION BY site, product ORDER BY snapshot_id) AS number
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
    if(held.first_number = 1, NULL, held.first_at) AS since
FROM
(
    SELECT
        site, product, account_id,
        arraySort(groupUniqArray((readings.number, readings.snapshot_id))) AS numbers,
        -- The last numbers without a gap: those as far from their place as the very last.
        arrayFirst((one, place) -> one.1 - place = numbers[-1].1 - length(numbers), numbers, arrayEnumerate(numbers)) AS begin,
        begin.1 AS first_number,
        begin.2 AS first_at
    FROM directory_licenses AS licenses
    INNER JOIN readings
        ON readings.site = licenses.site AND readings.product = licenses.product AND readings.snapshot_id = licenses.snapshot_id
    GROUP BY licenses.site AS site, toString(licenses.product) AS product, licenses.account_id AS account_id
    HAVING (site, product, numbers[-1].2) IN (SELECT site, product, snapshot_id FROM newest)
) AS held
LEFT JOIN
(
    SELECT site, toString(product) AS product, account_id, groupArray(toString(group)) AS names,
        groupArrayIf(toString(group), is_default) AS defaults
    FROM directory_grants
    WHERE (site, toString(product), snapshot_id) IN (SELECT site, product, snapshot_id FROM newest)
    GROUP BY site, product, account_id
) AS groups ON groups.site = held.site AND groups.product = held.product AND groups.account_id = held.account_id;

-- One row a person and product, with the verdict and its evidence; docs/seats.md has the rules, and they stand here alone.
-- Days are those of the site; `inside` is whether the days that were read begin within the threshold.
CREATE VIEW seats {on_cluster} AS
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
    holders AS
    (
        SELECT *, groupArray(product) OVER (PARTITION BY site, account_id) AS held_products
        FROM held_seats
    ),
    acts AS
    (
        SELECT site, account_id, groupArray((kind, last_at)) AS acts
        FROM last_acts
        GROUP BY site, account_id
    ),
    looks AS
    (
        SELECT
            site, toString(directory_looked.product) AS product, account_id,
            argMax((looked_at, as_of), (as_of, snapshot_id)) AS word
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
    coverage AS (SELECT site, groupArray((day, known, by_webhook)) AS days FROM webhook_coverage_daily GROUP BY site),
    evidence AS
    (
        SELECT
            holders.site AS site, holders.product AS product, holders.account_id AS account_id,
            accounts.display_name AS name, accounts.email AS email,
            rules.timezone AS timezone, rules.today AS today,
            indexOf(arrayMap(one -> one.1, rules.products), holders.product) AS place,
            if(place = 0, rules.idle_days, rules.products[place].2) AS idle_days,
            if(place = 0, rules.new_days, rules.products[place].3) AS new_days,
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
            looks.word.1 AS looked_at,
            if(looks.account_id = '', NULL, looks.word.2) AS looked_as_of,
            first_days.day AS known_since,
            coalesce(holders.since, added.at) AS holds_since,
            holders.granted_by AS granted_by,
            arrayMap(one -> concat(one, if(has(holders.default_groups, one), ' (default)', '')), holders.granted_by) AS grants,
            arrayConcat(rules.exemptions,
                if(callers.account_id = holders.account_id, [('', holders.account_id, 'Rollcall reads with it', NULL)], []))
                AS exemptions,
            arrayFilter(one -> ((one.2 != '' AND one.2 = holders.account_id)
                OR (one.1 != '' AND has(arrayConcat(members.names, holders.granted_by), one.1)))
                AND ifNull(one.4 >= rules.today, 1), exemptions) AS standing,
            arraySort((one, number) -> (-toInt32(ifNull(one.4, toDate('2149-06-06'))), number),
                standing, arrayEnumerate(standing))[1] AS exemption,
            arrayFilter(one -> one.1 > rules.today - idle_days AND one.1 <= rules.today, coverage.days) AS covered,
            arraySum(one -> one.3, covered) / arraySum(one -> one.2, covered) AS share,
            notEmpty(covered) AND share < rules.coverage_line AS is_thin
        FROM holders
        INNER JOIN rules ON rules.site = holders.site
        INNER JOIN accounts ON accounts.site = holders.site AND accounts.account_id = holders.account_id
        LEFT JOIN acts ON acts.site = holders.site AND acts.account_id = holders.account_id
        LEFT JOIN looks ON looks.site = holders.site AND looks.product = holders.product
            AND looks.account_id = holders.account_id
        LEFT JOIN added ON added.site = holders.site AND added.account_id = holders.account_id
        LEFT JOIN members ON members.site = holders.site AND members.account_id = holders.account_id
        LEFT JOIN callers ON callers.site = holders.site
        LEFT JOIN first_days ON first_days.site = holders.site
        LEFT JOIN coverage ON coverage.site = holders.site
        WHERE accounts.account_type = 'atlassian' AND accounts.status = 'active'
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

---- History ----

-- What a day's run found, a row a product. Of several of one day the last counts.
CREATE TABLE seat_day_counts {on_cluster}
(
    site       LowCardinality(String),
    day        Date,
    product    LowCardinality(String),
    seats      Nullable(UInt64),
    held       UInt64,
    active     UInt64,
    reader     UInt64,
    exempt     UInt64,
    new        UInt64,
    unseen     UInt64,
    never      UInt64,
    idle       UInt64,
    counted_at DateTime64(6, 'UTC')
)
ENGINE = {replicated}ReplacingMergeTree(counted_at)
ORDER BY (site, day, product);

CREATE VIEW seat_days {on_cluster} AS
SELECT site, day, product, seats, held, active, reader, exempt, new, unseen, never, idle
FROM seat_day_counts FINAL;

-- Seats of each product as they are now: bought, held by people, and how many of each verdict.
CREATE VIEW seat_counts {on_cluster} AS
SELECT
    bought.site AS site, bought.product AS product, bought.total AS seats, counted.held AS held,
    counted.active AS active, counted.reader AS reader, counted.exempt AS exempt, counted.new AS new,
    counted.unseen AS unseen, counted.never AS never, counted.idle AS idle
FROM
(
    SELECT site, toString(product) AS product, total
    FROM directory_seats FINAL
    WHERE (site, snapshot_id) IN (SELECT site, snapshot_id FROM current_parts)
        AND (site, snapshot_id, if((site, concat('licenses:', toString(product)) AS part_of)
            IN (SELECT site, part FROM current_parts), part_of, 'licenses'))
            IN (SELECT site, snapshot_id, part FROM current_parts)
) AS bought
LEFT JOIN
(
    SELECT
        site, product, count() AS held,
        countIf(verdict = 'active') AS active, countIf(verdict = 'reader') AS reader, countIf(verdict = 'exempt') AS exempt,
        countIf(verdict = 'new') AS new, countIf(verdict = 'unseen') AS unseen, countIf(verdict = 'never') AS never,
        countIf(verdict = 'idle') AS idle
    FROM seats
    GROUP BY site, product
) AS counted ON counted.site = bought.site AND counted.product = bought.product;
