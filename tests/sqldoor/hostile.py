"""Expressions that want what no reader may have, and the statements around them, by the hundred.

In them ``@FILE`` is a secret file, ``@DIR`` its folder, ``@OUT`` a file that is not there, ``@HIDDEN`` a table that is
not granted, and ``@PORT`` where somebody listens on this machine. Parameters: ``f`` is the file, ``d`` and ``t`` the
table's database and name, ``s`` comes with the statement.
"""

from .hostile_statements import STATEMENTS

SOURCES = [
    "@HIDDEN",
    "default.@HIDDEN",
    "`default`.`@HIDDEN`",
    "{t:Identifier}",
    "{d:Identifier}.{t:Identifier}",
    "activity_in",
    "`@FILE`",
    "'@FILE'",
    "default.`@FILE`",
    "`/proc/self/environ`",
    "system.processes",
    "`system.processes`",
    "system.`processes`",
    "system.stack_trace",
    "system.users",
    "system.server_settings",
    "system.parts",
    "system.query_log",
    "system.disks",
    "system.metrics",
    "system.events",
    "system.asynchronous_metrics",
    "system.mutations",
    "system.merges",
    "system.replicas",
    "system.zookeeper",
    "system.named_collections",
    "system.grants",
    "system.role_grants",
    "system.user_processes",
    "system.background_schedule_pool",
    "system.session_log",
    "system.dropped_tables",
    "system.trace_log",
    "system.text_log",
    "file('@FILE', 'LineAsString')",
    "file('@FILE', 'LineAsString', 'line String')",
    "file('/dev/stdin', 'RawBLOB')",
    "url('http://127.0.0.1:@PORT/', 'CSV', 'a String')",
    "url('file://@FILE', 'LineAsString', 'a String')",
    "urlCluster('default', 'http://127.0.0.1:@PORT/', 'CSV', 'a String')",
    "remote('127.0.0.1:@PORT', default, @HIDDEN)",
    "remote('127.0.0.1', default, @HIDDEN)",
    "remoteSecure('127.0.0.1:@PORT', default, @HIDDEN)",
    "cluster('default', default, @HIDDEN)",
    "clusterAllReplicas('default', default, @HIDDEN)",
    "fileCluster('default', '@FILE', 'LineAsString')",
    "s3('http://127.0.0.1:@PORT/a/b', 'CSV', 'a String')",
    "gcs('http://127.0.0.1:@PORT/a/b', 'CSV', 'a String')",
    "azureBlobStorage('DefaultEndpointsProtocol=http;BlobEndpoint=http://127.0.0.1:@PORT/', 'a', 'b')",
    "mysql('127.0.0.1:@PORT', 'a', 'b', 'c', 'd')",
    "postgresql('127.0.0.1:@PORT', 'a', 'b', 'c', 'd')",
    "mongodb('127.0.0.1:@PORT', 'a', 'b', 'c', 'd', 'e Int8')",
    "redis('127.0.0.1:@PORT', 'k', 'k String')",
    "sqlite('@FILE', 'x')",
    "executable('cat @FILE', 'LineAsString', 'a String')",
    "python(house)",
    "Python(house)",
    "dictionary('d')",
    "loop(@HIDDEN)",
    "loop(default, @HIDDEN)",
    "merge('^@HIDDEN$')",
    "merge('default', '^@HIDDEN$')",
    "merge(REGEXP('.*'), '^@HIDDEN$')",
    "merge('system', '^processes$')",
    "view(SELECT * FROM @HIDDEN)",
    "view(SELECT * FROM `@FILE`)",
    "viewIfPermitted(SELECT * FROM @HIDDEN ELSE null('a String, n UInt64'))",
    "viewIfPermitted(SELECT 1 ELSE file('@FILE', 'LineAsString'))",
    "viewExplain('EXPLAIN', '', (SELECT * FROM @HIDDEN))",
    "eval('SELECT * FROM @HIDDEN')",
    "mergeTreeIndex('default', '@HIDDEN')",
    "mergeTreeProjection('default', '@HIDDEN', 'p')",
    "mergeTreeCodecBlockCounts('default', '@HIDDEN')",
    "mergeTreeAnalyzeIndexes('default', '@HIDDEN')",
    "mergeTreeTextIndex('default', '@HIDDEN', 'a')",
    "filesystem('@DIR')",
    "deltaLakeLocal('@DIR')",
    "icebergLocal('@DIR')",
    "paimonLocal('@DIR')",
    "hudi('http://127.0.0.1:@PORT/a')",
    "input('a String')",
    "(SELECT * FROM @HIDDEN)",
    "(SELECT a FROM @HIDDEN UNION ALL SELECT file('@FILE'))",
    "(EXPLAIN SELECT * FROM @HIDDEN)",
    "(SHOW PROCESSLIST)",
    "user_usage(days = (SELECT count() FROM @HIDDEN))",
    "numbers((SELECT count() FROM @HIDDEN))",
    "(VALUES ((SELECT max(a) FROM @HIDDEN)))",
    "generateSeries(0, (SELECT max(n) FROM @HIDDEN))",
]
"""What stands where a table does, and reads what it must not."""

