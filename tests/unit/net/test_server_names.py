"""tls_server_sni_maps: which certificate a client gets."""

import base64
import ssl
from pathlib import Path

import pytest
from tests.support import certificate
from tests.support.settings import default

from gatepost.net.server_names import ServerNames, keys
from gatepost.net.tls import ServerTls, TlsServerSettings
from gatepost.net.tls_parameters import TlsFailure


def chain(own: certificate.Certificate) -> str:
    return own.key.read_text() + own.chain.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    for name in ("usual.test", "one.test", "two.test"):
        own = certificate.make(folder / name, name)
        (folder / f"{name}.pem").write_text(chain(own))
    return folder


def shown(folder: Path, table: dict[str, str], name: str | None) -> tuple[str, list[str]]:
    """The name in the certificate that a client gets, and the log."""
    log: list[str] = []
    settings = default(TlsServerSettings, smtpd_tls_chain_files=str(folder / "usual.test.pem"), smtpd_tls_security_level="may")
    server = ServerTls(settings, names=ServerNames(table.get, log.append)).context
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    for authority in folder.glob("*/ca.pem"):
        client.load_verify_locations(authority)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True)]
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    certificate_ = ends[0].getpeercert() or {}
    names = certificate_.get("subjectAltName", ())
    return str(names[0][1]), log  # type: ignore[index,misc]


def test_keys() -> None:
    assert list(keys("A.b.Test")) == ["a.b.test", ".b.test", ".test"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [(None, "usual.test"), ("other.test", "usual.test"), ("ONE.test", "one.test"), ("a.b.two.test", "two.test")],
)
def test_the_certificate_of_the_name(folder: Path, name: str | None, expected: str) -> None:
    packed = base64.b64encode((folder / "one.test.pem").read_bytes()).decode()
    table = {"one.test": packed, ".two.test": str(folder / "two.test.pem")}
    assert shown(folder, table, name) == (expected, [])


@pytest.mark.parametrize("value", ["/missing.pem", "bm8gY2VydGlmaWNhdGU="])
def test_a_certificate_that_is_not_there(value: str) -> None:
    with pytest.raises(TlsFailure):
        ServerNames({"one.test": value}.get, lambda text: None).context("one.test")


def test_the_client_is_alerted(folder: Path) -> None:
    with pytest.raises(ssl.SSLError):
        shown(folder, {"one.test": str(folder / "missing.pem")}, "one.test")
