"""Which letters go to the agent together, and who gets which answer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gatepost.deliver import maildir_batches
from gatepost.deliver.mailbox import Mailbox
from gatepost.deliver.maildir_batches import MaildirBatches
from gatepost.deliver.privileged import Answer, Done, Failed, Letter

BOX = Mailbox("/mail/anna/", 5000, 5000)


class Agent:
    """An agent process that answers when `free`; a letter with the content `bad` fails. `asked`: contents, batch by batch."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []
        self.free = asyncio.Event()

    async def deliver(self, letters: tuple[Letter, ...]) -> list[Answer]:
        self.asked.append([letter.content for letter in letters])
        await self.free.wait()
        return [Failed("4.2.0", "no") if letter.content == b"bad" else Done(data=letter.content) for letter in letters]


def _with_agent(story: Callable[[Agent, MaildirBatches], Awaitable[None]]) -> None:
    async def run() -> None:
        agent = Agent()
        await story(agent, MaildirBatches(agent))  # type: ignore[arg-type]

    asyncio.run(run())


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_comes_while_the_agent_is_busy_goes_together() -> None:
    async def story(agent: Agent, letters: MaildirBatches) -> None:
        first = asyncio.gather(*(letters.deliver(BOX, content) for content in (b"1", b"bad")))
        await _turns()
        second = asyncio.gather(*(letters.deliver(BOX, content) for content in (b"3", b"4", b"5")))
        await _turns()
        assert agent.asked == [[b"1", b"bad"]]
        agent.free.set()
        assert await first == [Done(data=b"1"), Failed("4.2.0", "no")]
        assert await second == [Done(data=b"3"), Done(data=b"4"), Done(data=b"5")]
        assert agent.asked[1:] == [[b"3", b"4", b"5"]]

    _with_agent(story)


def test_who_gives_up_keeps_nobody_else_from_an_answer() -> None:
    async def story(agent: Agent, letters: MaildirBatches) -> None:
        impatient, patient = (asyncio.create_task(letters.deliver(BOX, content)) for content in (b"1", b"2"))
        await _turns()
        impatient.cancel()
        agent.free.set()
        assert await patient == Done(data=b"2")

    _with_agent(story)


def test_a_file_system_that_hangs_holds_up_only_what_went_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maildir_batches, "_PATIENCE", 0.0)

    async def story(agent: Agent, letters: MaildirBatches) -> None:
        stuck = asyncio.create_task(letters.deliver(BOX, b"1"))
        await _turns()
        later = asyncio.create_task(letters.deliver(BOX, b"2"))
        await _turns()
        assert agent.asked == [[b"1"], [b"2"]]
        agent.free.set()
        await asyncio.gather(stuck, later)

    _with_agent(story)


def test_a_path_that_cannot_be_sent_is_its_own_affair() -> None:
    async def story(agent: Agent, letters: MaildirBatches) -> None:
        good = asyncio.create_task(letters.deliver(BOX, b"1"))
        with pytest.raises(UnicodeEncodeError):
            await letters.deliver(Mailbox("/mail/\udcff/", 5000, 5000), b"2")
        agent.free.set()
        assert await good == Done(data=b"1")

    _with_agent(story)


def test_whatever_goes_wrong_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Agent, letters: tuple[Letter, ...]) -> list[Answer]:
        raise RuntimeError(f"{len(letters)} letters")

    monkeypatch.setattr(Agent, "deliver", broken)

    async def story(agent: Agent, letters: MaildirBatches) -> None:
        async with asyncio.timeout(5):
            failed = Failed("4.3.0", "mail system agent: RuntimeError('2 letters')")
            assert await asyncio.gather(letters.deliver(BOX, b"1"), letters.deliver(BOX, b"2")) == [failed, failed]

    _with_agent(story)
