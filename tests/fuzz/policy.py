"""Cores of what decides who may send: postscreen's engine, greylisting's keys, lists, and the database that it takes over."""

import io
import struct

from gatepost.cli.terminal import shown
from gatepost.lookup.berkeley_db import LONGEST, NotReadable, pairs
from gatepost.policy.greylist import postgrey
from gatepost.policy.greylist.attempt import LONGEST_KEY, Attempt, client_address, keys
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.whitelists import ClientList, RecipientList, entries
from gatepost.receive.postscreen.engine import Engine, EngineRules, Fault, Line, TooLong
from gatepost.receive.postscreen.results import Test
from tests.fuzz.pieces import fields, octets, same, text
from tests.support.drive import drive
from tests.support.settings import default

_RULES = EngineRules("mx.test", 64, 0, True, False, False, True, False, False)
_TLS_RULES = EngineRules("mx.test", 64, 0, True, True, True, True, True, True)
_SETTINGS = default(GreylistSettings)
_META = struct.pack("<12xII", 0x053162, 9) + struct.pack("<IBBB", 512, 0, 9, 0) + bytes(512 - 27)
_LONGEST_LINE = 64
_NOW = 1_700_000_000


def postscreen_engine(data: bytes) -> None:
    """What a client says comes to the same however it is cut, but for commands sent ahead and for what comes with STARTTLS; all of
    it is fit for a log."""

    def run(packets: list[bytes]) -> list[object]:
        engine = Engine(_RULES, frozenset(Test) - {Test.PIPELINING})
        heard: list[object] = []
        for packet in packets:
            engine.feed(packet)
            for told in engine.lines():
                heard += [told, *_answered(engine, told)]
        return heard

    same(data, run)
    engine = Engine(_TLS_RULES, frozenset({Test.PIPELINING}))
    engine.feed(data)
    for told in engine.lines():
        _answered(engine, told)


def _answered(engine: Engine, told: Fault | TooLong | Line) -> list[object]:
    if isinstance(told, TooLong):
        engine.over = True
        return []
    if isinstance(told, Fault):
        assert told.said.isascii()
        assert told.said.isprintable()
        assert len(told.said) <= 400
        return []
    fault = engine.non_smtp(told.text, False)
    answer = engine.answer(told.text)
    assert octets(answer.reply.line).isprintable()
    assert len(answer.reply.line) < 2 * _LONGEST_LINE
    if answer.refusal is not None:
        assert len(octets(answer.refusal.sender + answer.refusal.recipient + answer.refusal.helo)) <= 6 * _LONGEST_LINE
    if answer.starts_tls:
        engine.purge()
    engine.over |= answer.ends
    return [fault, answer]


def greylist_keys(data: bytes) -> None:
    """Whatever a client calls itself and its recipients, the keys are bounded, and can be shown on a terminal."""
    address, sender, recipient = map(text, fields(data, 3))
    for known in {client_address(address), client_address("192.0.2.1"), client_address("2001:db8::1")} - {None}:
        assert known is not None
        for by_domain in (False, True):
            attempt = Attempt(address, "unknown", sender, recipient, sender.rpartition("@")[2], by_domain)
            found = keys(attempt, known, _SETTINGS)
            for key in (found.triplet, found.client, found.network):
                assert len(key) <= LONGEST_KEY
                assert shown(key).isprintable()


def greylist_lists(data: bytes) -> None:
    """A file of any content is a list, less its mistakes; patterns are compiled, and left to others to run."""
    told: list[str] = []
    for lines in (data, data.replace(b"/", b".")):
        read = list(entries("list", text(lines)))
        clients, recipients = ClientList(read, told.append), RecipientList(read, told.append)
    assert all(len(line) < 1000 for line in told)
    asked = text(data[:300]).replace("\n", "")
    for address in ("192.0.2.1", "2001:db8::1"):
        known = client_address(address)
        assert known is not None
        drive(clients.lists(asked, known))
    drive(recipients.lists(asked))


def berkeley_db(data: bytes) -> None:
    """Pages of any octets: what is read of them is no more than they are, and what is taken over is bounded."""
    found = []
    try:
        for pair in pairs(io.BytesIO(_META + data)):
            found.append(pair)
    except NotReadable:
        pass
    assert all(len(one) <= LONGEST for pair in found for one in pair)
    assert sum(map(len, (one for pair in found for one in pair))) <= len(data)
    for one in (*postgrey.triplets(found, _SETTINGS, _NOW), *postgrey.clients(found, _SETTINGS, _NOW)):
        if isinstance(one, tuple):
            assert len(one[0]) <= LONGEST_KEY
