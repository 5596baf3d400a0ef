"""What a scanner must have had from disk before it seals itself off: modules that are imported when they are first used."""

import encodings
import importlib
import pkgutil
from contextlib import suppress

import gatepost.filter
from gatepost.filter.facts import Request
from gatepost.filter.port import Session
from gatepost.filter.scan import Limits, Scanner
from gatepost.service.scanner.loading import Loaded

_LAZY = ("hyperscan", "idna.uts46data", "stringprep", "unicodedata", "zoneinfo")

_MESSAGE = b"""\
Received: from a.example (a.example [192.0.2.1]) by b.example; Thu, 1 Jan 2026 00:00:00 +0000
From: =?utf-8?q?A?= <a@a.example>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: =?iso-8859-1?q?warm?=
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=iso-2022-jp
Content-Transfer-Encoding: base64

aHR0cDovL3d3dy5leGFtcGxlLmNvbS8=
--b
Content-Type: text/html; charset=windows-1252
Content-Transfer-Encoding: quoted-printable

<html><body><a href=3D"http://www.example.com/">here</a></body></html>
--b--
"""


def import_all() -> None:
    """Import whatever scanning may need, with the rights of the supervisor."""
    for module in pkgutil.walk_packages(gatepost.filter.__path__, "gatepost.filter."):
        importlib.import_module(module.name)
    for name in {*encodings.aliases.aliases.values(), *_LAZY}:
        with suppress(ImportError):
            importlib.import_module(name if name in _LAZY else f"encodings.{name}")


def warm(loaded: Loaded, limits: Limits) -> None:
    """Scan a message, so that what it takes from disk is there."""
    Scanner(loaded.ruleset, None, limits).scan(_MESSAGE, Request(Session()))
