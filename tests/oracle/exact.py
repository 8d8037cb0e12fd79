"""Exact decimals as integers, shared by the oracles. Written apart from the product's own."""

MONEY_DIGITS = 4
QUANTITY_DIGITS = 6


def scaled(text, digits):
    """`"10.99"` as an integer of 10^-digits. More digits than that are an error, not rounded."""
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, fraction = text.partition(".")
    kept, lost = fraction[:digits], fraction[digits:]
    if not whole.isdigit() or not (fraction + "0").isdigit() or lost.strip("0"):
        raise ValueError(f"{text!r} is not a decimal of at most {digits} fraction digits")
    return sign * int(whole + kept.ljust(digits, "0"))


def divide_half_even(numerator, denominator):
    """The quotient, rounded half to even. The denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))
