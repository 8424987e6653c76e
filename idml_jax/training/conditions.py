"""What the numbers mean that a generator is told: names, units and classes, and back."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.errors import InputError

Value: TypeAlias = float | int | str
"""A number, or the name of a class."""

Told: TypeAlias = Mapping[str, Value]
"""What is wanted or known of one image: a number or a class by the name of each condition."""

STREAM = 2
"""Of what an image is told, among all that is drawn by its number: latents are of none."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """One thing that a generator is told of an image, in the user's words and units.

    Parameters
    ----------
    name : str
    source : {"table", "folder", "crop"}
        Where the training had it from: a row for each micrograph, the folder that the micrograph
        lay in, or a measurement in each crop.
    classes : tuple of str
        Of a word, one for each number that the generator is told; none for a quantity.
    mean, deviation : float
        Of a quantity in the training: the generator is told how many deviations above the mean.
    low, high : float
        Of a quantity, the range that the training saw.
    values : tuple of float or str
        Examples of the training. All conditions of a generator have as many, and the ones at one
        place belong to one micrograph or crop: what goes together is drawn together.

    Examples
    --------
    >>> hours = Condition.of("hours", [1.0, 3.0], source="table")
    >>> hours.encode([3.0, 2.0]).tolist()
    [[1.0], [0.0]]
    >>> etch = Condition.of("etch", ["nital", "picral", "nital"], source="table")
    >>> etch.classes, etch.encode(["picral"]).tolist()
    (('nital', 'picral'), [[0.0, 1.0]])
    """

    name: str
    source: Literal["table", "folder", "crop"]
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    low: float = 0.0
    high: float = 0.0
    values: tuple[Value, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        found: Sequence[Value],
        *,
        source: Literal["table", "folder", "crop"],
        examples: Sequence[int] | None = None,
    ) -> "Condition":
        """The condition that values of the training define.

        Parameters
        ----------
        name : str
        found : sequence of float or str
            Of every micrograph or crop: all numbers, or all words.
        source : {"table", "folder", "crop"}
        examples : sequence of int, optional
            Places of those that are kept as examples; by default all.

        Raises
        ------
        InputError
            If all are the same: there is nothing to be told.
        """
        places = range(len(found)) if examples is None else examples
        kept = tuple(found[place] for place in places)
        if len(set(found)) < 2:
            raise InputError(
                f"condition {name!r}: is {shown(found[0])} in all {len(found)} training images, so "
                "that it tells nothing; leave it out, or hold out others, by another seed."
            )
        if isinstance(found[0], str):
            return cls(name, source, classes=tuple(sorted(set(map(str, found)))), values=kept)
        numbers = np.asarray(found, float)
        return cls(
            name,
            source,
            mean=float(numbers.mean()),
            deviation=float(numbers.std()),
            low=float(numbers.min()),
            high=float(numbers.max()),
            values=kept,
        )

    @classmethod
    def from_plain(cls, options: Mapping[str, Any]) -> "Condition":
        """The condition of what `dataclasses.asdict` made of it, and JSON of that."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in options.items()
        }
        return cls(**plain)

    @property
    def width(self) -> int:
        """Numbers that the generator is told of it."""
        return len(self.classes) or 1

    def __str__(self) -> str:
        if self.classes:
            return f"{self.name}: one of {', '.join(self.classes)}"
        return f"{self.name}: a number, {self.low:g} to {self.high:g} in the training"

    def encode(self, values: Sequence[Value]) -> Float[np.ndarray, "count width"]:
        """What the generator is told for values in the user's units.

        Raises
        ------
        InputError
            If a class is not one of the training's, or a number is none.
        """
        if not self.classes:
            numbers = np.array([self.number(value) for value in values], float)
            return (numbers[:, None] - self.mean) / self.deviation
        for value in values:
            if value not in self.classes:
                raise InputError(
                    f"{self.name}={value}: no class that the generator was trained on; there are "
                    f"{', '.join(self.classes)}."
                )
        return (np.array(values)[:, None] == np.array(self.classes)).astype(float)

    def number(self, value: Value) -> float:
        """A value of a quantity, or the text of one, as a number.

        Raises
        ------
        InputError
            If it is no finite number.
        """
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(
                f"{self.name}={value}: {self.name!r} is a finite number, {self.low:g} to "
                f"{self.high:g} in the training."
            )
        return number


def encode_conditions(
    meanings: Sequence[Condition], wanted: Sequence[Told]
) -> Float[np.ndarray, "count conditions"]:
    """What a generator is told, of what is wanted in the user's words and units.

    Parameters
    ----------
    meanings : sequence of Condition
        The recipe's.
    wanted : sequence of mapping
        For each image a value for every condition, by its name.

    Returns
    -------
    conditions : float32 array of shape (count, conditions)

    Raises
    ------
    InputError
        If a name is missing or not known, or a value cannot be used.

    Examples
    --------
    >>> etch = Condition.of("etch", ["nital", "picral"], source="folder")
    >>> encode_conditions([etch], [{"etch": "nital"}]).tolist()
    [[1.0, 0.0]]
    """
    names = {one.name for one in meanings}
    there = "; ".join(map(str, meanings))
    for told in wanted:
        for name in told:
            if name not in names:
                raise InputError(
                    f"{name}: nothing that this generator is told; it is told {there}."
                )
        for one in meanings:
            if one.name not in told:
                raise InputError(f"{one.name}: is missing from what is wanted; give {there}.")
    parts = [one.encode([told[one.name] for told in wanted]) for one in meanings]
    return np.concatenate(parts, axis=1).astype(np.float32)


def draw_conditions(
    meanings: Sequence[Condition], count: int, *, seed: int
) -> list[dict[str, Value]]:
    """What images are told that nobody wants anything of: what training images were.

    Parameters
    ----------
    meanings : sequence of Condition
        The recipe's.
    count : int
    seed : int
        An image's draw depends on it and the image's own number alone.

    Returns
    -------
    told : list of dict
        For each image a value of each condition; those of one image were together in the training.
    """
    key = jax.random.key(seed)
    examples = len(meanings[0].values)

    def place(number: jax.Array) -> jax.Array:
        own = jax.random.fold_in(jax.random.fold_in(key, number), STREAM)
        return jax.random.randint(own, (), 0, examples)

    places = np.asarray(jax.jit(jax.vmap(place))(jnp.arange(count)))
    return [{one.name: one.values[at] for one in meanings} for at in places]


def shown(value: Value) -> str:
    """A value as a person writes it, from which a number can be read back exactly."""
    if isinstance(value, str):
        return value
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))
