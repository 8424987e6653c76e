"""Are generated images the same material? Every statistic, beside what real specimens differ by."""

import dataclasses
import math
from typing import Any

import numpy as np

from idml_jax.evaluation.ensembles import Statistics
from idml_jax.report import aligned_text

COLUMNS = (
    "statistic",
    "distance",
    "95 % interval",
    "in",
    "floor",
    "scatter",
    "ratio",
    "p",
    "p (Holm)",
)
"""Of the table of a comparison."""

LEVEL = 0.05
"""Chance of finding any difference where there is none."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far apart two ensembles are in one statistic.

    Parameters
    ----------
    name : str
        Of the statistic.
    unit : "rms" or "sd"
        What distances are in: the root mean square difference of two mean curves; or the
        difference of two means, in standard deviations of the real images (pooled over
        training and held-out).
    distance, low, high : float
        Of the generated from the held-out images, and its 95 % cluster-bootstrap interval.
    floor : float
        The distance of the training from the held-out images.
    scatter : float
        What two such sets of real specimens typically differ by: the root mean square of that
        distance over other divisions of all real specimens into sets of these numbers. The one
        that was made may be large or small by chance.
    p_value, smallest_p_value : float
        Of `two_sample_test` between the generated and the held-out images; NaN where there are
        too few.
    corrected : float
        The p-value after Holm's correction for all statistics of the comparison.
    """

    name: str
    unit: str
    distance: float
    low: float
    high: float
    floor: float
    scatter: float
    p_value: float
    smallest_p_value: float
    corrected: float = math.nan

    @property
    def ratio(self) -> float:
        """Distance over the larger of floor and scatter: about 1 where nothing differs."""
        real = max(self.floor, self.scatter)
        if real == 0:
            return math.inf if self.distance > 0 else math.nan
        return self.distance / real


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Generated images beside held-out and training micrographs.

    Every distance stands beside the one between training and held-out micrographs, which no
    generator can be expected to undercut. Printed, it is a table.

    Parameters
    ----------
    generated, held_out, training : Statistics
        Means and intervals of each ensemble.
    differences : tuple of Difference
        One for each statistic.
    """

    generated: Statistics
    held_out: Statistics
    training: Statistics
    differences: tuple[Difference, ...] = ()

    def __getitem__(self, name: str) -> Difference:
        """The difference in the statistic of that name."""
        for difference in self.differences:
            if difference.name == name:
                return difference
        known = ", ".join(difference.name for difference in self.differences)
        raise KeyError(f"{name!r} was not compared; there are: {known}.")

    def told_apart_by(self, level: float = LEVEL) -> list[str]:
        """Statistics whose p-value is at most `level` after correction for their number."""
        return [one.name for one in self.differences if one.corrected <= level]

    def rows(self) -> list[tuple[str, ...]]:
        """The table's rows, the cells as text; `COLUMNS` is its head."""
        return [
            (
                one.name,
                _text(one.distance),
                f"[{_text(one.low)}, {_text(one.high)}]",
                one.unit,
                _text(one.floor),
                _text(one.scatter),
                _text(one.ratio, 2),
                _text(one.p_value, 2),
                _text(one.corrected, 2),
            )
            for one in self.differences
        ]

    def __str__(self) -> str:
        kinds = (("generated", self.generated), ("held out", self.held_out))
        counts = [
            f"{name} {kind.images} images of {kind.specimens} "
            f"{'sample' if kind.specimens == 1 else 'specimens'}"
            for name, kind in (*kinds, ("training", self.training))
        ]
        smallest = min((one.smallest_p_value for one in self.differences), default=math.nan)
        lines = [
            aligned_text([COLUMNS, *self.rows()]),
            "",
            "; ".join(counts) + ".",
            "rms: root mean square difference of mean curves; sd: difference of means in standard",
            "deviations of the real images. floor: the same distance, training from held out;",
            "scatter: the same between other such divisions of the real specimens; ratio: distance",
            "over the larger of the two, about 1 where nothing differs.",
            f"p: whole specimens permuted; {smallest:.2g} is the smallest there can be.",
        ]
        tests = sum(math.isfinite(one.p_value) for one in self.differences)
        if not smallest * tests <= LEVEL:
            lines.append("So few specimens let no p-value be small: read the ratios.")
        return "\n".join(lines)

    def plain(self) -> dict[str, Any]:
        """Every number as plain values for JSON; None for what is not finite."""
        return {
            "images": {name: kind.images for name, kind in self.kinds.items()},
            "specimens": {name: kind.specimens for name, kind in self.kinds.items()},
            "statistics": {
                one.name: {
                    "unit": one.unit,
                    **{
                        name.replace("_", " "): value if math.isfinite(value) else None
                        for name in (
                            "distance",
                            "low",
                            "high",
                            "floor",
                            "scatter",
                            "ratio",
                            "p_value",
                            "smallest_p_value",
                            "corrected",
                        )
                        for value in [float(getattr(one, name))]
                    },
                }
                for one in self.differences
            },
        }

    @property
    def kinds(self) -> dict[str, Statistics]:
        """The three ensembles by what figures and tables call them."""
        return {"generated": self.generated, "held-out": self.held_out, "training": self.training}

    @property
    def inside(self) -> float:
        """Share of distances at which the generated mean S2 is inside the held-out interval."""
        mean = self.generated.correlation.mean
        held_out = self.held_out.correlation
        return float(((mean >= held_out.low) & (mean <= held_out.high)).mean())

    @property
    def overlapping(self) -> float:
        """Share of distances at which the generated and the held-out interval overlap."""
        one, two = self.generated.correlation, self.held_out.correlation
        return float(((one.low <= two.high) & (two.low <= one.high)).mean())

    @property
    def generated_distance(self) -> float:
        """Root mean square difference of the generated and the held-out mean S2."""
        return self.generated.distance_to(self.held_out)

    @property
    def real_distance(self) -> float:
        """Root mean square difference of the training and the held-out mean S2: the floor."""
        return self.training.distance_to(self.held_out)

    @property
    def held_out_error(self) -> float:
        """Half width of the held-out interval of S2, root mean square: how well it is known."""
        held_out = self.held_out.correlation
        return float(np.sqrt(np.mean(((held_out.high - held_out.low) / 2) ** 2)))


def _text(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else ("-" if math.isnan(value) else "inf")
