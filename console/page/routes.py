"""The page's routes, each behind the same gate and with the same headers."""

import time

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from console.page.access.gate import SIGN_IN, Gate
from console.page.access.policy import Policy
from console.page.access.sessions import Sessions
from console.page.access.signing import Signing
from console.page.access.throttle import Throttle
from console.page.headers import PageHeaders
from console.page.home import Home
from console.page.looking import Look
from console.page.page import Page


def page_routes(page: Page) -> list[BaseRoute]:
    """Return the routes of the page: ``/``, ``/live``, ``/sign-in``, ``/sign-out`` and ``/static``.

    Args:
        page: What it stands on; at least one site must be in its settings. The routes belong to the event loop that
            the page's log belongs to.
    """
    policy = Policy(page.settings, page.listen or page.settings.listen)
    sessions = Sessions(page.settings.page.session_hours * 3600, time.time)
    signing = Signing(page.settings, policy, sessions, Throttle(time.monotonic))
    home = Home(page, Look(page))
    private = Middleware(PageHeaders, cache="private, no-store")
    behind_the_gate = [private, Middleware(Gate, policy=policy, sessions=sessions)]
    static = StaticFiles(packages=[("console.page", "static")])
    return [
        Route("/", home.show, methods=["GET"], middleware=behind_the_gate),
        Route("/live", home.live, methods=["GET"], middleware=behind_the_gate),
        Route(SIGN_IN, signing.form, methods=["GET"], middleware=[private]),
        Route(SIGN_IN, signing.sign_in, methods=["POST"], middleware=[private]),
        Route("/sign-out", signing.sign_out, methods=["POST"], middleware=[private]),
        # Nothing in there is anybody's: the style and script of a program that everybody may read.
        Mount("/static", static, middleware=[Middleware(PageHeaders, cache="no-cache")]),
    ]
