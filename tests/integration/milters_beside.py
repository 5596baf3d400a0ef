"""A Gatepost and a Postfix that both deliver example.net into a Maildir, behind filters; and what they say and do, less what
differs from one run to the next."""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.integration.postfix import Postfix
from tests.support.postfix import QUEUE_ID
from tests.support.running import System, wait_for


class Place:
    """One of the two systems. `ports`: of the cases; `log`, `mail`: what it wrote."""

    def __init__(self, ports: Mapping[str, int], log: Callable[[], str], mail: Path) -> None:
        self.ports = ports
        self.log = log
        self.mail = mail

    def settled(self, before: int, replies: list[str], sessions: int = 1) -> str:
        """The log from octet `before` on, when so many sessions, and the messages that were taken in them, are over."""
        since = lambda: self.log()[before:]  # noqa: E731
        wait_for(lambda: since().count(": disconnect from ") >= sessions, lambda: f"the end of the session\n{since()}")
        for queue_id in re.findall(rf"queued as ({QUEUE_ID})", "".join(replies)):
            over = re.compile(f"{queue_id}: (?:removed|discard: )|milter-(?:header-)?(?:hold|discard): ")
            wait_for(lambda over=over: over.search(since()), lambda: f"the end of the message\n{since()}")
        return since()


@contextlib.contextmanager
def postfix_with(main: str, master: str, ports: Mapping[str, int]) -> Iterator[Place]:
    """Debian's. `main`, `master`: more lines."""
    one = Postfix(main, master)
    try:
        yield Place(ports, lambda: one.log, one.folder / "Maildir/box")
    finally:
        one.clean()


@contextlib.contextmanager
def gatepost_with(main: str, master: str, ports: Mapping[str, int]) -> Iterator[Place]:
    """Ours, with the same lines."""
    settings = dict(line.split(" = ", 1) for line in main.splitlines())
    settings |= {"virtual_mailbox_domains": "example.net", "virtual_mailbox_base": "{dir}/mail"}
    settings |= {"virtual_mailbox_maps": "static:box/", "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534"}
    settings |= {"mydestination": "", "myhostname": "next.example.net", "helper_failure_limit": "0"}
    system = System(settings, "127.0.0.1:{port} inet n - n - - smtpd\n" + master)
    mail = system.folder / "mail"
    mail.mkdir()
    shutil.chown(mail, "nobody")
    with system:
        yield Place(ports, system.log, mail / "box")


def plain(text: str) -> str:
    """Without what differs from one run to the next."""
    text = re.sub(r"\w{3}, \d+ \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)", "DATE", text)
    text = re.sub(rf"\b(?:\d{{14}}\.)?{QUEUE_ID}(?=[@;\s:\0)]|$)", "QID", text)
    return re.sub(r"(?:inet:127\.0\.0\.1:\d+|unix:\S+/socket\S*)", "FILTER", text)


def logged(text: str) -> list[str]:
    """What the log has of filters. What exactly is wrong with one that does not answer each says in its own words, once."""
    lines = [plain(line.partition("]: ")[2]) for line in text.splitlines()]
    told = [line for line in lines if "milter" in line.lower() or "reject" in line]
    return list(dict.fromkeys("warning: milter FILTER" if "warning: milter FILTER" in line else line for line in told))


def delivered(place: Place, subject: str) -> list[str]:
    """The messages of a case (X-Case)."""
    files = sorted(place.mail.glob("new/*"))
    texts = [file.read_text(errors="surrogateescape") for file in files]
    return sorted(plain(text) for text in texts if f"X-Case: {subject}\n" in text)