AROUND_SOURCES = [
    "SELECT * FROM {}",
    "SELECT 1 FROM sites AS s JOIN {} AS t ON 1",
    "WITH x AS (SELECT * FROM {}) SELECT * FROM x",
    "SELECT (SELECT count() FROM {})",
    "EXPLAIN PIPELINE SELECT * FROM {}",
    "DESCRIBE TABLE {}",
    "SELECT 'x' IN {}",
]

MORE_SOURCES = [
    "system.settings_changes",
    "system.merge_tree_settings",
    "system.environment",
    "system.build_options",
    "system.licenses",
    "system.macros",
    "system.clusters",
    "system.query_cache",
    "system.query_metric_log",
    "system.query_thread_log",
    "system.query_views_log",
    "system.opentelemetry_span_log",
    "system.processors_profile_log",
    "system.asynchronous_insert_log",
    "system.asynchronous_inserts",
    "system.jemalloc_bins",
    "system.symbols",
    "system.errors",
    "system.warnings",
    "system.crash_log",
    "system.backups",
    "system.backup_log",
    "system.part_log",
    "system.parts_columns",
    "system.detached_parts",
    "system.remote_data_paths",
    "system.local_filesystem",
    "system.filesystem_cache",
    "system.schema_inference_cache",
    "system.user_directories",
    "system.quotas",
    "system.quota_usage",
    "system.row_policies",
    "system.roles",
    "system.enabled_roles",
    "system.current_roles",
    "system.privileges",
    "system.dashboards",
    "system.certificates",
    "system.models",
    "system.moves",
    "system.replication_queue",
    "system.scheduler",
    "system.workloads",
    "system.storage_policies",
    "system.view_refreshes",
    "system.zookeeper_connection",
    "INFORMATION_SCHEMA.processes",
    "format(RawBLOB, '@FILE')",
    "format('CSV', 'a String ALIAS file(\\'@FILE\\')', '1')",
    "fuzzQuery('SELECT * FROM @HIDDEN', 100, 1)",
    "timeSeriesData('default.@HIDDEN')",
    "prometheusQuery('default', '@HIDDEN', 'up', now())",
    "prometheusQueryRange('default', '@HIDDEN', 'up', now(), now(), 1)",
    "ytsaurus('http://127.0.0.1:@PORT', '//tmp/x', 'a String')",
    "arrowFlight('127.0.0.1:@PORT', 'x')",
    "iceberg('http://127.0.0.1:@PORT/a')",
    "icebergS3('http://127.0.0.1:@PORT/a/b')",
    "deltaLake('http://127.0.0.1:@PORT/a')",
    "odbc('DSN=x', 'a')",
    "jdbc('jdbc:x', 'a')",
    "hdfs('hdfs://127.0.0.1:@PORT/a', 'CSV', 'a String')",
    "s3Cluster('default', 'http://127.0.0.1:@PORT/a/b', 'CSV', 'a String')",
    "cosn('http://127.0.0.1:@PORT/a', 'CSV', 'a String')",
    "null('a String ALIAS file(\\'@FILE\\')')",
]

