"""Certificates that are renewed: when new workers are wanted, and what is told of those that cannot be used."""

import shutil
from pathlib import Path

import pytest
from tests.support.certificate import Certificate, make

from gatepost.config.configuration import Configuration
from gatepost.config.loading import load
from gatepost.service.master.certificate_files import EVERY, CertificateFiles, files_of, look

MASTER = (
    "smtp inet n - n - - smtpd\n465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_chain_files={dir}/other.pem\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return make(folder / "first", "mx.test"), make(folder / "second", "mx.test")


class Place:
    """A configuration with a certificate and a key in files, looked at when it is time."""

    def __init__(self, folder: Path, certificate: Certificate, other: str = "") -> None:
        self.folder, self.now, self.said = folder, 0.0, list[str]()
        self.put(certificate)
        (folder / "other.pem").write_text(other or certificate.key.read_text() + certificate.chain.read_text())
        (folder / "main.cf").write_text(
            f"compatibility_level = 3.6\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = {folder}/chain.pem\n"
            f"smtpd_tls_key_file = {folder}/key.pem\n"
        )
        (folder / "master.cf").write_text(MASTER.replace("{dir}", str(folder)))
        self.configuration: Configuration = load(folder)
        self.files = CertificateFiles(lambda: self.now, self.said.append)
        self.files.watch(look(self.configuration))

    def put(self, certificate: Certificate, *, key: bool = True) -> None:
        shutil.copy(certificate.chain, self.folder / "chain.new")
        (self.folder / "chain.new").replace(self.folder / "chain.pem")
        if key:
            shutil.copy(certificate.key, self.folder / "key.pem")

    def renewed(self, after: float = EVERY) -> bool:
        self.now += after
        return self.files.renewed(self.configuration)


def test_files_of_all_services(tmp_path: Path, made: tuple[Certificate, Certificate]) -> None:
    place = Place(tmp_path, made[0])
    assert set(files_of(place.configuration)) == {f"{tmp_path}/{name}.pem" for name in ("chain", "key", "other")}


def test_new_ones_are_taken_up_once_and_in_time(tmp_path: Path, made: tuple[Certificate, Certificate]) -> None:
    place = Place(tmp_path, made[0])
    assert not place.renewed()
    place.put(made[1])
    assert not place.renewed(EVERY / 2)
    assert place.renewed()
    assert not place.renewed()
    assert place.said == []


def test_half_a_renewal_is_waited_for_and_told_once(tmp_path: Path, made: tuple[Certificate, Certificate]) -> None:
    place = Place(tmp_path, made[0])
    place.put(made[1], key=False)
    assert [place.renewed() for _ in range(3)] == [False] * 3
    (told,) = place.said
    assert f"{tmp_path}/chain.pem" in told and told.endswith(": the certificates from before are still used")
    place.put(made[1])
    assert place.renewed()


@pytest.mark.parametrize("name", ["chain.pem", "key.pem"])
def test_files_that_go_away_and_come_back(tmp_path: Path, made: tuple[Certificate, Certificate], name: str) -> None:
    place = Place(tmp_path, made[0])
    (tmp_path / name).rename(tmp_path / "away")
    assert not place.renewed()
    assert len(place.said) == 1
    (tmp_path / "away").rename(tmp_path / name)
    assert place.renewed()


def test_a_service_without_does_not_keep_others_from_theirs(tmp_path: Path, made: tuple[Certificate, Certificate]) -> None:
    place = Place(tmp_path, made[0], "nothing of use\n")
    place.put(made[1])
    assert place.renewed()
    assert place.said == []
