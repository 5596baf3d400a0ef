"""The Received header, as Postfix 3.7.11 writes it."""

import pytest

from gatepost.policy.port import Facts
from gatepost.receive.received import received

CIPHER = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
SERVER = "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256"
CLIENT = "client-signature RSA-PSS (2048 bits) client-digest SHA256"


@pytest.mark.parametrize(
    ("details", "subject", "lines"),
    [
        ((), "", [f"\t(using {CIPHER})", "\t(Client did not present a certificate)"]),
        ((SERVER,), "", [f"\t(using {CIPHER}", f"\t {SERVER})", "\t(Client did not present a certificate)"]),
        (
            (SERVER, CLIENT),
            "c.test",
            [f"\t(using {CIPHER}", f"\t {SERVER}", f"\t {CLIENT})", '\t(Client CN "c.test", Issuer "c.test" (not verified))'],
        ),
    ],
)
def test_what_it_says_of_tls(details: tuple[str, ...], subject: str, lines: list[str]) -> None:
    facts = Facts()
    facts.client_name, facts.client_address, facts.helo_name, facts.protocol_name = "c.test", "192.0.2.1", "c.test", "ESMTP"
    facts.tls_protocol, facts.tls_cipher, facts.tls_keysize, facts.tls_details = "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, details
    facts.ccert_subject = facts.ccert_issuer = subject
    header = received(
        facts,
        myhostname="mx.test",
        mail_name="Postfix",
        queue_id="ID",
        date="now",
        recipient=None,
        show_tls=True,
        asked_for_certificate=True,
        show_login=False,
    )
    first, *tls, by, date = header.decode().split("\r\n")[:-1]
    assert first == "Received: from c.test (c.test [192.0.2.1])"
    assert tls == lines
    assert [by, date] == ["\tby mx.test (Postfix) with ESMTPS id ID;", "\tnow"]


@pytest.mark.parametrize(
    ("recipient", "lines"),
    [
        (None, ["Received: by mx.test (Postfix) id ID;", "\tnow"]),
        ("a b@x.test", ["Received: by mx.test (Postfix) id ID", '\tfor <"a b"@x.test>; now']),
    ],
)
def test_a_hidden_session_leaves_no_trace_of_the_client(recipient: str | None, lines: list[str]) -> None:
    """smtpd_hide_client_session of Postfix 3.10: neither who, nor how; RFC 5322 asks for no more."""
    facts = Facts()
    facts.client_name, facts.client_address, facts.helo_name, facts.protocol_name = "c.test", "192.0.2.1", "laptop", "ESMTP"
    facts.tls_protocol, facts.sasl_username = "TLSv1.3", "joe"
    header = received(
        facts,
        myhostname="mx.test",
        mail_name="Postfix",
        queue_id="ID",
        date="now",
        recipient=recipient,
        show_tls=True,
        asked_for_certificate=True,
        show_login=True,
        hide_session=True,
    )
    assert header.decode().split("\r\n") == [*lines, ""]
