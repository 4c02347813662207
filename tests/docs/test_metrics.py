"""Every metric is documented, wherever it is made."""

import importlib
import pkgutil

import pytest
from prometheus_client import REGISTRY

from tools.reference.metrics import all_metrics, metric_name

from .pages import NAMES, code_spans, text_of

ENDINGS = ("_bucket", "_sum", "_count", "_created")


def test_every_metric_is_made_in_the_module_that_is_documented() -> None:
    for package in ("rollcall", "ingest", "consumers", "console"):
        path = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(path, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    registered = {family.name for family in REGISTRY.collect() if family.name.startswith("rollcall")}
    assert registered == {metric_name(metric).removesuffix("_total") for metric in all_metrics()}


@pytest.mark.parametrize("name", NAMES)
def test_metrics_named_in_the_docs_exist(name: str) -> None:
    known = {metric_name(metric) for metric in all_metrics()}
    spans = (span.partition("{")[0] for span in code_spans(text_of(name)))
    named = {span for span in spans if span.startswith("rollcall_") and span.replace("_", "").isalpha()}
    assert {next((n.removesuffix(end) for end in ENDINGS if n.endswith(end)), n) for n in named} <= known
