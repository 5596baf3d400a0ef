"""The SMTP and LMTP agent against servers in memory: that drop, dawdle, talk nonsense, or do as they should."""

import asyncio
import errno
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from tests.support.settings import default
from tests.support.smtp_servers import CLOSE, EHLO, SILENCE, Bench, Net, Rules, Server, names, request, run, unchanged

from gatepost.deliver.authenticate import Authenticator
from gatepost.deliver.smtp import SmtpAgent
from gatepost.deliver.smtp_settings import LmtpSettings, SmtpSettings, as_smtp
from gatepost.lookup.registry import Tables
from gatepost.mail.content import FileContent
from gatepost.mail.delivery import DeliveryRequest, Reached, Report
from gatepost.mail.outcome import sent
from gatepost.net.connect import Endpoint


def outcome(rules: Rules, recipients: Sequence[str] = ("x@y.test",), **settings: Any) -> tuple[list[str], list[str]]:
    """What is reported, and what the server was sent, of one delivery."""
    server = Server(rules)
    told: list[str] = []

    async def scene() -> None:
        bench = Bench(Net(mx=[server]), **settings)
        told.extend(await bench.told(recipients=recipients))
        await bench.agent.close()

    run(scene)
    return told, server.commands


WHO = "mx[mx]"
ENVELOPE = ["EHLO me.test", "MAIL FROM:<s@z.test> SIZE=22", "RCPT TO:<x@y.test> ORCPT=rfc822;x@y.test", "DATA"]


def test_delivered() -> None:
    told, commands = outcome({})
    assert told == ["2 2.0.0 250 2.0.0 stored"]
    assert commands == [*ENVELOPE, "QUIT"]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"CONNECT": "554 5.3.2 no"}, f"4 4.3.2 host {WHO} refused to talk to me: 554 5.3.2 no"),
        ({"EHLO": "550 5.7.1 no", "HELO": "550 5.7.1 no"}, f"5 5.7.1 host {WHO} refused to talk to me: 550 5.7.1 no"),
        ({"MAIL": "553 5.1.8 no"}, f"5 5.1.8 host {WHO} said: 553 5.1.8 no (in reply to MAIL FROM command)"),
        ({"RCPT": "550 no"}, f"5 5.0.0 host {WHO} said: 550 no (in reply to RCPT TO command)"),
        ({"RCPT": "550 4.1.1 mixed"}, f"5 5.0.0 host {WHO} said: 550 4.1.1 mixed (in reply to RCPT TO command)"),
        ({"RCPT": "350 what"}, f"5 5.5.0 host {WHO} said: 350 what (in reply to RCPT TO command)"),
        ({"DATA": "250 what"}, f"5 5.5.0 Protocol error: host {WHO} said: 250 what (in reply to DATA command)"),
        ({"CONNECT": "354 what"}, f"5 5.5.0 host {WHO} refused to talk to me: 354 what"),
        ({"DATA": "451 4.3.0 no"}, f"4 4.3.0 host {WHO} said: 451 4.3.0 no (in reply to DATA command)"),
        ({".": "554 5.6.0 spam"}, f"5 5.6.0 host {WHO} said: 554 5.6.0 spam (in reply to end of DATA command)"),
        ({"EHLO": EHLO.replace("10240000", "10")}, f"5 5.3.4 message size 22 exceeds size limit 10 of server {WHO}"),
    ],
)
def test_refusals(rules: Rules, told: str) -> None:
    assert outcome(rules)[0] == [told]


def test_a_message_too_large_for_a_new_connection_ends_it_without_quit() -> None:
    """As Postfix, which still sends QUIT where another extension is missing."""
    assert outcome({"EHLO": EHLO.replace("10240000", "10")})[1] == ["EHLO me.test"]


