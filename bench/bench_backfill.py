"""What a backfill costs: requests per 1,000 issues at full recall, beside a client that asks issue by issue.

python bench/bench_backfill.py [--people N] [--share 0.01]

Runs the simulator and the reconciler as processes of their own, on two sites with issues beyond every cap. Of each it
prints the first run and the run of a later day: a calm one, on which 1 % of the issues moved, and a busy one with 20 %.
The figures hold for the simulated sites only; how many comments a real one embeds in a search is not documented.
"""

import argparse
import asyncio
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from reconcile.client.jira_client import connected
from reconcile.progress import LoggedProgress
from reconcile.publisher import NoExistingFacts
from reconcile.run import RunContext, RunOptions, read_site
from reconcile.state.run_state import lasting_state
from reconcile.state.watermark import keep_watermark, read_watermark, watermark_after
from rollcall.records import decode_activity
from rollcall.runtime import opened
from rollcall.settings import Settings
from simulator.config import SiteConfig
from simulator.life.truth import truth

NOW = 1_795_000_000_000
HOUR_MS = 3_600_000
_START = "2026-10-19 00:00"


class Day(NamedTuple):
    """A later day: its name, and the share of the candidate issues that moves on it at least."""

    name: str
    share: float


CALM, BUSY = Day("calm", 0.01), Day("busy", 0.2)


def settings(url: str, folder: Path) -> Settings:
    """Everything in one folder."""
    site = {"url": url, "email": "svc@acme.example", "api_token": "simulator-token", "unsigned": True}
    return Settings.model_validate({"log_url": f"sqlite://{folder}/events.db", "sites": {"acme": site}})


async def backfill(url: str, folder: Path) -> None:
    """Run the activity part once, as its schedule would, and print what it cost as JSON."""
    chosen, state_folder = settings(url, folder), folder / "reconcile"
    async with opened(chosen, "a bench") as runtime:
        begun = time.perf_counter()
        async with connected("acme", chosen.sites["acme"], chosen.reconcile) as jira:
            with lasting_state(state_folder, "acme", resume=False) as (state, _):
                progress, watermark = LoggedProgress("acme"), read_watermark(state_folder, "acme")
                context = RunContext("acme", chosen, jira, runtime, NoExistingFacts(), state, progress, watermark)
                run = await read_site(context, RunOptions(parts=("activity",)))
                keep_watermark(state_folder, "acme", watermark_after(run, watermark, read=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "issues": run.issues.issues,
                "facts": run.found.facts.total(),
                "requests": run.stats.requests,
                "window": [run.window.since, run.window.until],
                "seconds": time.perf_counter() - begun,
                "peak_mib": peak,
                "missing": run.missing,
            }
        )
    )


def comments_of(client: httpx.Client) -> list[int]:
    """Return how many comments each candidate issue holds, the most first."""
    totals: list[int] = []
    body: dict[str, Any] = {"jql": f'updated >= "{_START}"', "fields": ["comment"], "maxResults": 100}
    while True:
        page = client.post("/rest/api/3/search/jql", json=body).json()
        totals += [issue["fields"]["comment"]["total"] for issue in page["issues"]]
        if page["isLast"]:
            return sorted(totals, reverse=True)
        body["nextPageToken"] = page["nextPageToken"]


def per_issue_client(config: SiteConfig, comments: list[int], issues: int) -> int:
    """Count what a client needs that asks every candidate for its changelog, comments and worklogs, 100 a page."""
    histories = Counter(one.issue_id for one in truth(config) if one.event_key.startswith("history:"))
    more = sum(max(0, math.ceil(count / 100) - 1) for count in (*histories.values(), *comments))
    return math.ceil(issues / 100) + 3 * issues + more


async def recall(config: SiteConfig, folder: Path, url: str, window: tuple[int, int], now: int) -> tuple[int, int]:
    """Return how many of the truth's keys are missing on the log, and how many there should be."""
    chosen = settings(url, folder)
    async with opened(chosen, "a bench") as runtime:
        topic = runtime.topics.activity.name
        found = {decode_activity(entry.value).event_key async for entry in runtime.log.scan(topic)}
    since, until = window
    told = truth(config, until=now, now=now)
    wanted = {one.event_key for one in told if one.rest_at is not None and since <= one.rest_at < until}
    return len(wanted - found), len(wanted)


