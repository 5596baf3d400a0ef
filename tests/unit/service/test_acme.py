"""The process of ACME, but for its network: what becomes of attempts, what is kept, and what `gatepost check` says."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.support.acme_authority import NOW, issued

from gatepost.acme import certificate
from gatepost.acme.port import AcmeFailure
from gatepost.acme.renewal import Attempts
from gatepost.config.loading import load
from gatepost.events.records import Event, Note
from gatepost.service.acme import folder, keeper
from gatepost.service.acme.folder import ATTEMPTS, CHAIN, Kept
from gatepost.service.acme.keeper import Listen, Store
from gatepost.service.acme.renewals import LOOK, Renewals, Wanted
from gatepost.service.check.acme import check_acme
from gatepost.service.master.listeners import Address

KEY = certificate.make_key("ecdsa")
DAY = 86400.0
WANTED = Wanted(("mx.test",), "https://ca.test/directory", "digest")


def content(begins: float = NOW) -> bytes:
    return certificate.chain_file(KEY, issued(KEY.public_key(), ["mx.test"], begins), ["mx.test"], begins)


class Scene:
    """Renewals with a clock, an authority and files of the test's own."""

    def __init__(self, kept: Kept = Kept()) -> None:
        self.now = NOW
        self.answer: Callable[[], bytes] = content
        self.files: dict[str, bytes] = {}
        self.full = False
        self.told: list[Event] = []
        self.faults: list[BaseException] = []
        self.attempts = 0
        self.renewals = Renewals(
            WANTED, kept, self.obtain, self.store, self.told.append, lambda error, _: self.faults.append(error),
            clock=lambda: self.now, chance=lambda: 0.0,
        )  # fmt: skip

    async def obtain(self) -> bytes:
        self.attempts += 1
        assert self.tried().failures, "what is about to be tried is written down before"
        return self.answer()

    async def store(self, name: str, content: bytes) -> None:
        if self.full and name == CHAIN:
            raise OSError(28, "No space left on device")
        self.files[name] = content

    def step(self) -> float:
        return asyncio.run(self.renewals.step())

    def tried(self) -> Attempts:
        return msgspec.json.decode(self.files[ATTEMPTS], type=Attempts)

    def last(self) -> str:
        note = self.told[-1]
        assert isinstance(note, Note) and note.service == "acme"
        return note.text


def failing(error: BaseException) -> Callable[[], bytes]:
    def answer() -> bytes:
        raise error

    return answer


def test_the_first_one_and_the_next() -> None:
    scene = Scene()
    wait = scene.step()
    assert scene.files[CHAIN].startswith(b"-----BEGIN PRIVATE KEY") and scene.tried() == Attempts(
        "digest", next=NOW + 600, directory=WANTED.directory
    )
    assert "a certificate for mx.test was issued, valid until 2027-04-15 08:00 UTC" in scene.last()
    assert 57 * DAY <= wait <= 60 * DAY
    scene.now += wait - 1
    assert scene.step() == pytest.approx(1, abs=0.1) and scene.attempts == 1
    scene.now += 2
    scene.answer = lambda: content(scene.now)
    scene.step()
    assert scene.attempts == 2


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (AcmeFailure("ca.test: refused"), "ca.test: refused"),
        (TimeoutError(), "it took longer than 1200 seconds"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("a fault"), "a fault of Gatepost's own"),
    ],
)
def test_a_failure_leaves_what_there_is(error: BaseException, why: str) -> None:
    scene = Scene(Kept(certificate=certificate.read(content(NOW - 61 * DAY))))
    scene.answer = failing(error)
    assert scene.step() == 600
    assert CHAIN not in scene.files and why in scene.tried().error
    assert f"{why}" in scene.last() and "the one from before is still used, valid until" in scene.last()
    assert len(scene.faults) == isinstance(error, RuntimeError)
    scene.now += 601
    assert scene.step() == 1200


