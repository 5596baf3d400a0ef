"""The worker's end of the agent's socket: whatever the agent does not say, in time or at all, is no answer about a file."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatepost.deliver import privileged
from gatepost.deliver.privileged import LENGTH, LONGEST_RECORD, AgentClient, Done, Failed, ReadFile, encode

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LENGTH.pack(LONGEST_RECORD + 1) + b"x" * 1000)


async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LENGTH.pack(100) + b"x")
    writer.close()


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LENGTH.pack(3) + b"\xc1\xc1\xc1")


def asked(path: Path, say: Say | None) -> Done | Failed:
    async def scenario() -> Done | Failed:
        client = AgentClient(str(path / "agent"), 10.0)
        if say is None:
            return await client.ask(ReadFile("/home/alice/.forward", 1, 1))
        async with await asyncio.start_unix_server(say, path / "agent"):
            return await client.ask(ReadFile("/home/alice/.forward", 1, 1))

    return asyncio.run(scenario())


@pytest.mark.parametrize("say", [silent, endless, cut_off, nonsense, None])
def test_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say | None) -> None:
    if say is silent:
        monkeypatch.setattr(privileged, "_READ_TIME", 0.01)
    answer = asked(tmp_path, say)
    assert isinstance(answer, Failed)
    assert (answer.enhanced, answer.unseen, answer.missing) == ("4.3.0", True, False)


def test_an_answer(tmp_path: Path) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        record = encode((0, Done(b"list")))
        writer.write(LENGTH.pack(len(record)) + record)

    assert asked(tmp_path, say) == Done(b"list")
