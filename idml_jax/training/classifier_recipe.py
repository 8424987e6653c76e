"""What a classifier is to be: its network, and how it is trained."""

import dataclasses
from typing import Any

import optax
from flax import nnx

from idml_jax.models import Classifier
from idml_jax.training.optimization import warmed_up_adam

NEWER_FIELDS = ("averaging", "mixing", "focus", "judge_every", "patience", "by_itself")
"""Those that came after runs whose folders do not know them."""


@dataclasses.dataclass(frozen=True)
class ClassifierRecipe:
    """What a classifier was made with: written beside its checkpoints, read to load it.

    Parameters
    ----------
    features : tuple of int
        Channels of the network at each resolution, the finest first.
    embedding : int
        Numbers that an image is turned into before its class is told from them.
    periodic : bool
        Continue an image by its opposite side.
    balanced : bool
        Whether every class has the same weight in the loss, however few its images are: each
        image's is the number of all images over that of its class and of classes.
    steps, batch : int
        Steps in all, and images in each.
    learning_rate : float
        Of Adam at its highest: it rises over the first twentieth of the steps and falls to
        nothing by half a cosine. Large, because equalized layers keep weights of order one.
    seed : int
    averaging : float
        What a moving average of the parameters, which then is what the classifier uses, keeps of
        itself in each step. 0 for none.
    mixing : float
        Of mix-up [1]_: images are mixed by pairs, in shares of a beta distribution of this
        parameter, and so are their classes. 0 for none.
    focus : float
        Exponent of the focal loss: what is told surely weighs less. 0 for cross-entropy.
    judge_every : int
        Steps between judgements by what it is not trained on.
    patience : int, optional
        Judgements without a better one after which the training ends.
    by_itself : bool
        Whether each image by itself is brought to zero mean and unit variance, so that what it was
        lit by tells nothing; else all by the moments of the training images.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: beyond empirical risk
       minimization", ICLR 2018.
    """

    features: tuple[int, ...] = (16, 32, 64, 64)
    embedding: int = 64
    periodic: bool = False
    balanced: bool = True
    steps: int = 1000
    batch: int = 32
    learning_rate: float = 1e-2
    seed: int = 0
    averaging: float = 0.0
    mixing: float = 0.0
    focus: float = 0.0
    judge_every: int = 100
    patience: int | None = None
    by_itself: bool = False

    def plain(self) -> dict[str, Any]:
        """The fields as plain values; of the newer ones only what is not the default.

        So the options of a run from before there were any are the same, and it goes on.
        """
        return {
            field.name: value
            for field, value in zip(
                dataclasses.fields(self), dataclasses.asdict(self).values(), strict=True
            )
            if field.name not in NEWER_FIELDS or value != field.default
        }

    def network(self, channels: int, classes: int) -> Classifier:
        """The network with the initial values of the seed."""
        return Classifier(
            channels,
            classes,
            features=self.features,
            embedding=self.embedding,
            periodic=self.periodic,
            rngs=nnx.Rngs(self.seed),
        )

    def transform(self) -> optax.GradientTransformation:
        """The optimizer."""
        return warmed_up_adam(self.learning_rate, self.steps)
