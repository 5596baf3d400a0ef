"""Every way in which a mailbox, a file, a command or an alias fails, as the JSON log tells it: rule, table, key and reason.

The texts of all these failures are read from the source: one without a case here fails the last tests."""

import ast
import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.local_mail import REGULAR, Known, World
from tests.support.settings import CONFIGURATION

import gatepost.deliver
from gatepost.deliver import local_expansion
from gatepost.deliver.client_flags import FlaggedAgent
from gatepost.deliver.pipe import PipeAgent, PipeService
from gatepost.deliver.pipe_arguments import AddressFormat
from gatepost.deliver.pipe_attributes import pipe_attributes
from gatepost.deliver.privileged import AgentClient, Answer, Done, Failed
from gatepost.deliver.virtual import VirtualAgent, VirtualSettings
from gatepost.events.json_lines import line
from gatepost.events.records import Event
from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.port import LookupFailure
from gatepost.lookup.registry import Tables
from gatepost.mail.content import MemoryContent
from gatepost.mail.delivery import Agent, DeliveryRequest, Report
from gatepost.mail.envelope import Envelope, Recipient
from gatepost.mail.queue_id import QueueId
from gatepost.mail.queued import ActiveMessage, QueuedRecipient
from gatepost.mail.submission import QueueUnavailable
from gatepost.queue.results import Pass, Results
from gatepost.queue.settings import QueueSettings
from gatepost.routing.port import AddressClass, Route
from gatepost.routing.resolve import BAD_SYNTAX

REFUSED = Failed("5.2.2", "full")
UNSEEN = Failed("4.3.0", "mail system agent: TimeoutError", unseen=True)


class _Silence:
    """A ledger and a notifier that nobody asks anything."""

    def settle(self, settlements: object) -> None: ...


def told(report: Report) -> dict[str, Any]:
    """The last JSON line of a delivery that ended so."""
    events: list[Event] = []
    silence: Any = _Silence()
    settings = CONFIGURATION.view(QueueSettings)
    results = Results(silence, silence, settings, events.append, lambda: 1.0, str, lambda fault, why: None)
    message = ActiveMessage(QueueId(1, 0), Envelope("s@z.test"), MemoryContent(b"x\r\n"), 3, (report.recipient,))
    results.record(Pass(message, results, fresh=True), [report], "local", "")
    found: dict[str, Any] = json.loads(line(events[-1], time=0.0, process="postfix/local", pid=1))
    return found


# local(8)


class Case:
    """- `to`: the recipient's name; `rule`, `table`, `key`: what its record tells; `text`: what the log says.
    - `aliases`: as in an inline table; `files`: that the agent reads; `ended`: how it ends a delivery.
    - `settings`: parameters; `broken`: what raises what.
    """

    def __init__(
        self,
        to: str,
        text: str,
        rule: str,
        table: str = "",
        key: str = "",
        *,
        aliases: str = "",
        files: Mapping[str, Answer] | None = None,
        ended: Answer | None = None,
        broken: Callable[[pytest.MonkeyPatch], None] = lambda patch: None,
        **settings: Any,
    ) -> None:
        self.to, self.text = to, text
        self.expected = {"rule": rule, "table": table, "key": key or to}
        self.aliases, self.files, self.ended, self.broken, self.settings = aliases, files or {}, ended or Done(), broken, settings


def _raises(owner: type, name: str, fault: Exception) -> Callable[[pytest.MonkeyPatch], None]:
    async def broken(self: object, *arguments: object, **named: object) -> None:
        raise fault

    return lambda patch: patch.setattr(owner, name, broken)


def _few(patch: pytest.MonkeyPatch) -> None:
    async def too_many(listed: Iterator[str], size: int) -> None:
        return None

    patch.setattr(local_expansion, "all_of", too_many)


def _unresolved(patch: pytest.MonkeyPatch) -> None:
    async def resolve(self: object, address: str) -> Route:
        return Route("local", "", address, AddressClass.LOCAL, failure=BAD_SYNTAX)

    patch.setattr(World, "resolve", resolve)


