"""What the integration tests run against; each is stopped and removed when the test (or, where it says so, the file) ends."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.dovecot import Dovecot
from tests.integration.postfix import Postfix
from tests.integration.system import System
from tests.support import certificate as certificates
from tests.support.certificate import Certificate


@pytest.fixture
def system() -> Iterator[Callable[..., System]]:
    """Make a Gatepost: `system(main=…, master=…)`."""
    with ExitStack() as stack:

        def make(*arguments: str, **named: str) -> System:
            one = System(*arguments, **named)
            stack.push(one.__exit__)
            return one

        yield make


@pytest.fixture
def postfix() -> Iterator[Callable[..., Postfix]]:
    """Make a running Postfix: `postfix(main)`."""
    with ExitStack() as stack:

        def make(main: str = "") -> Postfix:
            one = Postfix(main)
            stack.callback(one.clean)
            return one

        yield make


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    """A Dovecot for all tests of a file."""
    one = Dovecot()
    yield one
    one.clean()


@pytest.fixture(scope="session")
def certificate() -> Iterator[Certificate]:
    """A certificate for mail.example.test, by an authority of the tests' own. Workers read it too, so it is not in pytest's folder,
    which every pytest that starts closes to other users."""
    with tempfile.TemporaryDirectory(prefix="certificate-") as folder:
        Path(folder).chmod(0o755)
        yield certificates.make(Path(folder), "mail.example.test")
