"""Who reports about TLS, and what is collected."""

from msgspec import Struct


class TlsrptSettings(Struct, frozen=True):
    """Of all reports."""

    tlsrpt_contact: str
    tlsrpt_organization_name: str
    tlsrpt_sender: str


class ObservedSettings(Struct, frozen=True):
    """Of one SMTP client."""

    smtp_tlsrpt_enable: bool
    smtp_tlsrpt_skip_reused_handshakes: bool
    smtp_tlsrpt_socket_name: str
