"""The simulator's endpoints, each to be answered otherwise by a test while the site runs."""

from collections.abc import Callable
from typing import Any

import pytest

from simulator.rest import app
from simulator.rest.call import ApiCall
from simulator.rest.response import JiraError
from simulator.rest.rest_serializer import RestSerializer

Change = Callable[[ApiCall, Callable[[], Any]], Any]
"""Gives an answer, for a call and what gives the right one."""

V3 = "/rest/api/3"


class ChangedAnswers:
    """What is answered otherwise now, by method and path as the simulator names them, without the common prefix."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now: dict[str, Change] = {}
        monkeypatch.setattr(app, "ENDPOINTS", tuple(map(self._changeable, app.ENDPOINTS)))

    def _changeable(self, endpoint: app.Endpoint) -> app.Endpoint:
        name = endpoint.name.replace(V3, "")

        def handler(call: ApiCall, serializer: RestSerializer) -> Any:
            def right() -> Any:
                return endpoint.handler(call, serializer)

            return self.now[name](call, right) if name in self.now else right()

        return endpoint._replace(handler=handler)


def fails(status: int, **where: str) -> Change:
    """Fail where path or query have these values."""

    def change(call: ApiCall, right: Callable[[], Any]) -> Any:
        given = {**call.query, **call.path}
        if all(given.get(name) == value for name, value in where.items()):
            raise JiraError(status, "It went wrong.")
        return right()

    return change
