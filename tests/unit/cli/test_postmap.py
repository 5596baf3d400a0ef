"""postmap and postalias as commands: what they build, print and say, and how they end; facts recorded from Postfix 3.7."""

import io
import os
from pathlib import Path

import pytest

from gatepost.cli import postalias, postmap
from gatepost.cli.message_keys import message_keys
from gatepost.cli.progress import Progress


class Shell:
    """Runs a command in `directory` and gives (exit status, standard output, standard error)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *argv: str, stdin: str = "") -> tuple[int, str, str]:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape"))))
        status = {"postmap": postmap.main, "postalias": postalias.main}[argv[0]](argv)
        out, err = self._capsys.readouterr()
        return status, out, err


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path / "none"))  # so that nobody's mail log is written
    Path("t").write_text("a 1\na 2\nb 3\n")
    return Shell(monkeypatch, capsys)


def test_build_query_change(shell: Shell) -> None:
    assert shell("postmap", "hash:t") == (0, "", 'postmap: warning: t.lmdb: duplicate entry: "a"\n')
    assert shell("postmap", "-q", "A", "hash:t") == (0, "1\n", "")
    assert shell("postmap", "-w", "hash:t") == (0, "", "")
    assert shell("postmap", "-r", "hash:t") == (0, "", "")
    assert shell("postmap", "-q", "a", "hash:t") == (0, "2\n", "")
    assert shell("postmap", "-ir", "hash:t", stdin="c 5\na 9\n") == (0, "", "")
    assert shell("postmap", "-s", "hash:t") == (0, "a\t9\nb\t3\nc\t5\n", "")
    assert shell("postmap", "-d", "-", "hash:t", stdin="a\nzz\n") == (0, "", "")
    assert shell("postmap", "-d", "a", "hash:t") == (1, "", "")
    assert shell("postmap", "-q", "-", "hash:t", "inline:{q=1}", stdin="a\n\nq\n b\nb\n") == (0, "q\t1\nb\t3\n", "")


def test_what_the_built_file_allows(shell: Shell) -> None:
    os.chmod("t", 0o640)
    shell("postmap", "-w", "hash:t")
    assert os.stat("t.lmdb").st_mode & 0o777 == 0o640
    shell("postmap", "-wp", "hash:t")
    assert os.stat("t.lmdb").st_mode & 0o777 == 0o644
    assert sorted(os.listdir()) == ["t", "t.lmdb"]


def test_files_as_values(shell: Shell) -> None:
    Path("one").write_text("first")
    Path("f").write_text("a one, one\nb none\n")
    missing = "postmap: warning: f, line 2: open none: No such file or directory: skipping this entry\n"
    assert shell("postmap", "-F", "hash:f") == (0, "", missing)
    assert shell("postmap", "-F", "-q", "a", "hash:f") == (0, "first\nfirst\n", "")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("-q", "a", "foo:bar"), "fatal: unsupported dictionary type: foo"),
        (("foo:bar",), "fatal: open bar: No such file or directory"),
        (("regexp:t",), "fatal: unsupported dictionary type: regexp does not support bulk-mode creation."),
        (("-q", "a", "-s", "hash:t"), "fatal: specify only one of -s -q or -d"),
        (("-h", "-q", "a", "hash:t"), 'fatal: specify -b -h or -m only with "-q -"'),
        (("-d", "x", "texthash:t"), "fatal: texthash:t map requires O_RDONLY access mode"),
        (("-q", "a", "fail:x"), "fatal: table fail:x: query error: Application error"),
        (("-s", "static:x"), "fatal: table static:x: sequence operation is not supported"),
        (("-q", "a", "static:"), 'fatal: open dictionary: expecting "type:name" form instead of "static:"'),
    ],
)
def test_fatal(shell: Shell, argv: tuple[str, ...], said: str) -> None:
    assert shell("postmap", *argv) == (1, "", f"postmap: {said}\n")


def test_options(shell: Shell) -> None:
    usage = "postmap: fatal: usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...\n"
    assert shell("postmap") == (1, "", usage)
    assert shell("postmap", "-Z") == (1, "", f"postmap: invalid option -- 'Z'\n{usage}")
    assert shell("postmap", "-q") == (1, "", f"postmap: option requires an argument -- 'q'\n{usage}")


def test_aliases(shell: Shell) -> None:
    Path("al").write_text("root: joe\nlist: a,\n b\nnone\n")
    assert shell("postalias", "hash:al") == (0, "", "postalias: warning: al, line 4: need name:value pair\n")
    assert shell("postalias", "-q", "-", "hash:al", stdin="LIST\n") == (0, "LIST:\ta, b\n", "")


MESSAGE = [
    "Subject: bad", " thing", "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/plain; x=bad", "",
    "t bad", "--b", "Content-Type: message/rfc822", "", "To: x", "", "inner", "--b--", "after",
]  # fmt: skip


def keys(*, headers: bool = False, body: bool = False, mime: bool = False) -> list[str]:
    return list(message_keys(MESSAGE, headers=headers, body=body, mime=mime))


def test_message_keys() -> None:
    first = ["Subject: bad\n thing", "Content-Type: multipart/mixed; boundary=b"]
    assert keys(headers=True) == first
    assert keys(body=True) == MESSAGE[3:]
    assert keys(headers=True, mime=True) == [*first, "Content-Type: text/plain; x=bad", "Content-Type: message/rfc822", "To: x"]
    assert "Content-Type: text/plain; x=bad" not in keys(body=True, mime=True)
    assert {"t bad", "inner", "after"} <= set(keys(body=True, mime=True))


def test_nothing_at_all_is_a_key_for_patterns_only(shell: Shell) -> None:
    assert shell("postmap", "-q", "", "inline:{a=b}", "static:x") == (0, "x\n", "")
    assert shell("postmap", "-q", "", "inline:{a=b}") == (1, "", "")
    assert shell("postmap", "-q", "-", "static:x", stdin="a\n\n") == (0, "a\tx\n\tx\n", "")


def test_the_mail_log_hears_of_it_too(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    log = tmp_path / "log"
    (folder / "main.cf").write_text(f"maillog_file = {log}\nmaillog_file_prefixes = {tmp_path}\n")
    fatal = 'proxymap service is not configured for table "hash:t"'
    assert shell("postmap", "-c", str(folder), "-q", "a", "proxy:hash:t") == (1, "", f"postmap: fatal: {fatal}\n")
    shell("postmap", "-c", str(folder), "hash:t")
    assert [line.partition("]: ")[0].partition("postfix/")[2].partition("[")[0] for line in log.read_text().splitlines()] == [
        "proxymap", "proxymap", "postmap", "postmap",
    ]  # fmt: skip
    assert f"fatal: {fatal}" in log.read_text()
    assert 'warning: t.lmdb: duplicate entry: "a"' in log.read_text()


def test_many_entries_are_built_piece_by_piece(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gatepost.lookup.sorted_runs._PIECE", 100)
    monkeypatch.setattr("gatepost.lookup.source_blocks._BLOCK", 1000)
    (tmp_path / "t").write_text("".join(f"K{n * 7 % 1000} v{n}\n" for n in range(1000)) + 'k3 again\n"odd key" x\n')
    assert shell("postmap", "hash:t") == (0, "", 'postmap: warning: t.lmdb: duplicate entry: "k3"\n')
    assert shell("postmap", "-q", "-", "hash:t", stdin='k7\nk999\n"odd key"\n')[1] == 'k7\tv1\nk999\tv857\n"odd key"\tx\n'
    assert shell("postmap", "-i", "-r", "hash:t", stdin="k7 other\nnew y\n") == (0, "", "")
    assert shell("postmap", "-d", "k999", "hash:t") == (0, "", "")
    listed = shell("postmap", "-s", "hash:t")[1].splitlines()
    assert len(listed) == 1001 and listed == sorted(listed) and "k7\tother" in listed
    assert not [name for name in os.listdir(tmp_path) if "lmdb." in name]


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, told in {True: "\rpostmap: reading\rpostmap: all is read; writing the table\n", False: ""}.items():
        said = io.StringIO()
        monkeypatch.setattr(said, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr("sys.stderr", said)
        monkeypatch.setattr("gatepost.cli.progress._PATIENCE", 0.0)
        progress = Progress("postmap", io.BytesIO(b"x"))
        progress.show()
        progress.end()
        assert said.getvalue() == told
