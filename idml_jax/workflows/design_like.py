"""An image that designs are to be like: its two-point correlation, its lineal paths."""

import functools
import hashlib
import pathlib
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from idml_jax import data, properties, report, statistics, training
from idml_jax.errors import InputError
from idml_jax.typing import Array, Phase
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_subject import Subject

SHARE = 4
"""The correlation is matched up to this part of the shorter side: of pixels further apart an image
of that size has few pairs."""

SHOWN = 64
"""Images of the material whose correlations are shown."""


class Like(NamedTuple):
    """A micrograph on the generator's scale of lengths and greys."""

    path: pathlib.Path
    grey: Float[np.ndarray, "rows cols"]
    phase: Bool[np.ndarray, "rows cols"]
    reach: int
    """Pixels up to which its statistics are matched."""

    def fingerprint(self) -> dict[str, str]:
        """By which a run knows that it goes on with the same image."""
        return {"like": hashlib.sha256(self.grey.tobytes()).hexdigest()[:16]}

    def errors(self) -> dict[str, properties.Property]:
        """Relative errors of the statistics of a design, by the names that a user may give."""
        s2 = statistics.two_point_correlation(self.phase, periodic=False)
        middle = [side // 2 for side in s2.shape]
        window = tuple(slice(at - self.reach, at + self.reach + 1) for at in middle)
        paths = [
            statistics.lineal_path(self.phase, axis=axis, periodic=False, longest=self.reach)
            for axis in (0, 1)
        ]
        of_path = [
            statistics.lineal_path_target(path, axis=axis, periodic=False)
            for axis, path in enumerate(paths)
        ]
        targets_of = {
            "two-point": [statistics.two_point_target(s2[window], periodic=False)],
            "lineal-path": of_path,
        }
        return {
            f"{name}-error": properties.Property(
                functools.partial(_mean_error, targets), f"relative {name} error"
            )
            for name, targets in targets_of.items()
        }

    def show(
        self,
        page: report.Page,
        best: Bool[np.ndarray, "rows cols"],
        material: Bool[np.ndarray, "many rows cols"],
    ) -> None:
        """The section of a page that sets the phase of the best design beside that of the image."""
        page.section("Is it like the image that was given?")
        figure, axes = report.new_panels(10.0, 3.4, 1, 3)
        for ax, phase, title in (
            (axes[0, 0], self.phase, self.path.name),
            (axes[0, 1], best, "the best design"),
        ):
            ax.imshow(phase, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(title)
            ax.set_axis_off()
        typical = np.stack([self._curve(phase) for phase in material[:SHOWN]])
        own, found = self._curve(self.phase), self._curve(best)
        curves = {
            "material": (typical.mean(axis=0), *np.quantile(typical, [0.05, 0.95], axis=0)),
            "given": (own,) * 3,
            "design": (found,) * 3,
        }
        colours = {
            "material": report.TRAINING,
            "given": report.REAL,
            "design": report.GENERATED,
        }
        report.draw_curves(axes[0, 2], np.arange(len(own), dtype=float), curves, colours)
        page.figure(
            figure,
            "The phase of the image and of the design, and the radial averages of their two-point "
            f"correlations, which are matched up to {self.reach} pixels; shaded are nine in ten "
            "images of the material.",
        )

    def _curve(self, phase: Bool[np.ndarray, "rows cols"]) -> Float[np.ndarray, " distances"]:
        s2 = statistics.two_point_correlation(phase, periodic=False)
        return np.asarray(statistics.radial_average(s2)[1][: self.reach + 1])


def _mean_error(targets: list[statistics.Target], phase: Phase) -> Float[Array, ""]:
    return jnp.mean(jnp.stack([target.relative_error(phase) for target in targets]))


def like_of(config: Config, subject: Subject) -> Like | None:
    """The image that the options name, with pixels as large as the generator's.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    if config.like is None:
        return None
    recipe = subject.recipe
    if recipe.labels:
        raise InputError(
            f"--like {config.like}: is for generators of grey images, and this one makes phases; "
            "give its volume fraction or another property as a target."
        )
    micrograph = data.read_micrograph(
        config.like, pixel_size=config.pixel_size, crop_bottom=config.crop_bottom or 0
    ).grey()
    micrograph = micrograph.binned(config.binning or _binning(micrograph, recipe))
    reach = min(recipe.size) // SHARE
    data.check_sizes([micrograph], size=(2 * reach + 1, 2 * reach + 1))
    micrograph = data.equalize_contrast(micrograph, contrast=recipe.contrast)
    phase = np.asarray(subject.phase(micrograph.image))
    return Like(config.like, micrograph.image[..., 0], phase, reach)


def _binning(micrograph: data.Micrograph, recipe: training.Recipe) -> int:
    """Pixels that make up one of the generator's, where both sizes are known; else one."""
    own, wanted = micrograph.pixel_size, recipe.pixel_size
    if own is None or wanted is None:
        return 1
    ratios = [large / small for large, small in zip(wanted, own, strict=True)]
    factor = round(ratios[0])
    if factor < 1 or any(abs(ratio / factor - 1) > 0.1 for ratio in ratios):
        raise InputError(
            f"{micrograph.label}: its pixels are {own[0]:.3g} m and the generator's "
            f"{wanted[0]:.3g} m, no whole multiple; resample it, or say how many to average by "
            "--binning."
        )
    return factor
