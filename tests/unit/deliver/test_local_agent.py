"""local(8) over tables in memory and an agent process that only notes what it is asked: who gets what, with whose rights."""

from typing import Any

import pytest
from tests.support.local_mail import REGULAR, Known, World

from gatepost.config.configuration import Configuration
from gatepost.config.loading import load
from gatepost.deliver.listed import MOST
from gatepost.deliver.local_names import expand_names
from gatepost.deliver.privileged import Done, Failed, RunCommand, WriteMaildir, WriteMbox
from gatepost.lookup.blocking import BlockingCalls, Hangs
from gatepost.lookup.port import LookupFailure
from gatepost.mail.delivery import Purpose, Report
from gatepost.mail.outcome import Class
from gatepost.mail.queue_id import QueueId


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    folder = tmp_path_factory.mktemp("conf")
    (folder / "main.cf").write_text("compatibility_level = 3.6\nalias_maps =\n")
    (folder / "master.cf").write_text("")
    return load(folder)


@pytest.fixture
def world(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Any:
    here: list[World] = []

    def make(aliases: str = "", **settings: Any) -> World:
        rows = " ".join(f"{{{row}}}," for row in aliases.split("; ") if row).removesuffix(",")
        here[:] = [World(configuration, alias_maps=f"inline:{{{rows}}}" if rows else "", **settings)]
        return here[0]

    return make


def texts(report: Report) -> list[str]:
    """What is logged: `address: text`, one for each part."""
    parts = (report,) if report.parts is None else report.parts
    return [f"{part.recipient.recipient.address}: {part.outcome.text}" for part in parts if not part.expanded]


def test_a_mailbox(world: Any) -> None:
    here = world()
    assert texts(here.deliver("Alice@here.test")) == ["Alice@here.test: delivered to maildir"]
    ((request, written),) = here.asked
    assert isinstance(request, WriteMaildir)
    assert (request.box.path, request.box.uid) == ("/home/alice/Maildir/", 2001)
    assert written == (
        b"Return-Path: <from@there.test>\nX-Original-To: orig@here.test\nDelivered-To: Alice@here.test\nSubject: x\n\nhi\n"
    )


def test_a_probe_stops_at_the_alias_and_one_by_hand_says_all_that_would_come_of_it(world: Any) -> None:
    here = world(aliases='list=alice, x@far.test, /tmp/box, "|cmd", ghost')
    told = texts(here.deliver("list@here.test", purpose=Purpose.VERIFY))
    assert told == ['list@here.test: aliased to alice, x@far.test, /tmp/box, "|cmd", ghost']
    assert texts(here.deliver("list@here.test", purpose=Purpose.REPORT)) == [
        "alice@here.test: delivers to maildir",
        "x@far.test: forwards to x@far.test",
        "list@here.test: delivers to file: /tmp/box",
        "list@here.test: delivers to command: cmd",
        'ghost@here.test: unknown user: "ghost"',
    ]
    assert here.asked == []
    assert here.queued == []


def test_mail_that_is_forwarded_is_relayed(world: Any) -> None:
    report = world(aliases="ext=x@far.test").deliver("ext@here.test")
    assert report.relayed


# (aliases, recipient, what is logged)
EXPANSIONS = (
    ("", "ghost@here.test", ['ghost@here.test: unknown user: "ghost"']),
    ("", "ghost+x@here.test", ['ghost+x@here.test: unknown user: "ghost"']),
    ("", "postmaster@here.test", ["postmaster@here.test: discarded"]),
    ("two=alice, bob", "two@here.test", ["alice@here.test: delivered to maildir", "bob@here.test: delivered to maildir"]),
    ("a=b; b=c; c=alice", "a@here.test", ["alice@here.test: delivered to maildir"]),
    ("twice=alice, Alice", "twice@here.test", ["alice@here.test: delivered to maildir"]),
    ("alice=alice, bob", "alice@here.test", ["alice@here.test: delivered to maildir", "bob@here.test: delivered to maildir"]),
    ("loopy=loopy", "loopy@here.test", ['loopy@here.test: unknown user: "loopy"']),
    ("out=x@far.test", "out@here.test", [f"out@here.test: forwarded as {QueueId(1, 1)}"]),
    ('cmd="|exit 0"', "cmd@here.test", ["cmd@here.test: delivered to command: exit 0"]),
    (
        'team=one, two; one="|exit 0"; two="|exit 0"',
        "team@here.test",
        ["one@here.test: delivered to command: exit 0", "two@here.test: delivered to command: exit 0"],
    ),
    ('two=one+x, one+y; one="|exit 0"', "two@here.test", ["one+x@here.test: delivered to command: exit 0"]),
    ('twice="|exit 0", "|exit 0"', "twice@here.test", ["twice@here.test: delivered to command: exit 0"]),
    ("files=f, g; f=/var/x; g=/var/x", "files@here.test", ["f@here.test: delivered to file: /var/x"]),
    ("f=/var/x", "f@here.test", ["f@here.test: delivered to file: /var/x"]),
    ("rel=:include:lists/x", "rel@here.test", ["rel@here.test: mail system configuration error"]),
    ("gone=:include:/no/x", "gone@here.test", ["gone@here.test: mail system configuration error"]),
    ("", "+x@here.test", ['+x@here.test: unknown user: "+x"']),
    ("", "@here.test", ['@here.test: null username in "@here.test"']),
)


@pytest.mark.parametrize(("aliases", "to", "logged"), EXPANSIONS)
def test_expansion(world: Any, aliases: str, to: str, logged: list[str]) -> None:
    assert texts(world(aliases, recipient_delimiter="+").deliver(to)) == logged


def test_aliases_of_two_that_never_end(world: Any) -> None:
    here = world("ping=pong; pong=ping")
    assert texts(here.deliver("ping@here.test")) == ["ping@here.test: alias database loop for ping"]
    assert here.log == ["alias database loop for ping"]


def test_a_message_that_was_here_before(world: Any) -> None:
    report = world().deliver("alice@here.test", b"Delivered-To: ALICE@here.test\r\n")
    assert (report.outcome.enhanced, report.outcome.text) == ("5.4.6", "mail forwarding loop for alice@here.test")


def test_delivered_to_in_the_body_is_no_loop(world: Any) -> None:
    report = world().deliver("alice@here.test", b"X: y\r\n\r\nDelivered-To: alice@here.test\r\n")
    assert report.outcome.text == "delivered to maildir"


def test_forwarded_mail_keeps_its_sender_and_is_marked(world: Any) -> None:
    here = world("out=x@far.test, y@far.test")
    here.deliver("out@here.test")
    ((envelope, content),) = here.queued
    assert envelope.sender == "from@there.test"
    assert [(r.address, r.original) for r in envelope.recipients] == [(f"{n}@far.test", "orig@here.test") for n in "xy"]
    assert content.startswith(b"Delivered-To: out@here.test\r\nSubject: x\r\n")


@pytest.mark.parametrize(("expand", "sender"), [(False, "owner-list@here.test"), (True, "bob@here.test")])
def test_a_list_with_an_owner_is_sent_on_in_its_name(world: Any, expand: bool, sender: str) -> None:
    here = world("list=alice, x@far.test; owner-list=bob", expand_owner_alias=expand)
    here.deliver("list@here.test")
    ((envelope, _),) = here.queued
    assert envelope.sender == sender
    assert [r.address for r in envelope.recipients] == ["alice@here.test", "x@far.test"]


def test_a_list_keeps_nobody_as_the_sender_so_that_bounces_of_bounces_end(world: Any) -> None:
    here = world("list=x@far.test; owner-list=bob")
    here.deliver("list@here.test", sender="")
    ((envelope, _),) = here.queued
    assert envelope.sender == ""


def test_aliases_that_share_members_are_expanded_once(world: Any) -> None:
    """A net of aliases has 2 ** 60 ways through it; a loop in it is told of once."""
    rows = [f"n{level}=n{level + 1}, m{level + 1}; m{level}=n{level + 1}, m{level + 1}" for level in range(60)]
    here = world("; ".join([*rows, "n60=x@far.test", "m60=m60b, m60b", "m60b=m60, m60"]))
    report = here.deliver("n0@here.test")
    ((envelope, _),) = here.queued
    assert [r.address for r in envelope.recipients] == ["x@far.test"]
    texts = [part.outcome.text for part in report.parts]
    assert [text for text in texts if "loop" in text] == ["alias database loop for m60"]


def test_an_include_list_forwards_and_has_the_rights_of_its_owner(world: Any) -> None:
    here = world("list=:include:/lists/x", allow_mail_to_commands="alias, include")
    here.files["/lists/x"] = Done(b'# people\nalice\n"|exit 0"\n', mode=REGULAR, owner=2002)
    here.deliver("list@here.test")
    assert [r.address for r in here.queued[0][0].recipients] == ["alice@here.test"]
    assert [request.uid for request, _ in here.asked if isinstance(request, RunCommand)] == [2002]


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (Done(b"alice\n", mode=REGULAR | 0o002, owner=0), ":include: file /l is world writable"),
        (Done(b"", mode=0o020666, owner=0), ":include: file /l is not a regular file"),
    ],
)
def test_an_include_list_that_anybody_may_write(world: Any, file: Done, why: str) -> None:
    here = world("list=:include:/l")
    here.files["/l"] = file
    assert here.deliver("list@here.test").outcome.enhanced == "5.3.5"
    assert here.log == [why]