def test_the_authority_s_wait_is_kept() -> None:
    scene = Scene()
    scene.answer = failing(AcmeFailure("rateLimited", 7200))
    assert scene.step() == 7200 and "there is none yet" in scene.last()


def test_a_full_disk_is_a_failure() -> None:
    scene = Scene()
    scene.full = True
    assert scene.step() == 600 and "No space left" in scene.last()


def test_a_restart_does_not_try_at_once_what_has_failed() -> None:
    scene = Scene()
    scene.answer = failing(AcmeFailure("no"))
    scene.step()
    again = Scene(Kept(attempts=scene.tried()))
    assert again.step() == 600 and again.attempts == 0


def test_whoever_asks_has_another_at_once() -> None:
    scene = Scene(Kept(certificate=certificate.read(content())))
    assert asyncio.run(scene.renewals.renew()).issued and scene.attempts == 1
    scene.answer = failing(AcmeFailure("no"))
    outcome = asyncio.run(scene.renewals.renew())
    assert not outcome.issued and outcome.text == scene.last()


def test_certificates_that_are_due_as_they_come_are_not_asked_for_without_end() -> None:
    scene = Scene()
    scene.answer = lambda: content(NOW - 80 * DAY)
    assert scene.step() == 600 and scene.attempts == 1
    scene.now += 300
    assert scene.step() == 300 and scene.attempts == 1
    again = Scene(Kept(certificate=certificate.read(content(NOW - 80 * DAY)), attempts=scene.tried()))
    assert again.step() == 600 and again.attempts == 0, "nor after a restart"


def test_it_looks_once_an_hour_at_least() -> None:
    scene, pauses = Scene(), []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(scene.renewals.run(pause))
    assert pauses == [LOOK] * 3


def test_a_reload_lets_what_is_under_way_come_to_its_end() -> None:
    scene = Scene()
    order: list[str] = []

    async def run() -> None:
        going_on = asyncio.Event()

        async def obtain() -> bytes:
            going_on.set()
            for _ in range(5):
                await asyncio.sleep(0)
            order.append("issued")
            return content()

        scene.renewals._obtain = obtain
        attempt = asyncio.create_task(scene.renewals.step())
        await going_on.wait()
        await scene.renewals.finish()
        order.append("finished")
        await attempt
        scene.now += 70 * DAY
        await scene.renewals.step()

    asyncio.run(run())
    assert order == ["issued", "finished"], "and nothing is begun after that"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    (tmp_path / "acme").mkdir(0o700)
    return tmp_path


def stored(place: Path, *requests: bytes) -> list[bytes]:
    """What the half with rights answers."""
    descriptor = os.open(place / "acme", os.O_RDONLY)
    answers = [keeper._answer(request, descriptor, [Address("127.0.0.1", 0)]) for request in requests]
    os.close(descriptor)
    for _, sockets in answers:
        for one in sockets:
            one.close()
    return [told for told, _ in answers]


def request(asked: Store | Listen) -> bytes:
    return msgspec.msgpack.encode(asked)


def test_the_half_with_rights_stores_its_files_and_no_others(kept: Path) -> None:
    assert stored(kept, request(Store(CHAIN, b"first")), request(Store(CHAIN, content())), request(Listen())) == [b"ok"] * 3
    assert (kept / "acme" / CHAIN).stat().st_mode & 0o777 == 0o600
    found = folder.read(str(kept))
    assert found.certificate and found.certificate.domains == {"mx.test"} and found.attempts == Attempts()
    bad = [Store("../x", b""), Store("other.pem", b""), Store(CHAIN, b"x" * 200_000)]
    told = stored(kept, *map(request, bad), b"rubbish", b"\x81")
    assert b"ok" not in told and len(told) == 5
    assert [file.name for file in (kept / "acme").iterdir()] == [CHAIN]


