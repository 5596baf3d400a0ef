"""Loops and amplification: whatever leads mail back to where it was, it ends, once, with a bounce to its sender or in a mailbox.

Hosts that relay to each other, to themselves, tables and lists that lead in circles or fan out, .forward files, bounces of bounces.
"""

import os
from collections.abc import Iterator

import pytest

from tests.support.running import System, wait_for
from tests.support.sink import Sink

HOPS = 10
_AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason=".forward files of several users need root")
_LEVELS = 40  # of a net of aliases with 2 ** 40 ways through it

ALIASES = {
    "a1": "a1",
    "pair1": "pair2",
    "pair2": "pair1",
    "ring1": "ring2, ring2",
    "ring2": "ring3, ring1",
    "ring3": "ring1, ring2",
    "over-the-top": "over-the-top@again.example",
    "listed": ":include:{dir}/listed",
    "owned": "member@nowhere.example",
    "owner-owned": "owned",
    **{f"net{n}": f"net{n + 1}, net{n + 1}+x" for n in range(_LEVELS)},
    f"net{_LEVELS}": "somebody@outside.example",
}
VIRTUAL = r"""
/^pair1@virtual/ pair2@virtual.example
/^pair2@virtual/ pair1@virtual.example
/^both@virtual/ both@virtual.example, both@virtual.example
/^ring1@virtual/ ring2@virtual.example
/^ring2@virtual/ ring3@virtual.example
/^ring3@virtual/ ring1@virtual.example, ring2@virtual.example
/^(long.*)@virtual/ ${1}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@virtual.example
/^(wide.*)@virtual/ ${1}a@virtual.example, ${1}b@virtual.example
/^known@virtual/ known@virtual.example
"""
FORWARDS = {
    "daemon": "bin@local.example\n",
    "bin": "daemon@local.example\n",
    "games": "games@again.example\n",
    "sys": "\\sys, sys@local.example\n",
    "man": "man+once@local.example, man+twice@local.example\n",
    "mail": ":include:{dir}/listed\n",
}


@pytest.fixture(scope="module")
def system(sink: Sink) -> Iterator[System]:
    """A system that takes mail for `local.example`, and goes to itself for `again.example`."""
    routes = {
        "outside.example": f"smtp:[127.0.0.1]:{sink.port}",
        "again.example": "smtp:[127.0.0.1]:{port}",
        "self.example": "smtp:[127.0.0.1]",
        "nowhere.example": "error:5.1.1 nobody of that name",
    }
    main = {
        "hopcount_limit": str(HOPS),
        "mydestination": "local.example",
        "myorigin": "local.example",
        "local_recipient_maps": "",
        "recipient_delimiter": "+",
        "alias_maps": "texthash:{dir}/aliases",
        "forward_path": "{dir}/forward/$user",
        "mail_spool_directory": "{dir}/mail/",
        "propagate_unmatched_extensions": "canonical, virtual, alias, forward, include",
        "virtual_alias_domains": "virtual.example",
        "virtual_alias_maps": "regexp:{dir}/virtual",
        "transport_maps": "inline:{" + ", ".join(f"{{{name} = {route}}}" for name, route in routes.items()) + "}",
        "notify_classes": "resource, software",
    }
    one = System(main)
    for folder in ("forward", "mail"):
        (one.folder / folder).mkdir()
    (one.folder / "mail").chmod(0o1777)
    (one.folder / "aliases").write_text(one.fill("".join(f"{name} {members}\n" for name, members in ALIASES.items())))
    (one.folder / "virtual").write_text(VIRTUAL)
    (one.folder / "listed").write_text(one.fill(":include:{dir}/listed\nlisted@local.example\n"))
    for user, words in FORWARDS.items():
        (one.folder / "forward" / user).write_text(one.fill(words))
    with one:
        yield one


def _sender(name: str) -> str:
    return f"sender-of-{name}@outside.example"