def _owned_by(uid: int) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(local_expansion, "table_owner", lambda table: uid)


def _inline(aliases: str) -> str:
    return f"inline:{{{{{aliases}}}}}"


MISCONFIGURED = "mail system configuration error"
CMD = '"|exit 1"'
LIST = "list=:include:/l"
LOCAL_CASES = (
    Case("ghost", 'unknown user: "ghost"', "local", "unix:passwd.byname", "ghost"),
    Case("a", 'unknown user: "ghost"', "local", "unix:passwd.byname", "ghost", aliases="a=ghost"),
    Case("", 'null username in "@here.test"', "local", key="@here.test"),
    Case("been", "mail forwarding loop for been@here.test", "Delivered-To", "", "been@here.test"),
    Case("a", "alias database loop for a", "alias_maps", "inline:{ {a=b}, {b=a} }", "a", alias_maps="inline:{ {a=b}, {b=a} }"),
    Case("a", "alias database unavailable", "alias_maps", "fail:down", "a", alias_maps="fail:down"),
    Case("a", "cannot find alias database owner", "alias_maps", _inline("a=bob"), "a", aliases="a=bob", broken=_owned_by(77)),
    Case("a", MISCONFIGURED, "alias_maps", _inline("a=bob"), "a", aliases="a=bob", broken=_few),
    Case("a", MISCONFIGURED, "alias_maps", _inline("a=~/x"), "a", aliases="a=~/x"),
    Case("list", MISCONFIGURED, ":include:", "l", "list", aliases="list=:include:l"),
    Case("list", MISCONFIGURED, ":include:", "/l", "list", aliases=LIST),
    Case("list", MISCONFIGURED, ":include:", "/l", "list", aliases=LIST, files={"/l": Failed("4.3.0", "/l: File too large")}),
    Case("list", MISCONFIGURED, ":include:", "/l", "list", aliases=LIST, files={"/l": Done(b"x", mode=REGULAR, owner=77)},
         broken=_owned_by(0)),
    Case("list", UNSEEN.text, ":include:", "/l", "list", aliases=LIST, files={"/l": UNSEEN}),
    Case("alice", UNSEEN.text, "forward_path", "/home/alice/.forward", "alice", files={"/home/alice/.forward": UNSEEN}),
    Case("alice", "mail to command is restricted", "allow_mail_to_commands", "/home/alice/.forward", "alice",
         files={"/home/alice/.forward": Done(b'"|exit 1"', mode=REGULAR, owner=2001)}, allow_mail_to_commands="alias"),
    Case("c", "mail to command is restricted", "allow_mail_to_commands", _inline(f"c={CMD}"), "c", aliases=f"c={CMD}",
         allow_mail_to_commands=""),
    Case("f", "mail to file is restricted", "allow_mail_to_files", _inline("f=/x"), "f", aliases="f=/x", allow_mail_to_files=""),
    Case("f", "cannot append message to file /x: full", "alias_maps", _inline("f=/x"), "f", aliases="f=/x", ended=REFUSED),
    Case("f", "maildir delivery failed: full", "alias_maps", _inline("f=/x/"), "f", aliases="f=/x/", ended=REFUSED),
    Case("c", 'Command died with status 1: "exit 1"', "alias_maps", _inline(f"c={CMD}"), "c", aliases=f"c={CMD}",
         ended=Done(exit_status=1)),
    Case("c", 'Command died with signal 9: "exit 1"', "alias_maps", _inline(f"c={CMD}"), "c", aliases=f"c={CMD}",
         ended=Done(exit_status=-9)),
    Case("c", 'Command time limit exceeded: "exit 1"', "alias_maps", _inline(f"c={CMD}"), "c", aliases=f"c={CMD}",
         ended=Done(timed_out=True)),
    Case("c", "temporary failure", "alias_maps", _inline(f"c={CMD}"), "c", aliases=f"c={CMD}", ended=Done(exit_status=75)),
    Case("c", "look", "alias_maps", _inline(f"c={CMD}"), "c", aliases=f"c={CMD}", ended=Done(b"4.2.1 look", exit_status=1)),
    Case("alice", "temporary failure", "mailbox_command", "/bin/x", "alice", mailbox_command="/bin/x", ended=Done(exit_status=75)),
    Case("alice", "temporary failure", "mailbox_command_maps", "inline:{alice=/bin/y}", "alice", mailbox_command="/bin/x",
         mailbox_command_maps="inline:{alice=/bin/y}", ended=Done(exit_status=75)),
    Case("alice", "temporary failure. Command output: local: fatal: no file ", "mailbox_command", "/bin/x", "alice",
         mailbox_command="/bin/x", ended=Failed("4.3.0", "no file", missing=True)),
    Case("alice", MISCONFIGURED, "command_execution_directory", "", "alice", mailbox_command="/bin/x",
         command_execution_directory="${"),
    Case("alice", "maildir delivery failed: full", "home_mailbox", "/home/alice/Maildir/", "alice", ended=REFUSED),
    Case("alice", "cannot update mailbox /home/alice/Mailbox for user alice. full", "home_mailbox", "/home/alice/Mailbox", "alice",
         home_mailbox="Mailbox", ended=REFUSED),
    Case("alice", "cannot update mailbox /nowhere/alice for user alice. full", "mail_spool_directory", "/nowhere/alice", "alice",
         home_mailbox="", mail_spool_directory="/nowhere", ended=REFUSED),
    Case("alice", "cannot access home directory", "require_home_directory", "/home/alice", "alice", require_home_directory=True),
    Case("alice", "file system does not answer", "local", "system", "alice", require_home_directory=True,
         broken=_raises(BlockingCalls, "run", Hangs("no answer"))),
    Case("alice", "table lookup failure", "local", "unix:passwd.byname", "alice",
         broken=_raises(Known, "user_named", LookupFailure("unix:passwd.byname", "no answer"))),
    Case("alice", "table lookup failure", "mailbox_transport_maps", "fail:down", "alice", mailbox_transport_maps="fail:down"),
    Case("alice", "mail transport unavailable", "mailbox_transport", "", "alice", mailbox_transport="nosuch"),
    Case("alice", "mail transport unavailable", "mailbox_transport_maps", "inline:{alice=nosuch}", "alice",
         mailbox_transport_maps="inline:{alice=nosuch}"),
    Case("ghost", "mail transport unavailable", "fallback_transport", "", "ghost", fallback_transport="nosuch"),
    Case("ghost", MISCONFIGURED, "luser_relay", "", "ghost", luser_relay="${"),
    Case("a", "bad recipient address syntax: b", "alias_maps", _inline("a=b"), "a", aliases="a=b", broken=_unresolved),
    Case("a", "unable to forward message", "forward", "queue", "a@here.test", aliases="a=x@far.test",
         broken=_raises(World, "submit", QueueUnavailable("no space"))),
)  # fmt: skip


