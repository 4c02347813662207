"""The summary of a run: what `rollcall reconcile` prints of it, a row a figure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from reconcile.coverage import Coverage
from reconcile.state.checkpoint import Checkpoint
from rollcall.clock import iso

SUMMARY_COLUMNS = ("site", "part", "name", "value")

Rows = list[dict[str, Any]]


def summary(run: Checkpoint, coverage: Coverage | None, *, dry_run: bool, by_day: bool) -> Rows:
    """Return the rows of one site's run, with new facts by day if so chosen."""
    parts = [
        _run(run, dry_run),
        _requests(run),
        _facts(run, by_day),
        _directory(run),
        _coverage(coverage, by_day),
        _rest(run),
    ]
    return [
        {"site": run.site, "part": part, "name": name, "value": value} for some in parts for part, name, value in some
    ]


def lookback_summary(run: Checkpoint) -> Rows:
    """Return the rows of a run that read a site further back than each run does."""
    told = {
        "since": _moment(run.window.since),
        "until": _moment(run.window.until),
        "facts found": run.found.facts.total(),
        "facts new": run.found.new.total(),
        "requests": run.stats.requests.total(),
    }
    return [
        *({"site": run.site, "part": "lookback", "name": name, "value": value} for name, value in told.items()),
        *({"site": run.site, "part": "missing", "name": "lookback", "value": what} for what in run.missing),
    ]


_Lines = Iterator[tuple[str, str, object]]


def _run(run: Checkpoint, dry_run: bool) -> _Lines:
    yield "run", "since", _moment(run.window.since)
    yield "run", "until", _moment(run.window.until)
    if run.moved and "activity" in run.parts:
        yield "run", "issues moved since", _moment(run.moved.issues)
    yield "run", "parts", ", ".join(run.parts)
    yield "run", "dry run", dry_run
    if run.resumed:
        yield "run", "resumed", run.resumed


def _requests(run: Checkpoint) -> _Lines:
    stats = run.stats
    for name, count in sorted(stats.requests.items(), key=lambda pair: (-pair[1], pair[0])):
        yield "requests", name, count
    yield "requests", "total", stats.requests.total()
    for reason, count in sorted(stats.waits.items()):
        yield "waits", reason, count
        yield "wait seconds", reason, round(stats.wait_seconds.get(reason, 0.0), 1)
    yield "waits", "total", stats.waits.total()
    yield "wait seconds", "total", round(sum(stats.wait_seconds.values()), 1)


def _facts(run: Checkpoint, by_day: bool) -> _Lines:
    if "activity" not in run.parts:
        return
    found = run.found
    yield "issues", "candidates", run.issues.issues
    for kind, count in sorted(found.facts.items()):
        yield "facts found", kind, count
    yield "facts", "found", found.facts.total()
    for kind, count in sorted(found.new.items()):
        yield "facts new", kind, count
    for day, count in sorted(found.new_days.items()) if by_day else ():
        yield "facts new by day", day, count
    yield "facts", "new", found.new.total()
    yield "facts", "repaired", found.named + found.retimed
    yield "facts repaired", "actor learned", found.named
    yield "facts repaired", "time corrected", found.retimed
    if found.unjudged:
        yield "facts", "not compared", found.unjudged


def _directory(run: Checkpoint) -> _Lines:
    if "directory" in run.parts:
        for kind in ("users", "licenses", "roles", "seats"):
            yield "directory", kind, run.found.rows[kind]


def _coverage(coverage: Coverage | None, by_day: bool) -> _Lines:
    if coverage is None:
        return
    for day, known, by_webhook in coverage.days if by_day else ():
        yield "known by day", day.isoformat(), known
        yield "by webhook by day", day.isoformat(), by_webhook
    yield "coverage", "facts that REST knows", coverage.known
    yield "coverage", "brought by webhooks", coverage.by_webhook
    if coverage.share is not None:
        yield "coverage", "share", round(coverage.share, 4)
    for day, share in coverage.low:
        yield "coverage low", day.isoformat(), round(share, 4)


def _rest(run: Checkpoint) -> _Lines:
    for why, count in sorted(run.found.skipped.items()):
        if count:
            yield "skipped", why, count
    for note in run.notes:
        yield "note", "", note
    for what in run.missing:
        yield "missing", "", what


def _moment(epoch_ms: int) -> str:
    return iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))
