"""Webhooks with 30 % lost, then a reconcile: as if nothing had been lost, as far as REST can know."""

from collections import Counter
from pathlib import Path

import pytest

from reconcile.run import RunOptions
from simulator.life.truth import day_of, merge

from .installed import installed, seven_of_ten
from .oracle import told
from .site import config, jira_site, settings_for

pytestmark = pytest.mark.anyio


async def test_thirty_percent_lost_and_found_again(tmp_path: Path) -> None:
    site = config(people=8, acts_per_day=5.0, days=32)
    async with jira_site(site) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        brought = await rollcall.webhooks(jira.site, seven_of_ten)
        everything = told(jira.site)
        assert brought < {key for key, one in everything.items() if one.webhook_at is not None}

        dry = await rollcall.reconcile(RunOptions(dry_run=True))
        outcome = await rollcall.reconcile()
        window = outcome.run.window
        rest = {key: one for key, one in everything.items() if one.rest_at is not None and window.holds(one.rest_at)}
        feed = {key for key, one in everything.items() if one.family == "worklog" and one.action == "deleted"}

        # Facts: each once, with REST's time and actor where REST knows it, else the webhook's.
        rows = await rollcall.query(
            "SELECT event_key, account_id, toUnixTimestamp64Milli(occurred_at) AS at FROM activity FINAL"
        )
        found = {row["event_key"]: (row["account_id"], row["at"]) for row in rows}
        assert len(found) == len(rows)
        wanted = {}
        for key, one in everything.items():
            known = merge(one, "both" if key in rest and key in brought else "rest" if key in rest else "webhook")
            if known and (key in rest or key in brought):
                wanted[key] = (known.account_id, known.occurred_at)
        # A worklog deleted before its issue was: the feed knows that, and the time only it tells.
        only_feed = (found.keys() - wanted.keys()) & feed
        assert found.keys() - wanted.keys() - only_feed == set()
        differing = {key for key in wanted if found.get(key) != wanted[key]}
        assert {key for key in differing if not (key in feed and key not in rest)} == set()

        # What is lost for good is what REST cannot know, by kind.
        lost = {key for key, one in everything.items() if one.webhook_at is not None} - found.keys()
        inside = {key for key in lost if window.holds(everything[key].webhook_at or 0)}
        kinds = Counter((everything[key].family, everything[key].action) for key in inside)
        assert all(everything[key].rest_at is None for key in inside)
        assert set(kinds) <= {
            ("history", "deleted"), ("history", "updated"), ("history", "created"), ("comment", "updated"),
            ("comment", "created"), ("comment", "deleted"), ("worklog", "created"), ("worklog", "updated"),
        }  # fmt: skip

        # New and repaired.
        new = rest.keys() - brought
        assert outcome.run.found.new.total() == len(new | (only_feed - brought))
        unnamed = [key for key in rest.keys() & brought if everything[key].action == "deleted"]
        assert outcome.run.found.named == len([key for key in unnamed if not key.startswith("issue:")])
        assert dry.run.found.new == outcome.run.found.new
        assert dry.run.found.new_days.total() == dry.run.found.new.total()

        # Coverage, exactly, by the day that REST's time falls on.
        coverage = await rollcall.query("SELECT toString(day) AS day, known, by_webhook FROM webhook_coverage_daily")
        days = {key: day_of("Europe/Berlin", one.rest_at or 0) for key, one in rest.items()}
        known_by_feed = [key for key in feed if key in found and key not in rest]
        rest_days, hooked = Counter(days.values()), Counter(days[key] for key in rest.keys() & brought)
        extra = await rollcall.query(
            "SELECT toString(toDate(max(rest_occurred_at), 'Europe/Berlin')) AS day, "
            "max(webhook_received_at) IS NOT NULL AS hooked, event_key FROM activity_sources "
            "GROUP BY event_key HAVING max(rest_occurred_at) IS NOT NULL"
        )
        for row in extra:
            if row["event_key"] in known_by_feed:
                rest_days[row["day"]] += 1
                hooked[row["day"]] += bool(row["hooked"])
        assert {row["day"]: (row["known"], row["by_webhook"]) for row in coverage} == {
            day: (count, hooked[day]) for day, count in rest_days.items()
        }
        assert outcome.coverage is not None
        assert outcome.coverage.share is not None
        assert 0.6 < outcome.coverage.share < 0.8
        assert outcome.coverage.low
        assert outcome.complete

        # The rollup is what the facts come to.
        seen = await rollcall.query(
            "SELECT DISTINCT toString(toDate(occurred_at, 'Europe/Berlin')) AS day, account_id "
            "FROM activity FINAL WHERE account_id != ''"
        )
        days_of = await rollcall.query("SELECT toString(day) AS day, account_id FROM user_days")
        inner = {f"{day}" for day in window.days(rollcall.runtime.settings.sites["acme"].zone())}
        assert {(row["day"], row["account_id"]) for row in days_of if row["day"] in inner} == {
            (row["day"], row["account_id"]) for row in seen if row["day"] in inner
        }

        # A second run finds nothing new and repairs nothing.
        again = await rollcall.reconcile()
        assert (again.run.found.new.total(), again.run.found.named, again.run.found.retimed) == (0, 0, 0)
        assert await rollcall.query("SELECT count() AS n FROM activity FINAL") == [{"n": len(rows)}]


async def test_deletions_are_named_also_where_the_entry_names_no_comment(tmp_path: Path) -> None:
    site = config(people=8, acts_per_day=5.0, days=32, comment_id_in_history=False)
    async with jira_site(site) as jira, installed(settings_for(jira.url, tmp_path)) as rollcall:
        await rollcall.webhooks(jira.site, lambda _: True)
        outcome = await rollcall.reconcile()
        everything = told(jira.site)
        rows = await rollcall.query("SELECT event_key, account_id FROM activity FINAL WHERE action = 'deleted'")
        named = {row["event_key"]: row["account_id"] for row in rows if row["account_id"]}
        assert all(everything[key].account_id == account for key, account in named.items())
        deleted = {
            key
            for key, one in everything.items()
            if (one.family, one.action) == ("comment", "deleted")
            and outcome.run.window.holds(one.webhook_at or 0)
            and f"issue:{one.issue_id}:deleted" not in everything
        }
        assert deleted
        skipped = outcome.run.found.skipped["comment deletions that do not say which comment"]
        missing = deleted - named.keys()
        assert len(missing) <= skipped
        assert len(missing) < len(deleted) / 4
