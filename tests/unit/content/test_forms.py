"""The forms of a message: as many as are needed, for as long as the message is there, and within their bound."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gatepost.content.aside import UnnamedContent
from gatepost.content.forms import Forms
from gatepost.mail.content import Content, FileContent, MemoryContent, SplicedContent


class Maker:
    """Makes what it is told to; `times`: how often."""

    def __init__(self, made: Content) -> None:
        self.made = made
        self.times = 0

    async def __call__(self) -> Content:
        self.times += 1
        await asyncio.sleep(0)
        return self.made


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 10))


def test_each_form_is_made_once() -> None:
    async def scene() -> None:
        forms, content = Forms(), MemoryContent(b"x")
        one, two = Maker(MemoryContent(b"1")), Maker(MemoryContent(b"2"))
        asked: list[Awaitable[Content]] = [forms.of(content, "a", one), forms.of(content, "b", two), forms.of(content, "a", one)]
        assert await asyncio.gather(*asked) == [one.made, two.made, one.made]
        assert await forms.of(content, "b", two) is two.made
        assert (one.times, two.times) == (1, 1)

    play(scene)


@pytest.mark.parametrize("itself", [False, True])
def test_forms_go_with_their_content(itself: bool) -> None:
    """Also where the form is the content: a memory that holds what it waits for would hold it for ever."""

    async def scene() -> None:
        forms = Forms(10_000)
        for _ in range(20):
            content = MemoryContent(b"x")
            made = content if itself else MemoryContent(b"y" * 100)
            assert await forms.of(content, "a", Maker(made)) is made
            del content, made
            await asyncio.sleep(0)
        gc.collect()
        assert not forms._kept
        assert forms._left == 10_000

    play(scene)


@pytest.mark.parametrize("sort", [lambda data: MemoryContent(data), lambda data: SplicedContent(data, FileContent(Path("x"), 9))])
def test_the_oldest_forms_make_room(sort: Callable[[bytes], Content]) -> None:
    async def scene() -> None:
        forms = Forms(100_000)
        contents = [MemoryContent(b"x") for _ in range(10)]
        makers = [Maker(sort(b"y" * 20_000)) for _ in contents]
        for content, maker in zip(contents, makers, strict=True):
            await forms.of(content, "a", maker)
            await asyncio.sleep(0)
        assert len(forms._kept) == 4
        await forms.of(contents[-1], "a", makers[-1])
        await forms.of(contents[0], "a", makers[0])
        assert [maker.times for maker in makers] == [2] + [1] * 9

    play(scene)


def test_few_files_are_kept_open(tmp_path: Path) -> None:
    async def scene() -> None:
        forms = Forms()
        contents = [MemoryContent(b"x") for _ in range(100)]
        for content in contents:
            with open(tmp_path / "form", "wb+") as file:
                await forms.of(content, "a", Maker(UnnamedContent(file)))
                await asyncio.sleep(0)
        assert len(forms._kept) < 64

    play(scene)


def test_a_form_that_is_larger_than_the_room_is_given_and_forgotten() -> None:
    async def scene() -> None:
        forms, content = Forms(10_000), MemoryContent(b"x")
        maker = Maker(MemoryContent(b"y" * 20_000))
        assert await forms.of(content, "a", maker) is maker.made
        await asyncio.sleep(0)
        assert forms._left == 10_000

    play(scene)
