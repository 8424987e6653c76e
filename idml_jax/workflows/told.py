"""What a generator is told of an image, as the user types it: NAME=VALUE."""

from collections.abc import Sequence

from idml_jax.errors import InputError


def by_name(parts: Sequence[str]) -> dict[str, str]:
    """What is wanted, as it was typed, by its names.

    Raises
    ------
    InputError
        If a part is none, or two are of one name.

    Examples
    --------
    >>> by_name(["hours=24", "class = nital"])
    {'hours': '24', 'class': 'nital'}
    """
    wanted: dict[str, str] = {}
    for part in parts:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise InputError(f"--wanted {part!r}: say what is wanted as NAME=VALUE.")
        if name in wanted:
            raise InputError(f"--wanted: {name!r} is given twice; one image has one value.")
        wanted[name] = value
    return wanted