def test_a_message_too_large_leaves_a_kept_connection_as_it_is() -> None:
    server = Server({"EHLO": EHLO.replace("10240000", "30")})

    async def scene() -> None:
        bench = Bench(Net(mx=[server]), smtp_connection_cache_destinations="[mx]:2526")
        told = await bench.told()
        large = await bench.told(size=42)
        assert [*told, *large] == ["2 2.0.0 250 2.0.0 stored", f"5 5.3.4 message size 42 exceeds size limit 30 of server {WHO}"]
        await bench.agent.close()

    run(scene)
    assert server.commands == [*ENVELOPE, "QUIT"]


def test_greeting_5xx_not_softened() -> None:
    assert outcome({"CONNECT": "554 5.3.2 no"}, smtp_skip_5xx_greeting=False)[0] == [
        f"5 5.3.2 host {WHO} refused to talk to me: 554 5.3.2 no"
    ]


SLOWLY: Rules = {"EHLO": "250 mx.test"}
"""No pipelining, so that a missing reply is not taken for the next one."""
STEPS = [
    ("CONNECT", "receiving the initial server greeting", "smtp_helo_timeout"),
    ("EHLO", "performing the EHLO handshake", "smtp_helo_timeout"),
    ("MAIL", "sending MAIL FROM", "smtp_mail_timeout"),
    ("RCPT", "sending RCPT TO", "smtp_rcpt_timeout"),
    ("DATA", "sending DATA command", "smtp_data_init_timeout"),
    (".", "sending end of data -- message may be sent more than once", "smtp_data_done_timeout"),
]


@pytest.mark.parametrize(("step", "doing", "limit"), STEPS)
def test_server_that_drops(step: str, doing: str, limit: str) -> None:
    assert outcome({step: CLOSE})[0] == [f"4 4.4.2 lost connection with {WHO} while {doing}"]


@pytest.mark.parametrize(("step", "doing", "limit"), STEPS)
def test_server_that_falls_silent(step: str, doing: str, limit: str) -> None:
    assert outcome(SLOWLY | {step: SILENCE}, **{limit: 0.02})[0] == [f"4 4.4.2 conversation with {WHO} timed out while {doing}"]


# As observed at Debian's Postfix with a failed cohort limit of 1: "delivery temporarily suspended" for the next message, or not.
COUNTS = [
    *[({step: CLOSE}, Reached.NO) for step, _, _ in STEPS],
    *[({step: reply}, Reached.NO) for step in ("CONNECT", "EHLO") for reply in ("421 4.3.2 busy", "450 4.3.2 busy")],
    *[({step: reply}, Reached.YES) for step in ("MAIL", "RCPT") for reply in ("421 4.3.2 busy", "450 4.3.2 busy", "550 5.1.1 no")],
    *[({step: "450 4.3.2 busy"}, Reached.YES) for step in ("DATA", ".")],
    ({}, Reached.YES),
]


@pytest.mark.parametrize(("rules", "reached"), COUNTS)
def test_what_counts_against_a_site(rules: Rules, reached: Reached) -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=[Server({**rules, "HELO": rules["EHLO"]} if "EHLO" in rules else rules)]))
        assert [report.reached for report in await bench.send()] == [reached]
        await bench.agent.close()

    run(scene)


NONSENSE = ["HTTP/1.1 400 Bad Request", "\0\xff", "99", "", "DEBUG: queued"]


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize(("step", "doing", "limit"), STEPS)
def test_server_that_talks_nonsense_only(step: str, doing: str, limit: str, nonsense: str) -> None:
    (told,) = outcome(SLOWLY | {step: nonsense}, **{limit: 0.02})[0]
    assert told == f"4 4.4.2 conversation with {WHO} timed out while {doing}"


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize(
    ("step", "usual"), [("CONNECT", "220 mx"), ("EHLO", EHLO), ("MAIL", "250"), ("RCPT", "250"), ("DATA", "354"), (".", "250")]
)
def test_nonsense_before_a_reply_is_read_past(step: str, usual: str, nonsense: str) -> None:
    told, commands = outcome({step: f"{nonsense}\r\n{usual}"})
    assert [word[:7] for word in told] == ["2 2.0.0"]
    assert [command.split()[0] for command in commands].count("DATA") == 1


