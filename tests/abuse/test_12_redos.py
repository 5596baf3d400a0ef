"""Patterns that a key makes slow (ReDoS): the time is bounded, the pattern is named in the log, and others are served meanwhile."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

HELO_ACCESS = r"""
/^([a-z0-9]+[-.]?)+\.dyn\.example$/ REJECT dynamic
/^refused\.example$/ REJECT known
"""
BACK_REFERENCES = r"""
/^(.*)(.*)(.*)(.*)(.*)\5\4\3\2\1x$/ REJECT never
/^(.+)-\1\.refused\.example$/ REJECT twice
"""
# The second rule is that of header_checks(5), Postfix's manual.
HEADER_CHECKS = r"""
/^X-Slow: ([a-z0-9]+[-.]?)+!$/ REJECT slow
/^Content-(Disposition|Type).*name\s*=\s*"?(.*(\.|=2E)(ade|adp|bas|bat|cmd|com|cpl|dll|exe|hlp))(\?=)?"?\s*(;|$)/x REJECT
/^Subject: bad/ REJECT bad subject
"""
BODY_CHECKS = r"""
/<[^>]*x[^>]*y[^>]*z[0-9]>/ REJECT slow
/^bad line/ REJECT bad line
"""
SLOW_HELO = "a1b2c3" * 9 + ".dyn.example.org"
MANUAL_KEY = b"Content-Type: " + b"name=a.ex " * 6300


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    main = {
        "smtpd_helo_restrictions": "check_helo_access pcre:{dir}/helo, check_helo_access regexp:{dir}/back",
        "header_checks": "pcre:{dir}/headers",
        "body_checks": "regexp:{dir}/body",
        "smtpd_error_sleep_time": "0",
        "smtpd_hard_error_limit": "10000",
        "smtpd_soft_error_limit": "10000",
        "worker_processes": "1",
    }
    one = System(main, relay=sink.port)
    for name, text in (("helo", HELO_ACCESS), ("back", BACK_REFERENCES), ("headers", HEADER_CHECKS), ("body", BODY_CHECKS)):
        (one.folder / name).write_text(text.lstrip("\n"))
    with one:
        yield one


class Neighbour:
    """Somebody else's mail: sent again and again while something else goes on. `served`: how often."""

    def __init__(self, system: System) -> None:
        self.served = 0
        self._system = system
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        while not self._over.is_set():
            self._system.send()
            self.served += 1

    def __enter__(self) -> "Neighbour":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _replies_to_recipients(system: System, helo: str, enough: str, most: int) -> list[str]:
    """What is said to one recipient after the other, until `enough` is said."""
    said: list[str] = []
    with system.client() as client:
        client.say(f"HELO {helo}")
        client.say("MAIL FROM:<a@example.com>")
        while len(said) < most and not (said and said[-1].startswith(enough)):
            code, text = client.say("RCPT TO:<b@example.net>")
            said.append(f"{code} {text}")
    return said


@pytest.mark.parametrize(("helo", "line"), [(SLOW_HELO, "pcre map {}/helo, line 1: match limit exceeded"),
                                            ("ab" * 125, "regexp map {}/back, line 1: time limit exceeded")])  # fmt: skip
def test_a_host_name(system: System, helo: str, line: str) -> None:
    """The first recipients are taken, as with Postfix, whose pattern finds nothing then; when the session's time is up, none is."""
    with Neighbour(system) as neighbour:
        said = _replies_to_recipients(system, helo, "451", 2000)
    assert said[0].startswith("250 ")
    assert said[-1].startswith("451 4.3"), said[-1]
    assert neighbour.served
    system.logged(line.format(system.folder))
    system.logged("slow patterns have taken more than 2 s")
    # Another session has its own time, and the rules still hold.
    assert _replies_to_recipients(system, "fine.example", "250", 1)[0].startswith("250 ")
    assert "known" in _replies_to_recipients(system, "refused.example", "", 1)[0]
    assert "twice" in _replies_to_recipients(system, "ab-ab.refused.example", "", 1)[0]


def _content(*headers: bytes, body: bytes = b"body") -> bytes:
    return b"\r\n".join((*headers, b"", body, b"."))


@pytest.mark.parametrize(
    ("content", "accepted"),
    [
        (_content(b"X-Slow: " + b"a1b2c3" * 9 + b"!0"), True),
        (_content(*[b"X-Slow: " + b"a1b2c3" * 9 + b"!%d" % number for number in range(1500)]), False),
        (_content(MANUAL_KEY), None),
        (_content(b"Subject: x", body=b"<" + b"xy" * 450 + b"z"), None),
        (_content(b"Subject: x", body=b"\r\n".join([b"<" + b"xy" * 450 + b"z"] * 50)), None),
    ],
    ids=["one header", "many headers", "the manual's rule", "a line", "many lines"],
)
def test_a_message(system: System, content: bytes, accepted: bool | None) -> None:
    """Taken or refused for now, and others are served meanwhile."""
    with Neighbour(system) as neighbour, system.client() as client:
        client.envelope()
        assert client.say("DATA")[0] == 354
        client.write(content + b"\r\n")
        code, text = client.reply()
    assert (code, text[:5]) in ((250, "2.0.0"), (451, "4.3.0")), text
    if accepted is not None:
        assert (code == 250) is accepted
    assert neighbour.served


def test_the_rules_after_a_slow_one_hold(system: System) -> None:
    for content, why in ((_content(MANUAL_KEY, b"Subject: bad"), "bad subject"), (_content(b"A: b", body=b"bad line"), "bad line")):
        with system.client() as client:
            client.envelope()
            client.say("DATA")
            client.write(content + b"\r\n")
            code, text = client.reply()
        assert code in (550, 451)
        assert why in text or code == 451


def test_the_log_is_not_filled(system: System) -> None:
    _replies_to_recipients(system, SLOW_HELO, "451", 2000)
    assert system.log().count("helo, line 1: match limit exceeded") <= 3  # once a minute


def test_no_worker_was_lost_and_nothing_is_left(system: System) -> None:
    before = system.workers()
    _replies_to_recipients(system, "ab" * 125, "451", 3)
    assert system.workers() == before
    wait_for(lambda: len(_children(before[0])) <= 1, "at most one process for patterns")


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def test_the_process_for_patterns_goes_with_its_worker(sink: Sink) -> None:
    one = System({"smtpd_helo_restrictions": "check_helo_access regexp:{dir}/back", "worker_processes": "1"}, relay=sink.port)
    (one.folder / "back").write_text(BACK_REFERENCES.lstrip("\n"))
    with one:
        _replies_to_recipients(one, "ab" * 125, "451", 1)
        children = _children(one.workers()[0])
        assert children
    for child in children:
        assert not os.path.exists(f"/proc/{child}") or "Z" in Path(f"/proc/{child}/stat").read_text()
