"""How the resolution of a progressive GAN grows with the steps."""

import dataclasses
from typing import NamedTuple


class Stage(NamedTuple):
    """Where in the growth a step is."""

    level: int
    fade: float
    first: bool
    """Whether this is the level's first step: the optimizer starts afresh there."""


@dataclasses.dataclass(frozen=True)
class Growth:
    """Images shown at each level, from the coarsest; the level follows from the step alone.

    Parameters
    ----------
    images : tuple of int
        Real images that the discriminator sees at each level.
    batches : tuple of int
        Batch size at each level.
    fade : float
        Share of a level's steps over which it is blended in; the coarsest is
        there at once.

    Examples
    --------
    >>> growth = Growth(images=(8, 16), batches=(4, 2), fade=0.5)
    >>> growth.steps
    10
    >>> growth.stage(4)
    Stage(level=1, fade=0.75, first=False)
    """

    images: tuple[int, ...]
    batches: tuple[int, ...]
    fade: float = 0.5

    def __post_init__(self):
        if len(self.images) != len(self.batches) or not self.images:
            raise ValueError(
                f"`images` and `batches` must have one entry a level, got {len(self.images)} and "
                f"{len(self.batches)}."
            )
        if min(self.images) < 1 or min(self.batches) < 2:
            raise ValueError(
                f"every level needs images and a batch of two at least, got images={self.images}, "
                f"batches={self.batches}."
            )

    def level_steps(self, level: int) -> int:
        """Number of steps at a level, at least one."""
        return max(1, self.images[level] // self.batches[level])

    @property
    def steps(self) -> int:
        """Number of steps at all levels."""
        return sum(self.level_steps(level) for level in range(len(self.images)))

    def stage(self, step: int) -> Stage:
        """Level and fade of a step, counted from 0; past the end, those of the last step."""
        step = min(step, self.steps - 1)
        level = 0
        while step >= self.level_steps(level):
            step -= self.level_steps(level)
            level += 1
        blending = self.fade * self.level_steps(level) if level else 0.0
        fade = min(1.0, (step + 1) / blending) if blending else 1.0
        return Stage(level, fade, first=step == 0)
