"""Text, HTML and URIs of messages beside Debian's SpamAssassin, which is asked for all of them in one process.

A case stands for a rule; how many real messages are equal is told in docs/decisions/0047-text-as-spamassassin-sees-it.md.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gatepost.filter.port import Text, Uri
from gatepost.filter.rules.reading import read
from gatepost.filter.text.parts import parts
from gatepost.filter.text.rendering import rendered

RULES = Path("/usr/share/spamassassin")

OBSERVER = r"""
use strict; use warnings; use Mail::SpamAssassin; use Mail::SpamAssassin::PerMsgStatus; use JSON::PP;
my ($home, @files) = @ARGV;
my $json = JSON::PP->new->latin1->canonical;
my $scanner = Mail::SpamAssassin->new({ local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
    rules_filename => '/usr/share/spamassassin', site_rules_filename => $home, userstate_dir => $home,
    post_config_text => "use_bayes 0\nuse_auto_welcomelist 0\n" });
$scanner->init(1);
for my $file (@files) {
    open my $in, '<:raw', $file or die; my $octets = do { local $/; <$in> }; my $mail = $scanner->parse($octets, 1);
    my $status = Mail::SpamAssassin::PerMsgStatus->new($scanner, $mail);
    $status->extract_message_metadata();
    my %found = (body => $status->get_decoded_stripped_body_text_array(), raw_body => $status->get_decoded_body_text_array(),
        visible => $mail->get_visible_rendered_body_text_array(), invisible => $mail->get_invisible_rendered_body_text_array());
    my $uris = $status->get_uri_detail_list();
    for my $uri (keys %$uris) {
        my $about = $uris->{$uri};
        $found{uris}{$uri} = { kinds => [sort keys %{$about->{types}}], cleaned => [sort @{$about->{cleaned} || []}],
            hosts => $about->{hosts} || {}, anchors => $about->{anchor_text} || [] };
    }
    my $html = $status->{html} || {};
    $found{html} = { map { $_ => $html->{$_} } grep { defined $html->{$_} && !ref $html->{$_} } keys %$html };
    print $json->encode(\%found), "\n";
    $status->finish(); $mail->finish();
}
"""

HEAD = b"From: a@b.test\nSubject: s  ubject\n"
HTML = HEAD + b"Content-Type: text/html; charset=utf-8\n"


def parted(*bodies: bytes) -> bytes:
    return (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=part\n\npreamble\n"
        + b"".join(b"--part\n%s\n" % body for body in bodies)
        + b"--part--\nend\n"
    )


MESSAGES = {
    "paragraphs": HEAD + b"\nhello \n world\n\n  second\t para\n\n \n\nthird\x0cfourth\n",
    "long paragraphs": HEAD + b"\n" + b"word " * 900 + b"\n\n" + b"x" * 5000 + b"\n",
    "long lines in a part": parted(b"\n" + b"y" * 5000 + b"\n"),
    "blank lines": HEAD + b"\na" + b"\n" * 40 + b"b\n",
    "much text": HEAD + b"\n" + b"".join(b"%07d line\n" % n for n in range(9000)),
    "parts": parted(
        b"\none", b"Content-Type: application/x\n\ntwo", b"Content-Type: text/x-y\n\nthree", b"Content-Type: text/calendar\n\nfour"
    ),
    "no parts": HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n--c\n\nx\n",
    "a boundary within a boundary": parted(
        b"Content-Type: multipart/mixed; boundary=parts\n\n--parts\n\none\n--parts\n\ntwo\n--partsx\n--parts--\nend"
    ),
    "attached": parted(b"Content-Type: message/rfc822\n\nSubject: in\n\nside"),
    "attached, encoded": HEAD
    + b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeQoKaW5zaWRlCg==\n",
    "base64": HEAD + b"Content-Transfer-Encoding: base64\n\naGV*sbG8N\nCndvcmxk\nIQ==",
    "quoted-printable": HEAD + b"Content-Transfer-Encoding: quoted-printable\n\na=3Db =  \nc=XY  \nd=",
    "latin": HEAD + b"Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9 \x93x\x94\xa0\x80\n",
    "utf-8 whatever is said": HEAD + b"Content-Type: text/plain; charset=koi8-r\n\ncaf\xc3\xa9\n",
    "koi8-r": HEAD + b"Content-Type: text/plain; charset=koi8-r\n\n\xf0\xd2\xc9\xd7\xc5\xd4\n",
    "big5": HEAD + b"Content-Type: text/plain; charset=big5\n\n\xa4\xa4\xa4\xe5\n",
    "iso-2022-jp": HEAD + b'Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B$"\x1b(B x\n',
    "html": HTML
    + b"\n<title>t &amp; u</title><p>a <b>b</b>\n<br> c<div>d</div><table><tr><td>e<td>f</table><ul><li>g</ul>h<hr>i\n",
    "scripts": HTML
    + b"\n<style>a<b></style>b<script>c</script>d<textarea>e<i>&amp;</textarea><!-- f > -->g<![if x]>h<![endif]><?x>i<3 < j\n",
    "references": HTML + b"\n&nbsp;&copy2008 &euro; &euro &#8217;&#x41;&#65 &foo; &lt\n",
    "references of latin-1": HTML + b"\ncaf&eacute;\n",
    "an unclosed tag": HTML + b"\na<b>b<a href='x>c</a>d\n",
    "an unclosed comment": HTML + b"\na<!-- b <i>c</i> > d\n",
    "colours": HTML
    + b"\na<font color=white>b</font><font color=#eeeeee>c</font><font color=nix>d</font><span style='color:#fefefe'>e</span>\n",
    "grounds": HTML
    + b"\n<div style='background:black;color:white'>a<font color=black>b</font></div><td bgcolor=black><font color=white>c\n",
    "sizes": HTML + b"\na<font size=1>b</font><font size=+2>c</font><font size=-5>d</font>\n",
    "hidden": HTML
    + b"\na<span style='display: none'>b<b>c</b><span style='display:block'>d</span></span><p style='visibility:hidden'>e</p>f\n",
    "odd elements": HTML
    + b"\nw<foo>or</foo>d <b>x</b></i></zzz><o:p>y</o:p> <embed src=x><font face='#1'>z</font><form action='mailto:a@b.test'>\n",
    "images": HTML + b"\n<img src=a.gif width=100 height=20><img src='http://a.com/b' width=10% height=x><img>\n",
    "links": HTML
    + b"\n<a href='http://a.com/%41'>x <b>y</b></a> <a href=\"HTTP:\\\\B.com\">z</a><a name=q>r</a><a href='http://c/'>http://d.com/</a>\n",
    "a base": HTML + b"\n<base href='http://a.com/b'><a href='c'>1</a><a href='/d'>2</a><img src='//e.com/f'>\n",
    "obfuscated": HTML
    + b"\n<a href='http://0x7f000001/'>a</a><a href='http://u:p@a.com:80/'>b</a><a href='http://a.com./?u=http%3A%2F%2Fb.com/&c'>c</a>\n",
    "redirectors": HTML + b"\n<a href='http://www.google.com/url?q=http://evil.com/x&sa=D'>a</a>\n",
    "uris in text": HEAD
    + b"\n(http://a.com/x(y)) <http://b.com/x>, http://c.com/x|y http://d.com/?=- xhttp://e.com/ HTTP://F.COM/\n",
    "hosts in text": HEAD
    + b'\nwww.a.com, b.com c.com. d.com, e.com/ f.com/x. (g.com) "h.co.uk" /usr/i.py 1.2.3.4 lib.so.1 j.nowhere\n',
    "addresses in text": HEAD + b"\nme@a.com, <you@b.co.uk> mailto:c@d.com?subject=x e@f@g.com h@i.nowhere To:j@k.com\n",
}


class Headers:
    """The Subject, which is all that is asked for."""

    def get(self, name: str) -> bytes | None:
        return b"s  ubject\n" if name == "Subject" else None

    def all(self, name: str) -> Sequence[bytes]:
        return ()


Told = dict[str, object]


def _texts(texts: Sequence[bytes]) -> list[str]:
    return [text.decode("latin-1") for text in texts]


def _uri(uri: Uri) -> Told:
    hosts = {host.decode(): domain.decode() for host, domain in uri.hosts.items()}
    return {"kinds": sorted(uri.kinds), "cleaned": sorted(_texts(uri.cleaned)), "hosts": hosts, "anchors": _texts(uri.anchors)}


def _told(text: Text, facts: Mapping[str, object]) -> Told:
    """The same of ours; of HTML the facts that SpamAssassin has."""
    return {
        **{name: _texts(getattr(text, name)) for name in ("body", "raw_body", "visible", "invisible")},
        "uris": {uri.raw.decode("latin-1"): _uri(uri) for uri in text.uris},
        "html": {name: _number(text.html.get(name)) for name in facts},
    }


def _number(value: object) -> object:
    return round(float(value), 6) if isinstance(value, int | float | str) else value


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """What SpamAssassin makes of each message."""
    folder = tmp_path_factory.mktemp("messages")
    files = []
    for number, message in enumerate(MESSAGES.values()):
        files.append(folder / str(number))
        files[-1].write_bytes(message)
    (folder / "site").mkdir()
    command = ["perl", "-e", OBSERVER, str(folder / "site"), *map(str, files)]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.decode("latin-1").split("\n")
    return {name: json.loads(line) for name, line in zip(MESSAGES, lines, strict=False)}


@pytest.fixture(scope="module")
def options() -> Mapping[str, tuple[str, ...]]:
    return read([RULES]).options


@pytest.mark.parametrize("name", MESSAGES)
def test_as_spamassassin_has_it(name: str, observed: dict[str, Told], options: Mapping[str, tuple[str, ...]]) -> None:
    theirs = {"uris": {}, **observed[name]}
    facts = {fact: _number(value) for fact, value in dict(theirs["html"]).items() if fact not in ("backhair_count",)}  # type: ignore[call-overload]
    ours = _told(rendered(parts(MESSAGES[name]), Headers(), options), facts)
    assert ours == {**theirs, "html": facts}
