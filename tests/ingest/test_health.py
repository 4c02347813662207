"""What monitors are told."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from rollcall.errors import LogUnavailableError, WarehouseUnavailableError
from rollcall.http.health import health_routes

from .memory_log import MemoryLog
from .payloads import comment, encoded
from .serving import Served


async def fine() -> None:
    return


async def hanging() -> None:
    await asyncio.Event().wait()


async def away() -> None:
    raise WarehouseUnavailableError("cannot reach clickhouse://ann:secret@db:8123/rollcall " + "x" * 500)


async def foreign() -> None:
    raise ValueError("secret")


def ask(path: str, **checks: object) -> httpx.Response:
    app = Starlette(routes=health_routes(checks))  # type: ignore[arg-type]  # checks of any kind

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get(path)

    return asyncio.run(get())


def test_ready_when_every_check_passes() -> None:
    answer = ask("/readyz", log=fine, warehouse=fine)
    assert (answer.status_code, answer.json()) == (200, {"log": "ok", "warehouse": "ok"})
    assert ask("/readyz").status_code == 200


def test_not_ready_says_what_is_wrong_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollcall.http.health.CHECK_SECONDS", 0.05)
    answer = ask("/readyz", log=fine, warehouse=away, clock=hanging, other=foreign)
    told = answer.json()
    assert answer.status_code == 503
    assert told["log"] == "ok"
    assert told["warehouse"].startswith("WarehouseUnavailableError: cannot reach clickhouse://…@db:8123/rollcall")
    assert len(told["warehouse"]) <= 200
    assert told["clock"] == "no answer within 0.05 s"
    assert told["other"] == "ValueError"
    assert "secret" not in answer.text


def test_what_is_only_told_leaves_it_ready() -> None:
    app = Starlette(routes=health_routes({"log": fine}, {"reconcile": lambda: "failed for 1 of 2 sites"}))

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return await client.get("/readyz")

    answer = asyncio.run(get())
    assert (answer.status_code, answer.json()) == (200, {"log": "ok", "reconcile": "failed for 1 of 2 sites"})


def test_with_a_token_strangers_learn_the_status_alone() -> None:
    token = "0123456789abcdef"
    routes = health_routes({"log": fine, "warehouse": away}, listen="127.0.0.1:8080", token=token)

    async def get(path: str, *headers: tuple[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://127.0.0.1:8080"
        ) as client:
            return await client.get(path, headers=headers)

    for given in ((), (("authorization", "Bearer 0123456789abcdeF"),), (("authorization", f"Basic {token}"),)):
        answer = asyncio.run(get("/readyz", *given))
        assert (answer.status_code, answer.json()) == (503, {"ready": False})
        assert asyncio.run(get("/metrics", *given)).status_code == 401
    known = ("authorization", f"bearer {token}")
    assert asyncio.run(get("/readyz", known)).json()["log"] == "ok"
    assert "python_info" in asyncio.run(get("/metrics", known, ("x-forwarded-for", "192.0.2.1"))).text
    assert asyncio.run(get("/metrics", known, ("origin", "https://evil.example"))).status_code == 403


def test_alive_whatever_is_wrong() -> None:
    assert ask("/healthz", log=away).text == "ok\n"


def test_the_server_is_ready_while_its_log_is(server: Served, memory: MemoryLog) -> None:
    assert server.client.get("/healthz").status_code == 200
    assert server.client.get("/readyz").json() == {"log": "ok"}
    memory.fault = LogUnavailableError("disk full")
    answer = server.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"log": "LogUnavailableError: disk full"})


def test_metrics_are_prometheus_text(server: Served) -> None:
    server.post(encoded(comment("comment_created")))
    answer = server.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'rollcall_webhooks_total{event="comment_created",outcome="facts",site="acme"}' in answer.text
    assert 'rollcall_webhook_last_timestamp_seconds{site="acme"}' in answer.text
    assert "rollcall_webhook_bodies_bytes 0.0" in answer.text
    assert "rollcall_webhook_seconds_bucket" in answer.text