MORE_AROUND_SOURCES = [
    "DESC (SELECT * FROM {}) FORMAT CSV",
    "EXPLAIN AST SELECT * FROM {}",
    "EXPLAIN json = 1, actions = 1 SELECT * FROM {}",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM {})",
    "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x, {} AS t WHERE n < 3) SELECT * FROM x",
    "SELECT * FROM {}",
    "SELECT (SELECT count() FROM {})",
]

VALUES = [
    "file('@FILE')",
    "`file`('@FILE')",
    "\"file\"('@FILE')",
    "file /* */ ('@FILE')",
    "file({f:String})",
    "file(concat('@DIR', '/secret.csv'))",
    "file('@FILE', 'none')",
    "file('/proc/self/environ')",
    *(f"{name}IgnoreSet('x', @HIDDEN)" for name in ("in", "notIn", "nullIn", "notNullIn")),
    *(f"{name}IgnoreSet('x', `@FILE`)" for name in ("globalIn", "globalNotIn", "globalNullIn", "globalNotNullIn")),
    *(f"{name}IgnoreSet('x', system.contributors)" for name in ("in", "notIn", "nullIn", "notNullIn")),
    *(
        f"{name}IgnoreSet('x', file('@FILE'))"
        for name in ("globalIn", "globalNotIn", "globalNullIn", "globalNotNullIn")
    ),
    "in('x', @HIDDEN)",
    "in('x', `@FILE`)",
    "dictGet('d', 'a', 1)",
    "dictGetAll('d', 'a', 'x')",
    "joinGet('default.@HIDDEN', 'a', 1)",
    "hasColumnInTable('default', '@HIDDEN', 'a')",
    "hasColumnInTable('127.0.0.1:@PORT', 'default', '@HIDDEN', 'a')",
    "catboostEvaluate('@FILE', 1)",
    "getSetting('readonly')",
    "getServerSetting('path')",
    "getMacro('shard')",
    "getClientHTTPHeader('Authorization')",
    "currentProfiles()",
    "serverUUID()",
    "filesystemAvailable()",
    "sleep(1)",
    "sleepEachRow(1)",
    "throwIf(1, 'x')",
    "aiGenerate('x')",
    "zookeeperSessionUptime()",
    "addressToSymbol(1)",
    "formatRow('Template', 1)",
    "structureToProtobufSchema('a String')",
    "__actionName(1, 'x')",
    "__getScalar('x')",
    "arrayReduce('aggThrow(1)', [1])",
    "initializeAggregation('flameGraph', 1)",
    "formatQuery('SELECT 1')",
    "parseQueryToJSON('SELECT 1')",
    "fuzzQuery('SELECT 1')",
    "evalMLMethod('x', 1)",
]
"""What stands where a value does, and looks around."""

AROUND_VALUES = [
    "SELECT {}",
    "SELECT 1 WHERE toString({}) != ''",
    "SELECT arrayMap(x -> {}, [1])",
    "WITH {} AS x SELECT x",
    "SELECT sum(1) OVER (ORDER BY {})",
    "EXPLAIN QUERY TREE SELECT {}",
    "EXPLAIN SYNTAX run_query_tree_passes = 1 SELECT {}",
    "EXPLAIN ESTIMATE SELECT * FROM sites WHERE toString({}) = ''",
    "DESCRIBE (SELECT {})",
    "SHOW TABLES WHERE {}",
]

