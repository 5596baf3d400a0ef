"""A session whose mail goes through a before-queue filter: what still counts of what gates say, and what never
reaches the filter."""

import asyncio
from typing import Any

import pytest
from tests.unit.admission.guards import Scripted
from tests.unit.receive.dialogue import Client, stage

from gatepost.admission.port import Finding, ProtocolStage, Severity
from gatepost.events.maillog import words
from gatepost.proto.smtp.replies import ServerReply
from gatepost.receive.proxy_filter import Client as Told
from gatepost.receive.proxy_filter import Verdict

P = ProtocolStage
MAIL = b"EHLO client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<alice@example.test>\r\n"
CONTENT = b"DATA\r\nSubject: x\r\n\r\nhello\r\n.\r\n"
TAKEN = ServerReply(250, "2.0.0", "the filter's")


class Passing:
    """A filter that takes all; `done`: what it was asked."""

    waits = False

    def __init__(self) -> None:
        self.done: list[str] = []
        self.content = b""
        self.opened = False

    def passage(self, mail: str) -> "Passing":
        self.done.append(mail)
        self.opened = False
        return self

    async def open(self, client: Told) -> None:
        self.opened = True

    async def recipient(self, line: str) -> None:
        self.done.append(line)

    async def data(self, line: str) -> None:
        self.done.append(line)

    def write(self, chunk: bytes, *, plain: bool = False) -> None:
        self.content += chunk

    async def onward(self) -> None: ...

    async def finish(self) -> Verdict:
        self.done.append(".")
        return Verdict(TAKEN, taken=True, logged=TAKEN.line)

    def abort(self) -> None:
        self.done.append("abort")


def talk(data: bytes, *gates: Any, **parameters: Any) -> tuple[Passing, list[str], list[str]]:
    """The filter, the replies and the log."""
    passing = Passing()
    scene = stage(parameters, gates=gates, proxy_filter=passing)

    async def play() -> list[str]:
        client = Client(scene.service)
        said = await client.settle()
        said += await client.say(data)
        await client.close()
        return said

    said = asyncio.run(play())
    assert not scene.messages  # nothing comes into our queue
    return passing, said, [words(event) for event in scene.events]


def test_what_the_filter_says_is_the_answer() -> None:
    passing, said, log = talk(MAIL + CONTENT)
    assert said[-1] == "250 2.0.0 the filter's"
    assert passing.done == ["MAIL FROM:<a@client.test>", "RCPT TO:<alice@example.test>", "DATA", ".", "abort"]
    assert passing.content.startswith(b"Received: from client.test ")
    assert b" id " not in passing.content
    assert "NOQUEUE: client=client2.client.test[127.0.0.2]" in log


@pytest.mark.parametrize("severity", [Severity.HOLD, Severity.QUARANTINE, Severity.DISCARD])
def test_what_can_only_be_done_in_a_queue_is_not_done(severity: Severity) -> None:
    """And the client is none that goes on without its mail being looked at."""
    gate = Scripted("g", {P.RCPT: Finding("g", severity)})
    passing, said, log = talk(MAIL + CONTENT, gate)
    assert said[-1] == "250 2.0.0 the filter's"
    assert "." in passing.done
    kind = "DISCARD" if severity is Severity.DISCARD else "HOLD"
    assert f"warning: g: with smtpd_proxy_filter specified, action {kind} is unavailable" in log


@pytest.mark.parametrize(
    "data",
    [
        MAIL + b"RSET\r\n",
        MAIL + b"EHLO again.test\r\n",
        MAIL,
        MAIL + b"DATA\r\nhalf of it\r\n",
        MAIL + b"BDAT 10\r\nSubject: x",
    ],
)
def test_mail_that_is_given_up_is_given_up_at_the_filter(data: bytes) -> None:
    passing, _, _ = talk(data)
    assert passing.done[-1] == "abort"
    assert "." not in passing.done


def test_too_much_content_is_never_completed() -> None:
    passing, said, log = talk(MAIL + b"DATA\r\n" + b"x" * 70 + b"\r\n.\r\n", message_size_limit=50)
    assert said[-1].startswith("552 5.3.4")
    assert passing.done[-1] == "abort"
    assert "." not in passing.done
    assert "warning: NOQUEUE: queue file size limit exceeded" in log
    passing, said, log = talk(MAIL + b"BDAT 70 LAST\r\n" + b"x" * 70, message_size_limit=50)
    assert said[-1].startswith("552 5.3.4")
    assert "." not in passing.done
    assert "warning: NOQUEUE: BDAT request from client2.client.test[127.0.0.2] exceeds message size limit" in log
