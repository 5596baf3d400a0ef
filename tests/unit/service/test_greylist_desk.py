"""The desk of the service `greylist`: who answers for a client there, and the header once a message."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from tests.support.restrictions import COMMON, World

from gatepost.events.records import Event, Note
from gatepost.lookup.registry import Tables
from gatepost.service.greylist import GreylistDesk

ZONE = "pool.test TXT v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 -all\nopen.test TXT v=spf1 +all\n"


def answers(folder: Path, settings: str, requests: Iterable[tuple[int, str, str, str, str]]) -> tuple[list[str], list[str]]:
    """(actions, log) of requests: seconds to pass before it, client's address and name, sender, instance."""
    lists = "greylist_whitelist_clients =\ngreylist_whitelist_recipients =\ngreylist_header = X-Greylist: %t\ngreylist_text = %s\n"
    (folder / "main.cf").write_text(f"{COMMON}{lists}{settings}")
    (folder / "master.cf").write_text("")
    world, log = World(folder, ZONE), []

    def emit(event: Event) -> None:
        assert isinstance(event, Note)
        log.append(event.text)

    greylister = world.greylister()
    spf = world.spf(Tables(log.append)) if "spf" in greylister.settings.greylist_identity else None
    desk = GreylistDesk(greylister, spf, emit)

    async def all_of_them() -> list[str]:
        told = []
        for seconds, address, name, sender, instance in requests:
            world.now += seconds
            request = {"client_address": address, "client_name": name, "sender": sender, "recipient": "a@r.test"}
            told.append(await desk.answer({**request, "instance": instance}))
        return told

    return asyncio.run(all_of_them()), log


def test_the_service_asks_spf_by_itself(tmp_path: Path) -> None:
    for sender, again in (("a@pool.test", "PREPEND X-Greylist: 400"), ("a@open.test", "DEFER_IF_PERMIT 300")):
        requests = [(0, "192.0.2.1", "unknown", sender, "1"), (400, "198.51.100.1", "unknown", sender, "2")]
        told, _ = answers(tmp_path, "greylist_identity = spf\n", requests)
        assert told == ["DEFER_IF_PERMIT 300", again]


def test_a_confirmed_name_answers_as_well(tmp_path: Path) -> None:
    requests = [(0, "192.0.2.1", "a.s.test", "a@s.test", "1"), (400, "198.51.100.1", "b.s.test", "a@s.test", "2")]
    assert answers(tmp_path, "greylist_identity = name\n", requests)[0] == ["DEFER_IF_PERMIT 300", "PREPEND X-Greylist: 400"]
    assert answers(tmp_path, "", requests)[0] == ["DEFER_IF_PERMIT 300", "DEFER_IF_PERMIT 300"]


def test_the_log_is_postgrey_s(tmp_path: Path) -> None:
    client = ("192.0.2.1", "mx.s.test", "a@s.test")
    _, log = answers(tmp_path, "", [(0, *client, "1"), (100, *client, "2"), (300, *client, "3"), (0, *client, "4")])
    about = "client_name=mx.s.test, client_address=192.0.2.1, sender=a@s.test, recipient=a@r.test"
    assert log == [
        f"action=greylist, reason=new, {about}",
        f"action=greylist, reason=early-retry (200s missing), {about}",
        f"action=pass, reason=triplet found, delay=400, {about}",
        f"action=pass, reason=triplet found, {about}",
    ]
