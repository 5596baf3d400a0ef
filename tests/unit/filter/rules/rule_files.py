"""Rule files for tests: text in, a rule set out."""

from pathlib import Path

from gatepost.filter.rules.reading import read
from gatepost.filter.rules.ruleset import Ruleset

PLUGINS = """
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::BodyEval
loadplugin Mail::SpamAssassin::Plugin::HeaderEval
loadplugin Mail::SpamAssassin::Plugin::MIMEHeader
loadplugin Mail::SpamAssassin::Plugin::URIDetail
loadplugin Mail::SpamAssassin::Plugin::URIDNSBL
loadplugin Mail::SpamAssassin::Plugin::AskDNS
loadplugin Mail::SpamAssassin::Plugin::ReplaceTags
"""


def ruleset(text: str | bytes, *, languages: tuple[str, ...] = (), local: bool = False) -> Ruleset:
    """What one file with this text says, with the usual plugins loaded."""
    octets = text if isinstance(text, bytes) else text.encode()
    files = {"/rules/a.pre": PLUGINS.encode(), "/rules/b.cf": octets}
    paths = [Path(name) for name in files]
    return read(paths, opened=lambda path: files[str(path)], languages=languages, local=local)
