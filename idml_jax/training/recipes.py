"""What recipes of all kinds share: how they are written down beside a run."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any


def plain_fields(
    recipe: Any, newer: Collection[str], before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A recipe's fields as plain values; of the newer ones only what is not as it was before.

    So the options of a run from before there were any are the same, and it goes on.

    Parameters
    ----------
    recipe : dataclass
    newer : collection of str
        Fields that came after recipes which were written without them.
    before : mapping, optional
        What such recipes were by, where that is not the default.

    Examples
    --------
    >>> import dataclasses
    >>> @dataclasses.dataclass
    ... class Recipe:
    ...     steps: int = 5
    ...     turns: str = "all"
    >>> plain_fields(Recipe(), ["turns"]), plain_fields(Recipe(turns="none"), ["turns"])
    ({'steps': 5}, {'steps': 5, 'turns': 'none'})
    """
    older = before or {}
    left = {
        field.name
        for field in dataclasses.fields(recipe)
        if field.name in newer
        and getattr(recipe, field.name) == older.get(field.name, field.default)
    }
    return {name: value for name, value in dataclasses.asdict(recipe).items() if name not in left}
