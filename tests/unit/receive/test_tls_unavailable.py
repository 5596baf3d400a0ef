"""TLS that should be offered and cannot: certificates that are missing or no certificates. As Postfix 3.7.11 was seen to do it."""

import asyncio
from typing import Any

import pytest
from tests.support.settings import default
from tests.unit.receive.dialogue import Client, stage

from gatepost.net.tls import ServerTls, TlsServerSettings
from gatepost.net.tls_parameters import NoCertificates

_LOCAL = "454 4.7.0 TLS not available due to local problem"
_FIRST = "530 5.7.0 Must issue a STARTTLS command first"


@pytest.mark.parametrize(("required", "mail"), [(False, "250 2.1.0 Ok"), (True, _FIRST)])
def test_it_is_offered_and_refused_for_now(*, required: bool, mail: str) -> None:
    """RFC 3207 section 4: a client may go on in the clear where the level lets it, and comes again where it does not."""

    async def scene() -> None:
        client = Client(stage({}, tls_unavailable=True, tls_required=required).service)
        await client.settle()
        assert "250-STARTTLS" in await client.say(b"EHLO client.test\r\n")
        assert await client.say(b"STARTTLS\r\n") == [_LOCAL]
        assert await client.say(b"MAIL FROM:<a@client.test>\r\n") == [mail]

    asyncio.run(scene())


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"smtpd_tls_cert_file": "none", "smtpd_tls_ask_ccert": True},
        {"smtpd_tls_cert_file": "none", "smtpd_tls_req_ccert": True},
    ],
)
def test_without_certificates_there_is_no_tls(parameters: dict[str, Any]) -> None:
    with pytest.raises(NoCertificates, match=r"No server certs available\. TLS won't be enabled"):
        ServerTls(default(TlsServerSettings, smtpd_tls_security_level="encrypt", **parameters))


def test_anonymous_on_purpose() -> None:
    ServerTls(default(TlsServerSettings, smtpd_tls_security_level="may", smtpd_tls_cert_file="none"))