def _said_to(sink: Sink, address: str) -> list[bytes]:
    """Contents of the messages that the world outside got for `address`."""
    return [one.content for one in list(sink.taken) if any(address.encode() in recipient for recipient in one.recipients)]


def _gone(system: System) -> None:
    """Wait until nothing of any message is left."""
    wait_for(lambda: not system.queue(), lambda: f"an empty queue\n{system.log()[-6000:]}", 20)


def _send(system: System, name: str, to: str, text: str = "Subject: x\r\n\r\nbody\r\n") -> None:
    assert system.send(text, sender=_sender(name), to=to)
    system.logged(_sender(name))


@pytest.mark.parametrize(("lines", "answer"), [(HOPS - 2, 250), (HOPS - 1, 554), (100 * HOPS, 554)])
def test_received_headers_are_counted(system: System, lines: int, answer: int) -> None:
    """Our own counts, and so does any spelling."""
    with system.client() as client:
        client.envelope("a@outside.example", "b@outside.example")
        assert client.say("DATA")[0] == 354
        client.write(b"Received: from x by y; z\r\n" * (lines - 1) + b"RECEIVED : from x\r\n by y; z\r\n\r\nbody\r\n.\r\n")
        assert client.reply()[0] == answer


def test_a_host_that_relays_to_itself(system: System, sink: Sink) -> None:
    _send(system, "again", "x@again.example")
    wait_for(lambda: _said_to(sink, _sender("again")), "a bounce")
    _gone(system)
    (bounce,) = _said_to(sink, _sender("again"))
    assert b"too many hops" in bounce
    assert system.log().count("to=<x@again.example>") <= HOPS


def test_a_next_hop_that_is_this_host_is_known_without_asking(system: System, sink: Sink) -> None:
    _send(system, "self", "x@self.example")
    line = system.logged("to=<x@self.example>", "status=")
    assert "dsn=5.4.6, status=bounced (mail for 127.0.0.1 loops back to myself)" in line
    wait_for(lambda: _said_to(sink, _sender("self")), "a bounce")


@pytest.mark.parametrize("name", ["pair1", "ring1", "long", "wide"])
def test_virtual_aliases_without_an_end_are_refused_for_now(system: System, name: str) -> None:
    with system.client() as client:
        client.envelope("a@outside.example", f"{name}@virtual.example")
        assert client.say("DATA")[0] == 354
        client.write(b"Subject: x\r\n\r\nbody\r\n.\r\n")
        assert client.reply() == (451, "4.6.0 Alias expansion error")


@pytest.mark.parametrize("name", ["known", "both"])
def test_a_virtual_alias_that_names_itself_ends_there(system: System, name: str) -> None:
    """It is in a domain that has aliases only, so there is nobody of that name."""
    _send(system, f"virtual-{name}", f"{name}@virtual.example")
    system.logged(f"to=<{name}@virtual.example>", "status=bounced")
    _gone(system)
    assert system.log().count(f"to=<{name}@virtual.example>") == 1


ALIAS_LOOPS = {
    "pair1": b"alias database loop for",
    "pair2+x": b"alias database loop for",
    "ring1": b"alias database loop for",
    "listed": b"mail forwarding loop for listed@local.example",
    "over-the-top": b"too many hops",
}


@pytest.mark.parametrize("name", ALIAS_LOOPS)
def test_alias_loops_end_in_one_bounce(system: System, sink: Sink, name: str) -> None:
    _send(system, name, f"{name}@local.example")
    wait_for(lambda: _said_to(sink, _sender(name)), "a bounce")
    _gone(system)
    (bounce,) = _said_to(sink, _sender(name))
    assert ALIAS_LOOPS[name] in bounce


def test_a_list_whose_owner_is_the_list_does_not_answer_its_own_bounces(system: System, sink: Sink) -> None:
    """The member bounces to the owner, which is the list, whose member bounces again ... were it not for the null sender."""
    _send(system, "owned", "owned@local.example")
    system.logged("to=<member@nowhere.example>", "status=bounced")
    _gone(system)
    assert not _said_to(sink, _sender("owned"))
    assert system.log().count("to=<member@nowhere.example>") == 2