def test_nonsense_is_warned_of_where_replies_may_be_out_of_step() -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=[Server({"CONNECT": "hello\r\n220 mx", ".": "by the way\r\n250 ok"})]))
        await bench.send()
        assert bench.notes == [
            f"{request('x', ()).message.id}: non-ESMTP response from {WHO}:2526: by the way",
            "to prevent loss of mail, turn off command pipelining for mx with the smtp_discard_ehlo_keyword_address_maps parameter",
        ]

    run(scene)


@pytest.mark.parametrize(("step", "doing", "limit"), STEPS)
def test_half_a_reply_is_no_reply(step: str, doing: str, limit: str) -> None:
    assert outcome(SLOWLY | {step: "250-and"}, **{limit: 0.02})[0] == [f"4 4.4.2 conversation with {WHO} timed out while {doing}"]


def test_endless_reply() -> None:
    (told,) = outcome({"MAIL": "250-x\r\n" * 12000 + "250 x"})[0]
    assert told.startswith("4 4.5.0 malformed reply")


def test_rset_that_is_not_answered_changes_nothing() -> None:
    told, commands = outcome({"RCPT": "550 5.1.1 no", "DATA": "554 no", "RSET": SILENCE}, smtp_rset_timeout=0.02)
    assert told == [f"5 5.1.1 host {WHO} said: 550 5.1.1 no (in reply to RCPT TO command)"]
    assert commands[-1] == "RSET"


def test_recipients_part_company() -> None:
    told, _ = outcome({"RCPT": ["250 ok", "550 5.1.1 no", "450 4.2.1 later"]}, ["a@t", "b@t", "c@t"])
    assert [word[:7] for word in told] == ["2 2.0.0", "5 5.1.1", "4 4.2.1"]


def test_what_was_decided_before_the_connection_broke_stays() -> None:
    told, _ = outcome({"RCPT": ["550 5.1.1 no", "250 ok"], "DATA": CLOSE}, ["a@t", "b@t"])
    assert [word[:7] for word in told] == ["5 5.1.1", "4 4.4.2"]


def test_a_probe_leaves_before_the_content_and_keeps_no_connection_that_there_was_not() -> None:
    async def scene() -> None:
        first, second = Server({}), Server({})
        bench = Bench(Net(mx=[first, second]))
        assert await bench.told(probe=True) == ["2 2.1.5 250 2.1.5 ok"]
        assert first.commands[-2:] == ["RSET", "QUIT"]
        assert first.commands[-4:-2] == ["MAIL FROM:<s@z.test> SIZE=22", "RCPT TO:<x@y.test> ORCPT=rfc822;x@y.test"]
        assert await bench.told() == ["2 2.0.0 250 2.0.0 stored"]
        assert await bench.told(probe=True) == ["2 2.1.5 250 2.1.5 ok"]
        assert second.commands[-1] == "RSET", "what was kept for mail is kept"

    run(scene)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ECONNREFUSED, "Connection refused"), (errno.EHOSTUNREACH, "No route to host")]
)
def test_no_connection(number: int, words: str) -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=number))
        (report,) = await bench.send()
        assert report.outcome.text == f"connect to mx[mx]:2526: {words}"
        assert (report.outcome.enhanced, report.relay) == ("4.4.1", "none")
        assert bench.notes == [report.outcome.text]

    run(scene)


@pytest.mark.parametrize(
    ("first", "notes"),
    [
        (errno.ECONNREFUSED, ["connect to one[one]:25: Connection refused"]),
        ({"CONNECT": "554 no"}, ["host one[one] refused to talk to me: 554 no"]),
        ({"RCPT": "450 4.2.0 grey"}, ["host one[one] said: 450 4.2.0 grey (in reply to RCPT TO command)"]),
        ({"MAIL": CLOSE}, ["lost connection with one[one] while sending MAIL FROM"]),
    ],
)
def test_next_exchanger(first: Any, notes: list[str]) -> None:
    async def scene() -> None:
        net = Net(one=first if isinstance(first, int) else [Server(first)], two=[Server({})])
        bench = Bench(net)
        (report,) = await bench.send("two.test")
        assert report.outcome.ok
        assert report.relay == "two[two]:25"
        assert bench.notes == notes

    run(scene)


