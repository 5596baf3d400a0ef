"""Banned names and types: amavisd-new's defaults on Debian, and tables whose rules are tried in their order over all of a file's
way."""

import asyncio
import io
import zipfile

import pytest
from tests.support.archives import PROGRAM, encrypted, facts, part, zipped
from tests.support.settings import CONFIGURATION

from gatepost.filter.archives.banned import banned
from gatepost.filter.archives.port import ArchiveFacts, Node
from gatepost.filter.port import Part
from gatepost.lookup.registry import Tables

DEFAULT = CONFIGURATION.value("filter_banned_maps")
TEXT = b"hello\n"


def asked(found: ArchiveFacts, maps: str = DEFAULT) -> list[str]:
    async def ask() -> list[str]:
        return [one.reason for one in await banned(found, Tables(print, print).maps(maps, "filter_banned_maps"))]

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("found", "reasons"),
    [
        (facts(part(TEXT, "letter.txt")), []),
        (facts(part(TEXT, "letter.pdf.exe")), ["double extension"]),
        (facts(part(TEXT, "LETTER.PDF.EXE.")), ["double extension"]),
        (facts(part(TEXT, "setup.exe")), ["extension"]),
        (facts(part(PROGRAM, "letter.txt")), ["program"]),
        (facts(zipped(("letter.txt", PROGRAM))), ["program"]),
        (facts(zipped(("a/b.zip", zipped(("c.scr", TEXT)))), part(TEXT, "d.txt", number=2)), ["extension"]),
        (facts(encrypted(zipped(("c.exe", TEXT)))), ["extension"]),
        (facts(part(TEXT, "x.{00021401-0000-0000-c000-000000000046}")), ["class id"]),
        (facts(Part((1,), (), "application/hta", content=TEXT)), ["program"]),
        (facts(part(TEXT, "example.com.txt")), []),
        (facts(Part((1,), (), "text/plain", content=TEXT)), []),
    ],
)
def test_defaults_of_debian(found: ArchiveFacts, reasons: list[str]) -> None:
    assert asked(found) == reasons


def test_an_earlier_rule_lets_files_pass_in_archives() -> None:
    maps = r"pcre:{{/^\.zip$/ms OK}, {/.\.exe$/ms extension}}"
    assert asked(facts(zipped(("setup.exe", PROGRAM))), maps) == []
    assert asked(facts(part(PROGRAM, "setup.exe")), maps) == ["extension"]
    assert asked(facts(zipped(("setup.exe", PROGRAM))), r"pcre:{{/.\.exe$/ms extension}, {/^\.zip$/ms OK}}") == ["extension"]


def test_encrypted_files_can_be_banned() -> None:
    assert asked(facts(encrypted(zipped(("a", TEXT)))), r"pcre:{{/^UNDECIPHERABLE$/ms encrypted}}") == ["encrypted"]


def test_no_table() -> None:
    assert asked(facts(part(PROGRAM, "setup.exe")), "") == []


def test_a_line_end_in_a_name_makes_no_line() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a\n.zip\nsetup.exe", PROGRAM)
    assert asked(facts(part(file.getvalue(), "x.bin")), r"pcre:{{/^\.zip$/ms OK}, {/.\.exe$/ms extension}}") == []
    assert asked(facts(part(b"x", "a\n.ok\nsetup.exe")), r"pcre:{{/^\.ok$/ms OK}, {/.\.exe$/ms extension}}") == ["extension"]


def test_many_files_are_told_of_in_part() -> None:
    found = facts(zipped(*((f"{index}.exe", TEXT) for index in range(100))))
    assert len(asked(found)) == 20


@pytest.mark.parametrize("parent", [0, 1, 2, 7, -5])
def test_a_scanner_that_has_lost_its_mind(parent: int) -> None:
    nodes = (Node((b"a.zip",), types=("zip",), parent=parent), Node((b"b.exe",), parent=parent), Node((b"c.txt",), parent=1))
    assert len(asked(ArchiveFacts(nodes))) <= 3


def test_a_way_without_end() -> None:
    nodes = tuple(Node((b"a.zip",), parent=index - 1) for index in range(5000))
    assert asked(ArchiveFacts((*nodes, *(Node((b"b.exe",), parent=4999) for _ in range(50))))) == ["extension"] * 20
