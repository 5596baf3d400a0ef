"""No parser of ours takes more than linear time: each is fed nasty shapes of growing size, and its CPU time may grow no faster.

`PARSERS` is the table. A newcomer that reads what others write enters here, with the shapes that would hurt it; or it stands in
`ELSEWHERE` with the reason why nobody from outside can feed it.
"""

import asyncio
import contextlib
import io
import re
import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from tests.support.checkers import DECOYS
from tests.support.growth import grows_linearly
from tests.support.settings import default
from tests.unit.admission.drafts import draft
from tests.unit.filter.evals.evals_of_headers import asked
from tests.unit.filter.evals.every_eval import evaluated, questioned, shown

from gatepost.acme import answers as acme_answers
from gatepost.acme.responder_http import answer as challenge_answer
from gatepost.admission.draft import _FOLD as FOLD_OF_EDITS
from gatepost.admission.draft import _STRAY as STRAY_OF_EDITS
from gatepost.admission.draft import EditImpossible
from gatepost.admission.edits import ReplaceBody
from gatepost.admission.milter import verdicts
from gatepost.admission.milter.editing import Editing, NewBody
from gatepost.admission.staging import STRAY
from gatepost.cli.message_keys import message_keys
from gatepost.content.downgrade import downgraded
from gatepost.content.headers import _STANDARD as STANDARD_HEADER
from gatepost.deliver.command import command_words, printable
from gatepost.deliver.listed import words
from gatepost.deliver.local_delivery import delivered_to
from gatepost.deliver.pipe_arguments import expanded
from gatepost.deliver.pipe_attributes import PipeAttributes
from gatepost.deliver.pipe_form import pipe_form
from gatepost.deliver.status_filter import _RESULT as STATUS
from gatepost.events.maillog import printable as log_printable
from gatepost.filter import spamassassin_marks as spamassassin
from gatepost.filter.archives.formats.member import Damaged, Encrypted, Overlapping
from gatepost.filter.archives.kinds import FORMATS, types, with_end
from gatepost.filter.archives.listing import listed
from gatepost.filter.archives.names import names as part_names
from gatepost.filter.archives.port import ArchiveLimits
from gatepost.filter.bad_header import bad_headers
from gatepost.filter.bayes.headers import header_words
from gatepost.filter.bayes.opinion import _pattern
from gatepost.filter.bayes.words import STOP_WORDS, Region
from gatepost.filter.bayes.words import words as bayes_words
from gatepost.filter.headers.addresses import mailboxes
from gatepost.filter.headers.dates import seconds
from gatepost.filter.headers.domains import Registries, host
from gatepost.filter.headers.encoded_words import decoded
from gatepost.filter.headers.envelope import envelope_sender
from gatepost.filter.headers.section import section
from gatepost.filter.headers.values import text as one_line
from gatepost.filter.headers.view import View
from gatepost.filter.learner import form_features, link_features, sender_features, text_features
from gatepost.filter.port import Part, Relays, Session
from gatepost.filter.relays.received import hop, unfolded
from gatepost.filter.relays.relays import relays
from gatepost.filter.rules import definitions, expressions, lines, perl, reading, replacing, templates
from gatepost.filter.text.charsets import plain_spaces, to_utf8
from gatepost.filter.text.encoded_words import decoded_words
from gatepost.filter.text.html.page import page
from gatepost.filter.text.paragraphs import chunks, paragraphs
from gatepost.filter.text.part_text import of_part
from gatepost.filter.text.parts import parts
from gatepost.filter.text.transfer import decoded as transfer_undone
from gatepost.filter.text.uris.domains import domains
from gatepost.filter.text.uris.gathering import gathered
from gatepost.filter.text.uris.redirectors import Redirectors
from gatepost.identity.spf import record as spf_record
from gatepost.identity.spf.header import About, received_spf
from gatepost.identity.spf.macro import MacroError, expand_name, macro_string
from gatepost.identity.spf.port import Identity, Result, Verdict
from gatepost.identity.spf.record import RecordError
from gatepost.lookup import aliases_text, braces, source_blocks, table_text
from gatepost.lookup.berkeley_db import NotReadable, pairs
from gatepost.lookup.ldap_text import in_dn, in_filter, parse_url
from gatepost.mail import as_json, header, header_address, mime
from gatepost.mail.address import all_plain, external, internal
from gatepost.mail.content import MemoryContent
from gatepost.mail.content_type import content_type, parameters, transfer_encoding
from gatepost.mail.encoded_word import encoded_words
from gatepost.mail.envelope import Recipient
from gatepost.mail.expansion_filter import passed
from gatepost.mail.header_reader import HeaderReader
from gatepost.mail.mime import Limits
from gatepost.mail.reason import UNSAID
from gatepost.net.host_names import is_written_address, numeric_address, valid_hostname
from gatepost.net.server_names import _NAME as SERVER_NAME
from gatepost.policy.access import _ENHANCED, _HEADER
from gatepost.policy.brake.texts import is_address
from gatepost.policy.greylist.attempt import normal_sender
from gatepost.policy.greylist.postgrey import triplets
from gatepost.policy.greylist.settings import GreylistSettings
from gatepost.policy.greylist.texts import put_off
from gatepost.policy.greylist.whitelists import RecipientList
from gatepost.proto import attributes as postfix_attributes
from gatepost.proto import clamd, dns_message, mta_sts, policy_delegation, spamd
from gatepost.proto.dovecot_auth import Greeting, Listening
from gatepost.proto.exchange import Exchange, ProtocolError
from gatepost.proto.http import HttpExchange, Request, Response
from gatepost.proto.memcache import MemcacheGet, Sizes
from gatepost.proto.milter import answers as milter_answers
from gatepost.proto.milter import commands as milter_commands
from gatepost.proto.milter import negotiation as milter_negotiation
from gatepost.proto.milter.conversation import Conversation
from gatepost.proto.milter.packets import packet, split_strings
from gatepost.proto.proxy import ProxyError, ProxyReader
from gatepost.proto.qmqp import QmqpError, QmqpReader
from gatepost.proto.redis import RedisCommand
from gatepost.proto.sasl import bearer, cram_md5, login, plain, scram
from gatepost.proto.sasl.port import Failed, ServerExchange
from gatepost.proto.sasl.saslprep import prepared_password
from gatepost.proto.saslauthd import SaslauthdQuery
from gatepost.proto.smtp import client_commands, dot_stuffing, grammar, replies
from gatepost.proto.smtp.data import BdatReader, DataReader
from gatepost.proto.smtp.notify import notify_bits
from gatepost.proto.smtp.reply_reader import MalformedReply, ReplyReader
from gatepost.proto.smtp.server import ServerCore
from gatepost.proto.socketmap import SocketmapQuery
from gatepost.proto.spamd_server import Refusal, RequestReader
from gatepost.proto.table_answer import TableAnswer
from gatepost.proto.tcp_table import TcpQuery
from gatepost.queue.notice_message import header_of, wrap
from gatepost.receive import unix_lines
from gatepost.receive.postscreen import results
from gatepost.receive.postscreen.engine import Engine, EngineRules, Line
from gatepost.routing.rewrite import is_standard
from gatepost.service import pulse
from gatepost.service.walls import walls
from gatepost.tlsrpt.names import bounded
from gatepost.tlsrpt.record import parse as parse_tlsrpt