def test_permanent_refusal_is_for_all_exchangers() -> None:
    async def scene() -> None:
        net = Net(one=[Server({"RCPT": "550 5.1.1 no"})], two=[])
        assert (await Bench(net).told("two.test"))[0].startswith("5 5.1.1 host one[one] said")

    run(scene)


def test_kept_connection() -> None:
    async def scene() -> None:
        server = Server({})
        bench = Bench(Net(mx=[server]))
        uses = [(await bench.send())[0].conn_use for _ in range(3)]
        assert uses == [0, 2, 3]
        await bench.agent.close()
        assert [command.split()[0] for command in server.commands] == ["EHLO"] + ["MAIL", "RCPT", "DATA"] * 3 + ["QUIT"]

    run(scene)


@pytest.mark.parametrize("rules", [{"MAIL": ["250 ok", CLOSE]}, {"MAIL": ["250 ok", "421 idle"]}])
def test_kept_connection_that_died_costs_nothing(rules: Rules) -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=[Server(rules), Server({})]))
        await bench.send()
        (report,) = await bench.send()
        assert report.outcome.ok
        assert report.conn_use == 0
        assert not bench.notes

    run(scene)


def test_connection_that_breaks_after_the_content_is_not_taken_for_a_dead_one() -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=[Server({".": ["250 ok", CLOSE]}), Server({})]))
        await bench.send()
        assert (await bench.told())[0].startswith("4 4.4.2 lost connection")

    run(scene)


def test_how_long_connections_are_kept() -> None:
    async def scene() -> None:
        net = Net(mx=[Server({}) for _ in range(9)])
        bench = Bench(net, smtp_connection_reuse_count_limit=2)
        assert [(await bench.send())[0].conn_use for _ in range(4)] == [0, 2, 0, 2]
        bench = Bench(net, smtp_connection_cache_on_demand=False)
        assert [(await bench.send())[0].conn_use for _ in range(2)] == [0, 0]
        bench = Bench(net, smtp_connection_cache_on_demand=False, smtp_connection_cache_destinations="[mx]:2526")
        assert [(await bench.send())[0].conn_use for _ in range(2)] == [0, 2]
        bench = Bench(net, smtp_connection_reuse_time_limit=0.0)
        assert [(await bench.send())[0].conn_use for _ in range(2)] == [0, 0]

    run(scene)


def test_idle_connection_is_left() -> None:
    async def scene() -> None:
        server = Server({})
        bench = Bench(Net(mx=[server]), smtp_connection_cache_time_limit=0.01)
        await bench.send()
        await asyncio.sleep(0.05)
        assert server.commands[-1] == "QUIT"

    run(scene)


def test_lmtp_over_a_unix_socket() -> None:
    async def scene() -> None:
        server = Server({".": ["250 2.0.0 ok", "452 4.2.2 over quota"]}, lmtp=True)
        net = Net(unix=[server])
        bench = Bench(net, lmtp=True)
        told = await bench.told("unix:private/lmtp", ("a@t", "b@t"))
        assert told == [
            "2 2.0.0 250 2.0.0 ok",
            "4 4.2.2 host me.test[private/lmtp] said: 452 4.2.2 over quota (in reply to end of DATA command)",
        ]
        assert net.asked == [Endpoint(path="private/lmtp")]
        assert server.commands[0] == "LHLO me.test"

    run(scene)


