"""All functions of `eval:` rules, by the names that rule files have for them."""

from collections.abc import Mapping
from typing import Final

from gatepost.filter.evals import (
    authentication,
    bayes,
    body_eval,
    freemail,
    header_eval,
    html_eval,
    https_mismatch,
    image_info,
    mime_eval,
    network,
    relay_eval,
    uri_eval,
    vbounce,
    welcome_list_subject,
    welcome_lists,
)
from gatepost.filter.port import Eval

_PLUGINS: Final = (
    network, authentication, bayes, body_eval, freemail, header_eval, html_eval, https_mismatch, image_info, mime_eval,
    relay_eval, uri_eval, vbounce, welcome_list_subject, welcome_lists,
)  # fmt: skip

EVALS: Final[Mapping[str, Eval]] = {name: function for plugin in _PLUGINS for name, function in plugin.EVALS.items()}
"""By name; where two have one, the later counts: what the scanner can answer itself comes after `network`."""