def test_an_answer_that_comes_too_late_is_not_the_next_one_s() -> None:
    """As of a disk that stalled: the descriptors that come with it are closed, else the port would be bound for ever."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        asking = keeper.Keeper(ours, patience=0.01)
        with pytest.raises(OSError, match="does not answer"):
            asking.listen()
        socket.send_fds(theirs, [b"ok"], [listener.fileno()])
        theirs.send(b"No space left on device")
        before = os.listdir("/proc/self/fd")
        with pytest.raises(OSError, match="No space left"):
            asking.store(CHAIN, b"")
        assert os.listdir("/proc/self/fd") == before


def test_no_link_is_followed(kept: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    (kept / "acme" / f".{CHAIN}.new").symlink_to(target)
    (kept / "acme" / CHAIN).symlink_to(target)
    assert stored(kept, request(Store(CHAIN, b"x"))) == [b"ok"]
    assert target.read_text() == "mine" and not (kept / "acme" / CHAIN).is_symlink()


def test_what_was_tried_does_nothing_to_a_terminal(kept: Path) -> None:
    (kept / "acme" / ATTEMPTS).write_bytes(msgspec.json.encode(Attempts("digest", 1, NOW, "no\x1b[2J" + "!" * 100_000)))
    error = folder.read(str(kept)).attempts.error
    assert error.startswith("no?[2J!") and len(error) == 1000


@pytest.mark.parametrize(
    "content", ["{", '{"failures": -9}', '{"failures": 1e99}', '{"next": 1e300}', '{"next": -1}', '{"x":' + "[" * 100_000]
)
def test_damaged_attempts_are_forgotten(kept: Path, content: str) -> None:
    (kept / "acme" / ATTEMPTS).write_text(content)
    assert folder.read(str(kept)) == Kept()


def checked(path: Path, main: str) -> list[str]:
    (path / "main.cf").write_text(f"compatibility_level = 3.6\nmyhostname = mx.example.test\nqueue_directory = {path}\n{main}")
    (path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    return [f"{fault.line} {fault.text}" for fault in check_acme(load(path))]


_GOOD = "acme_directory_url = https://ca.test/directory\nsmtpd_tls_chain_files = $queue_directory/acme/chain.pem\n"


def test_check_finds_nothing_where_nothing_is_wrong(tmp_path: Path) -> None:
    assert checked(tmp_path, "") == []
    assert checked(tmp_path, _GOOD) == []
    assert checked(tmp_path, _GOOD + "acme_domains = mail.exämple.test, $myhostname\n") == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("acme_directory_url = http://ca.test/\n", "6 http://ca.test/: https is needed"),
        ("acme_directory_url = ca.test\n", "6 ca.test: not a URL"),
        ("acme_domains = *.example.test\n", "6 acme_domains: no host name: *.example.test"),
        ("acme_domains = localhost\n", "6 acme_domains: no host name: localhost"),
        ("acme_domains = 192.0.2.1\n", "6 acme_domains: no host name: 192.0.2.1"),
        ("acme_domains =\n", "6 acme_domains: 0 domains"),
        ("acme_http_listen = nowhere\n", "6 no such service: nowhere"),
        ("acme_challenge = tls-alpn-01\nacme_tls_alpn_listen = no.invalid:443\n", "7 host not found: no.invalid"),
        ("acme_eab_key_id = k\n", "6 acme_eab_key_id and acme_eab_key_file go together"),
        ("smtpd_tls_chain_files = /etc/ssl/other.pem\n", "4 the certificate that comes by ACME is shown by no service"),
    ],
)
def test_check_names_what_is_wrong(tmp_path: Path, more: str, told: str) -> None:
    found = checked(tmp_path, _GOOD + more)
    assert len(found) == 1 and told in found[0], found


def test_check_tells_of_the_last_failure(kept: Path) -> None:
    (kept / "acme" / ATTEMPTS).write_bytes(msgspec.json.encode(Attempts("digest", 3, NOW, "mx.test is invalid")))
    assert checked(kept, _GOOD) == ["4 no certificate came by ACME, 3 times in a row: mx.test is invalid"]
