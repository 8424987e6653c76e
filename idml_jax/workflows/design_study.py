"""The steps of `idml design`."""

import dataclasses
import functools
import json
import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from idml_jax import design, evaluation, properties, report, statistics, training
from idml_jax.errors import InputError
from idml_jax.typing import Image, Phase
from idml_jax.workflows.design import Config
from idml_jax.workflows.design_reference import Reference, reference_of
from idml_jax.workflows.design_report import write_report
from idml_jax.workflows.design_results import Found, numbers, write_designs
from idml_jax.workflows.design_wanted import aim_of, properties_of
from idml_jax.workflows.generate_uses import parameters_digest, unconditional
from idml_jax.workflows.local_fields import local_fields

NOISES = 16
"""Images of a design, of different noise, over which its values are spread."""

DRAWN = 1024
"""Random images, by which the directions of most change are found."""


def phase_of(image: Image, *, dark: bool) -> Phase:
    """The phase that is meant."""
    bright = statistics.bright_phase(image)
    return ~bright if dark else bright


def soft_phase_of(image: Image, *, dark: bool) -> Phase:
    """The same with a slope."""
    bright = statistics.soft_phase(image)
    return 1 - bright if dark else bright


def study(config: Config) -> dict[str, Any]:
    """Search, or go on with it, and write everything; what ``result.json`` holds."""
    began = time.perf_counter()
    gan = unconditional(config.generator)
    aim = aim_of(config)
    wanted = {} if config.command else properties_of(config, aim, pixel_side(gan))
    reference = reference_of(config, gan)
    known = {"generator digest": parameters_digest(gan)}
    if reference.material is not None:
        known |= reference.material.fingerprint()
    report.claim(config.run / "config.json", config.plain() | known)
    done, budget = config.run / "result.json", (config.evaluations, config.designs)
    if done.exists():
        results = json.loads(done.read_text())
        if (results["evaluations"], results["designs kept"]) == budget:
            return results
    evaluator = evaluator_of(config, gan, wanted)
    result = design.optimize_latents(
        gan,
        evaluator,
        run=config.run / "searches",
        objective=aim,
        strategies=config.strategies,
        space=space_of(config, gan),
        evaluations=config.evaluations,
        start=config.start,
        batch=config.batch,
        designs=config.designs,
        seed=config.seed,
    )
    found = Found(
        config=config,
        gan=gan,
        result=result,
        reference=reference,
        units={name: one.unit for name, one in wanted.items()},
        table=measured(config, gan, result, reference, wanted),
        fields=local_fields(config, aim, np.asarray(_phases(config, result.images[:1])[0])),
        seconds=time.perf_counter() - began,
    )
    write_designs(found)
    results = numbers(found)
    write_report(config.run / "report.html", found, results)
    report.write_json(done, results)
    return results


def pixel_side(gan: training.ProgressiveGAN) -> float | None:
    """In metres; none where it is not known, or not the same along both axes."""
    sides = gan.recipe.pixel_size
    return None if sides is None or sides[0] != sides[1] else sides[0]


def evaluator_of(
    config: Config, gan: training.ProgressiveGAN, wanted: dict[str, properties.Property]
) -> design.Evaluator:
    """How images are measured: by the toolkit, or by another program."""
    if config.command is not None:
        return design.Command(
            gan, config.command, config.run, timeout=config.timeout, retries=config.retries
        )
    dark = config.phase == "dark"
    return design.Measured(
        gan,
        wanted,
        phase=functools.partial(phase_of, dark=dark),
        soft_phase=functools.partial(soft_phase_of, dark=dark),
        repeats=config.repeats,
        batch=config.batch,
    )


def space_of(config: Config, gan: training.ProgressiveGAN) -> design.Space:
    """All latents, or those along the directions of most change."""
    features = gan.latent_features
    if config.directions is None:
        return design.Sphere(features)
    if not 2 <= config.directions <= features:
        raise InputError(
            f"--directions (={config.directions}): from 2 to the {features} of the latents."
        )
    latents = design.random_latents(DRAWN, features, seed=config.seed)
    parts = [np.asarray(gan(part)) for part in latents.reshape(-1, 64, features)]
    found = design.principal_directions(latents, np.concatenate(parts), config.directions)
    return design.Sphere.spanned_by(found.directions)


def measured(
    config: Config,
    gan: training.ProgressiveGAN,
    result: design.Design,
    reference: Reference,
    wanted: dict[str, properties.Property],
) -> dict[str, Float[np.ndarray, " designs"]]:
    """A column for each number of the designs."""
    columns = {name: result.values[:, place] for place, name in enumerate(result.aim.outputs)}
    columns |= {
        f"{name}, once more": result.recomputed[:, place]
        for place, name in enumerate(result.aim.outputs)
    }
    phases = np.asarray(_phases(config, result.images))
    if wanted:
        finer = phases.repeat(2, axis=1).repeat(2, axis=2)
        halved = properties_of(config, result.aim, (pixel_side(gan) or 1.0) / 2)
        columns |= {
            f"{name}, pixels halved": np.asarray(jax.jit(jax.vmap(one))(finer))
            for name, one in halved.items()
        }
    if wanted and gan.recipe.noise:
        evaluator = evaluator_of(dataclasses.replace(config, repeats=NOISES), gan, wanted)
        spread = evaluator.measure(result.latents, result.aim)
        assert spread.variances is not None
        deviations = np.sqrt(NOISES * spread.variances)
        for place, name in enumerate(result.aim.outputs):
            columns[f"{name}, mean over noise"] = spread.values[:, place]
            columns[f"{name}, deviation over noise"] = deviations[:, place]
    material = np.asarray(_phases(config, reference.images))
    typical = evaluation.typicality(phases, material, evaluation.STANDARD)
    columns["typical"] = typical.overall
    columns |= {f"typical {name}": shares for name, shares in typical.shares.items()}
    if nearest := reference.nearest(result.images):
        columns["nearest training crop"] = np.array(nearest)
    return columns


def _phases(config: Config, images: Float[np.ndarray, "count rows cols 1"]) -> Phase:
    return jax.vmap(functools.partial(phase_of, dark=config.phase == "dark"))(images)
