"""smtpd_tls_chain_files: private keys and the certificates that follow them, across files (postconf(5))."""

from pathlib import Path

import pytest

from gatepost.net.tls_parameters import TlsFailure, chains

_KEY = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----"
_OTHER = "-----BEGIN EC PRIVATE KEY-----\nREVG\n-----END EC PRIVATE KEY-----"
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nR0hJ\n-----END CERTIFICATE-----"


def _files(folder: Path, *texts: str) -> list[str]:
    for number, text in enumerate(texts):
        (folder / str(number)).write_text(text)
    return [str(folder / str(number)) for number in range(len(texts))]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((f"{_KEY}\n{_CERTIFICATE}\n{_CERTIFICATE}\n",), [_KEY + 2 * _CERTIFICATE]),
        ((f"words\n{_KEY}\n", f"subject=x\n{_CERTIFICATE}\n"), [_KEY + _CERTIFICATE]),
        ((f"{_KEY}\n{_CERTIFICATE}\n{_OTHER}\n", _CERTIFICATE), [_KEY + _CERTIFICATE, _OTHER + _CERTIFICATE]),
    ],
)
def test_chains(tmp_path: Path, texts: tuple[str, ...], found: list[str]) -> None:
    assert [chain.replace("-----BEGIN", "\n-----BEGIN").split() for chain in chains(_files(tmp_path, *texts))] == [
        chain.replace("-----BEGIN", "\n-----BEGIN").split() for chain in found
    ]


def test_a_certificate_before_its_key(tmp_path: Path) -> None:
    with pytest.raises(TlsFailure, match="must come before"):
        chains(_files(tmp_path, _CERTIFICATE, _KEY))


def test_no_such_file() -> None:
    with pytest.raises(TlsFailure, match="/nonexistent"):
        chains(["/nonexistent"])
