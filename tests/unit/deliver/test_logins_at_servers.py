"""Logins at servers: which mechanism is taken, what hostile servers get, and which logins are not tried again."""

from base64 import b64decode, b64encode
from typing import Any

import pytest
from tests.support.checkers import DECOYS, keys
from tests.support.settings import default
from tests.support.smtp_servers import Net, Server, names, request, run, unchanged

from gatepost.deliver.authenticate import Authenticator
from gatepost.deliver.refused_logins import RefusedLogins
from gatepost.deliver.smtp import SmtpAgent
from gatepost.deliver.smtp_settings import SmtpSettings
from gatepost.lookup.match_list import MatchList
from gatepost.lookup.registry import Tables
from gatepost.proto.sasl import scram
from gatepost.proto.sasl.port import Accepted, Challenge, HasShown, Refused, ScramKeysOf, ServerExchange
from gatepost.proto.sasl.scram import Binding
from gatepost.state.local_store import LocalStateStore

STORED = "2 2.0.0 250 2.0.0 stored"
NOTHING = "4 4.7.0 SASL authentication failed; cannot authenticate to server mx[mx]: "


class LoginServer(Server):
    """One that answers `AUTH` and then each response as `answers` says, the last again and again."""

    def __init__(self, offered: str, answers: list[str]) -> None:
        super().__init__({"EHLO": f"250-mx\r\n250 AUTH {offered}"})
        self._answers = answers
        self._asks = False
        self.said: list[str] = []

    def _command(self, line: str) -> None:
        if not self._asks and not line.startswith("AUTH"):
            super()._command(line)
            return
        self.said.append(line)
        answer = self.answer_to(line)
        self._asks = answer.startswith("334")
        self._loop.call_soon(self._protocol.data_received, f"{answer}\r\n".encode())

    def answer_to(self, line: str) -> str:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class ScramServer(LoginServer):
    """One that knows `password`."""

    def __init__(self, password: bytes, offered: str = "PLAIN SCRAM-SHA-1 SCRAM-SHA-256") -> None:
        super().__init__(offered, [])
        self._password = password
        self._exchange: ServerExchange | None = None

    def answer_to(self, line: str) -> str:
        words = line.split(" ")
        if words[0] == "AUTH":
            digest = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[words[1]]
            self._exchange = scram.server(digest, "nonce", Binding(), DECOYS)
            next(self._exchange)
        assert self._exchange is not None
        try:
            step = self._exchange.send(b64decode(words[-1]))
            if isinstance(step, ScramKeysOf):
                step = self._exchange.send(keys(step.user, self._password, step.digest))
            if isinstance(step, HasShown):
                step = self._exchange.send(Accepted(step.user) if step.right else Refused())
        except StopIteration:
            return "235 2.7.0 welcome"
        except scram.Failed:
            return "535 5.7.8 no"
        assert isinstance(step, Challenge)
        return f"334 {b64encode(step.octets).decode()}"


def sent(
    *servers: Server, filtered: str = "", store: LocalStateStore | None = None, entry: str = "me:pw", **changes: Any
) -> list[str]:
    """What is told of a message to each of the servers in turn."""
    told: list[str] = []

    async def scene() -> None:
        options = {"smtp_sasl_security_options": "noanonymous", "smtp_sasl_auth_enable": True, **changes}
        settings = default(SmtpSettings, myhostname="me.test", inet_protocols="ipv4", smtp_quit_timeout=0.05, **options)
        tables = Tables(print)
        allows = MatchList.strings(filtered, tables, "smtp_sasl_mechanism_filter", print).matches if filtered else None
        passwords = tables.maps(f"inline:{{{{[mx]:2526 = {entry}}}}}", "smtp_sasl_password_maps")
        refused = RefusedLogins(store, 100, lambda: 1000.0) if store is not None else None
        agent = SmtpAgent(
            settings, names(), Net(mx=list(servers)), unchanged(), clock=lambda: 1000.0, shuffle=lambda hosts: None,
            emit=lambda event: None, authenticator=Authenticator(settings, passwords, passwords.find, allows, refused, print),
        )  # fmt: skip
        for _ in servers:
            (report,) = await agent.deliver(request("[mx]:2526", ["x@y.test"]))
            told.append(f"{report.outcome.cls.value} {report.outcome.enhanced} {report.outcome.text}")
        await agent.close()

    run(scene)
    return told


def taken(offered: str, **options: Any) -> str:
    server = LoginServer(offered, ["235 ok"])
    sent(server, **options)
    return server.said[0].split(" ")[1] if server.said else ""


@pytest.mark.parametrize(
    ("offered", "options", "mechanism"),
    [
        ("LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", {}, "SCRAM-SHA-256"),
        ("LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1", {}, "SCRAM-SHA-1"),
        ("PLAIN SCRAM-SHA-256-PLUS", {}, "PLAIN"),  # there is no TLS to bind it to
        ("XOAUTH2 LOGIN plain", {}, "PLAIN"),
        ("XOAUTH2 OAUTHBEARER", {}, "OAUTHBEARER"),
        ("XOAUTH2 PLAIN LOGIN", {"filtered": "xoauth2"}, "XOAUTH2"),
        ("PLAIN LOGIN CRAM-MD5", {"filtered": "!cram-md5, static:all"}, "PLAIN"),
        ("PLAIN LOGIN", {"filtered": "gssapi"}, ""),
        ("PLAIN LOGIN", {"filtered": "inline:{{login = yes}}"}, "LOGIN"),
        ("PLAIN LOGIN XOAUTH2", {"smtp_sasl_security_options": "noplaintext, noanonymous"}, ""),
        ("PLAIN CRAM-MD5", {"smtp_sasl_security_options": "noplaintext"}, "CRAM-MD5"),
        ("PLAIN CRAM-MD5 SCRAM-SHA-1", {"smtp_sasl_security_options": "mutual_auth"}, "SCRAM-SHA-1"),
        ("EXTERNAL GSSAPI DIGEST-MD5 NTLM", {}, ""),
    ],
)
def test_which_mechanism_is_taken(offered: str, options: dict[str, Any], mechanism: str) -> None:
    assert taken(offered, **options) == mechanism


