"""The made-up companies, written once for a module and served to whoever asks."""

from collections.abc import Iterator

import httpx
import pytest

from . import company
from .serving import Served, served, settings_of


@pytest.fixture(scope="module")
def companies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(tmp_path_factory.mktemp("companies"), company.SITES), company.seed) as page:
        yield page


@pytest.fixture
def viewer(companies: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=companies.url, timeout=60) as client:
        yield client
