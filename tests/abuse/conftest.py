"""What the tests of abuse share."""

from collections.abc import Iterator

import pytest

from tests.support.sink import Sink


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """The world outside: a next hop that takes everything."""
    with Sink() as one:
        yield one
