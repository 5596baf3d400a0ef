"""Conditions, files that include others, and what a file cannot do."""

from pathlib import Path

import pytest
from rule_files import ruleset

from gatepost.filter.rules import reading
from gatepost.filter.rules.reading import installed, read


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("if (version >= 3.004002)", True),
        ("if (version < 4.000000)", False),
        ("if version > 3.004001 && perl_version >= 5.018000", True),
        ("if !((version >= 3.004000))", False),
        ("ifplugin Mail::SpamAssassin::Plugin::BodyEval", True),
        ("ifplugin Mail::SpamAssassin::Plugin::Pyzor", False),
        ("if plugin ( Mail::SpamAssassin::Plugin::Check )", True),
        ("if !plugin(Mail::SpamAssassin::Plugin::FreeMail)", True),
        ("if can(Mail::SpamAssassin::Conf::feature_bug6558_free)", True),
        ("if can(Mail::SpamAssassin::Conf::feature_of_tomorrow)", False),
        ("if has(Mail::SpamAssassin::Plugin::BodyEval::has_check_body_length)", True),
        ("if can(Mail::SpamAssassin::Plugin::FreeMail::check_freemail_from)", False),
        ("if can(Mail::SpamAssassin::Conf::compat_some_word)", True),
        ("if can(Mail::SpamAssassin::Conf::compat_other_word)", False),
        ("if local_tests_only", False),
        ("if (1 / 2) == 0.5", True),
    ],
)
def test_a_condition(condition: str, holds: bool) -> None:
    rules = ruleset(f"enable_compat some_word\n{condition}\nif 1\nbody YES /x/\nendif\nelse\nbody NO /x/\nendif\n")
    assert not rules.faults
    assert list(rules.rules) == ["YES" if holds else "NO"]


@pytest.mark.parametrize("condition", ["if foo", "if (version =~ /4/)", "if 1 / 0", "if `id`", "if system(id)", "if"])
def test_what_is_no_condition_is_a_fault_and_false(condition: str) -> None:
    rules = ruleset(f"{condition}\nbody A /x/\nendif\nbody B /x/")
    assert [fault.where for fault in rules.faults] == ["/rules/b.cf:1"]
    assert list(rules.rules) == ["B"]


def test_a_missing_endif_ends_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.cf").write_text("if 0\nbody A /x/\n")
    (tmp_path / "b.cf").write_text("body B /x/\nrequire_version 3.0\nbody C /x/\n")
    rules = read([tmp_path])
    assert list(rules.rules) == ["B"]
    assert [fault.where for fault in rules.faults] == [f"{tmp_path}/a.cf", f"{tmp_path}/b.cf:2"]


def test_files_are_read_in_the_order_of_spamassassin(tmp_path: Path) -> None:
    """All .pre first, then the folders one after the other; files of other names only where they are included."""
    rules, site = tmp_path / "rules", tmp_path / "site"
    for folder in (rules, site):
        folder.mkdir()
    (rules / "20_b.cf").write_text("mimeheader R X =~ /a/\nscore R 1\n")
    (rules / "10_a.cf").write_text("score R 2\n")
    (site / "init.pre").write_text("loadplugin Mail::SpamAssassin::Plugin::MIMEHeader\n")
    (site / "local.cf").write_text("include more.txt\n")
    (site / "more.txt").write_text("score R 3\ndescribe R from more\n")
    found = read([rules, site])
    assert not found.faults
    assert (found.rules["R"].scores, found.rules["R"].description) == ((3.0,) * 4, "from more")


def test_what_sa_update_fetched_is_read_instead(tmp_path: Path) -> None:
    rules, updates, site = (tmp_path / name for name in ("rules", "updates", "site"))
    assert installed(rules, updates, site) == (reading.DEFAULT,)
    for folder in (rules, updates / "updates_spamassassin_org", site):
        folder.mkdir(parents=True)
    (rules / "20_old.cf").write_text("body OLD /x/\n")
    assert installed(rules, updates, site) == (rules, site)
    (updates / "updates_spamassassin_org.cf").write_text("# UPDATE version 1907\ninclude updates_spamassassin_org/20_new.cf\n")
    (updates / "updates_spamassassin_org" / "20_new.cf").write_text("body NEW /x/\n")
    found = read(installed(rules, updates, site))
    assert (list(found.rules), found.versions, found.faults) == (["NEW"], ("1907",), ())


def test_include_leads_nowhere_else(tmp_path: Path) -> None:
    """Neither by a path nor by a link, and not in circles for ever."""
    folder = tmp_path / "rules"
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("body SECRET /x/\n")
    (folder / "link.txt").symlink_to(secret)
    (folder / "a.cf").write_text(f"include {secret}\ninclude ../secret\ninclude link.txt\ninclude a.cf\nbody GOOD /x/\n")
    rules = read([folder])
    assert list(rules.rules) == ["GOOD"]
    assert len([fault for fault in rules.faults if "leads out" in fault.text]) > 2
    assert any("deep" in fault.text for fault in rules.faults)


def test_what_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "a.cf").mkdir()
    (tmp_path / "b.cf").write_bytes(b"body B /\xe9/\n\0\xff\n" + b"#" * 100_000 + b"\nbody LONG /" + b"a" * 100_000 + b"/\n")
    (tmp_path / "c.cf").write_bytes(b"\n" * (reading.LARGEST + 1))
    (tmp_path / "d.cf").write_text(f"include {'a' * 5_000}\nbody D /x/\n")
    rules = read([tmp_path, tmp_path / "missing.cf"])
    assert list(rules.rules) == ["B", "D"]
    assert [fault.where for fault in rules.faults] == [
        f"{tmp_path}/a.cf",
        f"{tmp_path}/b.cf:2",
        f"{tmp_path}/b.cf:4",
        f"{tmp_path}/c.cf",
        f"{tmp_path}/d.cf:1",
        f"{tmp_path}/missing.cf",
    ]


def test_faults_are_bounded() -> None:
    rules = ruleset("nonsense\n" * 5_000)
    assert len(rules.faults) == 1_001
    assert "4000 more" in rules.faults[-1].text


def test_lines_of_a_language() -> None:
    text = "body R /x/\ndescribe R english\nlang de describe R deutsch\nlang pt_BR describe R portugues\n"
    assert ruleset(text).rules["R"].description == "english"
    assert ruleset(text, languages=("de",)).rules["R"].description == "deutsch"


def test_tags_are_replaced() -> None:
    rules = ruleset(
        """
        replace_tag A [a@]
        replace_pre P1 (?:
        replace_post P2 {1,2})
        replace_inter GAP \\W?
        body R /<pre P1><post P2><inter GAP>x<A><A>b<A>/i
        body PLAIN /x<A>/
        replace_rules R
        """
    ).rules
    pattern = rules["R"].pattern
    assert pattern
    assert pattern.octets == rb"x(?:[a\x40]{1,2})\W?(?:[a\x40]{1,2})b(?:[a\x40]{1,2})"
    assert rules["PLAIN"].pattern
    assert rules["PLAIN"].pattern.octets == b"x<A>"
