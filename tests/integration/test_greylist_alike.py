"""The same decisions as Debian's postgrey on the same days of traffic, by the desk of the service `greylist`."""

import asyncio
from pathlib import Path

import pytest

from gatepost.config.loading import read
from gatepost.events.records import Note
from gatepost.policy.greylist.greylister import Greylister
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelist_files import Whitelists
from gatepost.service.greylist import GreylistDesk
from gatepost.state.local_store import LocalStateStore
from tests.support.postgrey import CLIENTS, RECIPIENTS, START, Postgrey, Sent, day

_TEXTS = ("--greylist-text=Greylisted, %s seconds, %r", "--x-greylist-header=X-Greylist: %t at %h", "--hostname=mx.test")


def ours(folder: Path, traffic: list[Sent], settings: str, lists: tuple[str, str]) -> list[str]:
    """What our desk says."""
    (folder / "main.cf").write_text(
        "greylist_hostname = mx.test\ngreylist_text = Greylisted, %s seconds, %r\ngreylist_header = X-Greylist: %t at %h\n"
        f"greylist_whitelist_clients = {folder}/clients\ngreylist_whitelist_recipients = {folder}/recipients\n{settings}"
    )
    (folder / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    (folder / "clients").write_text(lists[0])
    (folder / "recipients").write_text(lists[1])
    configured = read(folder).view(GreylistSettings)
    now = float(START)

    def clock() -> float:
        return now

    async def whole() -> list[str]:
        nonlocal now
        warned: list[str] = []
        whitelists = Whitelists(configured, warned.append, lambda: 0.0)
        desk = GreylistDesk(Greylister(configured, LocalStateStore(clock), whitelists, clock), None, log.append)
        told = []
        for sent in traffic:
            now = float(sent.time)
            told.append(await desk.answer(sent.request()))
        assert warned == []
        return told

    log: list[object] = []
    answers = asyncio.run(whole())
    assert all(isinstance(one, Note) and one.text.startswith("action=") for one in log)
    return answers


def theirs(traffic: list[Sent], options: tuple[str, ...], lists: tuple[str, str]) -> list[str]:
    """What postgrey says."""
    with Postgrey(*_TEXTS, *options, clients=lists[0], recipients=lists[1]) as postgrey:
        told, now = [], 0
        for sent in traffic:
            if sent.time != now:
                postgrey.set_time(now := sent.time)
            told.append(postgrey.ask(sent.request()))
    return told


@pytest.mark.parametrize(
    ("seed", "options", "settings"),
    [
        (1, (), ""),
        (
            2,
            ("--retry-window=6h", "--auto-whitelist-clients=2"),
            "greylist_retry_window = 6h\ngreylist_auto_whitelist_clients = 2\n",
        ),
        (3, ("--lookup-by-host", "--privacy"), "greylist_lookup_by_host = yes\ngreylist_privacy = yes\n"),
        (
            4,
            ("--ipv4cidr=20", "--ipv6cidr=48", "--delay=60", "--auto-whitelist-clients=0", "--greylist-action=451"),
            "greylist_ipv4cidr = 20\ngreylist_ipv6cidr = 48\ngreylist_delay = 60\ngreylist_auto_whitelist_clients = 0\n"
            "greylist_action = 451\n",
        ),
        (5, ("--auto-whitelist-clients=1", "--retry-window=1"), "greylist_auto_whitelist_clients = 1\ngreylist_retry_window = 1\n"),
    ],
)
def test_the_same_day(tmp_path: Path, seed: int, options: tuple[str, ...], settings: str) -> None:
    traffic = list(day(seed, 2000))
    lists = (CLIENTS, RECIPIENTS)
    pairs = zip(traffic, ours(tmp_path, traffic, settings, lists), theirs(traffic, options, lists), strict=True)
    differing = [(sent, our, their) for sent, our, their in pairs if our != their]
    assert differing == [], f"{len(differing)} of {len(traffic)}"
