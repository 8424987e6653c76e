"""What a design is made with: a generator, what it is told, and the phase that is meant."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from idml_jax import design, statistics, training
from idml_jax.errors import InputError
from idml_jax.typing import Array, Image, Images, Latents, NoiseNumbers, Phase
from idml_jax.workflows.conditioning import check_told, values_of
from idml_jax.workflows.design import Config
from idml_jax.workflows.phases import greys
from idml_jax.workflows.told import by_name

DRAWN = 1024
"""Random images, by which the directions of most change are found."""


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A generator as a search sees it: of latents, and behind them the numbers that it is told.

    Parameters
    ----------
    gan : ProgressiveGAN
    fixed : dict
        What is told of every image, in the user's words and units, by the names of the conditions.
    dark : bool
        Whether the dark phase of grey images is meant.
    place : int, optional
        Of images of phases the channel that is meant.
    """

    gan: training.ProgressiveGAN
    fixed: dict[str, float | str]
    dark: bool = False
    place: int | None = None

    @property
    def free(self) -> tuple[training.Condition, ...]:
        """Numbers that the generator is told, and that the search chooses."""
        return tuple(one for one in self.recipe.meanings if one.name not in self.fixed)

    @property
    def recipe(self) -> training.Recipe:
        """What the generator was made with."""
        return self.gan.recipe

    @property
    def latent_features(self) -> int:
        """Of latents and numbers together."""
        return self.gan.latent_features + len(self.free)

    def __call__(self, latents: Latents, noise: NoiseNumbers | None = None) -> Images:
        """Images; each is told what is fixed, and its own numbers in the user's units."""
        latents = jnp.asarray(latents)
        cut = self.gan.latent_features
        return self.gan(latents[:, :cut], self._told(latents[:, cut:]), noise=noise)

    def told_to(self, count: int) -> Float[Array, "count told"] | None:
        """What so many images are told, where all of it is fixed."""
        return self._told(jnp.zeros((count, 0), jnp.float32))

    def _told(self, numbers: Float[Array, "count free"]) -> Float[Array, "count told"] | None:
        if not self.recipe.meanings:
            return None
        columns, free = [], iter(range(numbers.shape[1]))
        for one in self.recipe.meanings:
            if one.name in self.fixed:
                value = jnp.asarray(one.encode([self.fixed[one.name]]), numbers.dtype)
                columns.append(jnp.broadcast_to(value, (len(numbers), value.shape[1])))
            else:
                columns.append((numbers[:, next(free), None] - one.mean) / one.deviation)
        return jnp.concatenate(columns, axis=1)

    def sample(self, count: int, *, seed: int) -> Float[np.ndarray, "count rows cols channels"]:
        """Random images: of what is not fixed, what the training saw."""
        meanings, key = self.recipe.meanings, jax.random.key(seed)
        if not meanings:
            return self.gan.sample(key, count)
        drawn = training.draw_conditions(meanings, count, seed=seed)
        told = training.encode_conditions(meanings, [each | self.fixed for each in drawn])
        return self.gan.sample(key, count, conditions=told)

    def phase(self, image: Image) -> Phase:
        """The phase that is meant."""
        if self.place is not None:
            return jnp.argmax(image, axis=-1) == self.place
        bright = statistics.bright_phase(image)
        return ~bright if self.dark else bright

    def soft_phase(self, image: Image) -> Phase:
        """The same with a slope."""
        if self.place is not None:
            return image[..., self.place]
        bright = statistics.soft_phase(image)
        return 1 - bright if self.dark else bright

    def phases(self, images: Images) -> np.ndarray:
        """That of each image, on the host."""
        return np.asarray(jax.vmap(self.phase)(jnp.asarray(images)))

    def greys(self, images: Float[np.ndarray, "count rows cols channels"]) -> np.ndarray:
        """Images as they are shown."""
        return greys(images, self.recipe.labels)

    def is_meant(self, known: dict[str, Any]) -> bool:
        """Whether a micrograph of which this is known is of the classes that are told."""
        classes = {one.name for one in self.recipe.meanings if one.classes}
        return all(known.get(name, self.fixed[name]) == self.fixed[name] for name in classes)

    @property
    def meant(self) -> str:
        """The phase that is meant, in the user's words."""
        if self.place is not None:
            return str(self.recipe.labels[self.place])
        return "dark" if self.dark else "bright"

    def pixel_side(self) -> float | None:
        """In metres; none where it is not known, or not the same along both axes."""
        sides = self.recipe.pixel_size
        return None if sides is None or sides[0] != sides[1] else sides[0]


def subject_of(config: Config) -> Subject:
    """The generator and what the options say of it.

    Raises
    ------
    InputError
        If there is none, it is of another kind, or the options do not fit it.
    """
    gan = training.load_generator(config.generator)
    recipe, wanted = gan.recipe, by_name(config.wanted)
    check_told(config.generator, recipe, wanted)
    if recipe.channels > 1 and not recipe.labels:
        raise InputError(
            f"{config.generator}: this generator's images have {recipe.channels} channels; use it "
            "in Python, where a phase can be made of them."
        )
    known = {one.name: one for one in recipe.meanings}
    there = "; ".join(map(str, recipe.meanings))
    for name in wanted:
        if name not in known:
            raise InputError(
                f"--wanted: {name} is nothing that this generator is told; it is told {there}."
            )
    for one in recipe.meanings:
        if one.classes and one.name not in wanted:
            raise InputError(
                f"{config.generator}: this generator is told a class; say --wanted "
                f"{one.name}={one.classes[0]}, or another of {', '.join(one.classes)}."
            )
    fixed = values_of([known[name] for name in wanted], wanted) if wanted else {}
    dark, place = _phase_meant(config, recipe)
    return Subject(gan, fixed, dark, place)


def _phase_meant(config: Config, recipe: training.Recipe) -> tuple[bool, int | None]:
    """Whether it is the dark one, or which channel of several."""
    if not recipe.labels:
        if config.phase not in (None, "bright", "dark"):
            raise InputError(
                f"--phase {config.phase}: this generator makes grey images, of which the bright or "
                "the dark phase is meant."
            )
        return config.phase == "dark", None
    labels = [str(label) for label in recipe.labels]
    if config.phase is None and len(labels) == 2:
        return False, 1
    if config.phase not in labels:
        raise InputError(
            f"--phase {config.phase}: this generator makes the phases {', '.join(labels)}; say "
            "which of them is meant."
        )
    return False, labels.index(config.phase)


def check_directions(config: Config, subject: Subject) -> None:
    """Refuse a number of directions that the latents do not have."""
    features = subject.gan.latent_features
    if config.directions is not None and not 2 <= config.directions <= features:
        raise InputError(
            f"--directions (={config.directions}): from 2 to the {features} of the latents."
        )


def space_of(config: Config, subject: Subject) -> design.Space:
    """All latents, or those along the directions of most change; and the numbers that are free."""
    features, free = subject.gan.latent_features, subject.free
    sphere = design.Sphere(features)
    if config.directions is not None:
        latents = design.random_latents(DRAWN, features, seed=config.seed)
        middle = [(one.low + one.high) / 2 for one in free]
        given = np.concatenate([latents, np.tile(np.array(middle, np.float32), (DRAWN, 1))], axis=1)
        images = np.concatenate([np.asarray(subject(part)) for part in np.split(given, 16)])
        found = design.principal_directions(latents, images, config.directions)
        sphere = design.Sphere.spanned_by(found.directions)
    if not free:
        return sphere
    limits = tuple(one.low for one in free), tuple(one.high for one in free)
    return design.Product(sphere, design.Box(*limits))
