"""A web server on the loopback address that receives webhooks and answers as a test tells it to."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.server import listen


class Received:
    """One delivery as it came in."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body

    @property
    def identifier(self) -> str:
        return self.headers["x-atlassian-webhook-identifier"]


class Receiver:
    """What came in so far, and the URL that takes it. ``answer`` turns a delivery into a status, after ``takes_s``."""

    def __init__(self, answer: Callable[[Received], int]) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self.url = ""
        self.inside = self.most = 0
        self.takes_s = 0.0

    async def take(self, request: Request) -> Response:
        self.inside += 1
        self.most = max(self.most, self.inside)
        one = Received(dict(request.headers), await request.body())
        self.received.append(one)
        await anyio.sleep(self.takes_s)
        self.inside -= 1
        return Response(status_code=self.answer(one))


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def receiving(answer: Callable[[Received], int] = lambda _one: 204) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    bound = listen()
    receiver.url = f"http://127.0.0.1:{bound.getsockname()[1]}/webhooks/acme"
    app = Starlette(routes=[Route("/webhooks/acme", receiver.take, methods=["POST"])])
    server = _Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [bound])
        while not server.started:
            await anyio.sleep(0.005)
        yield receiver
        server.should_exit = True
    bound.close()
