"""PAM by the agent, with real accounts of this machine (as root)."""

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from gatepost.auth.backends.pam import Pam
from gatepost.auth.port import Checker
from gatepost.deliver.privileged import RIGHT, WRONG, AgentClient, Answer, CheckPassword, Done, Failed
from tests.integration.system import System
from tests.integration.unix_accounts import EXPIRED, MEMBER, OUTSIDER, PASSWORDS, Accounts, tag, unix_accounts
from tests.support.checker_contract import ATTEMPT, PASSWORD, CheckerContract

Make = Callable[..., System]
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root: it makes accounts")
TAG = tag()


@pytest.fixture(scope="module")
def accounts() -> Iterator[Accounts]:
    with unix_accounts(TAG) as made:
        yield made


def _ask(gatepost: System, service: str, user: str, password: str) -> Answer:
    question = CheckPassword(service, user, password.encode(), "192.0.2.1", 30.0)
    return asyncio.run(AgentClient(str(gatepost.spool / "gatepost" / "agent"), 40.0).ask(question))


def _configured(system: Make, service: str, more: str = "") -> System:
    return system(f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = pam\nsmtpd_sasl_service = {service}\n{more}").start()


def test_who_is_in_the_group_and_has_the_password(system: Make, accounts: Accounts) -> None:
    gatepost = _configured(system, accounts.service)
    member, outsider, expired = (f"{name}{TAG}" for name in (MEMBER, OUTSIDER, EXPIRED))
    assert _ask(gatepost, accounts.service, member, PASSWORDS[MEMBER]) == Done(data=RIGHT)
    assert _ask(gatepost, accounts.service, member, PASSWORDS[OUTSIDER]) == Done(data=WRONG)
    assert _ask(gatepost, accounts.service, outsider, PASSWORDS[OUTSIDER]) == Done(data=WRONG)
    assert _ask(gatepost, accounts.service, expired, PASSWORDS[EXPIRED]) == Done(data=WRONG)
    assert _ask(gatepost, accounts.service, "nobody-of-that-name", "x") == Done(data=WRONG)
    assert _ask(gatepost, accounts.service, "root", "") == Done(data=WRONG)


def test_other_services_are_not_asked_about(system: Make, accounts: Accounts) -> None:
    """Whoever has taken a worker over could else try passwords where there is no group to be in."""
    gatepost = _configured(system, accounts.service)
    for service in ("login", "su", "other", f"../pam.d/{accounts.service}", f"{accounts.service}\0", ""):
        answer = _ask(gatepost, service, f"{MEMBER}{TAG}", PASSWORDS[MEMBER])
        assert isinstance(answer, Failed), service
        assert answer.enhanced == "4.3.5"
    gatepost.logged("postfix/agent[", "a worker asked for what the configuration has no use for: PAM service 'login'")


def test_without_pam_among_the_back_ends_nothing_is_asked(system: Make, accounts: Accounts) -> None:
    gatepost = system(
        f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = file:/nonexistent\nsmtpd_sasl_service = {accounts.service}\n"
    ).start()
    answer = _ask(gatepost, accounts.service, f"{MEMBER}{TAG}", PASSWORDS[MEMBER])
    assert isinstance(answer, Failed)
    assert answer.enhanced == "4.3.5"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("auth required pam_gatepost_no_such_module.so\naccount required pam_permit.so\n", "PAM: "),
        ("auth required pam_exec.so /bin/sleep 612.25\naccount required pam_permit.so\n", "no answer in time"),
    ],
)
def test_modules_that_are_missing_or_hang(system: Make, lines: str, why: str) -> None:
    service = f"gpt-odd-{TAG}"
    file = Path("/etc/pam.d") / service
    file.write_text(lines)
    try:
        gatepost = _configured(system, service)
        question = CheckPassword(service, "anna", b"x", "192.0.2.1", 3.0)
        answer = asyncio.run(AgentClient(str(gatepost.spool / "gatepost" / "agent"), 40.0).ask(question))
        assert isinstance(answer, Failed)
        assert why in answer.text
        assert answer.unseen
    finally:
        file.unlink()
    assert not _running("sleep 612.25")


def test_a_module_that_writes_to_standard_output_says_nothing(system: Make) -> None:
    service = f"gpt-loud-{TAG}"
    file = Path("/etc/pam.d") / service
    file.write_text(
        "auth requisite pam_exec.so stdout /bin/echo accepted\nauth requisite pam_deny.so\naccount required pam_permit.so\n"
    )
    try:
        gatepost = _configured(system, service)
        assert _ask(gatepost, service, "anna", "x") == Done(data=WRONG)
    finally:
        file.unlink()


class TestContract(CheckerContract):
    """Of a back end (tests/support/checker_contract.py)."""

    run = staticmethod(asyncio.run)
    user = f"{MEMBER}c{TAG}"

    @pytest.fixture(scope="class")
    @classmethod
    def gatepost(cls) -> Iterator[System]:
        with unix_accounts(f"c{TAG}", {MEMBER: PASSWORD.decode()}) as accounts:
            limits = "smtpd_auth_user_guess_limit = 0\nsmtpd_auth_client_guess_limit = 0\n"
            lines = f"smtpd_sasl_auth_enable = yes\nsmtpd_auth_backends = pam\nsmtpd_sasl_service = {accounts.service}\n{limits}"
            with System(lines) as gatepost:
                yield gatepost

    @pytest.fixture(autouse=True)
    def _site(self, gatepost: System, tmp_path: Path) -> None:
        self.folder, self.path = tmp_path, gatepost.spool / "gatepost" / "agent"
        self.attempt = replace(ATTEMPT, service=gatepost.main["smtpd_sasl_service"])

    @asynccontextmanager
    async def _at(self, path: Path, seconds: float = 30.0) -> AsyncIterator[Checker]:
        agent = AgentClient(str(path), seconds)

        async def ask(service: str, user: str, password: bytes, client: str) -> bool | str:
            answer = await agent.ask(CheckPassword(service, user, password, client, seconds))
            return answer.data == RIGHT if isinstance(answer, Done) else answer.text

        yield Pam(ask)
        await agent.close()

    def opened(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(self.path)

    def away(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(self.folder / "nobody")

    @asynccontextmanager
    async def _silent(self) -> AsyncIterator[Checker]:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / f"silent-{time.monotonic()}"))
            listener.listen()
            async with self._at(Path(listener.getsockname()), 1.0) as checker:
                yield checker

    def slow(self) -> AbstractAsyncContextManager[Checker]:
        return self._silent()


def _running(words: str) -> bool:
    return words in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
