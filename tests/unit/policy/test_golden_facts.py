"""Replies that real Postfix gave, asked of the engine without a server: what is recorded in tests/golden/cases/smtp.

Only dialogues that policy alone answers are read here; the whole of them plays in `make golden`.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.restrictions import World

from gatepost.net.port import NotFound, TryAgain
from gatepost.policy.port import Stage

CASES = Path(__file__).parents[2] / "golden" / "cases"
GROUPS = ("access", "actions", "identity", "login-maps", "dnsbl", "recipients")

# Answered by other parts: the reply footer, address probes, interfaces that the test's world has not.
ELSEWHERE = re.compile(r"footer|verify-|proxy-interfaces|default-unix|mynetworks-style|fatal|ipv6-client")

STAGES = {
    "EHLO": (Stage.HELO, "250"),
    "HELO": (Stage.HELO, "250"),
    "MAIL": (Stage.SENDER, "250"),
    "RCPT": (Stage.RECIPIENT, "250"),
    "DATA": (Stage.DATA, "354"),
    "ETRN": (Stage.ETRN, ("250", "459")),
    "END-OF-MESSAGE": (Stage.END_OF_DATA, "250"),
}


def recorded() -> list[object]:
    lines = [line for group in GROUPS for line in (CASES / "smtp" / f"{group}.jsonl").read_text().splitlines()]
    cases = [json.loads(line) for line in lines]
    return [pytest.param(case, id=case["name"]) for case in cases if not ELSEWHERE.search(case["name"])]


def world(case: dict[str, Any], directory: Path) -> World:
    """The configuration of the case, in files."""
    changes: dict[str, str | None] = case["main"]
    base = (CASES / "base" / "main.cf").read_text().splitlines()
    main = [line for line in base if line.partition("=")[0].strip() not in changes]
    main += [f"{name} = {value}" for name, value in changes.items() if value is not None]
    files = {"main.cf": "\n".join(main) + "\n", "master.cf": (CASES / "base" / "master.cf").read_text()}
    files |= {name: (CASES / "base" / name).read_text() for name in ("aliases", "local_users", "include_list")}
    for name, table in (case.get("tables") or {}).items():
        files[name] = table if isinstance(table, str) else table["content"]
    for name, text in files.items():
        text = (
            text.replace("{CONF}", str(directory)).replace("{QUEUE}", f"{directory}/queue").replace("{DATA}", f"{directory}/data")
        )
        (directory / name).write_text(text.replace("{LOG}", f"{directory}/log").replace("{HOME}", str(directory)))
    return World(directory, (CASES / "base" / "zone").read_text())


def connect(world: World, address: str) -> None:
    """Name and address of a client, by the zone alone."""
    facts = world.facts
    facts.client_address = address
    for name, code in (("client_name", "client_name_code"), ("reverse_client_name", "reverse_client_name_code")):
        setattr(facts, name, "unknown")
        setattr(facts, code, 5)

    async def named() -> None:
        try:
            facts.reverse_client_name = (await world.dns.ptr(address))[0]
            if address in await world.dns.host(facts.reverse_client_name):
                facts.client_name = facts.reverse_client_name
        except TryAgain:
            facts.client_name_code = facts.reverse_client_name_code = 4
        except NotFound:
            pass

    asyncio.run(named())


def internal(text: str) -> str:
    """The address inside `<...>`, source route and quotes taken off."""
    address = text.strip().split(" ")[0] if " " not in text or '"' not in text else text.strip()
    address = address.strip("<>")
    if address.startswith("@") and ":" in address:
        address = address.partition(":")[2]
    local, at, domain = address.rpartition("@")
    return re.sub(r"\\(.)", r"\1", local[1:-1]) + at + domain if local.startswith('"') else address


def command(world: World, sent: str) -> str:
    """Take over what a command says; returns the protocol state, empty for a command that policy is not asked about."""
    facts, verb = world.facts, sent.split(" ")[0].strip().upper()
    if sent.startswith("From:"):
        return "END-OF-MESSAGE"
    if verb == "RSET":
        facts.sender = facts.recipient = None
        facts.recipient_count = 0
    elif verb == "AUTH":
        facts.sasl_method, facts.sasl_username = "PLAIN", "alice"
    elif verb in ("EHLO", "HELO"):
        facts.helo_name, facts.sender, facts.recipient = sent.split(" ")[1].strip(), None, None
    elif verb == "MAIL":
        facts.sender, facts.recipient, facts.recipient_count = internal(sent[10:]), None, 0
    elif verb == "RCPT":
        facts.recipient = internal(sent[8:])
    elif verb == "ETRN":
        facts.etrn_domain = sent.split()[1]
    return verb if verb in STAGES else ""


def said(world: World) -> str:
    outcome = world.verdict.outcome
    return f"{outcome.code} {outcome.enhanced} {outcome.text}" if outcome else ""


@pytest.mark.parametrize("case", recorded())
def test_reply_is_postfix_s(case: dict[str, Any], tmp_path: Path) -> None:
    played = world(case, tmp_path)
    for step in case["steps"]:
        expected = (step["recv"] or [""])[-1]
        if step.get("connect"):
            connect(played, step.get("addr") or case["client"]["addr"])
            played.reach(Stage.CLIENT, "CONNECT")
            assert said(played) == ("" if expected.startswith("220") else expected)
        elif isinstance(step.get("send"), str) and not re.match(r"501|503|221|554 5\.5\.1|$", expected):
            state = command(played, step["send"])
            if not state:
                continue
            stage, accepted = STAGES[state]
            played.reach(stage, state)
            assert said(played) == ("" if expected.startswith(accepted) else expected)
            played.facts.recipient_count += state == "RCPT" and not said(played)