def test_a_list_that_is_too_long_waits(world: Any) -> None:
    """Somebody will shorten it; nothing is sent to a part of it, and nothing goes back."""
    here = world("list=:include:/l")
    here.files["/l"] = Done(b"x@far.test\n" * (MOST + 1), mode=REGULAR, owner=0)
    assert here.deliver("list@here.test").outcome.enhanced == "4.3.5"
    assert here.log == ["/l: more than 100000 recipients"]
    assert not here.queued


def test_a_list_that_is_too_large_waits(world: Any) -> None:
    here = world("list=:include:/l")
    here.files["/l"] = Failed("5.2.0", "/l: File too large")
    assert here.deliver("list@here.test").outcome.enhanced == "4.3.5"
    assert here.log == ["unable to lookup :include: file /l: File too large"]


def test_what_an_address_brings_is_not_expanded_again() -> None:
    """`$user` in an extension is text: once filled in, nobody looks for names in it."""
    values = {"user": "alice", "extension": "$user${user}$$"}
    expanded = expand_names("/f/$user/$extension", values.__getitem__, None)
    assert expanded.text == "/f/alice/$user${user}$$"


# (file, what is logged for alice, warnings)
FORWARDS: tuple[tuple[Done, list[str], list[str]], ...] = (
    (Done(b"bob\n", mode=REGULAR, owner=2001), [f"alice@here.test: forwarded as {QueueId(1, 1)}"], []),
    (Done(b"\\alice, /x\n", mode=REGULAR, owner=2001),
     ["alice@here.test: delivered to maildir", "alice@here.test: delivered to file: /x"], []),
    (Done(b"alice\n", mode=REGULAR, owner=2001), ["alice@here.test: delivered to maildir"], []),
    (Done(b"~/saved\n", mode=REGULAR, owner=0), ["alice@here.test: delivered to file: /home/alice/saved"], []),
    (Done(b"# nobody\n", mode=REGULAR, owner=2001), ["alice@here.test: delivered to maildir"], []),
    (Done(b"bob\n", mode=REGULAR | 2, owner=2001), ["alice@here.test: delivered to maildir"],
     ["file /home/alice/.forward is world writable"]),
    (Done(b"bob\n", mode=REGULAR, owner=2002), ["alice@here.test: delivered to maildir"],
     ["file /home/alice/.forward has bad owner uid 2002"]),
    (Done(b"", mode=0o010644, owner=2001), ["alice@here.test: delivered to maildir"],
     ["file /home/alice/.forward is not a regular file"]),
)  # fmt: skip


