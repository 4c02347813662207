"""Every metric of Rollcall, with its meaning; docs/metrics.md lists them and a test notices when one is not."""

from collections.abc import Callable, Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

WEBHOOKS = Counter(
    "rollcall_webhooks_total",
    "Webhooks answered, by site, event (known names only, else other) and outcome "
    "(facts, echo, ignored, cascade, no_edit, dead_letter, or why it was refused); posts to unknown paths too.",
    ["site", "event", "outcome"],
)
WEBHOOK_SECONDS = Histogram(
    "rollcall_webhook_seconds",
    "Seconds from a webhook's first byte to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20),
)
WEBHOOK_LAST = Gauge(
    "rollcall_webhook_last_timestamp_seconds",
    "When this process last accepted a site's webhook with a body; 0 until it does.",
    ["site"],
)
WEBHOOK_REFUSED_LAST = Gauge(
    "rollcall_webhook_refused_last_timestamp_seconds",
    "When a post to a site (empty: to none of the settings) was last refused, by reason.",
    ["site", "reason"],
)
BODIES_IN_MEMORY = Gauge("rollcall_webhook_bodies_bytes", "Bytes of webhook bodies in memory now.")
CONSUMED = Counter(
    "rollcall_consumed_records_total",
    "Records taken from the log, by topic and outcome (written, dead_letter).",
    ["topic", "outcome"],
)
INSERT_SECONDS = Histogram(
    "rollcall_insert_seconds",
    "Seconds an insert into the warehouse took.",
    ["topic"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
CONSUMER_RETRIES = Counter(
    "rollcall_consumer_retries_total",
    "Reads, inserts and commits tried again because log or warehouse were away.",
    ["topic"],
)
CONSUMER_RUNNING = Gauge(
    "rollcall_consumer_running", "1 while the consumer of a topic runs, 0 once it stopped.", ["topic"]
)
LOG_LOST = Counter(
    "rollcall_log_lost_records_total",
    "Records that Kafka's retention removed before the consumers had read them, by topic.",
    ["topic"],
)
LOG_RECORDS = Gauge(
    "rollcall_log_records", "Records kept on a topic of the log; absent while it cannot be measured.", ["topic"]
)
LOG_BYTES = Gauge(
    "rollcall_log_bytes", "Bytes kept on a topic of the log; absent while it cannot be measured.", ["topic"]
)
LOG_LAG = Gauge(
    "rollcall_log_lag_records",
    "Records of a topic that a consumer group has yet to commit; absent while the log cannot be measured.",
    ["topic", "group"],
)
DEAD_LETTERS_OPEN = Gauge(
    "rollcall_dead_letters_open",
    "Dead letters that are open; told by `up` and `dashboard`, absent while the log cannot be measured.",
    ["topic"],
)
RECONCILE_LAST = Gauge(
    "rollcall_reconcile_last_timestamp_seconds",
    "When the last whole day's run of `up`, or of `rollcall reconcile` beside it, began that came to its end, whatever "
    "it lacks; 0 while none is known.",
    ["site"],
)
RECONCILE_LAST_COMPLETE = Gauge(
    "rollcall_reconcile_last_complete_timestamp_seconds",
    "When the last of these runs began that lacked nothing; 0 while none is known.",
    ["site"],
)
RECONCILE_MISSING = Gauge(
    "rollcall_reconcile_missing", "How many things the last of these runs could not read.", ["site"]
)
RECONCILE_FAILED = Gauge(
    "rollcall_reconcile_failed",
    "1 while `up` waits to try a site's run again, because the last try failed or could not read everything, else 0.",
    ["site"],
)
RECONCILE_FACTS = Gauge(
    "rollcall_reconcile_facts",
    "Facts of the last run that ended in this process: found, and of these new to the warehouse, and repaired.",
    ["site", "outcome"],
)
RECONCILE_REQUESTS = Gauge(
    "rollcall_reconcile_requests", "Requests that the last run that ended in this process made of Jira.", ["site"]
)
RECONCILE_WAIT_SECONDS = Gauge(
    "rollcall_reconcile_wait_seconds", "Seconds that the last run that ended in this process had to wait.", ["site"]
)
COVERAGE_RATIO = Gauge(
    "rollcall_webhook_coverage_ratio",
    "Of the facts that Jira knows of the days of the last run that ended in this process, the share that webhooks had "
    "brought, from 0 to 1; absent while nobody knows.",
    ["site"],
)
ENGINE_UP = Gauge("rollcall_engine_up", "1 while the engine process of `up` is there and answers queries, else 0.")
ENGINE_ENDS = Counter(
    "rollcall_engine_ends_total",
    "Ends of the engine process of `up` that nobody asked for, by reason: a signal's name, or exit and its code.",
    ["reason"],
)
SQL_OVERDUE = Gauge(
    "rollcall_sql_overdue_queries",
    "Queries of the SQL door that run past their deadline now; when they do not end, the engine is started again.",
)


class _Chosen(Collector):
    """Some of the metrics, to be written down by `generate_latest`."""

    def __init__(self, choose: Callable[[str], bool]) -> None:
        self._choose = choose

    def collect(self) -> Iterator[Metric]:
        return (family for family in REGISTRY.collect() if self._choose(family.name))


_OF_ENGINE = frozenset(
    next(iter(metric.describe())).name
    for metric in (CONSUMED, INSERT_SECONDS, CONSUMER_RETRIES, CONSUMER_RUNNING, LOG_LOST)
)
ENGINE_METRICS = _Chosen(lambda name: name in _OF_ENGINE)
"""What the engine process of `up` tells its front."""
FRONT_METRICS = _Chosen(lambda name: name not in _OF_ENGINE)
"""What the front of `up` tells itself: each family is told once."""
OWN_METRICS = _Chosen(lambda name: name != "rollcall_engine_up")
"""What a process without an engine tells: no engine is no engine that is down."""
