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
from idml_jax.statistics import bright_phase, soft_phase
from idml_jax.typing import Array, Image, Images, Latents, Phase


@runtime_checkable
class GeneratorOfLatents(Protocol):
    """Anything that makes images of latent vectors.

    One that adds noise of its own takes its numbers as ``noise``, as `training.ProgressiveGAN`.
    """

    latent_features: int

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
    """From latents to what a search is after."""

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
        as the components of one tensor, are read from one solution.
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
    phase: Callable[[Image], Phase] = bright_phase
    soft_phase: Callable[[Image], Phase] = soft_phase
    repeats: int = 1
    batch: int = 8
    _compiled: dict[Any, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def measure(self, latents: Latents, aim: Aim, *, slopes: bool = False) -> Measurements:
        """Values of the outputs, a batch at a time; the last is filled up: one size is compiled."""
        measure = self._compile(aim, slopes)
        count = len(latents)
        filled = np.concatenate([latents, np.repeat(latents[:1], -count % self.batch, axis=0)])
        parts = [
            jax.tree.map(np.asarray, measure(_spread(part)))
            for part in filled.astype(np.float32).reshape(-1, self.batch, filled.shape[1])
        ]
        found = jax.tree.map(lambda *each: np.concatenate(each)[:count], *parts)
        values = found["values"].astype(np.float64)
        mean = values.mean(axis=1)
        if self.repeats == 1:
            return Measurements(mean, None, found.get("slopes"))
        spread = values.var(axis=1, ddof=1) / self.repeats
        return Measurements(mean, spread, found.get("slopes"))

    def images(self, latents: Latents, noise: int = 0) -> Images:
        """What the generator makes of latents, with the noise of one number."""
        parts = [
            latents[first : first + self.batch] for first in range(0, len(latents), self.batch)
        ]
        return np.concatenate([np.asarray(self._made(part, noise)) for part in parts])

    def _made(self, latents: Latents, noise: int) -> Images:
        if self.repeats == 1 and noise == 0:
            return self.generator(latents)
        numbers = jnp.full(len(latents), noise, jnp.uint32)
        return self.generator(latents, noise=numbers)  # pyright: ignore[reportCallIssue]

    def _compile(self, aim: Aim, slopes: bool) -> Callable[[Latents], dict[str, Array]]:
        """A function of a batch of latents, compiled once for an aim."""
        missing = [name for name in aim.outputs if name not in self.properties]
        if missing:
            raise ValueError(
                f"no property is called {', '.join(missing)}; there are "
                f"{', '.join(self.properties)}."
            )
        if (aim, slopes) in self._compiled:
            return self._compiled[aim, slopes]
        wanted = [self.properties[name] for name in aim.outputs]

        def values_of(latents: Latents, noise: int, phase: Callable[[Image], Phase]) -> Array:
            return jax.vmap(lambda image: _all(wanted, phase(image)))(self._made(latents, noise))

        def score(latents: Latents) -> Array:
            values = [values_of(latents, noise, self.soft_phase) for noise in range(self.repeats)]
            mean = sum(values[1:], values[0]) / self.repeats
            beyond = [jnp.maximum(0, side) for side in aim.sides(mean)]
            # Each constraint weighs more than any objective that it is bought with.
            return jnp.sum(jnp.stack(aim.scores(mean))) - 1e3 * sum(map(jnp.sum, beyond))

        def measure(latents: Latents) -> dict[str, Array]:
            values = [values_of(latents, noise, self.phase) for noise in range(self.repeats)]
            found = {"values": jnp.stack(values, axis=1)}
            return found | ({"slopes": jax.grad(score)(latents)} if slopes else {})

        return self._compiled.setdefault((aim, slopes), jax.jit(measure))


def _all(wanted: list[Callable[[Phase], Any]], phase: Phase) -> Array:
    """Each property of one phase; what several are read from is solved for once."""
    solved: dict[Any, Any] = {}
    found = []
    for each in wanted:
        solve = getattr(each, "solve", None)
        if solve is None:
            found.append(each(phase))
        else:
            if solve not in solved:
                solved[solve] = solve(phase)
            found.append(each.compute(solved[solve]))
    return jnp.stack(found)


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
