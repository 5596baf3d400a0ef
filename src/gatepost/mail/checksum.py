"""CRC-32 of octets that are known in two parts: that of the second was made before the first was there.

A CRC is linear over GF(2): octets that follow multiply it by a power of x, modulo the polynomial of CRC-32 (here reflected, the
coefficient of x^0 in the highest bit).
"""

from functools import cache

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


def joined(first: int, second: int, size: int) -> int:
    """The CRC-32 of two parts one after the other. `first`, `second`: theirs; `size`: octets of the second part."""
    factor, power = _ONE, 3  # 8 bits an octet: x^(2^3)
    while size:
        if size & 1:
            factor = _product(factor, _x_to(power))
        size >>= 1
        power += 1
    return _product(factor, first) ^ second


@cache
def _x_to(power: int) -> int:
    """x^(2^power); all that a size can ask for are a few dozen."""
    if not power:
        return _ONE >> 1
    half = _x_to(power - 1)
    return _product(half, half)


def _product(a: int, b: int) -> int:
    """Of two polynomials, modulo that of CRC-32."""
    result = 0
    while a:
        if a & _ONE:
            result ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result
