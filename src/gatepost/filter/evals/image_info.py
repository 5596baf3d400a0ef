"""Functions of the plugin ImageInfo: sizes, names and number of images that come along."""

from gatepost.filter.port import Eval

EVALS: dict[str, Eval] = {}