def test_content_goes_whole(tmp_path: Any) -> None:
    body = b"Subject: x\r\n\r\n" + b".line\r\n" * 100_000
    path = tmp_path / "content"
    path.write_bytes(body)

    async def scene() -> None:
        servers = [Server({}), Server({})]
        bench = Bench(Net(mx=list(servers)), smtp_connection_cache_on_demand=False)
        whole = request("[mx]:2526", ["x@y.test"], body)
        await bench.agent.deliver(whole)
        message = msgspec.structs.replace(whole.message, content=FileContent(path, len(body)))
        await bench.agent.deliver(msgspec.structs.replace(whole, message=message))
        assert servers[0].content == servers[1].content == body.replace(b"\r\n.", b"\r\n..")

    run(scene)


def test_content_that_cannot_be_read(tmp_path: Any) -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=[Server({})]))
        whole = request("[mx]:2526", ["x@y.test"])
        message = msgspec.structs.replace(whole.message, content=FileContent(tmp_path / "gone", 10))
        (report,) = await bench.agent.deliver(msgspec.structs.replace(whole, message=message))
        assert (report.outcome.enhanced, report.outcome.text) == ("4.3.0", f"local data error while talking to {WHO}")

    run(scene)


def test_smtputf8() -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=[Server({}), Server({"EHLO": EHLO + "\r\n250 x"})]))
        told = await bench.told(recipients=["ü@y.test"], smtputf8=True)
        assert told == [f"5 5.6.7 SMTPUTF8 is required, but was not offered by host {WHO}"]
        assert (await bench.told(smtputf8=True))[0][0] == "2"

    run(scene)


@pytest.mark.parametrize("address", ["x>\r\nDATA@y.test", "x\n@y.test", '"x\r"@y.test'])
def test_no_address_is_a_command(address: str) -> None:
    """Whatever a queue file or a local submission says: an address stays within its line."""
    told, commands = outcome({}, (address,))
    assert told == ["5 5.1.3 line end in an envelope address"]
    assert commands == ["EHLO me.test", "QUIT"]


def test_an_address_that_cannot_be_said_costs_its_neighbours_nothing() -> None:
    bad = ("x\n@y.test", "\ud800@y.test")
    told, commands = outcome({}, ("a@y.test", *bad, "\udce9@y.test"))
    assert sorted(told) == [
        "2 2.0.0 250 2.0.0 stored",
        "2 2.0.0 250 2.0.0 stored",
        "5 5.1.3 an envelope address is not text",
        "5 5.1.3 line end in an envelope address",
    ]
    said = [command.split()[1] for command in commands if command.startswith("RCPT")]
    assert said == ["TO:<a@y.test>", "TO:<\udce9@y.test>"]


def test_conversion_for_a_server_without_8bitmime() -> None:
    async def scene() -> None:
        server = Server({"EHLO": "250-mx\r\n250 SIZE"})
        body = b"Content-Transfer-Encoding: 8bit\r\n\r\nna\xefve\r\n"
        assert (await Bench(Net(mx=[server])).told(body=body, encoding="8bit"))[0][0] == "2"
        assert server.commands[1] == "MAIL FROM:<s@z.test>"
        assert server.content == b"Content-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve\r\n"

    run(scene)


def test_broken_lines_are_noted() -> None:
    async def scene() -> None:
        bench = Bench(Net(mx=[Server({})]))
        await bench.send(body=b"a" * 2000 + b"\r\n")
        assert bench.notes == ["breaking line > 998 bytes with <CR><LF>SPACE"]

    run(scene)


@pytest.mark.parametrize(("level", "told"), [
    ("encrypt", f"4 4.7.4 TLS is required, but was not offered by host {WHO}"),
    ("may", "2 2.0.0 250 2.0.0 stored"),
])  # fmt: skip
def test_tls_not_offered(level: str, told: str) -> None:
    assert outcome({}, smtp_tls_security_level=level)[0] == [told]