@pytest.mark.parametrize(("file", "logged", "warned"), FORWARDS)
def test_forward_files(world: Any, file: Done, logged: list[str], warned: list[str]) -> None:
    here = world()
    here.files["/home/alice/.forward"] = file
    assert texts(here.deliver("alice@here.test")) == logged
    assert here.log == warned


def test_a_forward_file_for_an_extension_goes_first(world: Any) -> None:
    here = world(recipient_delimiter="+")
    here.files["/home/alice/.forward"] = Done(b"bob@far.test\n", mode=REGULAR, owner=2001)
    here.files["/home/alice/.forward+x"] = Done(b"x@far.test\n", mode=REGULAR, owner=2001)
    here.deliver("alice+x@here.test")
    here.deliver("alice+y@here.test")
    assert [envelope.recipients[0].address for envelope, _ in here.queued] == ["x@far.test", "bob@far.test"]


@pytest.mark.parametrize(("propagated", "address"), [("forward", "bob+y@far.test"), ("alias", "bob@far.test")])
def test_an_extension_goes_on_where_it_may(world: Any, propagated: str, address: str) -> None:
    here = world(recipient_delimiter="+", propagate_unmatched_extensions=propagated)
    here.files["/home/alice/.forward"] = Done(b"bob@far.test\n", mode=REGULAR, owner=2001)
    here.deliver("alice+y@here.test")
    assert here.queued[0][0].recipients[0].address == address


def test_nothing_is_done_with_the_rights_of_root(world: Any) -> None:
    here = world("c=|exit 0; f=/x", mailbox_command="/bin/deliver")
    for to in ("c", "f", "root"):
        here.deliver(f"{to}@here.test")
    uids = [request.uid if isinstance(request, RunCommand) else request.box.uid for request, _ in here.asked]
    assert uids == [65534, 65534, 65534]


def test_what_a_command_is_told_is_censored(world: Any) -> None:
    here = world(mailbox_command='/bin/x "$EXTENSION"', recipient_delimiter="+")
    here.deliver("alice+`id`;$(id)@here.test")
    ((request, _),) = here.asked
    assert request.argv == ("/bin/sh", "-c", '/bin/x "$EXTENSION"')
    assert request.environment["EXTENSION"] == "_id____id_"
    assert request.environment["USER"] == "alice"
    assert (request.environment["PATH"], request.environment["LANG"]) == ("/usr/bin:/bin", "C")


