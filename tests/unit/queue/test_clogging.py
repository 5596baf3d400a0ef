"""qmgr_clog_warn_time: when a destination is told of, how often, and with what advice."""

from typing import Any

from tests.support.settings import default, transport_limits

from gatepost.events.records import Event, Note
from gatepost.queue.clogging import Clogging
from gatepost.queue.destinations import Destinations
from gatepost.queue.settings import QueueSettings


class Scene:
    """A scheduler of 100 messages at most, and one site with some jobs waiting."""

    def __init__(self, waiting: int, limits: dict[str, Any] | None = None, **settings: Any) -> None:
        self.now = 1000.0
        self.log: list[str] = []
        self.destinations = Destinations(lambda transport: transport_limits(**(limits or {})), default(QueueSettings))
        self.site = self.destinations.site("smtp", "slow.test", "a@slow.test")
        self.site.waiting.extend([None] * waiting)  # type: ignore[list-item]
        self.clogging = Clogging(default(QueueSettings, qmgr_message_active_limit=100, **settings), self._emit, lambda: self.now)

    def _emit(self, event: Event) -> None:
        assert isinstance(event, Note)
        assert event.severity == "warning"
        self.log.append(event.text)

    def look(self, messages: int = 80) -> list[str]:
        self.log = []
        self.clogging.look(self.destinations, messages)
        return self.log


def test_a_destination_with_much_waiting() -> None:
    scene = Scene(30)
    assert scene.look() == [
        "mail for slow.test is using up 30 of 80 active queue entries",
        "this may slow down other mail deliveries",
        "you may need a separate master.cf transport for slow.test",
    ]


def test_advice() -> None:
    busy = Scene(30, {"destination_concurrency_limit": 2})
    busy.site.busy = 2
    assert busy.look(32)[1:] == ["you may need to increase the main.cf smtp_destination_concurrency_limit from 2"]
    full = Scene(30, {"process_limit": 1})
    full.site.transport.busy = 1
    assert full.look(30)[1:] == ["you may need to increase the master.cf smtp process limit"]


def test_it_is_told_once_in_a_while() -> None:
    scene = Scene(30)
    assert scene.look()
    scene.now += 299
    assert not scene.look()
    scene.now += 1
    assert scene.look()


def test_nothing_to_tell() -> None:
    assert not Scene(20).look()
    assert not Scene(30).look(20)
    assert not Scene(30, qmgr_clog_warn_time=0).look()
    assert not Scene(30, helpful_warnings=False).look()
