"""The steps of `idml design`."""

import dataclasses
import functools
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from idml_jax import design, evaluation, properties, report
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_goals import aim_of, properties_of
from idml_jax.workflows.design_like import Like, like_of
from idml_jax.workflows.design_realism import realism_of
from idml_jax.workflows.design_reference import Reference, reference_of
from idml_jax.workflows.design_report import write_report
from idml_jax.workflows.design_results import Found, numbers, write_designs
from idml_jax.workflows.design_subject import Subject, check_directions, space_of, subject_of
from idml_jax.workflows.generate_uses import parameters_digest
from idml_jax.workflows.local_fields import local_fields

NOISES = 16
"""Images of a design, of different noise, over which its values are spread."""


class Judges(NamedTuple):
    """What judges images: the properties by their names, and how typical they are."""

    wanted: dict[str, properties.Property]
    """Of the phase, all that is wanted; none where another program measures."""
    of_images: dict[str, properties.Property]
    """The same of the images themselves."""
    halved: dict[str, properties.Property]
    """Those that pixels half as large have as well."""
    typical: Callable[[], evaluation.Typical]
    """Described when it is first asked for, which takes seconds."""

    @classmethod
    def of(
        cls,
        config: Config,
        aim: design.Aim,
        subject: Subject,
        reference: Reference,
        like: Like | None,
    ) -> "Judges":
        """Those that the options ask for."""
        material = subject.phases(reference.images)
        typical = functools.cache(
            functools.partial(evaluation.Typical.of, material, evaluation.STANDARD)
        )
        of_images = realism_of(config, aim, subject)
        if config.command is not None:
            return cls({}, {}, {}, typical)
        others = {} if like is None else like.errors()
        others["typical"] = properties.Property(
            lambda phase: typical().judge(phase[None]).overall[0], "typical", compiled=False
        )
        side = subject.pixel_side()
        names = [name for name in aim.outputs if name not in of_images]
        wanted = properties_of(config, names, side, others)
        halved = properties_of(config, names, (side or 1.0) / 2, others)
        alike = {name: one for name, one in halved.items() if name not in others}
        return cls(wanted, of_images, alike, typical)


def study(config: Config) -> dict[str, Any]:
    """Search, or go on with it, and write everything; what ``result.json`` holds."""
    began = time.perf_counter()
    subject, aim = subject_of(config), aim_of(config)
    like, reference = like_of(config, subject), reference_of(config, subject)
    judges = Judges.of(config, aim, subject, reference, like)
    evaluator = evaluator_of(config, subject, judges)
    # What cannot be searched is refused before the folder is taken.
    design.strategies_for(aim, evaluator, config.strategies, config.evaluations)
    check_directions(config, subject)
    known = {"generator digest": parameters_digest(subject.gan), "phase": subject.meant}
    for each in (like, reference.material):
        known |= {} if each is None else each.fingerprint()
    report.claim(config.run / "config.json", config.plain() | known)
    done, budget = config.run / "result.json", (config.evaluations, config.designs)
    if done.exists():
        results = json.loads(done.read_text())
        if (results["evaluations"], results["designs kept"]) == budget:
            return results
    result = design.optimize_latents(
        subject,
        evaluator,
        run=config.run / "searches",
        objective=aim,
        strategies=config.strategies,
        space=space_of(config, subject),
        evaluations=config.evaluations,
        start=config.start,
        batch=config.batch,
        designs=config.designs,
        seed=config.seed,
    )
    found = Found(
        config=config,
        subject=subject,
        result=result,
        reference=reference,
        like=like,
        units={name: one.unit for name, one in judges.wanted.items()},
        table=measured(config, subject, result, reference, judges),
        fields=local_fields(config, aim, subject.phases(result.images[:1])[0]),
        seconds=time.perf_counter() - began,
    )
    write_designs(found)
    results = numbers(found)
    write_report(config.run / "report.html", found, results)
    report.write_json(done, results)
    return results


def evaluator_of(config: Config, subject: Subject, judges: Judges) -> design.Evaluator:
    """How images are measured: by the toolkit, or by another program."""
    if config.command is not None:
        return design.Command(
            subject, config.command, config.run, timeout=config.timeout, retries=config.retries
        )
    return design.Measured(
        subject,
        judges.wanted,
        judges.of_images,
        phase=subject.phase,
        soft_phase=subject.soft_phase,
        repeats=config.repeats,
        batch=config.batch,
    )


def measured(
    config: Config,
    subject: Subject,
    result: design.Design,
    reference: Reference,
    judges: Judges,
) -> dict[str, Float[np.ndarray, " designs"]]:
    """A column for each number of the designs."""
    columns = {name: result.values[:, place] for place, name in enumerate(result.aim.outputs)}
    columns |= {
        f"{name}, once more": result.recomputed[:, place]
        for place, name in enumerate(result.aim.outputs)
    }
    told = result.latents[:, subject.gan.latent_features :].T
    columns |= {f"{one.name}, told": told[place] for place, one in enumerate(subject.free)}
    phases = subject.phases(result.images)
    finer = phases.repeat(2, axis=1).repeat(2, axis=2)
    columns |= {f"{name}, pixels halved": _each(one, finer) for name, one in judges.halved.items()}
    if config.command is None and subject.recipe.noise:
        evaluator = evaluator_of(dataclasses.replace(config, repeats=NOISES), subject, judges)
        spread = evaluator.measure(result.latents, result.aim)
        assert spread.variances is not None
        deviations = np.sqrt(NOISES * spread.variances)
        for place, name in enumerate(result.aim.outputs):
            columns[f"{name}, mean over noise"] = spread.values[:, place]
            columns[f"{name}, deviation over noise"] = deviations[:, place]
    judged = judges.typical().judge(phases)
    columns["typical"] = judged.overall
    columns |= {f"typical {name}": shares for name, shares in judged.shares.items()}
    if nearest := reference.nearest(result.images):
        columns["nearest training crop"] = np.array(nearest)
    return columns


def _each(one: properties.Property, phases: np.ndarray) -> Float[np.ndarray, " designs"]:
    if one.compiled:
        return np.asarray(jax.jit(jax.vmap(one))(phases))
    return np.array([float(one(phase)) for phase in phases])
