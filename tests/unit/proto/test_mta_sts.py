"""Records and policies of MTA-STS (RFC 8461)."""

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.proto.mta_sts import LONGEST_AGE, LONGEST_POLICY, BadSts, Mode, StsPolicy, allows, read_policy, record_id

EXAMPLE = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
"""Of RFC 8461 §3.2."""


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=STSv1 ; id=1 ; "], "1"),
        (["v=STSv1; more=a:b; id=1"], "1"),
        (["v=STSv1; id=1; id=2"], "1"),
        (["google-site-verification=x", "v=STSv1; id=1"], "1"),
    ],
)
def test_records(texts: list[str], expected: str) -> None:
    assert record_id(texts) == expected


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["v=STSv2; id=1"],
        ["V=STSv1; id=1"],
        [" v=STSv1; id=1"],
        ["v=STSv10; id=1"],
        ["v=STSv1"],
        ["v=STSv1;"],
        ["v=STSv1; ID=1"],
        ["v=STSv1; id="],
        ["v=STSv1; id=a-b"],
        ["v=STSv1; id=" + "1" * 33],
        ["v=STSv1; id=1;; x=1"],
        ["v=STSv1; id=1; words"],
        ["v=STSv1; id=1; a=b=c"],
        ["v=STSv1; id=1; a=b c"],
        ["v=STSv1; id=١"],
        ["v=STSv1; id=1", "v=STSv1; id=1"],
        ["v=STSv1; id=1; a=" + "x" * 5000],
    ],
)
def test_records_that_say_nothing(texts: list[str]) -> None:
    with pytest.raises(BadSts):
        record_id(texts)


def test_the_policy_of_the_standard() -> None:
    policy = read_policy(EXAMPLE)
    assert policy == StsPolicy(Mode.ENFORCE, 604800, ("mail.example.com", "*.example.net"))
    assert "\r\n".join((*policy.lines, "")).encode() == EXAMPLE


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("version:STSv1\nmode:testing\nmx:MX.a.test\nmax_age:1", StsPolicy(Mode.TESTING, 1, ("mx.a.test",))),
        ("max_age: 1 \t\nmode: none\nversion: STSv1\n", StsPolicy(Mode.NONE, 1)),
        ("version: STSv1\n\nmode: none\nmax_age: 1\n\n", StsPolicy(Mode.NONE, 1)),
        ("version: STSv1\nmode: none\nmode: enforce\nmax_age: 1\nmax_age: x\n", StsPolicy(Mode.NONE, 1)),
        ("version: STSv1\nmode: none\nmax_age: 1\nfuture-1.x_y: grüße ; = :\nz:\n", StsPolicy(Mode.NONE, 1)),
        ("version: STSv1\nmode: enforce\nmx: a.test.\nmx: A.test\nmax_age: 1\n", StsPolicy(Mode.ENFORCE, 1, ("a.test",))),
        ("version: STSv1\nmode: none\nmax_age: 9999999999\n", StsPolicy(Mode.NONE, LONGEST_AGE)),
        ("version: STSv1\nmode: none\nmax_age: 0\n", StsPolicy(Mode.NONE, 0)),
    ],
)
def test_policies(body: str, expected: StsPolicy) -> None:
    assert read_policy(body.encode()) == expected


GOOD = {"version": "STSv1", "mode": "enforce", "mx": "a.test", "max_age": "1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, None) for name in GOOD),
        ("version", "STSv2"),
        ("version", "stsv1"),
        ("mode", "Enforce"),
        ("mode", ""),
        ("max_age", "-1"),
        ("max_age", "1.5"),
        ("max_age", "١"),
        ("max_age", "12345678901"),
        *(("mx", host) for host in ("", "*", "*.", "*.*.test", "a.*.test", "*a.test", "a b", "a_b.test", "-a.test", "a..test",
                                    "192.0.2.1:25", "a.test, b.test", "a" * 64 + ".test", "a." * 128 + "test", "müller.test")),
        ("mx: b.test\n mx", "c.test"),
        ("no field", "x"),
        ("\x00", "x"),
        ("a" * 33, "x"),
    ],
)  # fmt: skip
def test_policies_that_say_nothing(name: str, value: str | None) -> None:
    fields = {key: text for key, text in {**GOOD, name: value}.items() if text is not None}
    with pytest.raises(BadSts):
        read_policy("".join(f"{key}: {text}\n" for key, text in fields.items()).encode())


@pytest.mark.parametrize(
    "body", [b"", b"\xff" + EXAMPLE, b"<html>\n", EXAMPLE.replace(b"\r\n", b"\r"), EXAMPLE + b"\n" * LONGEST_POLICY]
)
def test_what_is_no_policy_at_all(body: bytes) -> None:
    with pytest.raises(BadSts):
        read_policy(body)


@pytest.mark.parametrize(
    ("pattern", "host", "does"),
    [
        ("mx.a.test", "MX.A.test", True),
        ("mx.a.test", "mx2.a.test", False),
        ("*.a.test", "mx.a.test", True),
        ("*.a.test", "x.mx.a.test", False),
        ("*.a.test", "a.test", False),
        ("*.a.test", ".a.test", False),
        ("*.a.test", "mxa.test", False),
        ("", "mx.a.test", False),
    ],
)
def test_patterns(pattern: str, host: str, does: bool) -> None:
    assert allows(pattern, host) is does


_LABELS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=10)
_HOSTS = st.lists(_LABELS, min_size=2, max_size=4).map(".".join)
_POLICIES = st.builds(
    StsPolicy,
    st.sampled_from(Mode),
    st.integers(0, LONGEST_AGE),
    st.lists(_HOSTS | _HOSTS.map("*.{}".format), min_size=1, max_size=8, unique=True).map(tuple),
)


@given(_POLICIES, st.sampled_from(("\n", "\r\n")), st.sampled_from(("", " ", "\t ")))
def test_what_is_written_is_read(policy: StsPolicy, end: str, blanks: str) -> None:
    assert read_policy("".join(line + blanks + end for line in policy.lines).encode()) == policy


@given(_POLICIES, _HOSTS, _LABELS)
def test_a_wildcard_stands_for_one_label(policy: StsPolicy, host: str, label: str) -> None:
    wild = StsPolicy(policy.mode, 1, (f"*.{host}",))
    assert wild.allows(f"{label}.{host}")
    assert not wild.allows(host)
    assert not wild.allows(f"{label}.{label}.{host}")


@given(st.binary(max_size=300) | st.text().map(str.encode) | st.lists(st.sampled_from(EXAMPLE.splitlines(True))).map(b"".join))
def test_nothing_but_its_own_exception_comes_of_a_body(body: bytes) -> None:
    with contextlib.suppress(BadSts):
        policy = read_policy(body)
        assert policy.mx or policy.mode is Mode.NONE


@given(st.lists(st.text(max_size=60) | st.text("v=STSv1; id=").map("v=STSv1;{}".format), max_size=3))
def test_nothing_but_its_own_exception_comes_of_a_record(texts: list[str]) -> None:
    with contextlib.suppress(BadSts):
        assert record_id(texts).isalnum()
