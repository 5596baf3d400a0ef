"""Whose rights workers get to ask about users."""

import os
from pathlib import Path

import pytest

from gatepost.config.loading import load
from gatepost.service import login_groups as room
from gatepost.service.login_groups import login_groups

MASTER = "smtp inet n - n - - smtpd\n"
CYRUS = "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = cyrus\n"
GROUP = 12345


def groups(path: Path, main: str, conf: str, *, owner: int = 0, group: int = GROUP, mode: int = 0o710) -> frozenset[int]:
    """With this main.cf and smtpd.conf, a folder `mine` for saslauthd and a sasldb."""
    (path / "main.cf").write_text(f"mail_owner = nobody\nqueue_directory = {path}/spool\ncyrus_sasl_config_path = {path}\n{main}")
    (path / "master.cf").write_text(MASTER)
    (path / "smtpd.conf").write_text(conf.format(path=path))
    (path / "mine").mkdir(exist_ok=True)
    (path / "sasldb2").touch()
    for one in ("mine", "sasldb2"):
        os.chown(path / one, owner, group)
        (path / one).chmod(mode)
    return login_groups(load(path))


SASLAUTHD, SASLDB = "pwcheck_method: saslauthd\nsaslauthd_path: {path}/mine/mux\n", "sasldb_path: {path}/sasldb2\n"
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root: files of other groups")


@pytest.mark.parametrize(("conf", "mode"), [(SASLAUTHD, 0o710), (SASLAUTHD, 0o750), (SASLDB, 0o640), (SASLDB, 0o660)])
def test_the_group_that_may_what_others_may_not(tmp_path: Path, conf: str, mode: int) -> None:
    assert groups(tmp_path, CYRUS, conf, mode=mode) == {GROUP}


@pytest.mark.parametrize(
    ("conf", "mode"), [(SASLAUTHD, 0o711), (SASLAUTHD, 0o700), (SASLDB, 0o644), (SASLDB, 0o600), (SASLAUTHD, 0o712)]
)
def test_no_group_where_none_is_needed_or_none_helps(tmp_path: Path, conf: str, mode: int) -> None:
    assert groups(tmp_path, CYRUS, conf, mode=mode) == frozenset()


def test_never_roots_and_never_by_a_file_of_somebody_else(tmp_path: Path) -> None:
    assert groups(tmp_path, CYRUS, SASLAUTHD, group=0) == frozenset()
    assert groups(tmp_path, CYRUS, SASLAUTHD, owner=1000) == frozenset()


@pytest.mark.parametrize(
    "main", ["", "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n", f"{CYRUS}smtpd_auth_backends = pam\n"]
)
def test_who_does_not_ask_there_has_no_rights_there(tmp_path: Path, main: str) -> None:
    assert groups(tmp_path, main, SASLAUTHD) == frozenset()


def test_where_saslauthd_has_not_been_started_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.grp, "getgrnam", lambda name: room.grp.struct_group((name, "x", GROUP, [])))
    assert groups(tmp_path, CYRUS, "pwcheck_method: saslauthd\nsaslauthd_path: {path}/later/mux\n") == {GROUP}
