"""A reload, or a stop, while a message waits at a slow before-queue filter: what the client hears is what became of it."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.running import MASTER, Client, System, wait_for
from tests.support.sink import Sink

LINE = "127.0.0.1:{{second}} inet n - n - - smtpd -o smtpd_proxy_filter=127.0.0.1:{port}\n"


class Scene:
    """A message whose content the filter has, which does not answer before `go_on`. `taken`: how often it took it."""

    def __init__(self, system: System, filter: Sink, client: Client) -> None:
        self.system, self.filter, self.client = system, filter, client
        self.go_on, self._waits = threading.Event(), threading.Event()
        self.taken = 0
        filter.answers = {"END": self._hold}
        client.envelope()
        assert client.say("DATA")[0] == 354
        client.write(b"X-Id: slow\r\n\r\nbody\r\n.\r\n")
        assert self._waits.wait(20)

    def _hold(self, connection: socket.socket) -> None:
        self._waits.set()
        self.go_on.wait(60)
        self.taken += 1
        connection.sendall(b"250 2.0.0 taken\r\n")

    def heard(self) -> int:
        """The code that the client hears in the end; 0: none, the connection has ended."""
        return self.client.reply()[0]


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Sink() as slow, System({"worker_processes": "1"}, MASTER + LINE.format(port=slow.port)) as system:
        with system.client(system.second) as client:
            scene = Scene(system, slow, client)
            yield scene
            scene.go_on.set()


def test_a_reload_waits_for_the_filter(scene: Scene) -> None:
    """The session is seen to its end by the worker that began it; new ones are another's."""
    system = scene.system
    (old,) = system.workers()
    system.reload()
    system.logged("reload -- version")
    wait_for(lambda: set(system.workers()) - {old}, "the new worker")
    scene.go_on.set()
    assert scene.heard() == 250
    scene.filter.answers = {}
    with system.client(system.second) as other:
        other.envelope()
        assert other.say("DATA")[0] == 354
        other.write(b"X-Id: new\r\n\r\nbody\r\n.\r\n")
        assert other.reply()[0] == 250
    assert (scene.taken, scene.filter.ids()) == (1, {"new": 1})


@pytest.mark.parametrize("end", [System.stop, System.kill])
def test_who_ends_it_has_said_nothing_that_is_not_so(scene: Scene, end: Callable[[System], None]) -> None:
    """The filter takes the message or it does not; the client has a 250 only where it does."""
    ending = threading.Thread(target=end, args=(scene.system,))
    ending.start()
    threading.Timer(1.0, scene.go_on.set).start()
    code = scene.heard()
    ending.join(60)
    assert code in (0, 250, 421, 451)
    wait_for(lambda: scene.taken == 1, "the filter")
    assert scene.filter.count(b"X-Id: slow") == 0  # nor was it handed in again