def test_what_the_command_of_an_alias_gets(world: Any) -> None:
    """As Postfix's local(8): the name that was mailed to, nobody's home, the queue's directory, files as long as a mailbox."""
    here = world('pager="|exit 0"', queue_directory="/queue", mailbox_size_limit=4711)
    here.deliver("pager@here.test")
    ((request, _),) = here.asked
    assert (request.environment["LOGNAME"], request.environment["USER"]) == ("pager", "pager")
    assert request.environment.keys().isdisjoint(("HOME", "SHELL"))
    assert (request.directory, request.file_limit) == ("/queue", 4711)


def test_where_commands_and_files_are_not_allowed(world: Any) -> None:
    here = world("c=|exit 0; f=/x", allow_mail_to_commands="", allow_mail_to_files="forward")
    assert here.deliver("c@here.test").outcome.text == "mail to command is restricted"
    assert here.deliver("f@here.test").outcome.text == "mail to file is restricted"


def test_a_relay_for_unknown_users_takes_no_names_from_them(world: Any) -> None:
    here = world(luser_relay="alice+$local@here.test", recipient_delimiter="+")
    assert texts(here.deliver("gh$user@here.test")) == ["alice+gh$user@here.test: delivered to maildir"]


def test_a_part_that_waits_makes_the_whole_wait(world: Any) -> None:
    here = world("two=|exit 75, alice")
    here.ended = Done(exit_status=75)
    report = here.deliver("two@here.test")
    assert (report.outcome.enhanced, len(report.parts or (report,))) == ("4.3.0", 1)


def test_mail_spool_mbox_and_its_text_when_full(world: Any) -> None:
    here = world(home_mailbox="", mail_spool_directory="/nowhere/mail")
    assert here.deliver("bob@here.test").outcome.text == "delivered to mailbox"
    ((request, written),) = here.asked
    assert isinstance(request, WriteMbox)
    assert request.box.path == "/nowhere/mail/bob"
    assert written.startswith(b"From from@there.test  ")
    assert written.endswith(b"hi\n\n")


UNSEEN = Failed("4.3.0", "mail system agent: TimeoutError", unseen=True)


def test_a_home_that_hangs_defers_its_mail(world: Any) -> None:
    """Whatever its .forward file may say: the mailbox is not what was asked for."""
    here = world()
    here.files["/home/alice/.forward"] = UNSEEN
    report = here.deliver("alice@here.test")
    assert texts(report) == ["alice@here.test: mail system agent: TimeoutError"]
    assert report.outcome.cls is Class.TEMPORARY
    assert here.asked == []


def test_a_list_that_nobody_could_read_defers_its_mail(world: Any) -> None:
    here = world(aliases='list=":include:/lists/all"')
    here.files["/lists/all"] = UNSEEN
    assert here.deliver("list@here.test").outcome.cls is Class.TEMPORARY


@pytest.mark.parametrize("to", ["alice@here.test", "nobody@here.test"])
def test_an_account_database_that_does_not_answer_defers_mail(world: Any, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    async def hangs(self: object, name: str) -> None:
        raise LookupFailure("unix:passwd.byname", "no answer within 10 seconds")

    monkeypatch.setattr(Known, "user_named", hangs)
    here = world()
    outcome = here.deliver(to).outcome
    assert (outcome.cls, outcome.text, outcome.why.table) == (Class.TEMPORARY, "table lookup failure", "unix:passwd.byname")
    assert here.log == [f"error looking up passwd info for {to.partition('@')[0]}: no answer within 10 seconds"]


@pytest.mark.parametrize("settings", [{"require_home_directory": True}, {"home_mailbox": "", "mail_spool_directory": "/var/mail"}])
def test_a_folder_that_hangs_defers_mail(world: Any, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    async def hangs(self: object, key: object, call: object) -> None:
        raise Hangs("no answer within 10 seconds")

    monkeypatch.setattr(BlockingCalls, "run", hangs)
    here = world(**settings)
    outcome = here.deliver("alice@here.test").outcome
    assert (outcome.cls, outcome.text, outcome.why.table) == (Class.TEMPORARY, "file system does not answer", "system")
    assert here.log == ["alice: no answer within 10 seconds"]


def test_the_first_file_of_forward_path_that_is_there_counts(world: Any) -> None:
    here = world(forward_path="$home/.forward+$extension, $home/.forward", recipient_delimiter="+")
    here.files["/home/alice/.forward"] = Done(b"x@far.test\n", mode=REGULAR, owner=2001)
    assert here.deliver("alice+a@here.test").relayed
    here.files["/home/alice/.forward+a"] = Done(b"", mode=REGULAR, owner=2001)
    assert texts(here.deliver("alice+a@here.test")) == ["alice+a@here.test: delivered to maildir"]
