"""smtpd.conf of Cyrus SASL: where it is looked for, and what it says."""

from pathlib import Path

from gatepost.config.cyrus_sasl import CyrusOptions, folders, options, parse


def test_a_file() -> None:
    text = "# comment: yes\npwcheck_method: saslauthd\nmech_list: plain login\nsaslauthd_path:/x/mux\nnonsense\n"
    assert parse(text, "f") == CyrusOptions("f", ("saslauthd",), ("PLAIN", "LOGIN"), "/x/mux")
    assert parse("", "f") == CyrusOptions("f", ("auxprop",), (), "")


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    assert folders("", "/etc/gatepost")[:2] == ("/etc/gatepost/sasl", "/etc/postfix/sasl")
    assert folders("/a:/b", "/etc/gatepost") == ("/a", "/b")
    assert options("smtpd", [str(tmp_path)]) is None
    (tmp_path / "smtpd.conf").write_text("pwcheck_method: saslauthd\n")
    found = options("smtpd", ["/nowhere", str(tmp_path)])
    assert found is not None and found.pwcheck_method == ("saslauthd",)