def test_a_net_of_aliases_is_expanded_once(system: System, sink: Sink) -> None:
    """2 ** 40 ways lead to the one member; other mail is not kept waiting meanwhile."""
    _send(system, "net", "net0@local.example")
    assert system.send("X-Id: other\r\n\r\n", to="b@outside.example")
    wait_for(lambda: sink.ids().get("other"), "other mail", 5)
    wait_for(lambda: _said_to(sink, "somebody@outside.example"), "the message", 5)
    _gone(system)
    assert len(_said_to(sink, "somebody@outside.example")) == 1


def test_an_alias_that_names_itself_is_the_user_of_that_name(system: System) -> None:
    _send(system, "a1", "a1@local.example")
    assert "unknown user" in system.logged("to=<a1@local.example>", "status=bounced")


FORWARD_LOOPS = {
    "daemon": b"mail forwarding loop for daemon@local.example",
    "games": b"too many hops",
    "mail": b"mail forwarding loop for listed@local.example",
}


@_AS_ROOT
@pytest.mark.parametrize("name", FORWARD_LOOPS)
def test_forward_files_that_loop_end_in_one_bounce(system: System, sink: Sink, name: str) -> None:
    _send(system, f"forward-{name}", f"{name}@local.example")
    wait_for(lambda: _said_to(sink, _sender(f"forward-{name}")), "a bounce")
    _gone(system)
    (bounce,) = _said_to(sink, _sender(f"forward-{name}"))
    assert FORWARD_LOOPS[name] in bounce


@_AS_ROOT
@pytest.mark.parametrize(("name", "copies"), [("sys", 1), ("man", 2), ("man+x", 2)])
def test_forward_files_that_name_their_user_end_in_the_mailbox(system: System, sink: Sink, name: str, copies: int) -> None:
    """Directly, or by way of address extensions that grow with each turn."""
    folder = system.folder / "mail" / name.partition("+")[0] / "new"
    before = len(list(folder.glob("*")))
    _send(system, f"forward-{name}", f"{name}@local.example")
    _gone(system)
    assert len(list(folder.glob("*"))) - before == copies


@pytest.mark.parametrize(("classes", "senders"), [("resource", 2), ("resource, 2bounce", 3)])
def test_bounces_of_bounces_end_with_the_postmaster(classes: str, senders: int) -> None:
    """Nobody takes anything: the sender's bounce comes back, the postmaster's as well, and that is all."""
    with Sink({"RCPT": b"550 5.1.1 nobody here\r\n"}) as sink, System({"notify_classes": classes}, relay=sink.port) as system:
        assert system.send(sender="a@example.com", to="b@example.net")
        wait_for(lambda: len(_mails(sink)) == senders, lambda: system.log())
        _gone(system)
        assert _mails(sink) == [b"<a@example.com>", b"<>", b"<double-bounce@mail.example.test>"][:senders]
        assert system.audit().returncode == 0


@pytest.mark.parametrize("classes", ["resource", "resource, 2bounce"])
def test_a_host_that_has_nowhere_to_go_but_itself(classes: str) -> None:
    """The message, its bounce and the postmaster's notice each go round until their hops are counted."""
    with System({"notify_classes": classes, "hopcount_limit": str(HOPS), "relayhost": "[127.0.0.1]:{port}"}) as system:
        assert system.send(sender="a@example.com", to="b@example.net")
        system.logged("status=bounced")
        _gone(system)
        generations = 3 if "2bounce" in classes else 2
        assert system.log().count("status=bounced") == generations
        assert system.log().count("status=sent") <= generations * HOPS


def _mails(sink: Sink) -> list[bytes]:
    return [line[10:].partition(b" ")[0] for line in sink.commands if line.startswith(b"MAIL FROM:")]