def test_tls_refused() -> None:
    rules: Rules = {"EHLO": "250-mx\r\n250 STARTTLS", "STARTTLS": "454 4.7.0 no"}
    assert outcome(rules, smtp_tls_security_level="encrypt")[0] == [
        f"4 4.7.0 TLS is required, but host {WHO} refused to start TLS: 454 4.7.0 no"
    ]
    rules["STARTTLS"] = "502 5.5.1 no"
    assert outcome(rules, smtp_tls_security_level="encrypt")[0] == [
        f"5 5.5.1 TLS is required, but host {WHO} refused to start TLS: 502 5.5.1 no"
    ]
    assert outcome(rules, smtp_tls_security_level="may")[0] == ["2 2.0.0 250 2.0.0 stored"]


def test_tls_injection_is_refused() -> None:
    rules: Rules = {"EHLO": "250-mx\r\n250 STARTTLS", "STARTTLS": "220 go\r\n250 injected"}
    (told,) = outcome(rules, smtp_tls_security_level="may")[0]
    assert told.startswith(f"4 4.5.0 malformed reply from {WHO} while receiving the STARTTLS response")


def logs_in(settings: SmtpSettings, table: str) -> Authenticator:
    passwords = Tables(print).maps(table, "smtp_sasl_password_maps")
    return Authenticator(settings, passwords, passwords.find, None, None, print)


@pytest.mark.parametrize(
    ("offered", "reply", "sent", "told"),
    [
        ("PLAIN LOGIN", "235 ok", ["AUTH PLAIN AG1lAHB3"], "2 2.0.0 250 2.0.0 stored"),
        ("LOGIN", ["334 VXNlcm5hbWU6", "235 ok"], ["AUTH LOGIN"], "2 2.0.0 250 2.0.0 stored"),
        ("PLAIN", "535 5.7.8 no", ["AUTH PLAIN AG1lAHB3"],
         f"4 4.7.8 SASL authentication failed; server {WHO} said: 535 5.7.8 no"),
        ("GSSAPI", "235 ok", [],
         f"4 4.7.0 SASL authentication failed; cannot authenticate to server {WHO}: no mechanism available"),
        ("PLAIN", "334 !!", ["AUTH PLAIN AG1lAHB3"],
         f"4 4.7.0 SASL authentication failed; cannot authenticate to server {WHO}: bad protocol / cancel"),
    ],
)  # fmt: skip
def test_authentication(offered: str, reply: Any, sent: list[str], told: str) -> None:
    async def scene() -> None:
        server = Server({"EHLO": f"250-mx\r\n250 AUTH {offered}", "AUTH": reply, "bWU=": "334 UGFzc3dvcmQ6", "cHc=": "235 ok"})
        bench = Bench(Net(mx=[server]), smtp_sasl_auth_enable=True, smtp_sasl_security_options="noanonymous")
        settings = bench.agent._settings
        agent = SmtpAgent(
            settings, names(), Net(mx=[server]),
            unchanged(), clock=lambda: 0.0, shuffle=lambda hosts: None, emit=bench.events.append,
            authenticator=logs_in(settings, "inline:{{other = x:y}}, inline:{{[mx]:2526 = me:pw}}"),
        )  # fmt: skip
        (report,) = await agent.deliver(request("[mx]:2526", ["x@y.test"]))
        assert f"{report.outcome.cls.value} {report.outcome.enhanced} {report.outcome.text}" == told
        assert [command for command in server.commands if command.startswith("AUTH")] == sent

    run(scene)


@pytest.mark.parametrize(
    ("settings", "entry", "sent"),
    [({}, "me:p|w", "me\0p|w"), ({"smtp_sasl_password_result_delimiter": "|"}, "me:too|p:w", "me:too\0p:w")],
)
def test_what_stands_between_name_and_password(settings: dict[str, str], entry: str, sent: str) -> None:
    def agent_of(bench: Bench, net: Net) -> SmtpAgent:
        changed = msgspec.structs.replace(bench.agent._settings, **settings)
        return SmtpAgent(
            changed, names(), net, unchanged(), clock=lambda: 0.0, shuffle=lambda hosts: None, emit=bench.events.append,
            authenticator=logs_in(changed, f"inline:{{{{[two]:2526 = {entry}}}}}"),
        )  # fmt: skip

    _, logins = _two_sites(agent_of, "[one]:2526, [two]:2526", "AUTH PLAIN")
    assert logins == ["AUTH PLAIN " + b64encode(f"\0{sent}".encode()).decode()]


