"""Reports about TLS (RFC 8460) in the hands of those who mean harm: a domain that names many addresses, or its own, so that reports
are about reports, and a server whose words are meant for whoever reads them."""

import json
import os
from typing import Any

import pytest

from tests.support.running import MASTER, System, wait_for
from tests.support.signed_dns import SignedDns
from tests.support.sink import Sink

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

_MANY = ",".join(f"mailto:a{number}@loop.test" for number in range(10))
_ZONE = f"""
sender.test A 127.0.0.1
loop.test MX 10 mx.loop.test
mx.loop.test A 127.0.0.1
_smtp._tls.loop.test TXT "v=TLSRPTv1;rua={_MANY}"
hostile.test MX 10 mx.hostile.test
mx.hostile.test A 127.0.0.1
_smtp._tls.hostile.test TXT "v=TLSRPTv1;rua=https://localhost/,https://127.0.0.1:25/,mailto:x%0d%0aBcc:victim@loop.test"
"""
_WORDS = b"454 4.7.0 \x1b[2J\x07<script>\xff\xfe\xe2\x80\xae\\" + b"A" * 800 + b"\r\n"


def _main(port: int, hostile: int) -> dict[str, str]:
    return {
        "smtp_tcp_port": str(port),
        "transport_maps": f"inline:{{ {{ hostile.test = smtp:hostile.test:{hostile} }} }}",
        "smtp_tls_security_level": "may",
        "smtp_tlsrpt_enable": "yes",
        "mydomain": "example.test",
        "smtp_connection_cache_on_demand": "no",
        "worker_processes": "1",
    }


def _shown(system: System) -> dict[str, dict[str, Any]]:
    found = {}
    for report in json.loads(system.command("tlsrpt").stdout or "[]"):
        (policy,) = report["policies"]
        found[policy["policy"]["policy-domain"]] = policy
    return found


def _failed(system: System, domain: str) -> int:
    return int(_shown(system)[domain]["summary"]["total-failure-session-count"])


def test_few_reports_none_about_reports_and_nothing_that_is_not_printable() -> None:
    dns = SignedDns(_ZONE)
    try:
        with (
            Sink() as sink,
            Sink(keywords=(b"STARTTLS",), answers={"STARTTLS": _WORDS}) as hostile,
            System(_main(sink.port, hostile.port), MASTER, prefix=dns.prefix) as system,
        ):
            for domain in ("loop.test", "hostile.test"):
                assert system.send(sender="a@sender.test", to=f"b@{domain}")
                system.logged(f"to=<b@{domain}>", "status=sent")
            wait_for(lambda: len(_shown(system)) == 2, system.log, 30)
            (failure,) = _shown(system)["hostile.test"]["failure-details"]
            reason = failure["failure-reason-code"]
            assert (len(reason), reason.isascii(), reason.isprintable()) == (160, True, True)

            for sent in (2, 4):
                assert system.command("tlsrpt", "--send").returncode == 0
                wait_for(lambda sent=sent: sink.count(b"TLS-Report-Domain: loop.test") == sent, system.log, 30)  # type: ignore[misc]
            reports = [taken for taken in sink.taken if b"TLS-Report-Domain" in taken.content]
            assert len({recipient for taken in reports for recipient in taken.recipients}) == 2
            assert hostile.count(b"TLS-Report-Domain") == sink.count(b"Bcc") == 0
            assert "hostile.test sent" not in system.log()
            assert system.send(sender="a@sender.test", to="c@hostile.test")  # counted after all that was before
            wait_for(lambda: _failed(system, "hostile.test") == 2, system.log, 30)
            assert _failed(system, "loop.test") == 1
    finally:
        dns.close()
