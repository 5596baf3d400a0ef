"""The rules: files of SpamAssassin's language (Mail::SpamAssassin::Conf(3pm)) read into one frozen value.

`reading.py` reads files into a `Ruleset` (`ruleset.py`). A file is cut into lines (`lines.py`), conditions are decided
(`conditions.py`), each line is a setting (`settings.py`, a table) or defines a rule (`definitions.py`). Patterns of Perl become
patterns of PCRE2 (`perl.py`), metas become trees (`expressions.py`), evaluated by `metas.py`. Nothing of a file is ever run.
"""
