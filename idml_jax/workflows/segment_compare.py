"""How well classes of pixels are told, over folds: each is judged by once."""

import dataclasses
from typing import Any

from idml_jax.errors import InputError
from idml_jax.workflows import segment_train
from idml_jax.workflows.fold_options import FOLDING, FoldOptions, check_options
from idml_jax.workflows.options import plain_options


@dataclasses.dataclass(frozen=True)
class Config(FoldOptions, segment_train.Config):
    """Cross-validate a U-Net, a random forest and a threshold on micrographs and masks.

    For each fold, one after another, all are trained on the others as by `idml segment train`, and
    judged by it; nothing is chosen by it. Started again in its folder, it goes on where it stopped.
    """

    def check(self) -> None:
        """Refuse options out of range, or that do not go together."""
        super().check()
        check_options(self)

    def check_folds(self) -> None:
        """Refuse what parts micrographs otherwise, or is chosen by what is judged by."""
        standard = {field.name: field.default for field in dataclasses.fields(self)}
        for name in ("split", "fold", "held_out", "patience"):
            if getattr(self, name) != standard[name]:
                raise InputError(
                    f"--{name.replace('_', '-')} is of `idml segment train`; here every fold is "
                    "judged by in turn, and nothing is chosen by it: leave it out."
                )

    def plain(self) -> dict[str, Any]:
        """The options as plain values, without those that a run may be gone on with otherwise."""
        left = (
            *("run", "save_every", "names", "floors", "turned"),
            *("split", "fold", "held_out", "patience"),
        )
        newer = {*segment_train.NEWER_OPTIONS, *FOLDING}
        return plain_options(self, without=left, newer=newer, before=segment_train.BEFORE)

    def of_fold(self, name: str) -> segment_train.Config:
        """The options of the training that is judged by a fold."""
        same = {field.name: getattr(self, field.name)
                for field in dataclasses.fields(segment_train.Config)}  # fmt: skip
        folder = f"fold_{name.replace(' ', '_')}"
        return segment_train.Config(**{**same, "run": self.run / folder})


def run(config: Config) -> None:
    """Check the data, train and judge fold by fold, and print the scores."""
    config.check()
    # The rooms below bring JAX, which takes seconds; `idml --help` needs none of them.
    from idml_jax.workflows.segment_comparison import compared

    print(compared(config))
    print(f"\ntable: {config.run / 'compared.csv'}\nreport: {config.run / 'report.html'}")
