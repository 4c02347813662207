"""The server of the tests that speak to one."""

from collections.abc import Iterator

import pytest

from .servers import Chosen, server


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chosen]:
    with server(tmp_path_factory.mktemp("clickhouse") / "data") as chosen:
        yield chosen
