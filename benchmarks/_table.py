"""How results are written, on the terminal and in the documentation."""


def format_value(value) -> str:
    """Return a number with the digits that tell something, and anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
