"""postgrey's own lists, as it comes with them, are read without a complaint. Where they are: test_spf_suites.py."""

import asyncio
import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from gatepost.policy.greylist.whitelists import ClientList, RecipientList, entries

DATA = Path(os.environ.get("GATEPOST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "vectors" / "postgrey"
SOMEBODY = ip_address("198.51.100.1")

if not DATA.exists() and os.environ.get("CI") != "true":
    pytest.skip(f"no lists in {DATA}", allow_module_level=True)


def test_clients() -> None:
    warned: list[str] = []
    text = (DATA / "whitelist_clients").read_text()
    lines = list(entries("whitelist_clients", text))
    clients = ClientList(lines, warned.append)
    assert asyncio.run(clients.lists("ms-smtp-01.rr.com", SOMEBODY))
    assert asyncio.run(clients.lists("lists.debian.org", SOMEBODY))
    assert not asyncio.run(clients.lists("mx.example.org", SOMEBODY))
    assert warned == []
    assert len(lines) == sum(1 for line in text.split("\n") if line.strip() and not line.startswith("#"))


def test_recipients() -> None:
    warned: list[str] = []
    recipients = RecipientList(entries("whitelist_recipients", (DATA / "whitelist_recipients").read_text()), warned.append)
    assert asyncio.run(recipients.lists("Postmaster+x@example.org"))
    assert not asyncio.run(recipients.lists("anna@example.org"))
    assert warned == []
