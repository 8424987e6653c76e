"""A segmenter's training beside that of a plain U-Net in PyTorch: how well each tells, how soon.

    python -m benchmarks.segmentation_accuracy --data DATA --study superalloy
    python -m benchmarks.segmentation_accuracy --data DATA --study steel --fold 1

Ours is as the study's experiment trains it (`experiments.few_annotated_micrographs`,
`experiments.steel_constituents`). The peer is what one would write in an afternoon: two
convolutions at each of four resolutions, 16 to 128 features, square crops turned by quarters and
mirrored, cross-entropy and Dice, Adam whose rate falls to nothing by a cosine. Both see the same
micrographs, and are judged by the same others, by the same counts, ours in the mean over the turns
of a micrograph as well. Nothing of the peer is chosen by what judges it; of ours the experiment
says.

On a CPU both are kept to `--threads` cores, one after the other. Seconds are of the training, with
whatever judges it on the way.
"""

import argparse
import dataclasses
import pathlib
import time
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional
from tqdm import tqdm

from benchmarks.processors import shared_device
from benchmarks.timing import print_table
from benchmarks.torch_segmentation import PlainUNet, channels_last
from experiments.few_annotated_micrographs import STUDIES, turned_mean
from experiments.steel_constituents import NAMES, fold_of
from experiments.steel_constituents import Config as Steel
from idml_jax import data, evaluation, report, training
from idml_jax.cli import prepare_jax
from idml_jax.typing import Image

FEATURES, RATE = (16, 32, 64, 128), 2e-3
"""Of the peer."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is learned from, what judges, and how ours is trained."""

    known: list[data.Annotated]
    other: list[data.Annotated]
    names: tuple[str, ...]
    recipe: training.SegmenterRecipe
    judged: bool
    """Whether the best of our networks by what judges is kept, and not the last."""


def case_of(given: argparse.Namespace) -> Case:
    """Of a study's name."""
    if given.study == "steel":
        parts, recipe = fold_of(Steel(given.data), given.fold)
        return Case(parts.train, parts.val, NAMES, recipe, judged=False)
    study = STUDIES[given.study]
    known, other = study.read(given.data, given.of or study.of)
    return Case(known, other, study.classes, study.recipe, judged=True)


@dataclasses.dataclass(frozen=True)
class Peer:
    """A network of PyTorch's as what tells the class of pixels."""

    network: torch.nn.Module
    classes: tuple[int, ...]
    mean: float
    deviation: float
    device: str

    @torch.no_grad()
    def predict(self, image: Image) -> Float[np.ndarray, "rows cols classes"]:
        """Probabilities of the classes of each pixel."""
        rows, cols = image.shape[:2]
        multiple = 2 ** (len(FEATURES) - 1)
        margins = ((0, -rows % multiple), (0, -cols % multiple))
        grey = np.pad((image[..., 0] - self.mean) / self.deviation, margins, mode="symmetric")
        given = torch.from_numpy(grey.astype(np.float32))[None, None].to(self.device)
        shares = self.network(given)[0, :, :rows, :cols].softmax(dim=0)
        return shares.permute(1, 2, 0).cpu().numpy()


def peer_of(case: Case, given: argparse.Namespace, device: str) -> Peer:
    """Train the peer."""
    torch.manual_seed(given.seed)
    random = np.random.default_rng(given.seed)
    pixels = np.concatenate([one.micrograph.image.ravel() for one in case.known])
    mean, deviation = float(pixels.mean()), float(pixels.std())
    classes = len(case.names)
    network = channels_last(PlainUNet(1, classes, FEATURES).to(device))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, given.steps)

    def crop() -> tuple[np.ndarray, np.ndarray]:
        one = case.known[random.integers(len(case.known))]
        sides = one.micrograph.size
        side = min(given.crop, *sides)
        row, col = (random.integers(length - side + 1) for length in sides)
        part = np.s_[row : row + side, col : col + side]
        quarters, mirrored = int(random.integers(4)), int(random.integers(2))
        image, labels = (
            np.rot90(each[part], quarters)[:, :: 1 - 2 * mirrored]
            for each in (one.micrograph.image[..., 0], one.labels)
        )
        return (image - mean) / deviation, labels

    for _ in tqdm(range(given.steps), desc="PyTorch", unit="step"):
        images, labels = map(np.stack, zip(*(crop() for _ in range(given.batch)), strict=True))
        logits = network(torch.from_numpy(images.astype(np.float32))[:, None].to(device))
        truth = torch.from_numpy(labels.astype(np.int64)).to(device)
        optimizer.zero_grad()
        loss_of(logits, truth, classes).backward()
        optimizer.step()
        falling.step()
    return Peer(network.eval(), tuple(range(classes)), mean, deviation, device)


def loss_of(logits: torch.Tensor, truth: torch.Tensor, classes: int) -> torch.Tensor:
    """Cross-entropy and Dice, over what is annotated."""
    known = truth >= 0
    entropy = functional.cross_entropy(logits, truth, ignore_index=-1)
    shares = logits.softmax(dim=1) * known[:, None]
    there = functional.one_hot(truth.clamp(min=0), classes).permute(0, 3, 1, 2) * known[:, None]
    both, total = (x.sum(dim=(0, 2, 3)) for x in (shares * there, shares + there))
    return entropy + 1 - ((2 * both + 1) / (total + 1)).mean()


def row_of(name: str, segmenter: Any, case: Case, seconds: float) -> tuple[str, ...]:
    """Of the table."""
    scores = evaluation.scores_on(segmenter, case.other, case.names)
    columns = evaluation.score_columns(case.names)
    return name, *report.cells(scores, columns), f"{seconds:.0f}"


def main() -> None:
    """Train both, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the sets")
    parser.add_argument("--study", choices=(*STUDIES, "steel"), required=True)
    parser.add_argument("--of", help="which of the lists in the set's folder, not the study's")
    parser.add_argument("--fold", type=int, default=1, help="of the steel, what judges")
    parser.add_argument("--run", type=pathlib.Path, default="runs/segmentation_accuracy")
    parser.add_argument("--steps", type=int, default=900, help="of the peer")
    parser.add_argument("--our-steps", type=int, help="of ours, not the experiment's")
    parser.add_argument("--crop", type=int, default=160, help="side of the peer's crops")
    parser.add_argument("--batch", type=int, default=8, help="the peer's crops in each step")
    parser.add_argument("--threads", type=int, default=2, help="on a CPU, of each")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--peer-alone", action="store_true", help="without ours")
    given = parser.parse_args()
    prepare_jax()
    device = shared_device(given.threads)
    case = case_of(given)
    began = time.perf_counter()
    peer = peer_of(case, given, device)
    rows = [row_of("PyTorch, plain U-Net", peer, case, time.perf_counter() - began)]
    if not given.peer_alone:
        began = time.perf_counter()
        ours = training.train_segmenter(
            case.known,
            tuple(range(len(case.names))),
            dataclasses.replace(
                case.recipe, steps=given.our_steps or case.recipe.steps, seed=given.seed
            ),
            run=given.run / f"{given.study}_{given.of or given.fold}",
            judge=evaluation.judge_pixels(case.other) if case.judged else None,
        )
        seconds = time.perf_counter() - began
        rows.append(row_of("idml_jax", ours, case, seconds))
        _, turned = turned_mean([ours])
        rows.append(row_of("idml_jax, mean of turns", turned, case, seconds))
    print_table(("trained by", "mean IoU", *case.names, "seconds"), rows)


if __name__ == "__main__":
    main()
