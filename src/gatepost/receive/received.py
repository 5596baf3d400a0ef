"""The Received header that smtpd puts on top of a message (RFC 5321 §4.4, smtpd(8))."""

from gatepost.mail.address import external
from gatepost.policy.port import Facts
from gatepost.proto.smtp.grammar import printable


def protocol_name(facts: Facts) -> str:
    """The `with` protocol (RFC 3848, RFC 6531 §4.3): base, then S for TLS, A for authentication."""
    base = facts.protocol_name
    if facts.smtputf8:
        base = "UTF8" + base.removeprefix("E")
    return base + ("S" if facts.tls_protocol else "") + ("A" if facts.sasl_username else "")


def address_literal(address: str) -> str:
    """The client address as in an address literal (RFC 5321 §4.1.3), without brackets."""
    return f"IPv6:{address}" if ":" in address else address


def received(
    facts: Facts,
    *,
    myhostname: str,
    mail_name: str,
    queue_id: str,
    date: str,
    recipient: str | None,
    show_tls: bool,
    asked_for_certificate: bool,
    show_login: bool,
    hide_session: bool = False,
) -> bytes:
    """The header, lines ended by CRLF. `queue_id`: empty where it has none. `recipient` only where the message has a single one, so
    that none learns of the others.
    `hide_session`: what it says of the client is left out, and that it came by SMTP."""
    known_as = f" id {queue_id}" if queue_id else ""
    if hide_session:
        return _redacted(f"{myhostname} ({mail_name}){known_as}", recipient, date)
    lines = [
        f"Received: from {facts.helo_name or facts.client_name} ({facts.client_name} [{address_literal(facts.client_address)}])"
    ]
    if show_tls and facts.tls_protocol:
        lines += _tls_lines(facts, asked_for_certificate)
    if show_login and facts.sasl_username:
        sender = f" sender: {printable(facts.sasl_username)}"
        lines.append(f"\t(Authenticated{sender})")
    by = f"\tby {myhostname} ({mail_name}) with {protocol_name(facts)}{known_as}"
    if recipient is not None:
        lines += [by, f"\tfor <{external(recipient)}>; {date}"]
    else:
        lines += [by + ";", f"\t{date}"]
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "surrogateescape")


def _redacted(by: str, recipient: str | None, date: str) -> bytes:
    """What RFC 5322 asks for, and no more: the message was handed in, and how is nobody's business (smtpd_hide_client_session)."""
    lines = [f"Received: by {by};"] if recipient is None else [f"Received: by {by}", f"\tfor <{external(recipient)}>;"]
    lines[-1] += f" {date}" if recipient is not None else f"\r\n\t{date}"
    return ("\r\n".join(lines) + "\r\n").encode("utf-8", "surrogateescape")


def _tls_lines(facts: Facts, asked: bool) -> list[str]:
    bits = facts.tls_keysize
    lines = [f"\t(using {facts.tls_protocol} with cipher {facts.tls_cipher} ({bits}/{bits} bits)"]
    lines += [f"\t {detail}" for detail in facts.tls_details]
    lines[-1] += ")"
    if facts.ccert_subject or facts.ccert_issuer:
        trust = "verified OK" if facts.ccert_trusted else "not verified"
        lines.append(f'\t(Client CN "{printable(facts.ccert_subject)}", Issuer "{printable(facts.ccert_issuer)}" ({trust}))')
    else:
        lines.append("\t(Client did not present a certificate)" if asked else "\t(No client certificate requested)")
    return lines