def _two_sites(agent_of: Callable[[Bench, Net], SmtpAgent], nexthop: str, offered: str) -> tuple[list[str], list[str]]:
    """What is reported, and what the second host was sent, where the first one cannot be reached."""
    told: list[str] = []
    server = Server({"EHLO": f"250-mx\r\n250 {offered}"})

    async def scene() -> None:
        net = Net(one=errno.ECONNREFUSED, two=[server])
        agent = agent_of(Bench(net, smtp_sasl_auth_enable=True, smtp_sasl_security_options="noanonymous"), net)
        told.extend(f"{r.outcome.enhanced} {r.outcome.text}" for r in await agent.deliver(request(nexthop, ["x@y.test"])))

    run(scene)
    return told, [command for command in server.commands if command.startswith("AUTH")]


@pytest.mark.parametrize(
    ("nexthop", "fallback", "table", "sent"),
    [
        ("[one]:2526", "[two]:2526", "inline:{{[one]:2526 = me:pw}}", []),
        ("[one]:2526", "[two]:2526", "inline:{{[two]:2526 = me:pw}}", ["AUTH PLAIN AG1lAHB3"]),
        ("[one]:2526, [two]:2526", "", "inline:{{[one]:2526, [two]:2526 = me:pw}}", []),
        ("[one]:2526, [two]:2526", "", "inline:{{[two]:2526 = me:pw}}", ["AUTH PLAIN AG1lAHB3"]),
    ],
)  # fmt: skip
def test_a_password_is_for_its_destination_only(nexthop: str, fallback: str, table: str, sent: list[str]) -> None:
    def agent_of(bench: Bench, net: Net) -> SmtpAgent:
        return SmtpAgent(
            msgspec.structs.replace(bench.agent._settings, smtp_fallback_relay=fallback), names(), net,
            unchanged(), clock=lambda: 0.0,
            shuffle=lambda hosts: None, emit=bench.events.append, authenticator=logs_in(bench.agent._settings, table),
        )  # fmt: skip

    assert _two_sites(agent_of, nexthop, "AUTH PLAIN") == (["2.0.0 250 2.0.0 stored"], sent)


@pytest.mark.parametrize(("nexthop", "fallback"), [("[one]:2526", "[two]:2526"), ("[one]:2526, [two]:2526", "")])
def test_each_destination_has_its_own_tls_policy(nexthop: str, fallback: str) -> None:
    def agent_of(bench: Bench, net: Net) -> SmtpAgent:
        return SmtpAgent(
            msgspec.structs.replace(bench.agent._settings, smtp_fallback_relay=fallback), names(), net,
            unchanged(), clock=lambda: 0.0,
            shuffle=lambda hosts: None, emit=bench.events.append,
            tls_policies=Tables(print).maps("inline:{{[two]:2526 = encrypt}}", "smtp_tls_policy_maps"),
        )  # fmt: skip

    assert _two_sites(agent_of, nexthop, "HELP")[0] == ["4.7.4 TLS is required, but was not offered by host two[two]"]


@pytest.mark.parametrize("final", [False, True])
def test_what_servers_take_is_delivered_or_relayed(final: bool) -> None:
    async def scene() -> None:
        net = Net(mx=[Server({})])
        bench = Bench(net)
        agent = SmtpAgent(
            bench.agent._settings, names(), net, unchanged(), clock=lambda: 0.0, shuffle=lambda hosts: None,
            emit=bench.events.append, final=final,
        )  # fmt: skip
        (report,) = await agent.deliver(request("[mx]:2526", ["x@y.test"]))
        assert report.outcome.ok and report.relayed is not final

    run(scene)


