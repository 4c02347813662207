"""docs/metrics.md, from the collectors of `rollcall.metrics`."""

from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

import rollcall.metrics
from tools.reference.markdown import GENERATED, code, page, table

_INTRODUCTION = """
`GET /metrics` answers in Prometheus' text format, beside what the Prometheus client itself tells of the process
(`process_…`, `python_…`): `rollcall up` and `rollcall ingest` on the address of `listen`, `rollcall consume` on that of
`consumer.listen`, `rollcall dashboard` on that of `page.listen`. Each process tells of what it does itself, and `up`
of its engine's consumers too, while that is there; size and lag of the log are told by all of them. With
`metrics_token` the endpoint asks for that as Bearer (Prometheus: `authorization: { credentials_file: … }`); without,
let only your monitoring reach it.

Size and lag of the log are measured every 5 seconds. While the log cannot be measured their series are absent, so that
nobody takes an old value for a new one: an alert on them needs `absent(rollcall_log_lag_records)` beside it. What runs
came to is told by `up` alone, which looks every half minute also at what `rollcall reconcile` beside it left;
`rollcall_engine_up` by an `up` that has an engine.

A counter only grows, until the process restarts. A histogram has the series `…_bucket`, `…_sum` and `…_count`. Label
values are a small closed set: sites and topics of the settings and words of the code, never text from outside.
`deploy/prometheus/alerts.yml` has alerts on them, and [runbook.md](runbook.md) says what to do.
"""


def all_metrics() -> Iterator[MetricWrapperBase]:
    """Yield every metric, in the order of the code."""
    for value in vars(rollcall.metrics).values():
        if isinstance(value, MetricWrapperBase):
            yield value


def metric_name(metric: MetricWrapperBase) -> str:
    """Return the name under which it is scraped; a histogram's without its three endings."""
    described = next(iter(metric.describe()))
    return f"{described.name}_total" if described.type == "counter" else described.name


def metrics_page() -> str:
    """Return docs/metrics.md."""
    return page(
        GENERATED, "# Metrics", _INTRODUCTION, table(("metric", "type", "labels", "meaning"), map(_row, all_metrics()))
    )


def _row(metric: MetricWrapperBase) -> tuple[str, ...]:
    described = next(iter(metric.describe()))
    labels = ", ".join(map(code, metric._labelnames))  # the client has no public way to ask
    return (code(metric_name(metric)), described.type, labels, described.documentation)
