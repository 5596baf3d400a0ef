"""Which patterns match a text: all of a kind are looked for at once (`prefilter.py`, Hyperscan where it is installed), and what may
match is confirmed by PCRE2, one by one, within a budget of time (`search.py`). `group.py` puts both together."""
