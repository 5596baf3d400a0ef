"""What the agent makes of questions for PAM, without one."""

import os
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatepost.config.loading import load
from gatepost.deliver.privileged import RIGHT, WRONG, Answer, Asked, CheckPassword, Done, Failed, encode, requests
from gatepost.service.agent import pam, pam_attempt
from gatepost.service.agent.pam import PamDesk
from gatepost.service.agent.pam_grants import PamGrant, pam_grant

GRANT = PamGrant(frozenset(("smtp",)), 2)


def _question(
    user: str = "anna", password: bytes = b"secret", client: str = "192.0.2.1", time_limit: float = 30.0
) -> CheckPassword:
    return CheckPassword("smtp", user, password, client, time_limit)


def _attempts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> PamDesk:
    """A desk whose process does this in the place of asking PAM."""
    script = tmp_path / "attempt.py"
    script.write_text(f"import os, sys, time\nfields = sys.stdin.buffer.read().split(b'\\0')\n{body}\n")
    monkeypatch.setattr(pam_attempt, "__file__", str(script))
    return PamDesk(GRANT)


def _answer(desk: PamDesk, question: CheckPassword | None = None) -> Answer:
    return desk.answer(question or _question(), time.monotonic() + 60)


def test_words_are_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    desk = _attempts(
        monkeypatch, tmp_path, f"print('accepted' if fields[:4] == {[b'smtp', b'anna', b'secret', b'192.0.2.1']} else 'x', end='')"
    )
    assert _answer(desk) == Done(data=RIGHT)
    assert isinstance(_answer(desk, _question("ben")), Failed)
    desk = _attempts(monkeypatch, tmp_path, "print('refused', end='')")
    assert _answer(desk) == Done(data=WRONG)


@pytest.mark.parametrize(
    "body",
    [
        "",  # a module has ended the process, and its status says success
        "os._exit(0)",
        "print('accepted', end='', flush=True); os._exit(1)",
        "print('accepted', end='', flush=True); os.kill(os.getpid(), 11)",
        "print('accepted ', end='x')",
        "print('acceptedaccepted')",
        "print('unavailable no such service', end='')",
        "print('x' * 1000000)",
        "raise SystemExit(3)",
    ],
)
def test_nothing_else_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    answer = _answer(_attempts(monkeypatch, tmp_path, body))
    assert isinstance(answer, Failed)
    assert answer.unseen
    assert "secret" not in answer.text


def test_one_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    answer = _answer(_attempts(monkeypatch, tmp_path, body), _question(time_limit=1.0))
    assert answer == Failed("4.3.0", "PAM: no answer in time", unseen=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_nothing_of_it_is_to_be_seen_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = """seen = open('/proc/self/cmdline').read() + open('/proc/self/environ').read()
print('refused' if 'secret' not in seen else 'x', end='')"""
    assert _answer(_attempts(monkeypatch, tmp_path, body)) == Done(data=WRONG)


@pytest.mark.parametrize("user", ["", "a\0b", "a\nb", "a\rb", "a" * 256, "\udcff", "\x1b[2J"])
def test_hostile_names_do_not_reach_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str) -> None:
    desk = _attempts(monkeypatch, tmp_path, "print('accepted', end='')")
    assert _answer(desk, _question(user)) == Done(data=WRONG)


@pytest.mark.parametrize("password", [b"", b"a\0b", b"a" * 512])
def test_nor_do_hostile_passwords(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: bytes) -> None:
    desk = _attempts(monkeypatch, tmp_path, "print('accepted', end='')")
    assert _answer(desk, _question(password=password)) == Done(data=WRONG)


def test_only_services_of_the_configuration() -> None:
    desk = PamDesk(GRANT)
    assert desk.may(_question())
    assert not desk.may(CheckPassword("sshd", "root", b"x", "", 1.0))
    assert not PamDesk(PamGrant()).may(_question())


def test_the_password_is_in_no_text() -> None:
    question = _question(password=b"topsecret")
    assert "topsecret" not in repr(question)
    assert "topsecret" not in repr(Asked(question, 1.0))
    assert requests.decode(encode(Asked(question, 1.0))).request == question


def test_the_script_stands_alone() -> None:
    """It is run without site packages, and so may import nothing of ours."""
    assert pam.pam_attempt is pam_attempt
    text = Path(pam_attempt.__file__).read_text()
    modules = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert modules <= sys.stdlib_module_names


def test_a_kernel_that_lists_no_children_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", fails)
    pam_attempt._end_children()


def test_a_taken_worker_guesses_no_more_than_this(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _attempts(monkeypatch, tmp_path, "print('accepted' if fields[2] == b'right' else 'refused', end='')")
    desk = PamDesk(replace(GRANT, guesses=2))
    assert _answer(desk, _question(password=b"right")) == Done(data=RIGHT)
    assert [_answer(desk, _question(password=b"%d" % number)) for number in range(2)] == [Done(data=WRONG)] * 2
    turned = _answer(desk, _question(password=b"right"))
    assert isinstance(turned, Failed) and "too many wrong passwords of this user" in turned.text


@pytest.mark.parametrize(
    ("main", "options", "services"),
    [
        ("", "", []),
        ("smtpd_auth_backends = pam\n", "", []),
        ("smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = file:/x\n", "", []),
        ("smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = file:/x, pam\n", "", ["smtp"]),
        (
            "smtpd_auth_backends = pam\nsmtpd_sasl_service = mx\n",
            "-o smtpd_sasl_auth_enable=yes -o smtpd_sasl_service=mail",
            ["mail"],
        ),
    ],
)
def test_services_that_let_nobody_log_in_have_no_use_for_pam(tmp_path: Path, main: str, options: str, services: list[str]) -> None:
    (tmp_path / "main.cf").write_text(main)
    (tmp_path / "master.cf").write_text(
        f"smtp inet n - n - - smtpd\n587 inet n - n - - smtpd {options}\n25 inet n - n - 1 postscreen\n"
    )
    assert pam_grant(load(tmp_path)).services == set(services)
