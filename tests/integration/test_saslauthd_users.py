"""`saslauthd` as a back end of log-ins, on Cyrus' own daemon: its users are those of sasldb, or those of PAM."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from msgspec.structs import replace

from gatepost.auth.backends.saslauthd import Saslauthd
from gatepost.auth.port import Checker
from gatepost.net.connect import SocketConnector
from gatepost.net.server_address import Server as Address
from gatepost.net.stream_client import Network, StreamClient
from gatepost.net.stream_port import AnswerLimit, BreakerRules, StreamRules, TimeLimits
from tests.integration.test_sasl import Server
from tests.integration.unix_accounts import MEMBER, tag, unix_accounts
from tests.support.checker_contract import ATTEMPT, PASSWORD, USER, CheckerContract
from tests.support.fake_dns import FakeDns

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root: it makes accounts")
TAG = f"s{tag()}"
REALM: Final = f"gatepost-{TAG}.test"
LIMIT: Final = 20.0
"""Seconds."""


class _Contract(CheckerContract):
    """Of a back end (tests/support/checker_contract.py); `realm`: of names that have none."""

    run = staticmethod(asyncio.run)
    realm = ""

    @pytest.fixture(autouse=True)
    def _site(self, server: Server, tmp_path: Path) -> None:
        self.server, self.folder = server, tmp_path

    @asynccontextmanager
    async def _at(self, path: Path) -> AsyncIterator[Checker]:
        network = Network(SocketConnector(), FakeDns(""), asyncio.get_running_loop().time, asyncio.sleep, lambda: 0.0)
        limits = TimeLimits(turn=LIMIT, connect=LIMIT, write=LIMIT, read=LIMIT, whole=LIMIT)
        rules = StreamRules(limits=limits, answer=AnswerLimit(65538), breaker=BreakerRules(0))
        client = StreamClient(Address("mux", path=str(path)), rules, network, lambda news: self.log.append(str(news)), "test")
        yield Saslauthd(lambda: client, self.realm, self.log.append)
        client.close()

    def opened(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(self.server.socket)

    def away(self) -> AbstractAsyncContextManager[Checker]:
        return self._at(self.folder / "nobody")

    def slow(self) -> None:
        return None  # tests/unit/auth/test_saslauthd.py: a daemon that is stopped has a line in front of it, which differs


def _daemon(mechanism: str) -> Iterator[Server]:
    with TemporaryDirectory(prefix="saslauthd-") as folder:
        one = Server(Path(folder), Path(folder) / "mux", "saslauthd", "-d", "-n", "2", "-m", folder, "-a", mechanism)
        yield one
        one.stop()


class TestUsersOfSasldb(_Contract):
    user = f"{USER}@{REALM}"

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        subprocess.run(["saslpasswd2", "-p", "-c", "-u", REALM, USER], input=PASSWORD, check=True)
        try:
            yield from _daemon("sasldb")
        finally:
            subprocess.run(["saslpasswd2", "-d", "-u", REALM, USER], check=True)


class TestUsersOfPam(_Contract):
    user = f"{MEMBER}{TAG}"
    attempt = replace(ATTEMPT, service=f"gpt-smtp-{TAG}")

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with unix_accounts(TAG, {MEMBER: PASSWORD.decode()}):
            yield from _daemon("pam")
