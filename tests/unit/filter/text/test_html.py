"""HTML rendered, seen and judged. Found out beside SpamAssassin 4.0.1; the comparison is tests/integration/test_filter_text.py."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.filter.text.html.entities import unescaped
from gatepost.filter.text.html.page import Page, page


def of(html: str) -> Page:
    return page(html, len(html.encode()), plain=html.isascii())


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>b", "a\nb"),
        ("a<p>b</p>c", "a\n\nb\n\nc"),
        ("<table><tr><td>a</td><td>b</td></tr></table>c", " a  b c"),
        ("a\n\n<b> b </b>  c", "a  b  c"),
        ("a <br> b", "a\nb"),
        ("a<b> </b>b", "a b"),
        ("<style>s</style>x<script>z</script>y", "xy"),
        ("<style>a</style foo>c", ""),
        ("<title>t&amp;<b></title>x", "\n\nt&<b>\n\nx"),
        ("<iframe>a<b>&amp;</iframe>d", "a<b>&amp;d"),
        ("<!-- a -- b -->x<!-- c > d", "x d"),
        ("<!-- a --!>x-->y", "y"),
        ("<![if !mso]>x<![endif]><![CDATA[y<b>]]>z<?php a>w", "xy<b>zw"),
        ("a< b>c<1>d<>e", "a< b>c<1>d<>e"),
        ("a<b c", "a"),
        ('<a href="x>y</a>z', ""),
        ('<a href=x"y>t</a><b "c">u<i a=\'>\'>v', "tuv"),
        ("</ b>x</>y</b foo>z", "xyz"),
        ("&nbsp;&nbsp;x&copy2008&euro;&euro&#65&#x41;&#0;&#1114112;&foo;", " x\xa92008\u20ac&euroAA&#0;&#1114112;&foo;"),
        ("&#55357;&#56832;", "\U0001f600"),
    ],
)
def test_text(html: str, text: str) -> None:
    assert of(html).text == text


@pytest.mark.parametrize(
    ("html", "seen", "hidden"),
    [
        ("x<font color=white>y</font>z", "xz", "y"),
        ("x<font color=#f0f0f0>y</font>z", "xz", "y"),
        ("x<font color=#eeeeee>y</font>z", "xyz", ""),
        ("x<font color=nonsense>y</font>z", "xz", "y"),
        ("x<font size=1>y</font>z", "xz", "y"),
        ("x<font size=-1>y</font>z", "xyz", ""),
        ("x<span style='display: none'>y<b>z</b></span>w", "xw", "yz"),
        ("x<span style='display:none !important'>y</span>", "xy", ""),
        ("<span style='visibility:hidden'>y</span>x", "x", "y"),
        ("<div style='display:none'>x<div style='display:block'>y</div></div>", "\n\ny\n\n", "x"),
        ("<span style='background:black;color:#fff'>x<font color=black>y", "x", "y"),
        ("<span style='background: rgba(1, 2, 3, 1)'>x", "x", ""),
        ("<span style='background:url(x) rgb(0, 0, 0)'>x", "", "x"),
        ("<span style='\n a:b;\n color :white'>x", "", "x"),
        ("<span style='color: ;'>x", "", "x"),
        ("<font size=2>a<small>b</small></font><small>c<big>d", "acd", "b"),
        ("<b style='color:white'>x</b>", "x", ""),
        ("<font color=white><b>a</font>b</b>c", "bc", "a"),
        ("<span style='display:none'> &nbsp;</span>x", " x", ""),
        ("<body text=white>a<p style='color:red'>b", "\n\nb", "a"),
    ],
)
def test_what_is_seen(html: str, seen: str, hidden: str) -> None:
    found = of(html)
    assert (found.visible, found.invisible) == (seen, hidden)


@pytest.mark.parametrize(
    ("html", "facts"),
    [
        ("<b>a</b> c", {"length": 10, "html_length": 3, "non_space_len": 2, "ratio": 0.7, "inside": {"b": 0}}),
        ("<foo>a</foo><b>c</b><i>d</i></u></zzz>", {"bad_tag_ratio": 0.375, "closed_extra_ratio": 0.25, "non_element_ratio": 0.4}),
        ("w<b></b>ord x", {"obfuscation_ratio": 0.5}),
        ("<img width=10% height=5><img width=x height=5><img width=9>", {"image_area": 1400}),
        ("<font size=+2>a<font size=1>b", {"max_size": 5, "min_size": 1}),
        ("<font face='#1'>x<object><form action=' MAILTO:x'>", {"font_face_bad": 1, "embeds": 1, "form_action_mailto": 1}),
        ("<font color=zz>x", {"font_invalid_color": 1}),
        ("<font color=white>x", {"font_low_contrast": 1}),
        ("<!-- a --><title>b</title><a>c<img></a>", {"comment": (b"<!-- a -->",), "title": (b"b",), "anchor": (b"c<img>\n",)}),
        ("<meta content='text/html; charset=Big5'>", {"charsets": "Big5"}),
    ],
)
def test_facts(html: str, facts: Mapping[str, object]) -> None:
    found = of(html).facts
    assert {name: found.get(name) for name in facts} == facts


def test_a_tag_with_very_many_attributes() -> None:
    html = "<a href=x" + " b='>'" * 2000 + ">y</a>"
    assert (of(html).text, [link.raw for link in of(html).links]) == ("y", ["x"])
    assert of(html.replace(">y", "")).text == ""


def test_links() -> None:
    html = "<a href='x'>1</a><base href='http://b.test/d'><a href=../y>2</a><img src=/i><a>3</a><meta http-equiv=refresh content='0;url=http://r.test'>"
    assert [(link.raw, link.uri, link.kind, link.anchor) for link in of(html).links] == [
        ("x", "x", "a", 0),
        ("http://b.test/d", "http://b.test/d", "base", -1),
        ("../y", "http://b.test/y", "a", 1),
        ("/i", "http://b.test/i", "img", -1),
        ("", "", "", 2),
        ("http://r.test", "http://r.test", "meta", -1),
    ]


PIECES = st.sampled_from(
    [
        "<",
        ">",
        "<a href=",
        "'",
        '"',
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<font color=white>",
        "</font>",
        "x",
        " ",
        "&",
        "&#",
        ";",
        "=",
        "</",
        "<![CDATA[",
        "\0",
    ]
)


@given(st.lists(PIECES, max_size=30))
def test_anything_is_rendered(pieces: list[str]) -> None:
    found = of("".join(pieces))
    assert sorted(found.visible + found.invisible) == sorted(found.text)
    assert unescaped("".join(pieces)) is not None
