"""posttls-finger: options that cannot be understood."""

from pathlib import Path

import pytest

from gatepost.cli.posttls_finger import main


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-a ipv5", "bad '-a' option value: ipv5"),
        ("-t soon", "bad time value or unit"),
        ("-l loud", 'invalid tls security level: "loud"'),
        ("-l dane", "level dane cannot be shown, these can: may, encrypt, fingerprint, verify, secure"),
        ("-o smtp_tls_ciphers", "-o smtp_tls_ciphers: a name=value is needed"),
    ],
)
def test_options_of_no_sense(
    options: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("main.cf", "master.cf"):
        (tmp_path / name).write_text("")
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    assert main(["posttls-finger", *options.split(), "[127.0.0.1]:1"]) == 1
    assert capsys.readouterr() == ("", f"posttls-finger: fatal: {told}\n")
