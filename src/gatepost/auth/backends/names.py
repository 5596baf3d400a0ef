"""Names of users, as far as back ends of others differ in what they take for one name."""

from unicodedata import combining, normalize


def has_odd_spaces(name: str) -> bool:
    """Whether spaces in a name could be passed over, as by directories (RFC 4518 §2.6.1) and MySQL: a user had many names then."""
    return name != " ".join(name.split())


def folded(name: str) -> str:
    """One form of all names that some back end takes for one: forms of letters, upper and lower case, accents (MySQL) apart."""
    return "".join(letter for letter in normalize("NFKD", name).casefold() if not combining(letter))