@pytest.mark.parametrize("case", LOCAL_CASES, ids=lambda case: case.text[:40])
def test_local(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.broken(monkeypatch)
    rows = {"alias_maps": _inline(case.aliases)} if case.aliases else {}
    here = World(CONFIGURATION, **{"alias_maps": "", **rows, **case.settings})
    here.files.update(case.files)
    here.ended = case.ended  # type: ignore[assignment]
    record = told(here.deliver(f"{case.to}@here.test", header=b"Delivered-To: been@here.test\r\n"))
    assert record["text"] == case.text
    assert {name: record[name] for name in case.expected} == case.expected
    assert record["reason"]


# virtual(8), pipe(8) and flags= of smtp(8)


class _Agent(AgentClient):
    def __init__(self, ended: Answer) -> None:
        self.ended = ended

    async def ask(self, request: object, content: Iterable[bytes] = ()) -> Answer:
        return self.ended

    async def deliver(self, letters: tuple[object, ...]) -> list[Answer]:
        return [self.ended] * len(letters)


def _delivered(agent: Agent, recipients: int = 1) -> dict[str, Any]:
    queued = tuple(QueuedRecipient(n, Recipient("u@v.test")) for n in range(recipients))
    content = MemoryContent(b"Delivered-To: u@v.test\r\n\r\nx\r\n")
    message = ActiveMessage(QueueId(1, 0), Envelope("s@z.test"), content, content.size, queued)
    reports = asyncio.run(agent.deliver(DeliveryRequest(message, queued, "filter", "")))  # type: ignore[arg-type]
    return told(reports[0])


BOXES = {
    "virtual_mailbox_base": "/v", "virtual_mailbox_maps": "inline:{u@v.test=u/}", "virtual_uid_maps": "static:2000",
    "virtual_gid_maps": "static:2000",
}  # fmt: skip
VIRTUAL_CASES: tuple[tuple[str, str, str, str, dict[str, Any], Answer], ...] = (
    ('unknown user: "u@v.test"', "virtual_mailbox_maps", "inline:{x=y}", "u@v.test",
     {"virtual_mailbox_maps": "inline:{x=y}"}, Done()),
    (MISCONFIGURED, "virtual_mailbox_maps", "fail:down", "u@v.test", {"virtual_mailbox_maps": "fail:down"}, Done()),
    (MISCONFIGURED, "virtual_mailbox_base", "", "u@v.test", {"virtual_mailbox_base": ""}, Done()),
    (MISCONFIGURED, "virtual_mailbox_maps", "static:../x", "u@v.test", {"virtual_mailbox_maps": "static:../x"}, Done()),
    (MISCONFIGURED, "virtual_uid_maps", "inline:{x=1}", "u@v.test", {"virtual_uid_maps": "inline:{x=1}"}, Done()),
    (MISCONFIGURED, "virtual_uid_maps", "inline:{@v.test=1}", "@v.test", {"virtual_uid_maps": "inline:{@v.test=1}"}, Done()),
    (MISCONFIGURED, "virtual_gid_maps", "static:x", "u@v.test", {"virtual_gid_maps": "static:x"}, Done()),
    ("maildir delivery failed: full", "virtual_mailbox_maps", "inline:{u@v.test=u/}", "u@v.test", {}, REFUSED),
    ("delivery failed to mailbox /v/u: full", "virtual_mailbox_maps", "inline:{@v.test=u}", "@v.test",
     {"virtual_mailbox_maps": "inline:{@v.test=u}"}, REFUSED),
)  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "table", "key", "settings", "ended"), VIRTUAL_CASES)
def test_virtual(text: str, rule: str, table: str, key: str, settings: dict[str, Any], ended: Answer) -> None:
    view = CONFIGURATION.with_settings({**BOXES, **settings}).view(VirtualSettings)
    events: list[Event] = []
    record = _delivered(VirtualAgent(view, Tables(lambda text: None), _Agent(ended), lambda: 1.0, events.append))
    assert [record[name] for name in ("text", "rule", "table", "key")] == [text, rule, table, key]
    assert record["reason"]