def test_scram() -> None:
    assert sent(ScramServer(b"pw"), ScramServer(b"pw", "SCRAM-SHA-1")) == [STORED, STORED]
    assert sent(ScramServer(b"other")) == ["4 4.7.8 SASL authentication failed; server mx[mx] said: 535 5.7.8 no"]


def test_an_authorization_id() -> None:
    server = LoginServer("PLAIN", ["235 ok"])
    assert sent(server, send_cyrus_sasl_authzid=True) == [STORED]
    assert server.said == ["AUTH PLAIN " + b64encode(b"me\0me\0pw").decode()]


def test_a_bad_token_is_told_of() -> None:
    error = b64encode(b'{"status":"401","schemes":"bearer","scope":""}').decode()
    server = LoginServer("XOAUTH2", [f"334 {error}", "535 5.7.8 bad token"])
    assert sent(server) == ["4 4.7.8 SASL authentication failed; server mx[mx] said: 535 5.7.8 bad token"]
    assert server.said[1:] == [""]
    server = LoginServer("XOAUTH2", ["235 ok"])
    assert sent(server, entry="me:no token") == [f"{NOTHING}the password is no token, for this mechanism"] and not server.said


def challenge(text: str) -> str:
    return f"334 {b64encode(text.encode()).decode()}"


COUNT = "SCRAM iteration count that is not from 4096 to 250000"


@pytest.mark.parametrize(
    ("offered", "answers", "told", "most"),
    [
        ("SCRAM-SHA-256", [challenge("r=x,s=AAAA,i=4096")], f"{NOTHING}malformed SCRAM message", 1),
        ("SCRAM-SHA-256", ["334 " + "A" * 8000], f"{NOTHING}malformed SCRAM message", 1),
        ("SCRAM-SHA-256", ["334 !!"], f"{NOTHING}bad protocol / cancel", 1),
        ("SCRAM-SHA-256", ["334"], f"{NOTHING}malformed SCRAM message", 1),
        ("SCRAM-SHA-256", ["235 come in"], f"{NOTHING}malformed SCRAM message", 1),
        ("PLAIN", ["334 "], f"{NOTHING}generic failure", 1),
        ("LOGIN", ["334 "], f"{NOTHING}generic failure", 3),
        ("CRAM-MD5", [challenge("x" * 3000)], f"{NOTHING}generic failure", 2),
        ("XOAUTH2", ["334 e30="], f"{NOTHING}generic failure", 2),
        ("PLAIN", ["334 \xff\xfe"], f"{NOTHING}bad protocol / cancel", 1),
    ],
)
def test_a_hostile_server(offered: str, answers: list[str], told: str, most: int) -> None:
    server = LoginServer(offered, answers)
    assert sent(server) == [told]
    assert len(server.said) <= most
    assert "DATA" not in server.commands


@pytest.mark.parametrize("count", [0, 1, 4095, 250_001, 2**31, 2**64])
def test_iterations_without_measure(count: int) -> None:
    class Counting(LoginServer):
        def answer_to(self, line: str) -> str:
            nonce = b64decode(line.split(" ")[-1]).partition(b"r=")[2].decode()
            return challenge(f"r={nonce}x,s=AAAA,i={count}")

    server = Counting("SCRAM-SHA-256", [])
    reason = "malformed SCRAM message" if count in (0, 2**64) else COUNT
    assert sent(server) in ([f"{NOTHING}{reason}"], [f"{NOTHING}{COUNT}"])
    assert len(server.said) == 1


# --- logins that were refused ---

REFUSED = "SASL authentication failed; server mx[mx] said: 535 5.7.8 no"
CACHED = "SASL [CACHED] authentication failed; server mx said: 535 5.7.8 no"


def bad() -> LoginServer:
    return LoginServer("PLAIN", ["535 5.7.8 no"])


def store() -> LocalStateStore:
    return LocalStateStore(lambda: 1000.0)


def test_a_refused_login_is_not_tried_again() -> None:
    kept, second, good = store(), bad(), LoginServer("PLAIN", ["235 ok"])
    assert sent(bad(), second, store=kept) == [f"4 4.7.8 {REFUSED}", f"4 4.7.8 {CACHED}"]
    assert not second.said
    assert sent(bad(), store=kept, smtp_sasl_auth_soft_bounce=False) == [f"5 5.7.8 {CACHED}"]
    assert sent(good, store=kept, entry="me:new") == [STORED]
    assert good.said


def test_what_is_kept_shows_no_password() -> None:
    kept = store()
    sent(bad(), store=kept, entry="me:never-to-be-seen")
    assert b"never-to-be-seen" not in repr(vars(kept)).encode()


def test_what_is_for_now_is_not_kept() -> None:
    kept, second = store(), LoginServer("PLAIN", ["235 ok"])
    assert sent(LoginServer("PLAIN", ["454 4.7.0 later"]), second, store=kept)[1] == STORED