def moved(client: httpx.Client, hours: int) -> int:
    """Return how many issues moved in the last hours."""
    answer = client.post("/rest/api/3/search/approximate-count", json={"jql": f'updated >= "-{hours}h"'})
    return int(answer.json()["count"])


@contextmanager
def served(config: SiteConfig) -> Iterator[str]:
    """Run the simulator in a process of its own; yields its address."""
    options = ["--people", str(config.people), "--days", str(config.days), "--now", str(config.now_ms), "--speed", "0"]
    more = ["--set", "hard_cases=true", "--set", f"crowd={config.crowd}"]
    command = [sys.executable, "-m", "simulator", "serve", *options, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout
            yield json.loads(running.stdout.readline())["address"]
        finally:
            running.terminate()


def run_once(url: str, folder: Path) -> dict[str, Any]:
    """Have a process of its own do one run."""
    child = [sys.executable, __file__, "--child", url, str(folder)]
    done = subprocess.run(child, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(day: Day, people: int, crowd: int, share: float | None) -> None:
    """Backfill a site, let a day pass on it, do the next run, and compare both with the truth."""
    config = SiteConfig(people=people, days=32, now_ms=NOW, hard_cases=True, crowd=crowd)
    with tempfile.TemporaryDirectory() as scratch, served(config) as url:
        folder = Path(scratch)
        with httpx.Client(base_url=url, auth=("svc@acme.example", "simulator-token"), timeout=300) as client:
            comments = comments_of(client)
            if share is not None:
                faults = {"embedded_comments": comments[int(len(comments) * share)]}
                client.post("/_simulator/faults", json=faults).raise_for_status()
            first = run_once(url, folder)
            first["missing"], first["wanted"] = asyncio.run(recall(config, folder, url, first["window"], NOW))
            candidates = first["issues"]
            show("first run", first, candidates)
            issue_by_issue = per_issue_client(config, comments, candidates)
            print(f"  issue by issue: {issue_by_issue} requests, {issue_by_issue / candidates * 1000:.0f} per 1,000")
            hours = 0
            while hours < 24 or moved(client, hours) < day.share * candidates:
                client.post("/_simulator/clock", json={"advance_ms": HOUR_MS}).raise_for_status()
                hours += 1
            later = run_once(url, folder)
            now = NOW + hours * HOUR_MS
            later["missing"], later["wanted"] = asyncio.run(recall(config, folder, url, later["window"], now))
            share_moved = moved(client, hours) / candidates
            show(f"{day.name} day, {share_moved:.1%} of {candidates} issues moved in {hours} hours", later, candidates)


def show(what: str, result: dict[str, Any], candidates: int) -> None:
    """Print a run."""
    total = sum(result["requests"].values())
    cost = f"{result['seconds']:.1f} s, peak {result['peak_mib']:.0f} MiB"
    print(f"\n{what}: {result['issues']} issues read, {result['facts']} facts, {cost}")
    for name, count in sorted(result["requests"].items(), key=lambda pair: -pair[1]):
        print(f"  {count:7} {name}")
    print(f"  {total:7} in all: {total / candidates * 1000:.1f} requests per 1,000 of {candidates} candidate issues")
    print(f"  recall: {result['wanted'] - result['missing']} of {result['wanted']} facts", flush=True)


def main() -> None:
    """Measure as the options say."""
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(backfill(sys.argv[2], Path(sys.argv[3])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=270, help="People of the busy site; the calm one has a tenth.")
    parser.add_argument("--share", type=float, help="Share of issues with more comments than embedded; 20 otherwise.")
    given = parser.parse_args()
    measure(CALM, max(2, given.people // 10), given.people * 40, given.share)
    measure(BUSY, given.people, 0, given.share)


if __name__ == "__main__":
    main()