PIPE_CASES: tuple[tuple[str, str, str, tuple[str, ...], int, Answer], ...] = (
    (MISCONFIGURED, "filter argv=", "/etc/master.cf", ("argv=/bin/x", "${nosuch}"), 1, Done()),
    ("bad address syntax: an octet that no argument can hold", "filter argv=", "/etc/master.cf", ("argv=/bin/x", "\0"), 1, Done()),
    ("message too large", "filter size=", "/etc/master.cf", ("size=3", "argv=/bin/x"), 1, Done()),
    (MISCONFIGURED, "filter flags=O", "/etc/master.cf", ("flags=O", "argv=/bin/x"), 2, Done()),
    ("mail forwarding loop for u@v.test", "Delivered-To", "", ("flags=D", "argv=/bin/x"), 1, Done()),
    ("data format error", "filter argv=", "/bin/x", ("argv=/bin/x",), 1, Done(exit_status=65)),
    (UNSEEN.text, "filter argv=", "/bin/x", ("argv=/bin/x",), 1, UNSEEN),
    ("temporary failure. Command output: pipe: fatal: gone ", "filter argv=", "/bin/x", ("argv=/bin/x",), 1,
     Failed("4.3.0", "gone", missing=True)),
)  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "table", "words", "recipients", "ended"), PIPE_CASES)
def test_pipe(text: str, rule: str, table: str, words: tuple[str, ...], recipients: int, ended: Answer) -> None:
    attributes = pipe_attributes(("user=nobody", *words))
    service = PipeService(attributes, AddressFormat(), 1, 1, 10, {}, "/", "/etc/master.cf")
    record = _delivered(PipeAgent(service, _Agent(ended), lambda: 1.0, lambda event: None), recipients)
    assert [record[name] for name in ("text", "rule", "table", "key")] == [text, rule, table, "u@v.test"]
    assert record["reason"]


