"""Names of users: their realm, and where back ends of others differ in what they take for one name."""

from unicodedata import combining, normalize


def has_odd_spaces(name: str) -> bool:
    """Whether spaces in a name could be passed over, as by directories (RFC 4518 §2.6.1) and MySQL: a user had many names then."""
    return name != " ".join(name.split())


def with_realm(name: str, realm: str) -> str:
    """The name with this realm, where there is one and the name has none of its own (smtpd_sasl_local_domain)."""
    return f"{name}@{realm}" if realm and "@" not in name else name


def folded(name: str) -> str:
    """One form of all names that some back end takes for one: forms of letters, upper and lower case, accents (MySQL) apart."""
    return "".join(letter for letter in normalize("NFKD", name).casefold() if not combining(letter))