def test_lmtp_parameters_have_their_own_names() -> None:
    settings = as_smtp(default(LmtpSettings, lmtp_lhlo_name="lmtp.test", lmtp_tcp_port="2424", lmtp_data_done_timeout=7))
    assert settings.lmtp
    assert (settings.smtp_helo_name, settings.smtp_tcp_port, settings.smtp_data_done_timeout) == ("lmtp.test", "2424", 7)
    assert not settings.smtp_skip_quit_response


def test_what_would_loop_back_may_go_elsewhere() -> None:
    passed: list[DeliveryRequest] = []

    async def best_mx(request: DeliveryRequest) -> Sequence[Report]:
        passed.append(request)
        return [Report(recipient, sent("stored")) for recipient in request.recipients]

    async def scene() -> None:
        settings = default(SmtpSettings, inet_protocols="ipv4")
        for who, text in ((best_mx, "stored"), (None, "mail for mx loops back to myself")):
            agent = SmtpAgent(
                settings, names(), Net(), unchanged(), clock=lambda: 1000.0, shuffle=lambda hosts: None, emit=lambda event: None,
                own=frozenset(("mx",)), best_mx=who,
            )  # fmt: skip
            reports = await agent.deliver(request("[mx]", ("x@y.test", "z@y.test")))
            assert [report.outcome.text for report in reports] == [text, text]

    run(scene)
    assert [len(request.recipients) for request in passed] == [2]


@pytest.mark.parametrize(
    ("table", "told", "hello"),
    [
        ("inline:{{mx = pipelining}}", "2 2.0.0 250 2.0.0 stored", ["EHLO me.test", "MAIL FROM:<s@z.test> SIZE=22"]),
        ("fail:1", "4 4.3.0 local data error while talking to mx[mx]", []),
    ],
)
def test_keywords_that_are_not_believed_of_one_server(table: str, told: str, hello: list[str]) -> None:
    server = Server({})

    async def scene() -> None:
        maps = Tables(lambda text: None).maps(table, "smtp_discard_ehlo_keyword_address_maps")
        agent = SmtpAgent(
            default(SmtpSettings, myhostname="me.test", inet_protocols="ipv4", smtp_helo_timeout=0.02), names(), Net(mx=[server]),
            unchanged(),
            clock=lambda: 1000.0, shuffle=lambda hosts: None, emit=lambda event: None, discard_maps=maps,
        )  # fmt: skip
        (report,) = await agent.deliver(request("[mx]:2526", ("x@y.test",)))
        assert f"{report.outcome.cls.value} {report.outcome.enhanced} {report.outcome.text}" == told
        assert server.commands[:2] == hello

    run(scene)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("regexp:{{/^550 5\\.1\\.1 (.*)/ 450 4.1.1 $1}}", "4 4.1.1 host mx[mx] said: 450 4.1.1 no (in reply to RCPT TO command)"),
        ("static:bad", "4 4.4.2 conversation with mx[mx] timed out while receiving the initial server greeting"),
        ("fail:1", "4 4.5.0 malformed reply from mx[mx]"),
    ],
)
def test_replies_that_are_edited(table: str, told: str) -> None:
    server = Server({"RCPT": "550 5.1.1 no"})

    async def scene() -> None:
        agent = SmtpAgent(
            default(SmtpSettings, myhostname="me.test", inet_protocols="ipv4", smtp_helo_timeout=0.02), names(), Net(mx=[server]),
            unchanged(),
            clock=lambda: 1000.0, shuffle=lambda hosts: None, emit=lambda event: None,
            reply_filter=Tables(lambda text: None).maps(table, "smtp_reply_filter"),
        )  # fmt: skip
        (report,) = await agent.deliver(request("[mx]:2526", ("x@y.test",)))
        assert f"{report.outcome.cls.value} {report.outcome.enhanced} {report.outcome.text}".startswith(told)

    run(scene)
