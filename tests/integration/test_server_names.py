"""tls_server_sni_maps: a table made by postmap -F, which only root can read, and clients that ask for this name and that."""

import smtplib
import ssl

from tests.support import certificate
from tests.support.running import System

_MAIN = {
    "smtpd_tls_security_level": "may",
    "smtpd_tls_chain_files": "{dir}/usual.pem",
    "tls_server_sni_maps": "hash:{dir}/names",
    "maillog_file": "{dir}/mail.log",
}


def _name_shown(port: int, asked: str, trusted: ssl.SSLContext) -> str:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client._host = asked  # type: ignore[attr-defined]  # smtplib sends the name that it was told to connect to
        client.starttls(context=trusted)
        shown = client.sock.getpeercert()  # type: ignore[union-attr]
        return str(shown["subjectAltName"][0][1])


def test_each_name_has_its_certificate() -> None:
    gatepost = System(main=_MAIN)
    trusted = ssl.create_default_context()
    trusted.check_hostname = False
    for name in ("usual", "other"):
        made = certificate.make(gatepost.folder / f"made-{name}", f"{name}.test")
        trusted.load_verify_locations(made.authority)
        (gatepost.folder / f"{name}.pem").write_text(made.key.read_text() + made.chain.read_text())
        (gatepost.folder / f"{name}.pem").chmod(0o600)
    table = gatepost.folder / "names"
    table.write_text(f"other.test {gatepost.folder}/other.pem\n")
    table.chmod(0o600)
    assert gatepost.command("postmap", "-F", f"hash:{table}").stderr == ""
    with gatepost:
        assert _name_shown(gatepost.port, "other.test", trusted) == "other.test"
        assert _name_shown(gatepost.port, "nobody.test", trusted) == "usual.test"
