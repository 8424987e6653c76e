"""The page of `idml classify compare`."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from idml_jax import data, report
from idml_jax.workflows.classify_compare import Config
from idml_jax.workflows.classify_embedding import features_of
from idml_jax.workflows.classify_folds import INNER, Answer, Judged, chosen_of
from idml_jax.workflows.classify_scores import Scores, curves_of, table_of
from idml_jax.workflows.classify_ways import GRIDS, left_out
from idml_jax.workflows.folding import unjudged_text
from idml_jax.workflows.provenance import end_page

SHOWN = 8
"""Ways of which a curve is drawn, the best ones."""


def write_page(
    config: Config,
    known: Judged,
    scores: Sequence[Scores],
    answers: Mapping[str, Sequence[Answer]],
) -> None:
    """Table, learning curves, what the best way takes for what, what inner folds chose."""
    whole = [each for each in scores if each.share == max(config.shares)]
    best = max(whole, key=lambda each: each.mean("accuracy"))
    page = report.Page(
        "Ways to tell classes of micrographs",
        f"{len(answers)} ways, {len(known.micrographs)} micrographs of {len(known.classes)} "
        f"classes, {_parting(known.folds)}.",
    )
    page.section(
        "Which way tells the classes best?",
        ("Mean and standard deviation over the folds. " if len(known.folds) > 1 else "")
        + "In brackets the interval that holds 95 % of resampled sets of as many specimens. That "
        "one of many ways is the best is chosen by the same micrographs: its score flatters a "
        "little. " + left_out(features_of(config), config.classifiers),
    )
    rows = table_of(whole)
    page.table(rows[0], rows[1:])
    if len(config.shares) > 1:
        page.section("Would more micrographs help?")
        page.figure(
            curves_figure(scores),
            "Accuracy over the same folds against the number of micrographs learned from; bars "
            f"are deviations over the folds. The {SHOWN} best ways.",
        )
    page.section("What the best way takes for what")
    page.figure(
        report.confusion_figure(best.counts, known.classes),
        f"By {best.way}, in all folds: share of each true class, down, that was taken for which.",
    )
    if config.nested:
        page.section(
            "What was chosen inside",
            f"By {INNER} inner folds of what each fold is learned from. There was to choose from: "
            + "; ".join(f"{name}: {_text(grid)}" for name, grid in GRIDS.items())
            + ".",
        )
        page.table(
            ("by", *(f"fold {fold.name}" for fold in known.folds)),
            [
                (way, *(_text(chosen) for chosen in found))
                for way, found in chosen_of(answers).items()
            ],
        )
    page.section("Folds", unjudged_text(known.unjudged))
    rows = []
    for fold in known.folds:
        counts = np.bincount(known.targets[fold.judged], minlength=len(known.classes))
        rows.append((fold.name, *(str(count) if count else "none" for count in counts)))
    page.table(("fold", *known.classes), rows)
    end_page(page, config.plain(), config.run / "report.html")


def curves_figure(scores: Sequence[Scores]) -> Figure:
    """Accuracy of the best ways against the number of micrographs that they were fitted to."""
    curves = curves_of(scores, "accuracy")
    best = sorted(
        (way for way in curves if len(curves[way]) > 1), key=lambda way: -curves[way][-1, 1]
    )[:SHOWN]
    figure, ax = report.new_figure(7.5, 4.2)
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(best)))
    for way, colour in zip(best, colours, strict=True):
        count, mean, deviation = curves[way].T
        ax.errorbar(count, mean, deviation, color=colour, marker="o", capsize=3, label=way)
    ax.set_xscale("log")
    counts = np.unique([curves[way][:, 0] for way in best])
    ax.set_xticks(counts, [f"{count:g}" for count in counts])
    ax.minorticks_off()
    ax.set_xlabel("micrographs learned from")
    ax.set_ylabel("accuracy")
    ax.legend(frameon=False, fontsize=8)
    return figure


def _parting(folds: Sequence[data.Fold]) -> str:
    """How they are parted."""
    if len(folds) == 1:
        return f"{len(folds[0].judged)} of which judge what learned from the others"
    return f"{len(folds)} folds: each is judged by once, by what saw none of it"


def _text(chosen: Mapping[str, object]) -> str:
    """Names of hyperparameters without those of the steps that they are of."""
    found = []
    for name, value in chosen.items():
        values = value if isinstance(value, tuple) else (value,)
        found.append(f"{name.split('__')[-1]} {' '.join(map(str, values))}")
    return ", ".join(found)
