"""Domain names that are not ASCII, in the form in which the DNS has them."""

_NAME_LIMIT, _LABEL_LIMIT = 255, 63
"""Characters; no form in A-labels is shorter than the name itself."""


def to_ascii(name: str, *, transitional: bool = False) -> str:
    """`name` in A-labels: by UTS 46, non-transitional, as Postfix does it (RFC 5891 for names that are valid there);
    `transitional`: by IDNA 2003 (RFC 3490; enable_idna2003_compatibility). Raises UnicodeError where it is none."""
    if len(name) > _NAME_LIMIT:
        raise UnicodeError("name too long")
    if transitional:
        return name.encode("idna").decode("ascii")
    import idna

    labels = [_label(label) for label in idna.uts46_remap(name, std3_rules=False).split(".")]
    return ".".join(labels)


def _label(label: str) -> str:
    if len(label) <= _LABEL_LIMIT:
        encoded = label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
        if len(encoded) <= _LABEL_LIMIT:
            return encoded
    raise UnicodeError("label too long")
