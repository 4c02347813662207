"""The web application: the routes that take webhooks, beside health and whatever else is served with them."""

from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import Lifespan

from ingest.endpoint import WebhookEndpoint
from rollcall.http.health import Check, health_routes
from rollcall.runtime import Runtime


def webhook_routes(runtime: Runtime) -> list[Route]:
    """Return the routes that take webhooks: ``POST /webhooks/{site}``, and refuse all else under ``/webhooks``.

    All paths and methods, or Starlette would answer them: in plain text, and ``/webhooks/{site}/`` with a redirect to
    the name and scheme that the proxy uses, which Jira need not follow.
    """
    endpoint = WebhookEndpoint(runtime)
    return [Route("/webhooks", endpoint), Route("/webhooks/{site:path}", endpoint)]


def create_app(
    runtime: Runtime,
    *,
    checks: Mapping[str, Check],
    notes: Mapping[str, Callable[[], str]] | None = None,
    extra_routes: Sequence[BaseRoute] = (),
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Build the application: webhooks, ``/healthz``, ``/readyz``, ``/metrics``, and what else is given.

    Args:
        runtime: What the process stands on; facts go on its log.
        checks: What ``/readyz`` asks, by name; each raises when something is wrong.
        notes: What ``/readyz`` says besides, by name; see `health_routes`.
        extra_routes: Further routes, such as the page.
        lifespan: Runs around the serving, see Starlette.
    """
    routes: list[BaseRoute] = [
        *webhook_routes(runtime),
        *health_routes(checks, notes or {}),
        *extra_routes,
    ]
    return Starlette(routes=routes, lifespan=lifespan)