FILTERS = [
    *VALUES,
    *(f"{value} = ''" for value in VALUES[:12]),
    *(f"throwIf(1, {value})" for value in VALUES[:8]),
    *(f"arrayExists(x -> {value} = x, [''])" for value in VALUES[:8]),
    *(f"site {word} {source}" for word in ("IN", "GLOBAL NOT IN") for source in (
        "@HIDDEN",
        "(@HIDDEN)",
        "default.@HIDDEN",
        "`@FILE`",
        "system.processes",
        "(SELECT a FROM @HIDDEN)",
        "file('@FILE')",
        "numbers((SELECT count() FROM @HIDDEN))",
        "values('a String ALIAS file(\'@FILE\')', 1)",
    )),
    "(SELECT count() FROM @HIDDEN) > 0",
    "(SELECT max(a) FROM @HIDDEN) = site",
    "exists(SELECT 1 FROM @HIDDEN)",
    "site = (WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT max(n) FROM x)",
    "(SELECT 1 SETTINGS readonly = 0) = 1",
    "(SELECT 1 SETTINGS additional_table_filters = {'sites': 'file(\'@FILE\')'}) = 1",
    "@HIDDEN.a = ''",
    "1 FROM @HIDDEN",
    "1 UNION ALL SELECT a FROM @HIDDEN",
    "1) UNION ALL (SELECT a FROM @HIDDEN",
    "1; DROP TABLE @HIDDEN",
    "1 INTO OUTFILE '@OUT'",
    "1 FORMAT Template SETTINGS format_template_row = '@FILE'",
    "1 SETTINGS readonly = 0",
    "CAST('x' AS Enum8('x' = length(file('@FILE')))) = 'x'",
    "{f:Identifier} = ''",
    "{t:Identifier}.a = ''",
    "COLUMNS('.*') APPLY file",
    "1 /* */ -- \n, file('@FILE')",
    "1\x00 OR file('@FILE') = ''",
    "sum(1) OVER (ORDER BY file('@FILE')) = 1",
]  # fmt: skip
"""What stands in a filter of `additional_table_filters`, which is SQL in a text in a map, and looks around."""

STRUCTURES = [
    f"b UInt8, a String {kind} {value}"
    for kind in ("ALIAS", "DEFAULT", "MATERIALIZED", "EPHEMERAL")
    for value in ("file('@FILE')", "(SELECT max(a) FROM @HIDDEN)", "toString(inIgnoreSet('x', `@FILE`))")
]
"""Structures are SQL in a text."""

TAKING_STRUCTURES = [
    "values({}, 1)",
    "VALUES({}, 1)",
    "`values`({}, (1))",
    "generateRandom({})",
    "null({})",
    "input({})",
    "format('CSV', {}, '1')",
    "url('http://127.0.0.1:@PORT/', 'CSV', {})",
    "file('@FILE', 'CSV', {})",
    "executable('x', 'CSV', {})",
    "s3('http://127.0.0.1:@PORT/a/b', 'CSV', {})",
    "fuzzJSON(x, {})",
]


def hostile() -> list[tuple[str, str]]:
    """Statements, each with the value of its parameter ``s``."""
    found = [(around.replace("{}", source), "") for source in SOURCES for around in AROUND_SOURCES]
    for place, source in enumerate([*SOURCES, *MORE_SOURCES]):
        forms = (MORE_AROUND_SOURCES * 2)[place % len(MORE_AROUND_SOURCES) :][:2]
        found += [(around.replace("{}", source), "") for around in forms]
    found += [(around.replace("{}", value), "") for value in VALUES for around in AROUND_VALUES]
    for structure in STRUCTURES:
        for function in TAKING_STRUCTURES:
            literal = "'" + structure.replace("'", "\\'") + "'"
            found.append((f"SELECT a FROM {function.replace('{}', literal)} LIMIT 1", ""))
            found.append((f"SELECT a FROM {function.replace('{}', '{s:String}')} LIMIT 1", structure))
    return found + [(statement, "") for statement in STATEMENTS]


def filtered(table: str, text: str) -> str:
    """A value of `additional_table_filters`."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"{{'{table}': '{escaped}'}}"
