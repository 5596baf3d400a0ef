"""smtpd_proxy_filter behind log-ins: what the filter hears of who is logged in is what it hears of Postfix."""

from collections.abc import Callable, Iterator

import pytest

from tests.abuse.test_07_log_in import PASSWORD, AuthServer, plain
from tests.integration.postfix import Postfix
from tests.support.running import Client, System, wait_for
from tests.support.sink import Sink

_KEYWORDS = (b"XFORWARD NAME ADDR PROTO HELO IDENT SOURCE", b"8BITMIME", b"AUTH PLAIN")
_LOGGED_IN = ("EHLO client.example", f"AUTH PLAIN {plain('alice', PASSWORD)}")
_FROM = "MAIL FROM:<a@example.com>"
_REST = ("RCPT TO:<b@example.net>", "DATA", "Subject: x\r\n\r\nx\r\n.")
CASES = {
    "nothing said": (*_LOGGED_IN, _FROM, *_REST),
    "AUTH=": (*_LOGGED_IN, f"{_FROM} AUTH=x+40example.com", *_REST),
    "AUTH=<>": (*_LOGGED_IN, f"{_FROM} AUTH=<> SIZE=20", *_REST),
    "AUTH=, not logged in": ("EHLO client.example", f"{_FROM} AUTH=x@example.com", *_REST),
    "AUTH=<>, not logged in": ("EHLO client.example", f"{_FROM} AUTH=<>", *_REST),
}


class Way:
    """One mail system at `port`, with a filter."""

    def __init__(self, port: int, sink: Sink) -> None:
        self._port, self._sink = port, sink

    def met(self, name: str) -> tuple[list[int], list[bytes], list[bytes]]:
        """The replies, what the filter was told of message and client, and the header that tells of the login."""
        self._sink.commands.clear()
        self._sink.taken.clear()
        client = Client(self._port)
        codes = [client.say(line)[0] for line in CASES[name]]
        client.close()
        wait_for(lambda: self._sink.taken, "the message at the filter")
        header = [line for line in self._sink.taken[0].content.split(b"\r\n") if b"uthenticated" in line]
        return codes, [line for line in self._sink.commands if line.startswith((b"MAIL", b"XFORWARD", b"AUTH"))], header


@pytest.fixture(scope="module")
def server() -> Iterator[AuthServer]:
    one = AuthServer()
    yield one
    one.stop()


def _way(server: AuthServer, start: Callable[[dict[str, str]], tuple[int, Callable[[], object]]]) -> Iterator[Way]:
    with Sink(keywords=_KEYWORDS) as sink:
        port, stop = start({
            "smtpd_proxy_filter": f"127.0.0.1:{sink.port}", "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": str(server.path), "smtpd_sasl_authenticated_header": "yes", "smtpd_peername_lookup": "no",
        })  # fmt: skip
        yield Way(port, sink)
        stop()


@pytest.fixture(scope="module")
def theirs(server: AuthServer) -> Iterator[Way]:
    """Postfix."""

    def start(main: dict[str, str]) -> tuple[int, Callable[[], object]]:
        postfix = Postfix("".join(f"{name} = {value}\n" for name, value in main.items()))
        return postfix.port, postfix.clean

    yield from _way(server, start)


@pytest.fixture(scope="module")
def ours(server: AuthServer) -> Iterator[Way]:
    """Gatepost."""

    def start(main: dict[str, str]) -> tuple[int, Callable[[], object]]:
        system = System(main).start()
        return system.port, system.stop

    yield from _way(server, start)


@pytest.mark.parametrize("name", CASES)
def test_the_filter_hears_what_it_hears_of_postfix(name: str, ours: Way, theirs: Way) -> None:
    met = ours.met(name)
    assert met == theirs.met(name)
    assert set(met[0]) <= {235, 250, 354}
