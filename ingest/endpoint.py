"""The HTTP side of a webhook: who may post, how much, and what is answered.

A plain ASGI application rather than a Starlette function, because it is the hot path: no request object, no copy of
the body.

Jira Cloud sends ``X-Hub-Signature: sha256=<hex>``, an HMAC over the raw body in the form of WebSub, and says that the
method may change (Atlassian's webhooks page); so the method is read from the header, among those that are safe.
"""

import asyncio
import hmac
import json
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from prometheus_client import Counter, Gauge
from starlette.types import Message, Receive, Scope, Send

from ingest.body import Body, BodyBudget, DisconnectedError, RefusalError
from ingest.handler import Headers, Outcome, WebhookHandler, short_identifier
from ingest.refusals import UNKNOWN_SITE, RefusalLog
from rollcall.forgotten_accounts import forgotten_file
from rollcall.jira.events import OTHER
from rollcall.metrics import BODIES_IN_MEMORY, WEBHOOK_LAST, WEBHOOK_SECONDS, WEBHOOKS
from rollcall.runtime import Runtime

_END: Message = {"type": "http.response.body", "body": b""}
_NO_CONTENT: Message = {"type": "http.response.start", "status": 204, "headers": []}
_SIGNATURE = b"x-hub-signature"
_MOST_DIGITS = 18
"""Of a length; Python refuses to read numbers of thousands of digits."""
_PATH = re.compile(r"/+webhooks(?:/+(?P<site>.*?))?/?", re.DOTALL)

_METHODS = {b"sha256": ("sha256", 64), b"sha384": ("sha384", 96), b"sha512": ("sha512", 128)}
"""Safe methods of WebSub, each with the length of its signature in hex; sha1 and md5 are not safe."""


class Signature(NamedTuple):
    """A method and what it is said to give, as lower-case hex."""

    method: str
    claimed: bytes


def parse_signature(header: bytes) -> Signature | None:
    """Read ``method=hex``; None when it has another form, length, or a method that is not safe."""
    name, _, claimed = header.strip().partition(b"=")
    method, length = _METHODS.get(name.lower(), ("", -1))
    return Signature(method, claimed.lower()) if len(claimed) == length else None


def signed(body: bytes, signature: Signature, secrets: Sequence[bytes]) -> bool:
    """Return whether one of the secrets made this signature of the body; the time taken gives nothing away."""
    return any(
        hmac.compare_digest(hmac.digest(secret, body, signature.method).hex().encode(), signature.claimed)
        for secret in secrets
    )


class WebhookEndpoint:
    """ASGI application of ``POST /webhooks/{site}``; it answers 204 only after all is durable on the log.

    A slash after the name makes no difference, nor does a doubled one before: people and proxies write them, and an
    event that is refused is lost. Given any other path, it refuses, counts and logs what was posted there.

    Args:
        runtime: What the process stands on; facts go on its log.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._settings = runtime.settings.ingest
        sites = runtime.settings.sites
        self._secrets = {name: () if site.unsigned else tuple(site.secrets()) for name, site in sites.items()}
        self._budget = BodyBudget(self._settings.bodies_in_memory, self._settings.body_limit)
        self._handler = WebhookHandler(
            runtime.log, runtime.topics, self._settings.append_timeout, forgotten_file(runtime.settings)
        )
        BODIES_IN_MEMORY.set_function(lambda: self._budget.used)
        self._refusals = RefusalLog(sites)
        for name in sites:
            _last_of(name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        path: str = scope["path"]
        found = _PATH.fullmatch(path)
        site = found["site"] if found and found["site"] in self._secrets else UNKNOWN_SITE
        headers: Headers = dict(scope["headers"])
        client = scope.get("client")
        peer: str = client[0] if client else ""
        body = Body(self._settings.body_limit, self._settings.body_timeout, self._budget, peer)
        outcome: Outcome | None = None
        refusal: RefusalError | None = None
        try:
            if not found:
                raise RefusalError(404, "unknown_path", self._hint(path))
            if scope["method"] != "POST":
                raise RefusalError(405, "not_post")
            outcome = await self._accept(site, headers, body, receive)
            if body.size:
                _last_of(site).set_to_current_time()
            await _answer(send, _NO_CONTENT, _END)
        except DisconnectedError:
            outcome = Outcome(OTHER, "disconnected")
        except RefusalError as error:
            refusal = error
        except asyncio.CancelledError:
            # The server gave up waiting at its stop. Not raised again: an answer lets Jira send again at once,
            # and the server has nothing more to do with this task.
            outcome, refusal = None, RefusalError(503, "stopping", close=True)
        finally:
            body.release()
        WEBHOOK_SECONDS.observe(time.perf_counter() - started)
        if outcome:
            _counter(site, *outcome).inc()
        if refusal:
            self._refusals.tell(site, refusal, short_identifier(headers))
            await self._refuse(send, receive, refusal, unread=not body.ended and _has_body(headers))

    def refuse_not_http(self) -> None:
        """Count and log what came to the port and was no HTTP request; the server has answered it."""
        self._refusals.tell(UNKNOWN_SITE, RefusalError(400, "not_http", close=True), "")

    async def _accept(self, site: str, headers: Headers, body: Body, receive: Receive) -> Outcome:
        """Check all that can be checked without the body first, so that what is refused costs no memory."""
        if site == UNKNOWN_SITE:
            raise RefusalError(404, "unknown_site")
        secrets = self._secrets[site]
        claimed = headers.get(_SIGNATURE)
        signature = parse_signature(claimed) if claimed is not None else None
        if secrets and signature is None:
            raise RefusalError(401, "no_signature" if claimed is None else "bad_signature")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > _MOST_DIGITS or int(length) > self._settings.body_limit):
            raise RefusalError(413, "too_large")
        content = await body.read(receive)
        if secrets and not (signature and signed(content, signature, secrets)):
            raise RefusalError(401, "wrong_signature")
        return await self._handler.handle(site, content, headers)

    def _hint(self, path: str) -> str:
        """Say what an unknown path tells, without what a stranger may have written into it."""
        last = path.rstrip("/").rpartition("/")[2]
        return f"the path ends in {last}, but does not begin with /webhooks/" if last in self._secrets else ""

    async def _refuse(self, send: Send, receive: Receive, refusal: RefusalError, *, unread: bool) -> None:
        text = json.dumps({"error": refusal.reason}).encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        if refusal.status == 405:
            fields.append((b"allow", b"POST"))
        if refusal.status == 503:
            fields.append((b"retry-after", str(self._settings.retry_after).encode()))
        if refusal.close or unread:
            fields.append((b"connection", b"close"))
        start: Message = {"type": "http.response.start", "status": refusal.status, "headers": fields}
        if refusal.close or not unread:
            await _answer(send, start, {"type": "http.response.body", "body": text})
            return
        await _answer(send, start, {"type": "http.response.body", "body": text, "more_body": True})
        await _discard(receive)
        await send(_END)


_LINGER_SECONDS = 1.0
"""How long an unread body is thrown away before its connection is closed.

Closed at once, it would be reset, and a sender that is still writing might lose the answer that it got.
"""


async def _discard(receive: Receive) -> None:
    with suppress(TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(_LINGER_SECONDS):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body", False):
                message = await receive()


def _has_body(headers: Headers) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


@cache
def _counter(site: str, event: str, outcome: str) -> Counter:
    return WEBHOOKS.labels(site, event, outcome)


@cache
def _last_of(site: str) -> Gauge:
    return WEBHOOK_LAST.labels(site)


async def _answer(send: Send, start: Message, body: Message) -> None:
    await send(start)
    await send(body)
