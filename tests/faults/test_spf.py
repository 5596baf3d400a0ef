"""SPF with a name server that is away, silent or out of its mind: the declared action, and all is well when it is back."""

import os
import smtplib
from pathlib import Path

import pytest

from tests.faults.test_dns import WAYS, NameServer
from tests.support.running import System, wait_for

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="a resolv.conf of its own needs root")

# The zone of test_dns has needy.example without a policy: where it answers the result is none.
_MAIN = {
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "smtpd_peername_lookup": "no",
    "smtpd_recipient_restrictions": "check_spf",
    "spf_temperror_action": "defer_if_permit",
    "spf_lookup_time": "2s",
    "mydestination": "example.net",
    "local_recipient_maps": "",
    "local_transport": "discard",
}


def _rcpt(system: System) -> tuple[int, str]:
    with smtplib.SMTP("127.0.0.1", system.port, timeout=60) as client:
        client.ehlo("proxy.test")
        assert client.docmd("XCLIENT", "ADDR=192.0.2.1 NAME=[UNAVAILABLE]")[0] == 220
        client.ehlo("bare")  # which is not asked about
        client.mail("a@needy.example")
        code, text = client.rcpt("b@example.net")
    return code, text.decode()


@pytest.mark.parametrize("way", WAYS)
def test_name_server(way: str, tmp_path: Path) -> None:
    server = NameServer(way)
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text(f"nameserver {server.address}\n")
    mount = f'mount --bind {resolv_conf} /etc/resolv.conf && exec "$@"'
    with System(_MAIN, prefix=("unshare", "--mount", "sh", "-c", mount, "sh")) as system:
        code, text = _rcpt(system)
        assert (code, text[:7]) == (451, "4.7.24 "), text
        assert "SPF temporary error" in text
        assert text.count("\n") == 0
        server.recover()
        assert wait_for(lambda: _rcpt(system)[0] == 250, "an answer of the name server that is back", 60)
