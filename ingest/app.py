"""The web application: the routes that take webhooks, beside health and whatever else is served with them.

A POST to a path that nothing else serves may be a webhook whose path was changed on its way, so the endpoint judges it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from ingest.endpoint import WebhookEndpoint
from rollcall.http.health import Check, health_routes, own_metrics
from rollcall.runtime import Runtime


def webhook_routes(endpoint: WebhookEndpoint) -> list[Route]:
    """Return the routes that take webhooks: ``POST /webhooks/{site}``, and refuse all else under ``/webhooks``.

    All paths and methods, or Starlette would answer them: in plain text, and ``/webhooks/{site}/`` with a redirect to
    the name and scheme that the proxy uses, which Jira need not follow.
    """
    return [Route("/webhooks", endpoint), Route("/webhooks/{site:path}", endpoint)]


def create_app(
    runtime: Runtime,
    *,
    checks: Mapping[str, Check],
    notes: Mapping[str, Callable[[], str]] | None = None,
    metrics: Callable[[], Awaitable[bytes]] = own_metrics,
    extra_routes: Sequence[BaseRoute] = (),
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Build the application: webhooks, ``/healthz``, ``/readyz``, ``/metrics``, and what else is given.

    Its ``state.not_http`` is to be called for what comes to its port and is no HTTP request, see `serve`.

    Args:
        runtime: What the process stands on; facts go on its log.
        checks: What ``/readyz`` asks, by name; each raises when something is wrong.
        notes: What ``/readyz`` says besides, by name; see `health_routes`.
        metrics: Returns what ``/metrics`` answers.
        extra_routes: Further routes, such as the page.
        lifespan: Runs around the serving, see Starlette.
    """
    endpoint = WebhookEndpoint(runtime)
    routes: list[BaseRoute] = [
        *webhook_routes(endpoint),
        *health_routes(checks, notes, metrics, listen=runtime.settings.listen, token=runtime.settings.metrics_secret()),
        *extra_routes,
    ]
    if extra_routes:  # the page is at "/", where a proxy that cuts the whole path posts to
        routes.append(Route("/", endpoint, methods=["POST"]))
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False  # it redirects to the Host that was asked for, whatever that is
    app.state.not_http = endpoint.refuse_not_http
    app.router.default = _posts_to(endpoint, app.router.default)
    return app


def _posts_to(endpoint: ASGIApp, others: ASGIApp) -> ASGIApp:
    """Return an application that hands what is posted to the endpoint, and all else on."""

    async def judge(scope: Scope, receive: Receive, send: Send) -> None:
        posted = scope["type"] == "http" and scope["method"] == "POST"
        await (endpoint if posted else others)(scope, receive, send)

    return judge
