"""The maildrop: what was left is what is found, and nothing else passes for it."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.mail.envelope import Recipient
from gatepost.receive import maildrop

# What an argument of a command can be: any octets but NUL, those that are not UTF-8 as surrogate escapes.
_OCTETS = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
_RECIPIENTS = st.lists(st.builds(Recipient, _OCTETS, _OCTETS, _OCTETS, st.integers(0, 15)), max_size=4).map(tuple)
_SUBMISSIONS = st.builds(
    maildrop.Submission,
    sender=_OCTETS,
    recipients=_RECIPIENTS,
    fullname=_OCTETS,
    encoding=st.sampled_from(["", "7bit", "8bit"]),
    envid=_OCTETS,
    ret=st.sampled_from(["", "FULL", "HDRS"]),
    verp=st.sampled_from(["", "+="]),
    trace=st.sampled_from(["", "deliver", "verify"]),
    smtputf8=st.booleans(),
)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> pytest.TempPathFactory:
    return tmp_path_factory


@given(_SUBMISSIONS, st.lists(st.binary(max_size=100), max_size=4))
def test_what_is_left_is_found(
    tmp_path_factory: pytest.TempPathFactory, submission: maildrop.Submission, chunks: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("maildrop")
    maildrop.write(folder, submission, chunks)
    [path] = maildrop.waiting(folder)
    with maildrop.opened(path) as waiting:
        assert waiting.submission == submission
        assert b"".join(waiting.chunks()) == b"".join(chunks)
        assert waiting.uid == os.getuid()


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    paths = [maildrop.write(tmp_path, maildrop.Submission(f"s{number}"), []) for number in range(3)]
    for age, path in zip((5, 30, 10), paths, strict=True):
        os.utime(path, (1000 - age, 1000 - age))
    assert maildrop.waiting(tmp_path) == [paths[1], paths[2], paths[0]]


def test_a_message_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def content() -> "list[bytes]":
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError):
        maildrop.write(tmp_path, maildrop.Submission("s"), (chunk for _ in [0] for chunk in content()))
    assert list(tmp_path.iterdir()) == []


def test_an_incomplete_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "0123456789abcdef").write_bytes(b'{"sender": "s"}\n')
    assert maildrop.waiting(tmp_path) == []


UTF_16 = b"\0{\0}\n"
"""What json would decode with a codec that it has to import: after privileges are gone that may fail, and must not be tried."""


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}\n", b"[1]\n", b"\xff\n", b"[" * 100_000 + b"\n", b'{"sender": 1}\n', UTF_16, b"\xff\xfe" + UTF_16]
)
def test_garbage_is_damaged(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.msg"
    path.write_bytes(line)
    with pytest.raises(maildrop.Damaged), maildrop.opened(path):
        pass


def test_nobody_has_others_files_read(tmp_path: Path) -> None:
    """Links and pipes in a folder that anybody may write to lead pickup nowhere."""
    secret = tmp_path / "secret"
    secret.write_bytes(b'{"sender": "s"}\nsecret\n')
    folder = tmp_path / "maildrop"
    folder.mkdir()
    (folder / "symbolic.msg").symlink_to(secret)
    (folder / "hard.msg").hardlink_to(secret)
    os.mkfifo(folder / "pipe.msg")
    (folder / "folder.msg").mkdir()
    for path in maildrop.waiting(folder):
        with pytest.raises(maildrop.Damaged), maildrop.opened(path):
            pass


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"sender":"\\ud800@x.test"}', "surrogate"),
        ('{"sender":"a@b.test","recipients":[["\\udbff@x.test"]]}', "surrogate"),
        ('{"sender":"a@b.test","fullname":"\\udc0a"}', "surrogate"),
        ('{"sender":"a@b.test","unknown":"\\ud800"}', "surrogate"),
        ('{"sender":"a\\u0000@b.test"}', "NUL"),
        ('{"sender":"a@b.test","recipients":[["c@d.test","","rfc822;\\u0000"]]}', "NUL"),
        ('{"sender":"a@b.test","ret":"FULL\\r\\nRSET"}', "ret"),
        ('{"sender":"a@b.test","encoding":"binary"}', "encoding"),
        ('{"sender":"a@b.test","trace":"x"}', "trace"),
        ('{"sender":"a@b.test","recipients":[["c@d.test","","",16]]}', "notify"),
        ('{"sender":"a@b.test","recipients":[["c@d.test","","",-1]]}', "notify"),
        ('{"sender":"a@b.test","recipients":[["c@d.test","","",99999999999999999999999]]}', "notify"),
        ('{"sender":"é"}', "ascii"),
        ("[" * 100_000, "deep"),
        ("[" + "9" * 5000 + "]", "digits"),
        ("", "Expecting value"),
    ],
)
def test_what_is_no_submission_is_damaged(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "x.msg"
    path.write_bytes(line.encode() + b"\n")
    with pytest.raises(maildrop.Damaged, match=why), maildrop.opened(path):
        pass


def test_pairs_of_surrogates_and_octets_are_text(tmp_path: Path) -> None:
    path = tmp_path / "x.msg"
    path.write_bytes(b'{"sender":"\\ud83d\\ude00\\udce9@x.test"}\n')
    with maildrop.opened(path) as waiting:
        assert waiting.submission.sender == "\U0001f600\udce9@x.test"


def test_an_envelope_without_end_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maildrop, "LONGEST_ENVELOPE", 100)
    path = tmp_path / "x.msg"
    path.write_bytes(b" " * 101)
    with pytest.raises(maildrop.Damaged, match="too long"), maildrop.opened(path):
        pass


def test_a_content_that_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    path = maildrop.write(tmp_path, maildrop.Submission("a@b.test"), [b"x"])

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with maildrop.opened(path) as waiting, pytest.raises(maildrop.Damaged, match="Input/output error"):
        list(maildrop.Waiting(Broken(), waiting.submission, 0, 0.0).chunks())


def test_users_take_turns() -> None:
    """However many files one has, and however old they claim to be; each user's own come oldest first."""
    flood = [(0, f"flood{number:04}") for number in range(5000)]
    order = maildrop.in_turn({1: flood, 2: [(9, "late"), (8, "early")], 3: []})
    assert order[:5] == ["flood0000", "early", "flood0001", "late", "flood0002"]
    assert len(order) == maildrop.AT_ONCE + 2


def test_what_is_put_off_holds_up_nothing_of_the_same_user(tmp_path: Path) -> None:
    for number in range(maildrop.AT_ONCE + 1):
        (path := tmp_path / f"{number}.msg").touch()
        os.utime(path, (number, number))
    put_off = {str(tmp_path / f"{number}.msg") for number in range(maildrop.AT_ONCE)}
    assert maildrop.waiting(tmp_path, put_off) == [path]
