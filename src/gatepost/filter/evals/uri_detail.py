"""Rules of the plugin URIDetail (perldoc Mail::SpamAssassin::Plugin::URIDetail).

A rule `uri_detail NAME CONDITIONS` is the eval rule NAME whose function is `check_uri_detail` and whose one argument is CONDITIONS.
"""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
