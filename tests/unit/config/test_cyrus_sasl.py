"""smtpd.conf of Cyrus SASL: where it is looked for, and what it says."""

from pathlib import Path

import pytest

from gatepost.config.cyrus_sasl import CyrusOptions, Source, Unsupported, folders, options, parse, source


def test_a_file() -> None:
    text = "# comment: yes\npwcheck_method: saslauthd\nmech_list: plain login\nsaslauthd_path:/x/mux\nnonsense\n"
    lines = {"pwcheck_method": 2, "mech_list": 3, "saslauthd_path": 4}
    assert parse(text, "f") == CyrusOptions("f", lines, ("saslauthd",), (), ("PLAIN", "LOGIN"), "/x/mux", "/etc/sasldb2")
    assert parse("", "f") == CyrusOptions("f", {}, ("auxprop",), (), (), "", "/etc/sasldb2")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("pwcheck_method: saslauthd\n", Source.SASLAUTHD),
        ("pwcheck_method: saslauthd auxprop\n", Source.SASLAUTHD),
        ("pwcheck_method: authdaemond auxprop\n", Source.SASLDB),
        ("pwcheck_method: AuxProp\nauxprop_plugin: sasldb\n", Source.SASLDB),
        ("pwcheck_method: auxprop\n", Source.SASLDB),
        ("", Source.SASLDB),
    ],
)
def test_who_knows_the_passwords(text: str, known: Source) -> None:
    assert source(parse(text, "f")) is known


@pytest.mark.parametrize(
    ("text", "line", "said", "remedy"),
    [
        ("\npwcheck_method: authdaemond\n", 2, "pwcheck_method authdaemond", "pwcheck_method: saslauthd"),
        ("auxprop_plugin: sql\n", 1, "auxprop_plugin sql", "smtpd_auth_backends = sql:PATH"),
        ("#\n#\nauxprop_plugin: ldapdb\n", 3, "auxprop_plugin ldapdb", "smtpd_auth_backends = ldap:NAME"),
        ("auxprop_plugin: other\n", 1, "auxprop_plugin other", "auxprop_plugin: sasldb"),
    ],
)
def test_what_is_not_there_is_named_with_its_line(text: str, line: int, said: str, remedy: str) -> None:
    with pytest.raises(Unsupported) as wanted:
        source(parse(text, "f"))
    assert (wanted.value.file, wanted.value.line, str(wanted.value)) == ("f", line, f"{said} is not supported")
    assert remedy in wanted.value.remedy


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    assert folders("", "/etc/gatepost")[:2] == ("/etc/gatepost/sasl", "/etc/postfix/sasl")
    assert folders("/a:/b", "/etc/gatepost") == ("/a", "/b")
    assert options("smtpd", [str(tmp_path)]) is None
    (tmp_path / "smtpd.conf").write_text("pwcheck_method: saslauthd\n")
    found = options("smtpd", ["/nowhere", str(tmp_path)])
    assert found is not None and found.pwcheck_method == ("saslauthd",)
