"""Whom a restriction speaks of, in Postfix's words."""

from collections.abc import Callable

from gatepost.policy.evaluation import Subject
from gatepost.policy.port import Facts, Stage


def client(facts: Facts) -> Subject:
    return Subject(facts.client, "Client host")


def reverse_client(facts: Facts) -> Subject:
    return Subject(facts.reverse_client_name, "Unverified Client host")


def certificate(facts: Facts) -> Subject:
    return Subject(facts.ccert_subject or facts.client, "Client certificate")


def login(facts: Facts) -> Subject:
    return Subject(facts.client, "SASL login name")


def helo(facts: Facts) -> Subject:
    return Subject(facts.helo_name or "", "Helo command")


def sender(facts: Facts) -> Subject:
    return Subject(facts.sender or "", "Sender address")


def recipient(facts: Facts) -> Subject:
    return Subject(facts.recipient or "", "Recipient address")


def etrn(facts: Facts) -> Subject:
    return Subject(facts.etrn_domain, "Etrn command")


OF_STAGE: dict[Stage, Callable[[Facts], Subject]] = {
    Stage.CLIENT: client,
    Stage.HELO: helo,
    Stage.SENDER: sender,
    Stage.RECIPIENT: recipient,
    Stage.DATA: lambda facts: Subject("DATA", "Data command"),
    Stage.END_OF_DATA: lambda facts: Subject("END-OF-MESSAGE", "End-of-data"),
    Stage.ETRN: etrn,
}
