"""What a backfill costs: requests per 1,000 issues at full recall, beside a client that asks issue by issue.

python bench/bench_backfill.py [--people N] [--crowd N] [--share 0.01]

Runs the simulator and the reconciler as processes of their own, on a site with issues beyond every cap. How many
comments a search embeds is set so that the wanted share of issues has more. The figures hold for the simulated site
only; what a real one embeds is not documented.
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
from pathlib import Path
from typing import Any

import httpx

from reconcile.client.jira_client import connected
from reconcile.progress import LoggedProgress
from reconcile.publisher import NoExistingFacts
from reconcile.run import RunContext, RunOptions, read_site
from reconcile.state.run_state import lasting_state
from rollcall.records import decode_activity
from rollcall.runtime import opened
from rollcall.settings import Settings
from simulator.config import SiteConfig
from simulator.life.truth import truth

NOW = 1_795_000_000_000
_START = "2026-10-19 00:00"


def settings(url: str, folder: Path) -> Settings:
    """Everything in one folder."""
    site = {"url": url, "email": "svc@acme.example", "api_token": "simulator-token", "unsigned": True}
    return Settings.model_validate({"log_url": f"sqlite://{folder}/events.db", "sites": {"acme": site}})


async def backfill(url: str, folder: Path) -> None:
    """Run the activity part once and print what it cost as JSON."""
    chosen = settings(url, folder)
    async with opened(chosen) as runtime:
        begun = time.perf_counter()
        async with connected("acme", chosen.sites["acme"], chosen.reconcile) as jira:
            with lasting_state(folder / "reconcile", "acme", resume=False) as (state, _):
                context = RunContext("acme", chosen, jira, runtime, NoExistingFacts(), state, LoggedProgress("acme"))
                run = await read_site(context, RunOptions(parts=("activity",)))
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
            }
        )
    )


def comments_of(url: str) -> list[int]:
    """Return how many comments each candidate issue holds, the most first."""
    totals: list[int] = []
    body: dict[str, Any] = {"jql": f'updated >= "{_START}"', "fields": ["comment"], "maxResults": 100}
    with httpx.Client(base_url=url, auth=("svc@acme.example", "simulator-token"), timeout=300) as client:
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


async def recall(config: SiteConfig, folder: Path, url: str, window: tuple[int, int]) -> tuple[int, int]:
    """Return how many of the truth's keys are missing on the log, and how many there should be."""
    chosen = settings(url, folder)
    async with opened(chosen) as runtime:
        topic = runtime.topics.activity.name
        found = {decode_activity(entry.value).event_key async for entry in runtime.log.scan(topic)}
    since, until = window
    wanted = {one.event_key for one in truth(config) if one.rest_at is not None and since <= one.rest_at < until}
    return len(wanted - found), len(wanted)


def measure(people: int, crowd: int, share: float, check: bool) -> dict[str, Any]:
    """Serve a site, backfill it, and compare with the truth."""
    config = SiteConfig(people=people, days=32, now_ms=NOW, hard_cases=True, crowd=crowd)
    options = ["--people", str(people), "--days", "32", "--now", str(NOW), "--speed", "0"]
    more = ["--set", "hard_cases=true", "--set", f"crowd={crowd}"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        command = [sys.executable, "-m", "simulator", "serve", *options, *more]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as served:
            try:
                assert served.stdout
                url = json.loads(served.stdout.readline())["address"]
                comments = comments_of(url) if check else []
                if check:
                    faults = {"embedded_comments": comments[int(len(comments) * share)]}
                    httpx.post(f"{url}/_simulator/faults", json=faults, timeout=60).raise_for_status()
                child = [sys.executable, __file__, "--child", url, str(folder)]
                done = subprocess.run(child, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
                result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            finally:
                served.terminate()
        if check:
            result["missing"], result["wanted"] = asyncio.run(recall(config, folder, url, tuple(result["window"])))
            result["per_issue"] = per_issue_client(config, comments, result["issues"])
    return result


def show(result: dict[str, Any]) -> None:
    """Print a result."""
    issues, total = result["issues"], sum(result["requests"].values())
    cost = f"{result['seconds']:.1f} s, peak {result['peak_mib']:.0f} MiB"
    print(f"\n{issues} candidate issues, {result['facts']} facts, {cost}")
    for name, count in sorted(result["requests"].items(), key=lambda pair: -pair[1]):
        print(f"  {count:7} {name}")
    print(f"  {total:7} in all: {total / issues * 1000:.1f} requests per 1,000 issues")
    if "wanted" in result:
        other = result["per_issue"]
        print(f"  recall: {result['wanted'] - result['missing']} of {result['wanted']} facts")
        print(f"  issue by issue: {other} requests, {other / issues * 1000:.0f} per 1,000 issues")


def main() -> None:
    """Measure as the options say."""
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(backfill(sys.argv[2], Path(sys.argv[3])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=270)
    parser.add_argument("--crowd", type=int, default=0, help="Further issues without any life.")
    parser.add_argument("--share", type=float, default=0.01, help="Share of issues with more comments than embedded.")
    parser.add_argument("--no-check", action="store_true", help="Do not compare with the truth.")
    given = parser.parse_args()
    show(measure(given.people, given.crowd, given.share, not given.no_check))


if __name__ == "__main__":
    main()
