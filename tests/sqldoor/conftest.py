"""One warehouse for all tests of the door: a process holds one chDB folder at a time."""

from collections.abc import Iterator

import pytest

from .house import Door, House, open_house


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        yield opened


@pytest.fixture(scope="package")
def door(house: House) -> Iterator[Door]:
    with house.door() as opened:
        yield opened
