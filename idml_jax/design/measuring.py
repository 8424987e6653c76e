"""From latents to numbers: what a generator's images are measured to be."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax.design.objectives import Aim
from idml_jax.errors import InputError
from idml_jax.statistics import bright_phase, soft_phase
from idml_jax.typing import Array, Image, Images, Latents, Phase


@runtime_checkable
class GeneratorOfLatents(Protocol):
    """Anything that makes images of latent vectors.

    One that adds noise of its own takes its numbers as ``noise``, as `training.ProgressiveGAN`.
    """

    @property
    def latent_features(self) -> int:
        """Length of a latent vector."""
        ...

    def __call__(self, latents: Latents) -> Images:
        """Images of a batch of latents, in [0, 1]."""
        ...


class Measurements(NamedTuple):
    """What an evaluation found."""

    values: Float[np.ndarray, "count outputs"]
    """Not a number where it failed."""
    variances: Float[np.ndarray, "count outputs"] | None = None
    """Of the values as means over the generator's noise, where there is more than one of it."""
    slopes: Float[np.ndarray, "count latent"] | None = None
    """Of the score by the latents, where it was asked for."""


@runtime_checkable
class Evaluator(Protocol):
    """From latents to what a search is after.

    One that cannot measure everything has a ``check(aim, slopes=)``, which is called before
    anything is measured.
    """

    def measure(self, latents: Latents, aim: Aim, *, slopes: bool = False) -> Measurements:
        """Measure the outputs of an aim, in its order."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """Properties of the phase in what a generator makes, compiled and batched, on all devices.

    Parameters
    ----------
    generator : callable
        ``generator(latents)`` makes images; ``generator.latent_features`` is the length of a
        latent vector.
    properties : mapping from str to callable
        For each output a function of one phase field that JAX can trace. Those of equal ``solve``,
        as the components of one tensor, are read from one solution. One that JAX cannot trace says
        so by ``compiled``, as `properties.Property`: it is called for one phase after the other, on
        the host, and has no slope.
    of_images : mapping from str to callable
        The same of the image itself, as the score of a discriminator.
    phase : callable
        From one image to its phase field.
    soft_phase : callable
        The same for slopes: smooth. Values are those of `phase`.
    repeats : int
        Images of each latent, of different noise; the value is their mean.
    batch : int
        Latents at a time.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> class Flat:
    ...     latent_features = 2
    ...     def __call__(self, latents):
    ...         return jnp.broadcast_to(latents[:, :1, None, None], (len(latents), 4, 4, 1))
    >>> measured = Measured(Flat(), {"share": jnp.mean})
    >>> from idml_jax.design import Objective
    >>> aim = Aim.of(Objective("maximize", of="share"))
    >>> latents = np.array([[0.2, 1.0], [0.9, 1.0]], np.float32)
    >>> measured.measure(latents, aim).values.tolist()
    [[0.0], [1.0]]
    """

    generator: GeneratorOfLatents
    properties: Mapping[str, Callable[[Phase], Float[Array, ""]]]
    of_images: Mapping[str, Callable[[Image], Float[Array, ""]]] = dataclasses.field(
        default_factory=dict
    )
    phase: Callable[[Image], Phase] = bright_phase
    soft_phase: Callable[[Image], Phase] = soft_phase
    repeats: int = 1
    batch: int = 8
    _compiled: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def check(self, aim: Aim, *, slopes: bool = False) -> None:
        """Refuse outputs that nothing measures, and slopes of an objective that has none.

        Raises
        ------
        ValueError, InputError
        """
        flat = {name for one in aim.objectives for name in one.outputs} & {*self._plain(aim)}
        if slopes and flat:
            raise InputError(
                f"{', '.join(sorted(flat))}: counts whole pixels, and has no slope to follow; take "
                "a strategy without gradients."
            )

    def measure(self, latents: Latents, aim: Aim, *, slopes: bool = False) -> Measurements:
        """Values of the outputs, a batch at a time; the last is filled up: one size is compiled."""
        self.check(aim, slopes=slopes)
        plain = self._plain(aim)
        measure, slope = self._compile(aim)
        count = len(latents)
        filled = np.concatenate([latents, np.repeat(latents[:1], -count % self.batch, axis=0)])
        values, slopes_found = [], []
        for part in filled.astype(np.float32).reshape(-1, self.batch, filled.shape[1]):
            found, phases = jax.tree.map(np.asarray, measure(_spread(part)))
            found = found.astype(np.float64)
            rest = count - len(values) * self.batch
            for name, one in plain.items():
                place = aim.outputs.index(name)
                for row, repeat in np.ndindex(min(rest, self.batch), self.repeats):
                    found[row, repeat, place] = float(one(phases[row, repeat]))
            values.append(found)
            if slopes:
                slopes_found.append(np.asarray(slope(_spread(part), found.mean(axis=1))))
        everything = np.concatenate(values)[:count]
        return Measurements(
            everything.mean(axis=1),
            None if self.repeats == 1 else everything.var(axis=1, ddof=1) / self.repeats,
            np.concatenate(slopes_found)[:count] if slopes else None,
        )

    def images(self, latents: Latents, noise: int = 0) -> Images:
        """What the generator makes of latents, with the noise of one number."""
        parts = [
            latents[first : first + self.batch] for first in range(0, len(latents), self.batch)
        ]
        return np.concatenate([np.asarray(self._made(part, noise)) for part in parts])

    def _made(self, latents: Latents, noise: int | Array) -> Images:
        if self.repeats == 1 and noise == 0:
            return self.generator(latents)
        numbers = jnp.full(len(latents), noise, jnp.uint32)
        return self.generator(latents, noise=numbers)  # pyright: ignore[reportCallIssue]

    def _plain(self, aim: Aim) -> dict[str, Callable[[Phase], Any]]:
        """The outputs that JAX cannot trace.

        Raises
        ------
        ValueError
            If nothing measures an output.
        """
        known = {**self.properties, **self.of_images}
        if missing := [name for name in aim.outputs if name not in known]:
            raise ValueError(
                f"no property is called {', '.join(missing)}; there are {', '.join(known)}."
            )
        return {
            name: self.properties[name]
            for name in aim.outputs
            if name in self.properties and not getattr(self.properties[name], "compiled", True)
        }

    def _compile(self, aim: Aim) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Values and phases of a batch of latents, and the slopes of the score by them.

        Of what cannot be traced the values are not numbers, and the slopes are given the values.
        """
        if aim in self._compiled:
            return self._compiled[aim]
        plain = self._plain(aim)

        traced = {
            name: self.properties[name]
            for name in aim.outputs
            if name in self.properties and name not in plain
        }

        def of_one(image: Image, phase: Phase) -> Array:
            found = dict.fromkeys(plain, jnp.full((), jnp.nan)) | _all(traced, phase)
            found |= {
                name: one(image) for name, one in self.of_images.items() if name in aim.outputs
            }
            return jnp.stack([found[name] for name in aim.outputs])

        def all_of(latents: Latents, phase_of: Callable[[Image], Phase]) -> tuple[Array, Array]:
            def of_noise(noise: int | Array) -> tuple[Array, Array]:
                images = self._made(latents, noise)
                phases = jax.vmap(phase_of)(images)
                return jax.vmap(of_one)(images, phases), phases

            if self.repeats == 1:
                return jax.tree.map(lambda each: each[:, None], of_noise(0))
            # One after the other: side by side each would be compiled.
            found = jax.lax.map(of_noise, jnp.arange(self.repeats, dtype=jnp.uint32))
            return jax.tree.map(lambda each: jnp.moveaxis(each, 0, 1), found)

        def score(latents: Latents, known: Float[Array, "batch outputs"]) -> Array:
            mean = all_of(latents, self.soft_phase)[0].mean(axis=1)
            given = jnp.array([name in plain for name in aim.outputs])
            mean = jnp.where(given, known.astype(mean.dtype), mean)
            beyond = [jnp.maximum(0, side) for side in aim.sides(mean)]
            # Each constraint weighs more than any objective that it is bought with.
            return jnp.sum(jnp.stack(aim.scores(mean))) - 1e3 * sum(map(jnp.sum, beyond))

        def measure(latents: Latents) -> tuple[Array, Array | None]:
            values, phases = all_of(latents, self.phase)
            return values, phases if plain else None

        return self._compiled.setdefault(aim, (jax.jit(measure), jax.jit(jax.grad(score))))


def _all(wanted: Mapping[str, Callable[[Phase], Any]], phase: Phase) -> dict[str, Array]:
    """Each property of one phase; what several are read from is solved for once."""
    solved: dict[Any, Any] = {}
    found = {}
    for name, each in wanted.items():
        solve = getattr(each, "solve", None)
        if solve is None:
            found[name] = each(phase)
        else:
            if solve not in solved:
                solved[solve] = solve(phase)
            found[name] = each.compute(solved[solve])
    return found


def _spread(latents: Latents) -> Array:
    """A batch over all devices of this process, where it can be cut evenly."""
    devices = jax.local_devices()
    count = math.gcd(len(devices), len(latents))
    if count == 1:
        return jnp.asarray(latents)
    mesh = jax.sharding.Mesh(np.array(devices[:count]), ("batch",))
    return jax.device_put(
        latents, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    )
