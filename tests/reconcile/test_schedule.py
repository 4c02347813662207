"""The runs that `up` does by itself: each day's activity is read, whatever becomes of the directory, and only once."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from console.commands.up import run_everything
from reconcile import run, schedule
from reconcile.run import RunOptions
from reconcile.state import run_state
from reconcile.state.window import WindowRequest
from rollcall.settings import Settings
from simulator.rest.site import TOKEN

from ..ports import free_port
from .commandline import process, write_config
from .installed import installed
from .misbehaving import DEEP, NOT_GZIP, misbehaving
from .site import JiraSite, config, jira_site, settings_for

pytestmark = pytest.mark.anyio

SITE = config(people=4, acts_per_day=1.0, days=32, hard_cases=False)
SEARCH = "POST /rest/api/3/search/jql"
LICENSES = "GET /rest/api/3/applicationrole"
MYSELF = "GET /rest/api/3/myself"
WHOLE_RUN = 2
"""How often it asks who it is: at its beginning, and at its end."""


class Watched(schedule.Schedule):
    """The runs of the `up` that started last."""

    current: "Watched"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.looking = asyncio.Event()
        Watched.current = self

    async def run(self) -> None:
        self.looking.set()
        await super().run()

    @property
    def texts(self) -> list[str]:
        return [notice.text for notice in self.notices()]


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_CHECK_SECONDS", 0.01)
    monkeypatch.setattr("console.commands.up.Schedule", Watched)


def settings(jira: JiraSite, folder: Path) -> Settings:
    more: dict[str, Any] = {"attempts": 2, "backoff_first": 0.01, "backoff_max": 0.02}
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("listen", "sql_listen")}
    return settings_for(jira.url, folder, reconcile=more, consumer={"batch_seconds": 0.05}, **addresses)


@asynccontextmanager
async def up(given: Settings) -> AsyncIterator[Watched]:
    stop = asyncio.Event()
    ready = asyncio.Event()
    running = asyncio.create_task(run_everything(given, stop, lambda port: ready.set()))
    try:
        await ready.wait()
        yield Watched.current
    finally:
        stop.set()
        await running


async def read_once(given: Settings, jira: JiraSite, searches: int = 0) -> None:
    """Run `up` until it has searched for issues more often than that, and does nothing more."""
    async with up(given) as runs:
        await comes(lambda: jira.site.requests[SEARCH] > searches)
        await quiet(runs)


async def comes(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def quiet(runs: Watched) -> None:
    """Wait until no run was under way for twenty looks."""
    still = 0
    async with asyncio.timeout(60):
        while still < 20:
            still = 0 if any(text.startswith("Reading") for text in runs.texts) else still + 1
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("permissions", [["BROWSE_PROJECTS"], ["BROWSE_PROJECTS", "USER_PICKER"]])
async def test_what_jira_refuses_is_not_asked_for_again_and_again(tmp_path: Path, permissions: list[str]) -> None:
    async with jira_site(SITE, permissions=permissions) as jira:
        given = settings(jira, tmp_path)
        for _ in range(2):
            await read_once(given, jira)
        assert jira.site.requests[MYSELF] == WHOLE_RUN


async def test_a_directory_alone_is_no_run(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        async with installed(given) as rollcall:
            await rollcall.reconcile(RunOptions(parts=("directory",)))
            await rollcall.reconcile(RunOptions(WindowRequest(days=3)))
        jira.site.requests.clear()
        await read_once(given, jira)
        assert jira.site.requests[MYSELF] == WHOLE_RUN


async def test_a_run_by_hand_is_a_run(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        async with installed(given) as rollcall:
            await rollcall.reconcile()
        before = jira.requests
        async with up(given) as runs:
            await runs.looking.wait()
            await quiet(runs)
        assert jira.requests == before


async def test_activity_that_failed_is_gone_on_with_after_a_restart(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.goes_away(SEARCH)
        given = settings(jira, tmp_path)
        await read_once(given, jira, 1)
        assert (tmp_path / "reconcile" / "acme.json").exists()
        asked, before, searches = (jira.site.requests[one] for one in (LICENSES, MYSELF, SEARCH))
        jira.faults()
        await read_once(given, jira, searches)
        assert jira.site.requests[MYSELF] == before + WHOLE_RUN
        assert jira.site.requests[LICENSES] == asked == 1
        assert not (tmp_path / "reconcile" / "acme.json").exists()


@pytest.mark.parametrize("down", [SEARCH, LICENSES])
async def test_what_failed_is_tried_again_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down: str
) -> None:
    began = time.time() - 1
    async with jira_site(SITE) as jira:
        jira.goes_away(down)
        async with up(settings(jira, tmp_path)) as runs:
            await comes(lambda: jira.site.requests[down] > 1)
            await quiet(runs)
            told = metrics()
            assert (told["failed"], told["last_timestamp_seconds"], told["last_complete_timestamp_seconds"]) == (
                1,
                0,
                0,
            )
            before = jira.site.requests[MYSELF]
            jira.faults()
            monkeypatch.setattr(schedule, "_AFTER_A_FAILURE", timedelta(0))
            await comes(lambda: jira.site.requests[MYSELF] > before and not runs.texts)
            await quiet(runs)
            told = metrics()
            # Gone on with, the run has its activity whole; the licenses are the next day's.
            complete = told["last_timestamp_seconds"] if down == SEARCH else 0
            assert told["last_timestamp_seconds"] > began
            assert told["last_complete_timestamp_seconds"] == complete
            assert (told["failed"], told["missing"]) == (0, int(down == LICENSES))
            assert told["requests"] > 0
            # No webhook brought anything.
            assert REGISTRY.get_sample_value("rollcall_webhook_coverage_ratio", {"site": "acme"}) == 0
        assert jira.site.requests[MYSELF] == before + WHOLE_RUN


def metrics() -> dict[str, float]:
    """What is told of the site's runs, by the end of the metric's name."""
    samples = (sample for family in REGISTRY.collect() for sample in family.samples)
    return {
        one.name.removeprefix("rollcall_reconcile_"): one.value
        for one in samples
        if one.name.startswith("rollcall_reconcile_") and one.labels.get("site") == "acme"
    }


async def test_a_token_is_changed_in_its_file_while_up_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, fresh = tmp_path / "token", "another-token-of-the-same-account"
    file.write_text(TOKEN)
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        site = given.sites["acme"].model_copy(update={"api_token": SecretStr(""), "api_token_file": file})
        with capture_logs() as lines:
            async with up(given.model_copy(update={"sites": {"acme": site}})) as runs:
                await comes(lambda: jira.site.requests[SEARCH] > 0)
                await quiet(runs)
                jira.site.token = fresh  # the old one is revoked before anybody wrote the new one down
                with monkeypatch.context() as later:
                    later.setattr(schedule, "is_due", lambda *_: True)  # the next day
                    await comes(lambda: any("within the hour" in text for text in runs.texts))
                    searches = jira.site.requests[SEARCH]
                    file.write_text(f"{fresh}\n")
                    later.setattr(schedule, "_AFTER_A_FAILURE", timedelta(0))
                    await comes(lambda: jira.site.requests[SEARCH] > searches)
                await quiet(runs)
                assert not runs.texts
        [cause] = failures(lines)
        assert "token" in cause
        assert TOKEN not in str(lines)
        assert fresh not in str(lines)


async def test_what_failed_here_and_was_done_by_hand_is_done(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        jira.goes_away(SEARCH)
        given = settings(jira, tmp_path)
        async with up(given) as runs:
            await comes(lambda: any("within the hour" in text for text in runs.texts))
            before = jira.site.requests[MYSELF]
            jira.faults()
            assert await commanded(given, tmp_path) == 0
            await comes(lambda: not runs.texts)
        assert jira.site.requests[MYSELF] == before + WHOLE_RUN


async def commanded(given: Settings, folder: Path) -> int:
    """Run the command beside `up`, in a process of its own."""
    ports = (int(address.rpartition(":")[2]) for address in (given.listen, given.sql_listen))
    path = write_config(given.sites["acme"].url, folder, TOKEN, *ports)
    return (await process(path, "reconcile")).code


async def test_without_a_folder_this_process_remembers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (schedule, run, run_state):
        monkeypatch.setattr(module, "state_folder", lambda _: None)
    async with jira_site(SITE, permissions=["BROWSE_PROJECTS"]) as jira:
        await read_once(settings(jira, tmp_path), jira)
        assert jira.site.requests[MYSELF] == WHOLE_RUN
        assert not (tmp_path / "reconcile").exists()


async def ready(given: Settings) -> tuple[int, str]:
    """The status of /readyz, and what it says of the runs."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{given.listen}/readyz")
    return answer.status_code, answer.json()["reconcile"]


