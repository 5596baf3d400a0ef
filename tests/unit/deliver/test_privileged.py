"""What a request is on its way to the agent, and what becomes of letters when the answers stop."""

import asyncio
import os
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from gatepost.deliver.mailbox import Mailbox
from gatepost.deliver.privileged import (
    LENGTH,
    AgentClient,
    Asked,
    Done,
    Failed,
    Letter,
    ReadFile,
    RunCommand,
    encode,
    off_the_wire,
    on_the_wire,
    requests,
)


@given(st.lists(st.binary().map(os.fsdecode)), st.binary().map(os.fsdecode))
def test_any_octets_may_be_words_of_a_command(argv: list[str], told: str) -> None:
    request = RunCommand(tuple(argv), 1, 1, 1.0, {"SENDER": told}, "/")
    record = encode(Asked(on_the_wire(request), 1.0))
    received = requests.decode(record).request
    assert isinstance(received, RunCommand)
    assert off_the_wire(received) == request


def test_a_path_that_is_no_text_comes_back() -> None:
    answer = asyncio.run(_with_agent(lambda agent: agent.ask(ReadFile("/home/a\udcff/.forward", 1, 1))))
    assert isinstance(answer, Failed)
    assert answer.enhanced == "5.1.3"


def test_letters_that_were_answered_before_the_end_are_delivered() -> None:
    """The agent answers the second of three letters and goes away."""
    letters = tuple(Letter(Mailbox(f"/m/{name}/", 1, 1), b"x") for name in "abc")
    first, second, third = asyncio.run(_with_agent(lambda agent: agent.deliver(letters)))
    assert second == Done()
    assert isinstance(first, Failed)
    assert isinstance(third, Failed)
    assert first.enhanced == "4.3.0"


async def _with_agent(asked):  # type: ignore[no-untyped-def]
    """What an agent that answers number 1 and hangs up gives."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = LENGTH.unpack(await reader.readexactly(4))
        await reader.readexactly(size + 4)
        record = encode((1, Done()))
        writer.write(LENGTH.pack(len(record)) + record)
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        async with await asyncio.start_unix_server(serve, f"{folder}/agent"):
            return await asked(AgentClient(f"{folder}/agent", 10.0))