FLAG_CASES = (
    (MISCONFIGURED, "filter flags=D", 2),
    ("mail forwarding loop for u@v.test", "Delivered-To", 1),
)


@pytest.mark.parametrize(("text", "rule", "recipients"), FLAG_CASES)
def test_flags_of_a_client(text: str, rule: str, recipients: int) -> None:
    agent: Any = None
    record = _delivered(FlaggedAgent(agent, frozenset("D"), "lmtp", lambda: 1.0, lambda event: None), recipients)
    assert [record[name] for name in ("text", "rule", "key")] == [text, rule, "u@v.test"]
    assert record["reason"]


# The source

_ROOM = Path(gatepost.deliver.__file__).parent
_HERE = ("local_expansion", "local_mailbox", "pipe", "virtual", "client_flags", "forward", "command")
_FILLED_IN = {("privileged", "outcome_of"), ("command", "_failure"), ("local_expansion", "_alias_rights")}
"""Functions whose callers say why."""


def _calls() -> Iterator[tuple[str, str, ast.Call, bool]]:
    """(file, function, call, whether it is an argument of `delivery.report`) of each failure that is made in deliver/."""
    for path in sorted(_ROOM.glob("*.py")):
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name in ("deferred", "bounced") for node in tree.body):
            continue  # it makes all of its failures by one of its own, which says why
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
                reported = {
                    inner
                    for call in calls
                    if isinstance(call.func, ast.Attribute) and call.func.attr == "report"
                    for argument in call.args
                    for inner in ast.walk(argument)
                }
                yield from ((path.stem, function.name, call, call in reported) for call in calls if _fails(call))


def _fails(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    ok = name == "Outcome" and call.args and ast.unparse(call.args[0]) == "Class.OK"
    return name in ("deferred", "bounced", "Outcome", "_failure") and not ok


def _says_why(call: ast.Call) -> bool:
    assert isinstance(call.func, ast.Name)
    return len(call.args) > (4 if call.func.id == "Outcome" else 2) or any(keyword.arg == "why" for keyword in call.keywords)


def test_every_failure_of_a_delivery_says_why() -> None:
    silent = [
        f"{file}.{function}: {ast.unparse(call)}"
        for file, function, call, reported in _calls()
        if not _says_why(call) and not reported and (file, function) not in _FILLED_IN and call.func.id != "_failure"  # type: ignore[attr-defined]
    ]
    assert silent == []


def test_every_text_of_a_failure_has_a_case() -> None:
    texts = [case.text for case in LOCAL_CASES] + [row[0] for row in (*VIRTUAL_CASES, *PIPE_CASES, *FLAG_CASES)]
    without = []
    for file, function, call, _ in _calls():
        text = call.args[call.func.id == "_failure"]  # type: ignore[attr-defined]
        if file in _HERE and isinstance(text, ast.Constant | ast.JoinedStr):
            parts = text.values if isinstance(text, ast.JoinedStr) else [text]
            pattern = "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".*" for part in parts)
            if not any(re.fullmatch(pattern, known) for known in texts):
                without.append(f"{file}.{function}: {pattern}")
    assert without == []
