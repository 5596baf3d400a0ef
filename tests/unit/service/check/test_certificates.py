"""What `gatepost check` says of certificates: file, and what to do."""

import subprocess
from pathlib import Path

import pytest
from tests.support.certificate import Certificate, make

from gatepost.config.faults import Fault
from gatepost.config.loading import load
from gatepost.service.check.certificates import check_certificates

MASTER = "smtp inet n - n - - smtpd\n587 inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make(tmp_path_factory.mktemp("certificates"), "mx.test")


def checked(path: Path, main: str, master: str = MASTER) -> list[Fault]:
    (path / "main.cf").write_text(f"compatibility_level = 3.6\nsmtpd_tls_security_level = may\n{main}")
    (path / "master.cf").write_text(master)
    return list(dict.fromkeys(check_certificates(load(path))))


def pair(chain: Path, key: Path) -> str:
    return f"smtpd_tls_cert_file = {chain}\nsmtpd_tls_key_file = {key}\n"


def lasting(made: Certificate, file: Path, first: str, last: str) -> Path:
    """The certificate for another time, `YYYYMMDDHHMMSSZ` each."""
    folder = made.key.parent
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\nserial={folder}/serial\nnew_certs_dir={folder}\n"
        "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
    )
    command = ["openssl", "ca", "-batch", "-config", folder / "ca.cnf", "-cert", folder / "ca.pem", "-keyfile", folder / "ca.key"]
    command += ["-startdate", first, "-enddate", last, "-in", folder / "request.pem", "-out", file, "-notext"]
    subprocess.run(command, check=True, capture_output=True)
    return file


def test_a_good_one_is_not_told_of(tmp_path: Path, made: Certificate) -> None:
    good = lasting(made, tmp_path / "good.pem", "20200101000000Z", "20991231000000Z")
    assert checked(tmp_path, pair(good, made.key)) == []
    assert checked(tmp_path, f"smtpd_tls_chain_files = {made.key}, {good}\n") == []
    assert checked(tmp_path, "smtpd_tls_cert_file = none\n") == []


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("20200101000000Z", "20210203040500Z", "the certificate has expired on 2021-02-03 04:05 UTC"),
        ("20980102030400Z", "20991231000000Z", "the certificate is not valid before 2098-01-02 03:04 UTC"),
    ],
)
def test_times_that_are_over_or_have_not_come(tmp_path: Path, made: Certificate, first: str, last: str, text: str) -> None:
    file = lasting(made, tmp_path / "one.pem", first, last)
    for main in (pair(file, made.key), f"smtpd_tls_chain_files = {made.key} {file}\n"):
        (fault,) = checked(tmp_path, main)
        assert (fault.text, fault.line) == (f"{file}: {text}", 3)
        assert fault.remedy


def test_one_that_ends_soon(tmp_path: Path, made: Certificate) -> None:
    (fault,) = checked(tmp_path, pair(made.chain, made.key))  # of two days
    assert f"{made.chain}: the certificate expires on" in fault.text


def test_one_of_another_key(tmp_path: Path, made: Certificate) -> None:
    other = make(tmp_path / "other", "mx.test")
    (fault,) = checked(tmp_path, pair(made.chain, other.key))
    assert str(made.chain) in fault.text and "key values mismatch" in fault.text
    assert fault.line == 3 and "TLS is off there" in fault.remedy


@pytest.mark.parametrize("which", ["smtpd_tls_cert_file", "smtpd_tls_chain_files"])
def test_one_that_is_not_there(tmp_path: Path, which: str) -> None:
    (fault,) = checked(tmp_path, f"{which} = {tmp_path}/none.pem\n")
    assert f"{tmp_path}/none.pem" in fault.text and fault.line == 3


def test_none_at_all(tmp_path: Path) -> None:
    (fault,) = checked(tmp_path, "")
    assert fault.text == "No server certs available. TLS won't be enabled"


def test_each_service_has_its_own(tmp_path: Path, made: Certificate) -> None:
    good = lasting(made, tmp_path / "good.pem", "20200101000000Z", "20991231000000Z")
    master = MASTER + f"465 inet n - n - - smtpd\n -o smtpd_tls_wrappermode=yes -o smtpd_tls_cert_file={tmp_path}/none.pem\n"
    (fault,) = checked(tmp_path, pair(good, made.key), master)
    assert (Path(fault.file).name, f"{tmp_path}/none.pem" in fault.text) == ("master.cf", True)


def test_openssl_itself(tmp_path: Path) -> None:
    (fault,) = checked(tmp_path, f"tls_config_file = {tmp_path}/none.cnf\n")
    assert f"tls_config_file: cannot read {tmp_path}/none.cnf" in fault.text
    checked(tmp_path, "")  # and the process is as it was