ROOT = Path(__file__).resolve().parents[2] / "src/gatepost"

Shapes = Sequence[Callable[[int], object]]


def times(text: str, *, before: str = "", after: str = "") -> Callable[[int], str]:
    """Inputs of about n characters: `text` again and again."""
    return lambda n: before + text * (n // len(text)) + after


def octets(text: bytes, *, before: bytes = b"", after: bytes = b"") -> Callable[[int], bytes]:
    """The same of octets."""
    return lambda n: before + text * (n // len(text)) + after


def walk(message: bytes) -> None:
    for cut in (len(message), 1000):
        one = mime.Walk(mime.Limits())
        for at in range(0, len(message), cut):
            for _ in one.feed(message[at : at + cut]):
                pass
        for _ in one.finish():
            pass


def data(reader: DataReader | BdatReader, wire: bytes) -> None:
    for at in range(0, len(wire), 1000):
        reader.feed(wire[at : at + 1000])


def serve(wire: bytes) -> None:
    core = ServerCore()
    for at in range(0, len(wire), 1000):
        core.feed(wire[at : at + 1000])
        while core.next_event():
            pass


def answer(wire: bytes) -> None:
    reader = ReplyReader()
    try:
        for at in range(0, len(wire), 1000):
            reader.feed(wire[at : at + 1000])
    except MalformedReply:
        pass


def logged_in(mechanism: Callable[[], ServerExchange]) -> Callable[[bytes], None]:
    """A client answers a challenge."""

    def respond(octets: bytes) -> None:
        exchange = mechanism()
        next(exchange)
        with contextlib.suppress(Failed):
            exchange.send(octets)

    return respond


def listened(octets: bytes) -> None:
    """Dovecot's authentication server speaks, in small pieces."""
    for exchange in (Greeting(1), Listening(lambda message: None)):
        with contextlib.suppress(ProtocolError):
            for at in range(0, len(octets), 100):
                exchange.feed(octets[at : at + 100])


def checked(octets: bytes) -> None:
    """saslauthd answers, in small pieces."""
    query = SaslauthdQuery(b"u", b"p", b"s", b"")
    with contextlib.suppress(ProtocolError):
        for at in range(0, len(octets), 100):
            query.feed(octets[at : at + 100])


def dns_answered(answers: bytes) -> None:
    asked = dns_message.question(0, "a+b.test", "TXT")
    head = asked[:2] + b"\x81\x80\0\1\x20\0\0\0\0\0"
    with contextlib.suppress(dns_message.BadReply):
        dns_message.read(head + asked[12:] + answers, asked).found("a+b.test", "TXT")


def rules_read(text: str) -> None:
    """A rule file, and its text as a pattern, an expression and a line."""
    tags = replacing.Tags()
    tags.take("tag", "A [a]", "")
    for parse in (perl.translated, tags.replaced):
        with contextlib.suppress(ValueError):
            parse(f"m{{{text}}}i")
    with contextlib.suppress(ValueError):
        expressions.parsed(text, lambda name, argument: 0)
    for definition in definitions.DEFINITIONS.values():
        with contextlib.suppress(ValueError):
            definition(text)
    octets = text.encode("latin-1", "replace")
    list(lines.lines(octets, ()))
    reading.read([Path("/a.cf")], opened=lambda path: octets)


def looked_up(query: Callable[[], Exchange[TableAnswer]]) -> Callable[[bytes], None]:
    """A server answers a look-up, in small pieces."""

    def feed(wire: bytes) -> None:
        one = query()
        with contextlib.suppress(ProtocolError):
            for at in range(0, len(wire), 100):
                one.feed(wire[at : at + 100])

    return feed


def filtered(wire: bytes) -> None:
    """A filter answers the end of a message, in small pieces."""
    ask = Conversation(milter_negotiation.OFFERS[6]).end_of_message()
    with contextlib.suppress(ProtocolError):
        for at in range(0, len(wire), 100):
            ask.feed(wire[at : at + 100])


def replied(text: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        milter_answers.verdict((ord("y"), text + b"\0"))


def edited(text: bytes) -> None:
    """What a filter wants of a header and as a body."""
    editing = Editing(own=True, verbatim=False, warn=lambda _: None)
    body = NewBody(0, BytesIO)
    body.take(text)
    (_, whole) = editing.edits([milter_answers.Addition(b"X", text)], body)
    assert isinstance(whole, ReplaceBody)
    for _ in whole.chunks():
        pass


def milter_refusal(text: bytes) -> None:
    lines = tuple("550 " + line for line in text.decode("latin-1").split("\n"))
    verdicts.refused(milter_answers.Answer(milter_answers.Verdict.REPLY, lines), UNSAID)


def negotiated(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        milter_negotiation.agreement(milter_negotiation.OFFERS[6], bytes(3) + b"\6" + bytes(8) + data)


def proxied(wire: bytes) -> None:
    reader = ProxyReader()
    try:
        for at in range(len(wire)):
            reader.feed(wire[at : at + 1])
            if reader.done:
                break
    except ProxyError:
        pass


def attributes(wire: bytes) -> None:
    with contextlib.suppress(postfix_attributes.ProtocolError):
        postfix_attributes.Reader(1 << 20).feed(wire)


def from_json(line: bytes) -> None:
    with contextlib.suppress(ValueError):
        as_json.read(line, list[str])


def delegated(wire: bytes) -> None:
    try:
        policy_delegation.Reader().feed(wire)
    except policy_delegation.ProtocolError:
        pass


def fetched(wire: bytes) -> None:
    """A server answers a request, in small pieces."""
    exchange = HttpExchange(Request("https://a.test/"), "a.test", "/", 1 << 30)
    with contextlib.suppress(ProtocolError):
        for at in range(0, len(wire), 100):
            exchange.feed(wire[at : at + 100])


def qmqp(wire: bytes) -> None:
    try:
        QmqpReader(0, 1000).feed(wire)
    except QmqpError:
        pass


class _Source:
    def __init__(self, text: bytes) -> None:
        self._text, self._at = text, 0

    def read(self, count: int) -> bytes:
        self._at += count
        return self._text[self._at - count : self._at]


def submitted(text: bytes) -> None:
    for ends in unix_lines.LineEnds:
        for _ in unix_lines.wire_form(_Source(text), ends, dot_ends=True):  # type: ignore[arg-type]
            pass


def piped(text: bytes) -> None:
    attributes = PipeAttributes(("x",), "nobody", flags=frozenset("FRODB.>"), eol=b"\r\n")
    for _ in pipe_form(attributes, "a@b", Recipient("c@d", "e@f"), MemoryContent(text), 0.0):
        pass


def stuffed(text: bytes) -> None:
    encoder = dot_stuffing.Encoder(78)
    for _ in dot_stuffing.encoded([text], encoder):
        pass


BLANKS = times(" ")
ADDRESSES: Shapes = (
    BLANKS,
    times("("),
    times("(a)"),
    times('"'),
    times("\\"),
    times("<"),
    times(">"),
    times("[", after="]"),
    times("a b "),
    times("a@b,"),
    times("a:"),
    times(";:"),
    times("a"),
    times("a."),
    times("@a,", after=":b@c"),
    times("a <b@c>, "),
    times("\t"),
    times(" ", after="a@b.cc"),
    times("a ", after="<b@c.dd>x"),
    times('"a" ', after="<b@c.dd>"),
    times("a-", before="b@"),
    times("=?", after="?="),
    times("a!"),
    times("a%"),
    times('\\"', before='"'),
    times("\\)", before="("),
    times('"a\\"'),
)
CONTENT_TYPES: Shapes = (
    octets(b" "),
    octets(b"("),
    octets(b"(a)"),
    octets(b"(", after=b")"),
    octets(b'"'),
    octets(b'"a'),
    octets(b";"),
    octets(b"\\"),
    octets(b"a=b;"),
    octets(b"boundary=b;"),
    octets(b"boundary*0=b;"),
    octets(b'boundary="b \n ";'),
    octets(b" \n", before=b'x="'),
    octets(b"%41", before=b"boundary*="),
    octets(b"'", before=b"boundary*="),
    octets(b"/"),
    octets(b"a"),
    octets(b"\0"),
)
ENCODED_WORDS: Shapes = tuple(
    octets(text, before=before) for text in (b"=?", b"=?a?q?", b"=?a?q?b?= ", b"=?a?b?", b" ", b"?=") for before in (b"", b"=?a?q?")
)
TRANSFERS: Shapes = tuple(octets(text) for text in (b"=", b"A=", b" ", b" \n", b"=\n", b"==", b"=4", b"\r\n", b"A", b"\xff", b" a"))
CHARSETS = ("", "utf-7", "utf-16", "iso-2022-jp", "iso-2022-kr", "big5", "gb18030", "koi8-r", "nonsense")
HTML = (
    "< > <a <a> </a> <b></b> <b></a> </ <! <!-- <!--_> --> <![CDATA[ ]]> <? <script> </script> <title> & &# &#1; &nbsp; &amp "
    "\" ' = _ a= a=' a_b=c_ a:b; color:red; background:rgb(1,2,3)_ <br> a<br>_ <font_size=+1> "
    "<div_style='color:#fff'>x <a_href=x>y <p> \0 x"
)
"""Pieces of which nasty HTML is made; `_` is a blank."""
BEFORE_HTML = ("", '<a b="', "<span style='")
PAGES: Shapes = tuple(times(text.replace("_", " "), before=before) for before in BEFORE_HTML for text in HTML.split())
TEXT = (
    "a a. . a.com_ a.com/ http: http:// http://a.com/ /http:/a/ mailto: @ a@ a@b.com, www. www.a % %41 %% : / \\ ? # & 0x 1. ( ) "
    "., \u0440 [ ftp.a.com:1/ =http://b.c"
)
BEFORE_TEXT = ("", "http://a.com/?", "a@")
URIS: Shapes = tuple(times(text.replace("_", " "), before=before) for before in BEFORE_TEXT for text in TEXT.split())
DOMAINS = domains(["com net"], ["co.uk"], [])
REDIRECTORS = Redirectors([r"m'^https?://a\.com/\?.*(?<=[?&])u=(.*?)(?:$|[&\#])'i", "/^http:\\/\\/.*?a(.*)$/"])
MESSAGES: Shapes = (
    octets(b"a: b\r\n"),
    octets(b" \r\n"),
    octets(b"\r\n"),
    octets(b"a"),
    octets(b" x\r\n", before=b"Content-Type: multipart/x;\r\n"),
    octets(b"a:"),
    octets(b"\r"),
    octets(b"--\r\n"),
    octets(b"a: b\r\n c\r\n"),
    octets(b"a\r\n", before=b"\r\n"),
    octets(b" "),
    octets(b"a: " + b" " * 50 + b"\r\n"),
    octets(b"Content-Transfer-Encoding: 8bit\r\n"),
    octets(b"--b\r\n", before=b"Content-Type: multipart/x; boundary=b\r\n\r\n"),
    octets(b"--b\r\nContent-Type: multipart/x; boundary=b\r\n\r\n", before=b"Content-Type: multipart/x; boundary=b\r\n\r\n"),
    octets(b"--c\r\n", before=b"".join(b"Content-Type: multipart/x; boundary=b%d\r\n" % n for n in range(100)) + b"\r\n"),
    octets(b"-- \r\n", before=b"Content-Type: multipart/x; boundary=b\r\n\r\n"),
    octets(b"--", before=b"Content-Type: multipart/x; boundary=b\r\n\r\n"),
    octets(b"-", before=b"Content-Type: multipart/x; boundary=b\r\n\r\n"),
    octets(b"--b0\r\n--b99\r\n", before=b"".join(b"Content-Type: multipart/x; boundary=b%d\r\n" % n for n in range(100)) + b"\r\n"),
    octets(b"Content-Type: message/rfc822\r\n\r\n"),
    octets(b"\xff", before=b"Content-Transfer-Encoding: 8bit\r\n\r\n"),
    octets(b" x\r\n", before=b"Content-Transfer-Encoding: 8bit\r\n"),
    octets(b"From x\n"),
    octets(b">From x\n"),
    octets(b"\n.\n"),
    octets(b".\r\n"),
    octets(b"\r\n."),
    octets(b"\r\r\n"),
    octets(b">"),
    octets(b"Delivered-To:\r\n"),
    octets(b"Message-Id:\r\n"),
    octets(b"Message-Id: <"),
    octets(b"\xff\r\n", before=b"Content-Transfer-Encoding: 8bit\r\n\r\n"),
)
WIRE: Shapes = (
    octets(b"\n"),
    octets(b"\r\n"),
    octets(b"a"),
    octets(b"220-a\r\n"),
    octets(b"250 a\r\n"),
    octets(b"HELO x\r\n"),
    octets(b" "),
    octets(b"a=b\n"),
    octets(b"a=b\n\n"),
    octets(b"PROXY TCP4 "),
    octets(b"\r\n\r\n\x00\r\nQUIT\n"),
    octets(b"2"),
    octets(b"250-"),
)
TEXTS: Shapes = (
    *ADDRESSES,
    times("\n"),
    times("a\n"),
    times("#\n"),
    times(" a\n"),
    times("a: b\n"),
    times("a:b, c\n"),
    times('"a": b\n'),
    times(":"),
    times(" :"),
    times("a ", after=":"),
    times(" ", before="a", after=":"),
    times(":include:/x,"),
    times("|x,"),
    times("5.1.1 "),
    times("550 5.1.1 "),
    times("$"),
    times("$a"),
    times("${"),
    times("${a}"),
    times("$(a)"),
    times("{"),
    times("{}"),
    times("+41"),
    times("+"),
    times("\\x{41}"),
    times("1."),
    times("a.", after="-"),
    times("a@b.c\n"),
)


def _nothing(_: str) -> str:
    return ""


POLICIES: Shapes = tuple(
    times(text, before="v=spf1 ")
    for text in (
        "%",
        "%{h1}",
        "%{h1}.",
        "%{h9r.-}",
        "%{",
        "a ",
        "a:",
        "a/",
        "+",
        "ip4:1.2.3.4 ",
        "ip4:1",
        "x=%% ",
        "-",
        ".",
        "a-",
        "%%",
        " ",
    )
)


class Anything(dict[str, str]):
    """The values of macros, all of them the same."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __missing__(self, letter: str) -> str:
        return self._value


def macros(text: str) -> None:
    with contextlib.suppress(MacroError):
        expand_name(macro_string(text), Anything("." * 300))


def policy(text: str) -> None:
    """Beyond the size that is read at all."""
    with contextlib.suppress(RecordError):
        spf_record._parse(text)


def spf_verdict(text: str) -> Verdict:
    return Verdict(result=Result.FAIL, identity=Identity.HELO, domain=text, term=text, problem=text)


GREYLIST = default(GreylistSettings)


def _leaves(octets: bytes) -> None:
    """Pages that say they are leaves, and are full of these octets."""
    meta = struct.pack("<12xII", 0x053162, 9) + struct.pack("<IBBB", 512, 0, 9, 0) + bytes(512 - 27)
    cut = (octets[at : at + 400] for at in range(0, len(octets), 400))
    pages = (struct.pack("<20xHHBBHH", 2, 0, 1, 5, 40, 50) + b"\x05\x00\x01" * 20 + one for one in cut)
    with contextlib.suppress(NotReadable):
        for _ in pairs(BytesIO(meta + b"".join(page.ljust(512, b"\0")[:512] for page in pages))):
            pass


def _screened(octets: bytes) -> None:
    engine = Engine(EngineRules("mx.test", 2048, 0, True, False, False, True, False, False), frozenset(results.Test))
    engine.feed(octets)
    for told in engine.lines():
        if isinstance(told, Line):
            engine.non_smtp(told.text, False)
            engine.answer(told.text)
            engine.over = False


def sts_policy(text: bytes) -> None:
    """The parser, and the limit that it keeps."""
    for at in range(0, len(text), mta_sts.LONGEST_POLICY):
        with contextlib.suppress(mta_sts.BadSts):
            mta_sts.read_policy(text[at : at + mta_sts.LONGEST_POLICY])


def sts_record(text: bytes) -> None:
    with contextlib.suppress(mta_sts.BadSts):
        mta_sts.record_id([f"v=STSv1;{text.decode('latin-1')}"])


def problem_of(text: bytes) -> object:
    """A problem document of this text, and its header fields."""
    told = msgspec.json.encode({"detail": text.decode("latin-1")})
    fields = (("content-type", "application/problem+json"), ("replay-nonce", text.decode("latin-1")))
    response = Response(400, fields, told)
    return acme_answers.nonce(response), str(acme_answers.problem(response))


def unwrapped(kind: str) -> Callable[[bytes], None]:
    """A format is listed, and each member unpacked."""

    def read(octets: bytes) -> None:
        with contextlib.suppress(Damaged, Encrypted, Overlapping, ArithmeticError, LookupError, ValueError, struct.error):
            for member in FORMATS[kind](octets):
                with contextlib.suppress(Damaged):
                    for _ in member.pieces() if member.pieces else ():
                        pass

    return read


def attached(octets: bytes) -> None:
    """A part of a message is looked into as far as the limits go."""
    parts = (Part((1,), ((b"Content-Type", octets),), "text/plain", encoding="base64", raw=octets, content=octets),)
    listed(parts, len(octets), ArchiveLimits(members=1 << 30, octets=1 << 40, ratio=1 << 30, seconds=1e9))


def scanner_answers(octets: bytes) -> None:
    """clamd answers, in small pieces."""
    exchange = clamd.Instream(tuple)
    with contextlib.suppress(ProtocolError):
        for at in range(0, len(octets), 100):
            exchange.feed(octets[at : at + 100])


ARCHIVES: Shapes = (
    octets(b"PK\3\4" + b"\0" * 26),
    octets(b"PK\3\4\0\0\x08" + b"\0" * 23, after=b"PK\5\6" + b"\0" * 18),
    octets(b"PK\5\6"),
    octets(b"begin 644 a\n"),
    octets(b"begin 644 a\nend\n"),
    octets(b'name="a"; '),
    octets(b'name="\\'),
    octets(b"=?a?q?"),
    octets(b"=" * 3 + b"a"),
    octets(b"="),
    octets(b"= "),
    octets(b"7z\xbc\xaf\x27\x1c\0\4" + b"\0" * 24),
    octets(b"\x60\xea\x1e\0" + b"\x1e" + b"\0" * 40, before=b"\x60\xea"),
    octets(b"070701" + b"0" * 110),
    octets(b"a/              0           0     0     644     0         `\n", before=b"!<arch>\n"),
    octets(b"\x20\0-lh0-" + b"\0" * 25),
    octets(b"\2\0\0\0\0\0\0\0\0\0\0", before=b"\x78\x9f\x3e\x22\0\0"),
    octets(b"\0\0\x74\0\0\x20\0" + b"\0" * 25, before=b"Rar!\x1a\7\0"),
    octets(b"\x22\0\1\1\0" + b"\0" * 30, before=b"\0" * 0x8000 + b"\1CD001" + b"\0" * 150),
)
"""Beginnings of archives, again and again."""
RULES: Shapes = (
    *(times(text) for text in ("(", "[[:", "(?i)a", "a{1,2}", "\\xe9", "(?#", "[a-z]", "a && ")),
    *(times(text, before="A ") for text in ("!", "(", "1 / ", "A + ", "A(", " ")),
    *(times(text, before="A Subject =~ /a/") for text in (" ", " [if-unset: ", ":a")),
    *(times(text) for text in ("body R /a/\n", "if 1\n", "meta R A\n", "#\n", "# UPDATE version \n", "<A>", "score R 1\n", "\\#")),
)
SPAMD = b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\n"


def spamd_answer(octets: bytes) -> None:
    exchange = spamd.Symbols(lambda: iter(()), 0)
    with contextlib.suppress(ProtocolError):
        for at in range(0, len(octets), 100):
            exchange.feed(octets[at : at + 100])
        exchange.ended()


def spamd_request(octets: bytes) -> None:
    request = RequestReader(1 << 30)
    with contextlib.suppress(Refusal):
        for at in range(0, len(octets), 100):
            request.feed(octets[at : at + 100])
        request.ended()


def spamassassin_marks(message: bytes) -> None:
    scored = spamassassin.Scored(9.0, 5.0, (spamassassin.Hit(message.decode("latin-1"), 9.0),), "host", "1")
    spamassassin.marked(spamassassin.split(message)[0], scored)
    spamassassin.report(scored)


def without_forged(head: bytes) -> None:
    one = draft(head)
    one.drop_headers(frozenset(), ("x-spam-",))
    with contextlib.suppress(EditImpossible):
        one.prefix_header(b"Subject", b"***")


HEADERS = (
    *[octets(unit) for unit in (b"a:b\n", b" ", b"a: b\n c\n", b":", b"a", b"\n \n", b"Received: from a (b [1.2.3.4]) by c\n")],
    *[octets(unit, before=b"Received: from ") for unit in (b"a ", b"[1.2.3.4] ", b"(", b"a (", b"a (b@", b"(HELO ", b"\n [", b":")],
)


STRANGE: Shapes = (
    *(octets(text) for text in (b"a", b" ", b"\n", b"-", b"a.", b"a@", b"a ", b"A", b"=20", b"&#1;", b"-- \n", b"a:\n", b"a: x\n")),
    *(
        octets(text)
        for text in (b"https://", b"a@a.a ", b"1.1.1.1.", b"AAAA" * 19 + b"\n", b"price ", b"x target", b"?http", b"_A_")
    ),
    *MESSAGES,
)


WHO = (b"Received", b"Message-ID", b"Content-Type", b"From", b"X-Other")


PARSERS: dict[str, tuple[Callable[..., object], Shapes]] = {
    "filter.archives.listing": (attached, ARCHIVES),
    "filter.archives.names": (lambda text: part_names(((b"Content-Type", text),)), ARCHIVES),
    "filter.archives.kinds": (lambda text: with_end(types(text), text), ARCHIVES),
    **{
        f"filter.archives.formats.{name}": (unwrapped(kind), ARCHIVES)
        for name, kind in {
            "zip_archive": "zip",
            "tar": "tar",
            "seven_zip": "7z",
            "rar": "rar",
            "old_dos.arj": "arj",
            "old_dos.lha": "lha",
            "old_dos.cab": "cab",
            "plain.cpio": "cpio",
            "plain.ar": "a",
            "plain.iso": "iso",
            "office.ole2": "doc",
            "office.tnef": "tnef",
            "uuencoded": "uue",
            "compressed.gz": "gz",
            "compressed.bz2": "bz2",
            "compressed.xz": "xz",
            "compressed.lzma": "lzma",
        }.items()
    },
    "proto.clamd": (scanner_answers, (octets(b"stream: "), octets(b"a FOUND"), octets(b"ERROR "), octets(b"instream("))),
    "acme.answers": (problem_of, MESSAGES),
    "acme.responder_http": (lambda text: challenge_answer(b"GET /.well-known/acme-challenge/" + text, {}), MESSAGES),
    "mail.header": (lambda text: header.split(text), MESSAGES),
    "mail.header.cut": (lambda text: header.cut(header.Header("a", text), len(text)), MESSAGES),
    "mail.header_reader": (lambda text: list(HeaderReader(text[at : at + 1000] for at in range(0, len(text), 1000))), MESSAGES),
    "mail.header_address": (lambda text: header_address.external(header_address.parse(text)), TEXTS),
    "mail.address": (external, TEXTS),
    "mail.expansion_filter": (lambda text: passed(text, "\\40abc"), TEXTS),
    "mail.address.all_plain": (lambda text: all_plain([text]), TEXTS),
    "mail.address.internal": (lambda text: internal(f'"{text}'), TEXTS),
    "mail.content_type": (lambda text: content_type(b"multipart/x;" + text), CONTENT_TYPES),
    "mail.content_type.encoding": (transfer_encoding, CONTENT_TYPES),
    "mail.mime": (walk, MESSAGES),
    "mail.content_type.parameters": (lambda text: parameters(b"text/x;" + text), CONTENT_TYPES),
    **dict.fromkeys(
        ("filter.rules.perl", "filter.rules.expressions", "filter.rules.definitions"),
        (rules_read, RULES[:12]),
    ),
    **dict.fromkeys(("filter.rules.lines", "filter.rules.replacing", "filter.rules.reading"), (rules_read, RULES[12:])),
    "filter.rules.templates": (
        lambda text: templates.filled(perl.translated("/%{A}/"), {"A": [text.encode("latin-1", "replace")]}),
        TEXTS,
    ),
    **dict.fromkeys(
        (f"filter.evals.{name}" for name in ("body_eval", "https_mismatch", "mime_eval", "uri_eval")), (evaluated, STRANGE)
    ),
    **dict.fromkeys((f"filter.names.{name}" for name in ("hashes", "hosts", "lists", "templates")), (questioned, STRANGE)),
    **dict.fromkeys(
        ("filter.bayes.words", "filter.bayes.tokens"),
        (lambda text: [word for region in Region for word in bayes_words(text, region)], STRANGE),
    ),
    "filter.bayes.headers": (
        lambda text: [*header_words([(name, text) for name in WHO], STOP_WORDS, frozenset())],
        (*STRANGE, *HEADERS),
    ),
    "filter.bayes.opinion": (lambda text: _pattern(("*@*.example", "a*")).fullmatch(text), TEXTS),
    "filter.learner.form_features": (lambda text: [*form_features.form_tokens(shown(text))], STRANGE),
    "filter.learner.link_features": (lambda text: [*link_features.link_tokens(shown(text))], STRANGE),
    "filter.learner.sender_features": (lambda text: [*sender_features.sender_tokens(shown(text))], STRANGE),
    "filter.learner.text_features": (lambda text: [*text_features.text_tokens(shown(text))], STRANGE),
    "filter.text.parts": (lambda message: parts(message.replace(b"\r\n", b"\n")), MESSAGES),
    "filter.text.paragraphs": (lambda text: [*paragraphs([text]), *chunks(text)], MESSAGES),
    "filter.text.encoded_words": (decoded_words, ENCODED_WORDS),
    "filter.text.transfer": (lambda text: [transfer_undone(text, name) for name in ("base64", "quoted-printable")], TRANSFERS),
    "filter.text.charsets": (lambda text: [plain_spaces(to_utf8(text, name)) for name in CHARSETS], MESSAGES),
    "filter.text.part_text": (lambda text: of_part(Part((1,), (), "text/plain", content=text), 0), MESSAGES),
    "filter.text.html.page": (lambda html: page(html, len(html), plain=True), PAGES),
    "filter.text.uris.gathering": (
        lambda text: gathered([page(f'<a href="{text}">', 0, plain=True)], [text], DOMAINS, REDIRECTORS),
        URIS,
    ),
    "cli.message_keys": (
        lambda text: list(message_keys(text.decode("latin-1").split("\r\n"), headers=True, body=True, mime=True)),
        MESSAGES,
    ),
    "service.walls.walls": (walls._PATH.findall, TEXTS),
    "filter.evals.header_eval": (
        asked,
        (*HEADERS, *[octets(unit) for unit in (b"a@a.", b"a@", b"Subject: a@b\n", b"To: a@b, \n")]),
    ),
    "filter.headers.dates": (seconds, (*HEADERS, octets(b"1 Jan "), octets(b" 1"), octets(b"a,"))),
    "filter.headers.section": (section, HEADERS),
    "filter.headers.view": (
        lambda text: [View(section(text), Relays(), Session()).get(name) for name in ("ALL", "Received")],
        HEADERS,
    ),
    "filter.relays.relays": (lambda text: relays(section(text), Session(), {}), HEADERS),
    "filter.relays.received": (lambda text: hop(unfolded(text)), HEADERS),
    "filter.headers.addresses": (lambda text: [*mailboxes(text)], HEADERS),
    "filter.headers.domains": (lambda text: host(text, Registries()), HEADERS),
    "filter.headers.encoded_words": (decoded, HEADERS),
    "filter.headers.modifiers": (
        lambda text: [View(section(b"A:" + text), Relays(), Session()).get(name) for name in ("A:ip", "A:revip", "A:addr:domain")],
        HEADERS,
    ),
    "filter.headers.values": (lambda text: one_line(b"a", text), HEADERS),
    "filter.headers.envelope": (lambda text: envelope_sender(section(text), Session(), Relays(), {}), HEADERS),
    "service.pulse": (
        lambda text: pulse.place(f"Stack (most recent call first):\n{text}"),
        [lambda n: '  File "' * n, lambda n: '  File "' + "/" * n, lambda n: '  File "a", line 1 in f\n' * n],
    ),
    "content.downgrade": (lambda text: [*downgraded([text], Limits())], MESSAGES),
    "proto.smtp.grammar.words": (grammar.words, TEXTS),
    "proto.smtp.grammar.path": (grammar.path, TEXTS),
    "proto.smtp.grammar.xtext": (grammar.xtext, TEXTS),
    "proto.smtp.grammar.orcpt": (lambda text: grammar.original_recipient("utf-8;" + text), TEXTS),
    "proto.smtp.server": (serve, (*WIRE, *MESSAGES)),
    "proto.smtp.data": (lambda text: data(DataReader(), text), MESSAGES),
    "proto.smtp.data.bdat": (lambda text: data(BdatReader(), text), MESSAGES),
    "proto.smtp.dot_stuffing": (stuffed, MESSAGES),
    "net.host_names": (lambda text: (numeric_address(text), is_written_address(text), valid_hostname(text)), TEXTS),
    "proto.smtp.reply_reader": (answer, WIRE),
    "proto.smtp.replies": (lambda text: replies.with_footer(replies.ServerReply(550, "5.1.1", "x"), text, {"a": "b"}), TEXTS),
    "proto.smtp.client_commands": (lambda text: client_commands.xtext(text.encode("utf-8", "replace")), TEXTS),
    "proto.attributes": (attributes, (*WIRE, octets(b"\0"), octets(b"a\0b\0"), octets(b"a\0b\0\0"))),
    "mail.as_json": (
        from_json,
        (octets(b"["), octets(b'"a",', before=b"[", after=b'"b"]'), octets(b"\\u0041", before=b'["', after=b'"]')),
    ),
    "proto.proxy": (proxied, WIRE),
    "proto.qmqp": (qmqp, (*WIRE, octets(b"1:a,", before=b"9999999:1:x,"), octets(b"0:,", before=b"9999999:1:x,"))),
    "mail.encoded_word": (lambda text: encoded_words(text, "utf-8"), (times("\u00fc"), times("a"), times("=\udcff"))),
    "proto.dns_message": (
        dns_answered,
        (
            octets(b"\xc0\x0c\x00\x10\x00\x01\0\0\0\x3c\x00\x02\x01x"),
            octets(b"\xc0\x0c\x00\x05\x00\x01\0\0\0\x3c\x00\x02\xc0\x0c"),
            octets(b"\x01a", after=b"\0"),
            octets(b"\xc0\x17", before=b"\0"),
        ),
    ),
    "proto.policy_delegation": (delegated, WIRE),
    "proto.http": (
        fetched,
        (
            *WIRE,
            octets(b"X: y\r\n", before=b"HTTP/1.1 200 OK\r\n"),
            octets(b" y\r\n", before=b"HTTP/1.1 200 OK\r\nX: y\r\n"),
            octets(b"1\r\nx\r\n", before=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            octets(b"x", before=b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"),
        ),
    ),
    "proto.tcp_table": (looked_up(lambda: TcpQuery(b"key")), (*WIRE, octets(b"%41", before=b"200 "))),
    "proto.socketmap": (looked_up(lambda: SocketmapQuery(b"map key", 100_000)), (*WIRE, octets(b"a", before=b"99999:OK "))),
    "proto.memcache": (
        looked_up(lambda: MemcacheGet(b"key", Sizes(1 << 20, 1 << 20))),
        (*WIRE, octets(b"a", before=b"VALUE key 0 999999\r\n"), octets(b"VALUE key 0 0\r\n\r\n")),
    ),
    "proto.redis": (looked_up(lambda: RedisCommand(b"GET", b"key", limit=1 << 20)), (*WIRE, octets(b"a", before=b"$999999\r\n"))),
    "proto.milter.packets": (lambda text: split_strings(text + b"\0"), (*WIRE, octets(b"\0"))),
    "proto.milter.commands": (lambda text: list(milter_commands.body([text])), WIRE),
    "proto.milter.commands.header": (lambda text: milter_commands.header(text, leading_space=False), WIRE),
    "proto.milter.conversation": (filtered, (octets(packet(ord("p"))), octets(packet(ord("h"), b"a\0b\0")), octets(b"\0\0\1\0"))),
    "proto.milter.answers": (replied, (*WIRE, octets(b"550 \r\n"), octets(b"550-a\r\n"), octets(b"\r\n"))),
    "proto.milter.negotiation": (negotiated, (octets(b"\0\0\0\1a,\0"), octets(b"\0\0\0\1", after=b"\0"), octets(b"a,"))),
    "proto.dovecot_auth": (
        listened,
        (*WIRE, octets(b"\t"), octets(b"FAIL\t1\ta=b\t\x01t\n"), octets(b"a=\x01", before=b"OK\t1\tuser=")),
    ),
    "proto.spamd": (
        spamd_answer,
        (*WIRE, octets(b"A,", before=SPAMD), octets(b"1", before=SPAMD), octets(b"a: b\r\n", before=SPAMD[:19])),
    ),
    "proto.spamd_server": (
        spamd_request,
        (
            *WIRE,
            octets(b"a: b\r\n", before=b"CHECK SPAMC/1.5\r\n"),
            octets(b"a", before=b"CHECK SPAMC/1.5\r\n\r\n"),
            octets(b"\r\n"),
        ),
    ),
    "filter.spamassassin_marks": (
        spamassassin_marks,
        (
            *WIRE,
            octets(b"X-Spam-A: b\n"),
            octets(b" a\n", before=b"X-Spam-A: b\n"),
            octets(b"x-spam-"),
            octets(b"Return-Path: a\n"),
            octets(b" \n", before=b"From \n"),
            octets(b"\n"),
            octets(b"a,"),
            octets(b"From "),
        ),
    ),
    "proto.saslauthd": (checked, (*WIRE, octets(b"a", before=b"\xff\xffOK"))),
    "proto.sasl.plain": (logged_in(plain.server), (*WIRE, octets(b"\0"), octets(b"a", before=b"\0u\0"))),
    "proto.sasl.login": (logged_in(login.server), (*WIRE, octets(b"\0"))),
    "proto.sasl.bearer": (logged_in(bearer.xoauth2_server), (*WIRE, octets(b"\x01"), octets(b"a=\x01", before=b"user=u\x01"))),
    "proto.sasl.bearer.oauthbearer": (
        logged_in(bearer.oauthbearer_server),
        (*WIRE, octets(b",", before=b"n"), octets(b"=2C", before=b"n,a=")),
    ),
    "proto.sasl.saslprep": (prepared_password, (*WIRE, octets("\u0627".encode()), octets("\u00ad".encode()))),
    "proto.sasl.scram": (
        logged_in(lambda: scram.server("sha256", "1", scram.Binding(), DECOYS)),
        (*WIRE, octets(b","), octets(b"=2C", before=b"n,,n="), octets(b"r", before=b"n,,n=u,r=")),
    ),
    "proto.sasl.cram_md5": (logged_in(lambda: cram_md5.server("1", "h")), (*WIRE, octets(b" "), octets(b"0", before=b"u "))),
    "proto.mta_sts": (
        sts_policy,
        (
            *(octets(b"a:\n"), octets(b"a."), octets(b"-", before=b"mx: a"), octets(b" ", before=b"a:"), octets(b"a")),
            octets(b" ", before=b"a:", after=b"\0"),
        ),
    ),
    "proto.mta_sts.record": (sts_record, (octets(b"a=b;"), octets(b";"), octets(b"="), octets(b"-", before=b"a"), octets(b" "))),
    "proto.smtp.notify": (lambda text: notify_bits(text.decode("latin-1")), (octets(b"NEVER,"), octets(b","), octets(b"x"))),
    "admission.milter.editing": (edited, (*MESSAGES, octets(b"\n"), octets(b"\r"), octets(b"a\n"), octets(b" \r\n"))),
    "admission.milter.verdicts": (milter_refusal, (octets(b"5.7.1 "), octets(b"%%"), octets(b"a\n"))),
    "receive.postscreen": (_screened, (*WIRE, *MESSAGES)),
    "receive.unix_lines": (submitted, MESSAGES),
    "content.headers": (STANDARD_HEADER.match, TEXTS),
    "admission.draft": (lambda text: STRAY_OF_EDITS.search(FOLD_OF_EDITS.sub(b"\r\n", text)), MESSAGES),
    "admission.draft.forged": (without_forged, (octets(b"X-Spam-A: 1\r\n"), octets(b"Subject: a\r\n"), *MESSAGES)),
    "filter.bad_header": (
        lambda text: bad_headers(header.split(text).headers),
        (
            *MESSAGES,
            octets(b"a" * 998 + b"\r\n ", before=b"X: "),
            octets(b" \r\n", before=b"X: a\r\n"),
            octets(b" ", before=b"X: a\r\n"),
        ),
    ),
    "admission.staging": (lambda text: STRAY.sub(b" ", text), MESSAGES),
    "routing.rewrite": (is_standard, TEXTS),
    "lookup.aliases_text": (lambda text: list(aliases_text.alias_entries("x", text, _nothing)), TEXTS),
    "lookup.aliases_text.looks": (aliases_text.looks_like_aliases, TEXTS),
    "lookup.table_text": (lambda text: list(table_text.entries("x", text, _nothing)), TEXTS),
    "lookup.source_blocks": (
        lambda text: [
            source_blocks.plain_entries(block) for _, block in source_blocks.blocks(io.BytesIO(text.encode("utf-8", "replace")))
        ],
        TEXTS,
    ),
    "lookup.braces": (braces.split_list, TEXTS),
    "lookup.ldap_text": (lambda text: (in_filter(text), in_dn(text), parse_url("ldap:///" + text.replace("?", ""))), TEXTS),
    "deliver.command": (lambda text: (command_words(text, ""), printable(text.encode("utf-8", "replace"))), TEXTS),
    "deliver.listed": (lambda text: list(words(text.encode("utf-8", "replace"))), TEXTS),
    "deliver.local_delivery": (lambda text: delivered_to(MemoryContent(text)), MESSAGES),
    "deliver.pipe_arguments": (lambda text: expanded([text.replace("$", "$$")], {}, []), TEXTS),
    "deliver.pipe_form": (piped, MESSAGES),
    "deliver.status_filter": (STATUS.match, TEXTS),
    "events.maillog": (log_printable, TEXTS),
    "net.server_names": (SERVER_NAME.match, TEXTS),
    "identity.spf.macro": (macros, POLICIES),
    "identity.spf.record": (policy, POLICIES),
    "tlsrpt.record": (
        lambda text: parse_tlsrpt("v=TLSRPTv1;rua=" + text),
        tuple(times(text) for text in ("mailto:a@b,", "https://a.b/,", ";", "rua=,")),
    ),
    "tlsrpt.names": (lambda text: bounded(text, len(text)), TEXTS),
    "identity.spf.header": (lambda text: received_spf(spf_verdict(text), About(text, text, text, text, text)), TEXTS),
    "policy.greylist.attempt": (normal_sender, TEXTS),
    "lookup.berkeley_db": (lambda text: _leaves(text.encode("utf-8", "replace")), TEXTS),
    "policy.brake.texts": (is_address, TEXTS),
    "policy.greylist.postgrey": (lambda text: list(triplets([(text.encode("utf-8", "replace"), b"1,2")], GREYLIST, 3.0)), TEXTS),
    "policy.greylist.texts": (lambda text: put_off(GREYLIST, 1, text), TEXTS),
    "policy.greylist.whitelists": (lambda text: asyncio.run(RecipientList((), _nothing).lists(f"a@{text}")), TEXTS),
    "policy.access": (lambda text: (_ENHANCED.match(text), _HEADER.match(text)), TEXTS),
    "queue.notice_message": (lambda text: header_of(MemoryContent(text)), MESSAGES),
    "queue.notice_message.wrap": (lambda text: list(wrap(text)), TEXTS),
}


_ADMINISTRATOR = "reads what the administrator writes, once"

_HTML = ("tokens", "attributes", "entities", "looks", "colours", "quirks", "links")
_URIS = ("finding", "domains", "redirectors", "cleaning")
_RULES = "walked by filter.rules.perl and reading, which are in the table"

_AGENT = "compares what a worker asks for with the configuration, in the agent"

ELSEWHERE = {
    **dict.fromkeys(
        [
            f"filter.evals.{name}"
            for name in "forged_received freemail message_dates message_ids patterns relay_eval senders vbounce".split()
        ],
        "with filter.evals.header_eval",
    ),
    "filter.relays.forms": "expressions that filter.relays.received has",
    "filter.relays.networks": _ADMINISTRATOR,
    "net.url": "texts of at most 4096 characters, by classes of characters that do not overlap",
    **dict.fromkeys((f"filter.rules.{name}" for name in ("brackets", "literals", "octets", "scoring", "settings")), _RULES),
    "filter.evals.locales": "the name of a charset, by a class of characters",
    "filter.names.subtests": "records of at most 4096 octets, by patterns whose work is limited",
    "identity.spf.evaluation": "one class of characters; names of at most 253 of them",
    "identity.spf.lookups": "names of at most 253 characters",
    "auth.backends.signed_token": "texts of at most 8192 octets, by one class of characters between dots",
    "auth.backends.sql": _ADMINISTRATOR,
    "filter.antivirus.clamav_files": _ADMINISTRATOR,
    "auth.backends.scram_words": _ADMINISTRATOR,
    "auth.backends.stored_password": _ADMINISTRATOR,
    "auth.backends.user_file": _ADMINISTRATOR,
    "auth.backends.user_file_edit": _ADMINISTRATOR,
    "config.layout": _ADMINISTRATOR,
    "filter.archives.formats.cursor": "at most 22 digits",
    "filter.quarantine.store": "names of files by a fixed pattern",
    "mail.evidence": "parses nothing; what is kept of a type is bounded",
    "mail.reason": "cuts texts at a fixed length",
    "mail.ascii_text": "runs of one class of characters, which nothing can make try twice",
    "receive.peer": "labels of at most 63 characters",
    "receive.qmqpd": "looks for one class of characters",
    "receive.reject_filter": _ADMINISTRATOR,
    "proto.exchange": "what an exchange is; the protocols parse",
    "lookup.sql_query": _ADMINISTRATOR,
    "lookup.sql_settings": _ADMINISTRATOR,
    "lookup.pgsql_connection": "reads the name of an encoding",
    "lookup.server_parameters": _ADMINISTRATOR,
    "config.check": _ADMINISTRATOR,
    "config.edit": _ADMINISTRATOR,
    "config.expand": "reads values of main.cf and templates of the administrator; what is put in is not read again",
    "config.master": _ADMINISTRATOR,
    "config.tables": _ADMINISTRATOR,
    "config.values": _ADMINISTRATOR,
    "deliver.error": "reads the next hop of a transport table",
    "cli.postconf_services": _ADMINISTRATOR,
    "deliver.next_hop": _ADMINISTRATOR,
    "deliver.tls_policy": _ADMINISTRATOR,
    "deliver.pipe_attributes": _ADMINISTRATOR,
    "lookup.pattern_net": _ADMINISTRATOR,
    "lookup.posix_regex": _ADMINISTRATOR,
    "lookup.substitution": _ADMINISTRATOR,
    "lookup.key_format": "reads formats of the administrator; keys are put in and not read again, and are divided at one character",
    "proto.table_answer": "holds values",
    "auth.dovecot": "one class of characters",
    "service.password_tables": _ADMINISTRATOR,
    "filter.examination": "reads arguments of rules, of the administrator",
    "filter.scan": "one class of characters a line, which nothing can make try twice",
    "filter.match.pattern": "reads patterns of rules, of the administrator",
    "filter.match.prefilter": "reads patterns of rules, of the administrator",
    "proto.sasl.external": "reads a name of at most 255 octets",
    "proto.sasl.mechanisms": "a table of mechanisms",
    "proto.sasl.scram_keys": "makes keys, reads none",
    "proto.sasl.port": "holds values, and reads names of at most 255 octets",
    "proto.smtp.server_replies": "makes replies, reads none",
    "mail.content": "passes octets on",
    "mail.address_status": "three numbers, as a pattern of its callers found them",
    **dict.fromkeys((f"filter.text.html.{name}" for name in _HTML), "walked by filter.text.html.page, which is in the table"),
    **dict.fromkeys((f"filter.text.uris.{name}" for name in _URIS), "walked by filter.text.uris.gathering, which is in the table"),
    "filter.contents": "names of at most 64 characters, 500 of them",
    "mail.domain": "names of at most 255 characters",
    "net.any_name": "names of at most 253 characters",
    "net.searching": _ADMINISTRATOR,
    "mail.checksum": "arithmetic of numbers",
    "mail.date": "writes only",
    "mail.envelope": "holds values",
    "mail.outcome": "holds values",
    "mail.delivery": "holds values",
    "mail.queued": "holds values",
    "mail.submission": "holds values",
    "mail.queue_id": "reads at most 20 characters",
    "net.tls_parameters": "reads the administrator's files",
    "policy.restrictions.dnsbl": _ADMINISTRATOR,
    "policy.restrictions.names": "host names of at most 255 characters",
    "proto.smtp.proxy_filter": "drives reply_reader, which is in the table",
    "proto.smtp.client": "drives reply_reader, which is in the table",
    "proto.smtp.commands": "a table of verbs",
    "queue.notice_templates": _ADMINISTRATOR,
    "routing.recipients": "reads answers of the administrator's tables",
    "routing.resolve": "labels of at most 63 characters",
    "service.agent.granted_paths": _AGENT,
    "service.agent.granted_tables": _AGENT,
    "service.agent.pipe_grants": _AGENT,
}
"""Modules that parse and are not in the table, and why."""


def parsing_modules() -> set[str]:
    """Every module that uses regular expressions, and all of the rooms that are made of parsers."""
    found = set()
    for path in ROOT.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if path.stem == "__init__":
            continue
        if re.search(r"^import re$", path.read_text(), re.MULTILINE) or name.split(".")[0] in ("mail", "proto"):
            found.add(name)
    return found


def test_every_parser_is_in_the_table() -> None:
    """Each under its module's name, alone or with a word behind it."""
    covered = {name for name in parsing_modules() if any(f"{one}.".startswith(f"{name}.") for one in PARSERS)}
    missing = parsing_modules() - covered - ELSEWHERE.keys()
    assert not missing, f"enter them in PARSERS, or in ELSEWHERE with the reason why not: {sorted(missing)}"
    assert not ELSEWHERE.keys() & covered


@pytest.mark.parametrize("name", PARSERS)
def test_growth_is_linear(name: str) -> None:
    parse, shapes = PARSERS[name]

    def work(shape: Callable[[int], object]) -> Callable[[int], Callable[[], object]]:
        def sized(size: int) -> Callable[[], object]:
            made = shape(size)
            return lambda: parse(made)

        return sized

    steep = [repr(shape(40))[:60] for shape in shapes if not grows_linearly(work(shape))]
    assert not steep
