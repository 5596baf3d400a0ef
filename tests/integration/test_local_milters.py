"""Mail that does not come by SMTP, and our own notices, before filters (non_smtpd_milters, internal_mail_filter_classes): what they
are told, and what becomes of the mail, beside Postfix."""

import contextlib
import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.milters_beside import plain
from tests.integration.postfix import Postfix
from tests.support.milter_scenes import heard
from tests.support.milters import DISCARD, REJECT, ScriptedFilter, add, say
from tests.support.running import System, wait_for

_GO_ON = say("c")
ANSWERS: dict[str, bytes | None] = {
    "M:refused@": REJECT,
    "L:discard": DISCARD,
    "L:turn-away": REJECT,
    "E": add(b"X-Filtered", b"yes") + _GO_ON,
}
_MAIN = {
    "internal_mail_filter_classes": "bounce, notify",
    "transport_maps": "inline:{{bounce.test=error:5.1.1 nobody there}}",
    "smtpd_peername_lookup": "no",
    "non_smtpd_milters": "FILTER",
}


class Place:
    """`submit`: hands a message in; `log`, `mail`: what there is then; `port`: where it listens."""

    def __init__(
        self, one: ScriptedFilter, submit: Callable[[str, str, str], None], log: Callable[[], str], mail: Path, port: int
    ) -> None:
        self.filter, self.submit, self.log, self.mail, self.port = one, submit, log, mail, port


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Place, Place]]:
    with contextlib.ExitStack() as stack:
        theirs, ours = (stack.enter_context(contextlib.closing(_Closing(ANSWERS))) for _ in range(2))
        main = {**_MAIN, "non_smtpd_milters": theirs.name}
        postfix = Postfix("".join(f"{name} = {value}\n" for name, value in main.items()))
        stack.callback(postfix.clean)
        settings = {**_MAIN, "non_smtpd_milters": ours.name, "myhostname": "next.example.net", "mydestination": ""}
        settings |= {"virtual_mailbox_domains": "example.net", "virtual_mailbox_base": "{dir}/mail"}
        settings |= {"virtual_mailbox_maps": "static:box/", "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534"}
        services = "127.0.0.1:{port} inet n - n - - smtpd\npickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\n"
        services += "error unix - - n - - error\nvirtual unix - n n - - virtual\nbounce unix - - n - 0 bounce\n"
        gatepost = System(settings, services)
        (gatepost.folder / "mail").mkdir()
        shutil.chown(gatepost.folder / "mail", "nobody")
        stack.enter_context(gatepost)

        def here(sender: str, to: str, text: str) -> None:
            done = gatepost.command("sendmail", "-f", sender, to, input=text)
            assert done.returncode == 0, done.stderr

        def there(sender: str, to: str, text: str) -> None:
            command = ["/usr/sbin/sendmail", "-C", str(postfix.folder / "conf"), "-f", sender, to]
            environment = {**os.environ, "MAIL_CONFIG": str(postfix.folder / "conf")}
            subprocess.run(command, input=text, text=True, check=True, env=environment)

        yield (
            Place(theirs, there, lambda: postfix.log, postfix.folder / "Maildir/box", postfix.port),
            Place(ours, here, gatepost.log, gatepost.folder / "mail/box", gatepost.port),
        )


class _Closing(ScriptedFilter):
    def close(self) -> None:
        self.stop()


_OURS_ALONE = re.compile(r"\{(?:mail|rcpt)_(?:host|mailer)\}\0[^\0]*\0")
"""Macros that cleanup(8) does not give (docs/differences.md)."""

_BOUNDARY = re.compile(r"\w+\.\d{10}/")
_NOTICES = {"status=bounced": 2, "sender non-delivery notification": 1}
"""What the log says before a notice, and how many messages have to end then."""

CASES = {
    "plain": ("a@example.net", "b@example.net", "X-Do: nothing", "removed"),
    "nobody as sender": ("", "b@example.net", "X-Do: nothing", "removed"),
    "two recipients": ("a@example.net", "b@example.net,c@example.net", "X-Do: nothing", "removed"),
    "discarded": ("a@example.net", "b@example.net", "X-Do: discard", "milter-discard"),
    "refused at a header": ("a@example.net", "b@example.net", "X-Do: turn-away", "sender non-delivery notification"),
    "refused sender": ("refused@example.net", "b@example.net", "X-Do: nothing", "sender non-delivery notification"),
    "a notice": ("a@example.net", "b@bounce.test", "X-Do: nothing", "status=bounced"),
}


def _seen(place: Place, sender: str, to: str, header: str, until: str) -> tuple[list[str], list[str], list[str]]:
    """What the filter was told; what arrived of it; the lines of the log about filters."""
    before, told = len(place.log()), len(place.filter.told("DCHMRTULNBE"))
    arrived = set(place.mail.glob("new/*"))
    place.submit(sender, to, f"Subject: test\n{header}\n\nbody\n")
    wait_for(lambda: until in place.log()[before:], lambda: f"{until}\n{place.log()[before:]}")
    if until in _NOTICES:
        wait_for(lambda: place.log()[before:].count(": removed") >= _NOTICES[until], "the end of the notice")
    packets = [
        f"{letter} {_OURS_ALONE.sub('', plain(_BOUNDARY.sub('B/', data)))!r}"
        for letter, data in heard(place.filter, place.port)[told:]
    ]
    texts = [plain(one.read_text()) for one in set(place.mail.glob("new/*")) - arrived]
    headers = [[line for line in text.splitlines() if line.startswith(("X-", "Subject:", "Return-Path:"))] for text in texts]
    lines = [plain(line.partition("]: ")[2]) for line in place.log()[before:].splitlines()]
    told = [re.sub(r"(: MAIL .*) to=<[^>]*>", r"\1", line) for line in lines if "milter" in line]  # ours names recipients already
    return packets, sorted(map(repr, headers)), told


@pytest.mark.parametrize("name", CASES)
def test_as_postfix(both: tuple[Place, Place], name: str) -> None:
    theirs, ours = (_seen(place, *CASES[name]) for place in both)
    for part, there, here in zip(("packets", "mail", "log"), theirs, ours, strict=True):
        assert here == there, f"{part}\n" + "\n".join(difflib.unified_diff(there, here, "Postfix", "Gatepost", n=1, lineterm=""))