def failures(lines: list[Any]) -> list[Any]:
    return [line["cause"] for line in lines if line["event"] == "reconcile run failed"]


async def foreign(*_: object) -> None:
    raise KeyError("text of an issue")


async def cancelled(*_: object) -> None:
    """Wait for something that somebody else cancels."""
    other = asyncio.get_running_loop().create_future()
    other.cancel()
    await other


@pytest.mark.parametrize(("failing", "kind"), [(foreign, "KeyError"), (cancelled, "CancelledError")])
async def test_what_nobody_foresaw_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: Any, kind: str
) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        with capture_logs() as lines, monkeypatch.context() as fault:
            fault.setattr(schedule, "run_site", failing)
            async with up(given) as runs:
                await comes(lambda: bool(runs.texts))
                await quiet(runs)
                assert f"unexpectedly, please report it: {kind}" in runs.texts[0]
                assert await ready(given) == (
                    200,
                    "failed for 1 of 1 sites, tried again within the hour; the page and the log say why",
                )
                fault.undo()
                monkeypatch.setattr(schedule, "_CHECK_SECONDS", 0.01)
                monkeypatch.setattr(schedule, "_AFTER_A_FAILURE", timedelta(0))
                await comes(lambda: not runs.texts and jira.site.requests[SEARCH] > 0)
                await quiet(runs)
                assert await ready(given) == (200, "ok")
        [cause] = failures(lines)
        assert cause.startswith(f"unexpectedly, please report it: {kind}")
        assert "text of an issue" not in str(lines)


