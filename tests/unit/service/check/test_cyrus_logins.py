"""What `gatepost check` finds in the file of Cyrus SASL, with file and line."""

from pathlib import Path

import pytest
from tests.support.sasldb import sasldb
from tests.unit.service.check.test_configuration_check import faults

MAIN = "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = cyrus\n"


def told(path: Path, smtpd_conf: str | None, more: str = "") -> list[tuple[str, int, str, str]]:
    """(file, line, text, remedy)."""
    folder = path / "sasl"
    folder.mkdir(exist_ok=True)
    (folder / "smtpd.conf").unlink(missing_ok=True)
    if smtpd_conf is not None:
        (folder / "smtpd.conf").write_text(smtpd_conf)
    found = faults(path, f"{MAIN}cyrus_sasl_config_path = {folder}\n{more}")
    return [(Path(fault.file).name, fault.line, fault.text, fault.remedy) for fault in found]


@pytest.mark.parametrize(
    ("text", "line", "said", "remedy"),
    [
        ("# a\npwcheck_method: authdaemond\n", 2, "pwcheck_method authdaemond is not supported", "`pwcheck_method: saslauthd`"),
        ("pwcheck_method: auxprop\nauxprop_plugin: sql\n", 2, "auxprop_plugin sql is not supported", "sql:PATH` into main.cf"),
        ("auxprop_plugin: ldapdb\n", 1, "auxprop_plugin ldapdb is not supported", "ldap:NAME"),
    ],
)
def test_what_is_not_there_is_told_where_it_stands(tmp_path: Path, text: str, line: int, said: str, remedy: str) -> None:
    (fault,) = [one for one in told(tmp_path, text) if one[0] == "smtpd.conf"]
    assert fault[1:3] == (line, said)
    assert remedy in fault[3] and "AUTH is not offered" in fault[3]


def test_no_file_is_told_at_the_parameter_that_wants_it(tmp_path: Path) -> None:
    (fault,) = [one for one in told(tmp_path, None) if "Cyrus" in one[2]]
    assert fault[:3] == ("main.cf", 3, "there is no smtpd.conf for Cyrus SASL")


def test_nothing_is_wrong_with_saslauthd(tmp_path: Path) -> None:
    assert told(tmp_path, "pwcheck_method: saslauthd\nmech_list: plain login\n") == []


@pytest.mark.parametrize("more", ["smtpd_auth_backends = saslauthd", "smtpd_sasl_auth_enable = no", "smtpd_sasl_type = dovecot"])
def test_who_does_not_use_it_hears_nothing_of_it(tmp_path: Path, more: str) -> None:
    assert [one for one in told(tmp_path, "pwcheck_method: authdaemond\n", f"{more}\n") if one[0] == "smtpd.conf"] == []


def test_a_sasldb(tmp_path: Path) -> None:
    file = tmp_path / "sasldb2"
    wanted = f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {file}\n"
    assert [one[2] for one in told(tmp_path, wanted) if one[0] == "sasldb2"] == ["No such file or directory"]
    file.write_bytes(b"x" * 8192)
    (fault,) = [one for one in told(tmp_path, wanted) if one[0] == "sasldb2"]
    assert fault[2].startswith("this is no sasldb: no B-tree and no hash")
    file.write_bytes(sasldb({("anna", "a.test"): b"secret"}))
    file.chmod(0o644)
    assert [one for one in told(tmp_path, wanted) if one[0] == "sasldb2"] == []
