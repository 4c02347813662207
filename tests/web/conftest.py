"""The made-up companies, and one whose people hold seats: written once for a module and served to whoever asks."""

from collections.abc import Iterator

import httpx
import pytest

from . import company as made_up
from . import holders
from .serving import Served, served, settings_of


@pytest.fixture(scope="module")
def companies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(tmp_path_factory.mktemp("companies"), made_up.SITES), made_up.seed) as page:
        yield page


@pytest.fixture
def viewer(companies: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=companies.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = holders.settings_in(tmp_path_factory.mktemp("holders"))
    with served(settings, holders.seed) as page:
        yield page