async def test_a_look_that_fails_every_time_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def failing(*_: object) -> None:
        nonlocal looks
        looks += 1
        raise OSError("the disk")

    monkeypatch.setattr(schedule, "read_last_run", failing)
    async with jira_site(SITE) as jira:
        with capture_logs() as lines:
            async with up(settings(jira, tmp_path)):
                await comes(lambda: looks > 5)
        assert len(failures(lines)) == 1


@pytest.mark.parametrize(("bad", "told"), [(NOT_GZIP, "DecodingError"), (DEEP, "nested deeper")], ids=["gzip", "deep"])
async def test_answers_that_no_decoder_reads_are_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes, told: str
) -> None:
    async with jira_site(SITE) as jira, misbehaving(bad) as server:
        given = settings(JiraSite(jira.site, server.url), tmp_path)
        with capture_logs() as lines:
            async with up(given) as runs:
                await comes(lambda: bool(failures(lines)))
                assert told in runs.texts[0]
                assert (await ready(given))[0] == 200
                asked = len(server.asked)
                monkeypatch.setattr(schedule, "_AFTER_A_FAILURE", timedelta(0))
                await comes(lambda: len(server.asked) > asked)
        assert told in failures(lines)[0]


async def test_a_token_that_goes_while_it_runs_is_missed_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        acme = given.sites["acme"].model_copy(update={"api_token": SecretStr(""), "api_token_file": token})
        given = given.model_copy(update={"sites": {"acme": acme}})
        monkeypatch.setattr(schedule, "is_due", lambda *_: not token.exists() or jira.site.requests[SEARCH] == 0)
        monkeypatch.setattr(schedule, "_AFTER_A_FAILURE", timedelta(0))
        async with up(given) as runs:
            await comes(lambda: jira.site.requests[SEARCH] > 0)
            await quiet(runs)
            token.unlink()
            await comes(lambda: bool(runs.texts) and "sites.acme.api_token_file: cannot read" in runs.texts[0])
            token.write_text(TOKEN)
            await comes(lambda: not runs.texts)


async def test_switched_off_it_says_so(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        given = given.model_copy(update={"reconcile": given.reconcile.model_copy(update={"daily_at": ""})})
        async with up(given) as runs:
            await runs.looking.wait()
            assert await ready(given) == (200, "off")
        assert jira.requests == 0


def engines() -> list[int]:
    """The engine processes of this process's `up`, of which there is at most one."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # the thread, or the process, has just ended
            pids = map(int, (task / "children").read_text().split())
            found += [pid for pid in pids if b"\0engine\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


async def test_a_run_outlives_the_engine(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        given = settings(jira, tmp_path)
        async with up(given) as runs:
            await comes(lambda: jira.site.requests[SEARCH] > 0)
            [engine] = engines()
            os.kill(engine, signal.SIGKILL)
            await comes(lambda: bool(engines()) and engines() != [engine])
            await comes(lambda: not any(text.startswith("Reading") for text in runs.texts))
            async with asyncio.timeout(60):
                while (await ready(given))[0] != 200:
                    await asyncio.sleep(0.05)
            assert [text for text in runs.texts if "failed" in text] == []
        async with installed(given) as rollcall:
            [row] = await rollcall.query("SELECT count() AS n FROM user_days")
        assert row["n"] > 0
        assert jira.site.requests[MYSELF] == WHOLE_RUN
        assert not (tmp_path / "reconcile" / "acme.json").exists()
