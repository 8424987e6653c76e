"""`idml_jax.statistics.orientations` against waves of known direction, SciPy and NumPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import skimage.measure
from jax.test_util import check_grads

from idml_jax.statistics import (
    mean_orientation,
    orientation,
    orientation_distribution,
    structure_tensor,
)
from idml_jax.statistics.eigen import _eigen
from idml_jax.statistics.gaussian import gaussian_gradient, gaussian_mean

# Few shapes and one width: each is a compilation.
PLANE, SPACE = (60, 48), (16, 18, 20)
both_shapes = pytest.mark.parametrize("shape", [PLANE, SPACE], ids=str)
distribution = jax.jit(orientation_distribution, static_argnames="bins")
periodic_or_not = pytest.mark.parametrize("periodic", [True, False])


def random(seed, shape, dtype=float):
    return np.random.default_rng(seed).random(shape).astype(dtype)


def wave(shape, periods):
    """Plane wave with whole numbers of periods along each axis."""
    phase = sum(
        count * index / side
        for count, index, side in zip(periods, np.indices(shape), shape, strict=True)
    )
    return 0.5 + 0.5 * np.sin(2 * math.pi * phase)


def angle_between(first, second):
    """Of two axes given by angles, which are the same half a turn apart."""
    return np.abs((np.asarray(first) - second + math.pi / 2) % math.pi - math.pi / 2)


# --- gaussian filters ---------------------------------------------------------------------------


@periodic_or_not
@pytest.mark.parametrize("shape", [(24, 17), (9, 8, 12), (1, 30)], ids=str)
def test_gaussian_filters_are_those_of_scipy(shape, periodic):
    """At a width at which SciPy's sampled kernel is the Gaussian to ten digits."""
    image = random(0, shape)
    mode = "wrap" if periodic else "reflect"
    found = gaussian_mean(image, width=2.0, periodic=periodic)
    expected = scipy.ndimage.gaussian_filter(image, 2.0, mode=mode, truncate=10)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    gradient = gaussian_gradient(image, width=2.0, periodic=periodic)
    for axis in range(len(shape)):
        order = [int(other == axis) for other in range(len(shape))]
        expected = scipy.ndimage.gaussian_filter(image, 2.0, order, mode=mode, truncate=10)
        np.testing.assert_allclose(gradient[axis], expected, atol=1e-7)


@pytest.mark.parametrize("side", [8, 9])
def test_derivative_of_a_wave_is_exact(side):
    image = wave((side, 3), (1, 0))
    k = 2 * math.pi / side
    expected = 0.5 * k * np.cos(k * np.arange(side)) * math.exp(-0.5 * k**2)
    found = gaussian_gradient(image, width=1.0, periodic=True)
    np.testing.assert_allclose(found[0], np.tile(expected[:, None], (1, 3)), atol=1e-14)
    np.testing.assert_allclose(found[1], np.zeros((side, 3)), atol=1e-14)


# --- structure tensor ---------------------------------------------------------------------------


@periodic_or_not
@pytest.mark.parametrize("shape", [(12, 13), (6, 7, 5)], ids=str)
def test_structure_tensor_is_its_formula(shape, periodic):
    image = random(0, shape)
    found = structure_tensor(image, width=3.0, gradient_width=2.0, periodic=periodic)
    mode = "wrap" if periodic else "reflect"
    axes = range(len(shape))
    gradient = [
        scipy.ndimage.gaussian_filter(
            image, 2.0, [int(a == b) for b in axes], mode=mode, truncate=10
        )
        for a in axes
    ]
    for i in axes:
        for j in axes:
            product = gradient[i] * gradient[j]
            expected = scipy.ndimage.gaussian_filter(product, 3.0, mode=mode, truncate=10)
            np.testing.assert_allclose(found[..., i, j], expected, atol=1e-8)


@pytest.mark.parametrize("periods", [(3, 0), (0, 3), (2, 3), (2, -3), (1, 5), (-4, 1)], ids=str)
def test_stripes_lie_along_their_crests(periods):
    """A direction (row, col) has the angle atan2(col, row): from the rows to the cols axis."""
    tensors = structure_tensor(wave(PLANE, periods), width=2.0)
    normal = np.array(periods) / PLANE
    expected = math.atan2(-normal[0], normal[1])
    for across, true in ((False, expected), (True, expected + math.pi / 2)):
        angle, coherency = orientation(tensors, across=across)
        assert angle_between(angle, true).max() < 1e-7
        assert (np.asarray(angle) > -math.pi / 2 - 1e-12).all()
        assert (np.asarray(angle) <= math.pi / 2 + 1e-12).all()
        np.testing.assert_allclose(coherency, 1, atol=1e-9)
        mean, anisotropy = mean_orientation(tensors, across=across)
        assert angle_between(mean, true) < 1e-7
        assert float(anisotropy) == pytest.approx(1, abs=1e-9)


def test_angle_is_the_one_of_scikit_image():
    """One long particle: the fibre's angle is that of `regionprops`."""
    rows, cols = np.indices(PLANE) - np.reshape([30, 24], (2, 1, 1))
    for angle in (0.4, 1.2, -0.7):
        along = rows * math.cos(angle) + cols * math.sin(angle)
        across = cols * math.cos(angle) - rows * math.sin(angle)
        fibre = (along / 21) ** 2 + (across / 4) ** 2 < 1
        (region,) = skimage.measure.regionprops(fibre.astype(int))
        found, _ = mean_orientation(structure_tensor(fibre.astype(float), width=2.0))
        assert angle_between(region.orientation, angle) < 0.02
        assert angle_between(found, region.orientation) < 0.02


@pytest.mark.parametrize("periods", [(2, 0, 0), (1, 2, 0), (2, -1, 1)], ids=str)
def test_layers_in_space_have_their_normal(periods):
    tensors = structure_tensor(wave(SPACE, periods), width=2.0)
    axis, coherency = orientation(tensors, across=True)
    normal = np.array(periods) / SPACE
    normal /= np.linalg.norm(normal)
    np.testing.assert_allclose(np.abs(np.asarray(axis) @ normal), 1, atol=1e-9)
    np.testing.assert_allclose(coherency, 1, atol=1e-7)
    # Along layers no direction stands out.
    assert float(mean_orientation(tensors).coherency) < 0.5


def test_fibres_in_space_have_their_axis():
    """Two waves whose crests cross along the fibres: their normals span the plane across."""
    first, second = (1, 2, 0), (0, 1, 2)
    image = (wave(SPACE, first) + wave(SPACE, second)) / 2
    axis, anisotropy = mean_orientation(structure_tensor(image, width=2.0))
    true = np.cross(np.array(first) / SPACE, np.array(second) / SPACE)
    assert abs(np.asarray(axis) @ true) / np.linalg.norm(true) == pytest.approx(1, abs=1e-12)
    assert float(anisotropy) == pytest.approx(1, abs=1e-9)
    assert np.asarray(axis)[np.abs(np.asarray(axis)).argmax()] > 0


@both_shapes
def test_noise_has_no_orientation(shape):
    """The anisotropy of independent gradients falls as one over the root of their number."""
    found = [
        float(mean_orientation(structure_tensor(random(seed, shape), width=2.0)).coherency)
        for seed in range(8)
    ]
    assert np.mean(found) < 0.08


@both_shapes
def test_a_flat_image_has_no_orientation(shape):
    tensors = structure_tensor(np.full(shape, 0.25), width=2.0)
    direction, _ = orientation(tensors, across=True)
    assert np.isfinite(direction).all()
    np.testing.assert_allclose(tensors, np.zeros_like(tensors), atol=1e-25)
    assert float(orientation(jnp.zeros_like(tensors), across=True).coherency.max()) == 0


# --- distribution -------------------------------------------------------------------------------


def test_distribution_of_two_families_of_stripes():
    """Halves of an image with stripes of two directions: two peaks of half of the weight each."""
    image = np.concatenate([wave((30, 48), (0, 6)), wave((30, 48), (5, 8))])
    tensors = structure_tensor(image, width=2.0)
    angles, density = distribution(tensors, bins=36)
    density = np.asarray(density) * math.pi / 36
    assert density.sum() == pytest.approx(1, rel=1e-12)
    near = [density[angle_between(angles, true) < math.pi / 30].sum() for true in (0, -math.pi / 4)]
    assert sum(near) > 0.9
    # Weighed by the squared gradient: k^2, of which the smoothing leaves exp(-k^2).
    first, second = (2 * math.pi / 8) ** 2, 2 * (2 * math.pi / 6) ** 2
    expected = second * math.exp(-second) / (first * math.exp(-first))
    assert near[1] / near[0] == pytest.approx(expected, rel=0.1)


def test_distribution_is_where_the_angle_is():
    """The circular mean of the density of one wave is its angle, wherever in a bin that lies."""
    for periods in [(1, 5), (3, 4), (4, -3), (6, 1), (5, 0)]:
        tensors = structure_tensor(wave(PLANE, periods), width=2.0)
        angles, density = distribution(tensors, bins=36)
        mean = np.angle(np.sum(np.asarray(density) * np.exp(2j * np.asarray(angles)))) / 2
        assert angle_between(mean, math.atan2(-periods[0] / 60, periods[1] / 48)) < 5e-3
        assert (np.asarray(density) > 1e-9).sum() <= 2


def test_distribution_of_nothing_is_not_a_number():
    assert np.isnan(distribution(jnp.zeros((*PLANE, 2, 2)), bins=36)[1]).all()


# --- eigenvectors -------------------------------------------------------------------------------


def tensors_of(spectrum, count, dtype):
    """Symmetric tensors with given eigenvalues, turned at random."""
    rng = np.random.default_rng(0)
    frames = np.linalg.qr(rng.normal(size=(count, len(spectrum), len(spectrum))))[0]
    return np.einsum("nij,j,nkj->nik", frames, np.array(spectrum, float), frames).astype(dtype)


@pytest.mark.parametrize(("dtype", "atol"), [(np.float64, 4e-15), (np.float32, 2e-6)])
@pytest.mark.parametrize(
    "spectrum",
    [
        (1, 2),
        (1, 1),
        (0, 1e-9),
        (1, 2, 4),
        (1, 1, 3),
        (1, 3, 3),
        (-1, -1, -1),
        (1, 1.0001, 2),
        (0, 1, 1.0001),
        (0, 0, 0),
        (1e-30, 2e-30, 5e-30),
    ],
    ids=str,
)
def test_eigenvectors_of_symmetric_tensors(spectrum, dtype, atol):
    """Backward stable, also where eigenvalues are close or equal: residual and orthonormality."""
    tensors = tensors_of(spectrum, 200, dtype)
    values, vectors = (np.asarray(part, float) for part in _eigen(jnp.asarray(tensors)))
    size = max(np.abs(spectrum).max(), 1e-300)
    np.testing.assert_allclose(values, np.tile(spectrum, (200, 1)), atol=2 * atol * size)
    assert (np.diff(values, axis=-1) >= -atol * size).all()
    residual = tensors.astype(float) @ vectors - vectors * values[:, None, :]
    np.testing.assert_allclose(residual, 0, atol=2 * atol * size)
    frames = vectors.swapaxes(-1, -2) @ vectors
    np.testing.assert_allclose(frames, np.tile(np.eye(len(spectrum)), (200, 1, 1)), atol=atol)


# --- derivatives and how it runs ----------------------------------------------------------------


def test_structure_tensor_and_angle_have_a_gradient():
    @jax.jit
    def measure(image):
        tensors = structure_tensor(jnp.asarray(image), width=1.0, periodic=False)
        return tensors[..., 0, 1], orientation(tensors, across=True)

    check_grads(measure, (random(3, (5, 6)),), order=1, modes=["rev"], eps=1e-6)


def test_axis_has_a_gradient():
    @jax.jit
    def measure(roots):
        roots = jnp.asarray(roots)
        return orientation(jnp.einsum("nij,nkj->nik", roots, roots))

    check_grads(measure, (random(3, (4, 3, 3)),), order=1, modes=["rev"], eps=1e-6)


def test_distribution_has_a_gradient():
    @jax.jit
    def measure(roots):
        roots = jnp.asarray(roots)
        return orientation_distribution(jnp.einsum("mnij,mnkj->mnik", roots, roots), bins=7)[1]

    check_grads(measure, (random(0, (3, 4, 2, 2)),), order=1, modes=["rev"], eps=1e-6)


@pytest.mark.parametrize("size", [2, 3])
def test_gradient_where_no_axis_stands_out_is_not_spoilt(size):
    """Of a flat pixel, an isotropic one, a layer and a fibre: finite, and 0 if there is none."""

    @jax.jit
    @jax.grad
    def gradient(tensors, weight):
        direction, coherency = orientation(tensors)
        return jnp.sum(direction) + weight * jnp.sum(coherency)

    kinds = [np.zeros(size), np.ones(size), np.eye(size)[0], 1 - np.eye(size)[0]]
    tensors = jnp.asarray([np.diag(kind) for kind in kinds])
    assert np.isfinite(gradient(tensors, 1.0)).all()
    np.testing.assert_array_equal(gradient(tensors, 0.0)[:2], np.zeros((2, size, size)))


def test_runs_under_vmap_in_single_precision():
    images = jnp.asarray(random(0, (2, *PLANE), np.float32))
    measure = jax.jit(jax.vmap(lambda image: orientation(structure_tensor(image, width=2.0))))
    together = measure(images)
    assert together.angle.dtype == jnp.float32
    alone = orientation(structure_tensor(images[1].astype(float), width=2.0))
    clear = np.asarray(alone.coherency) > 0.05
    assert angle_between(together.angle[1], np.asarray(alone.angle))[clear].max() < 1e-3


def test_bad_input_is_refused(unchecked):
    with pytest.raises(ValueError, match="`image` has 1 axes"):
        structure_tensor(np.ones(4), width=1.0)
    with pytest.raises(TypeError, match="`image` is float"):
        structure_tensor(np.ones((4, 4), np.uint8), width=1.0)
    with pytest.raises(ValueError, match="not finite"):
        structure_tensor(np.array([[np.nan, 0.0], [0.0, 1.0]]), width=1.0)
    with pytest.raises(ValueError, match=r"`width` \(=0.0\)"):
        structure_tensor(np.ones((4, 4)), width=0.0)
    with pytest.raises(ValueError, match=r"`gradient_width` \(=-1.0\)"):
        structure_tensor(np.ones((4, 4)), width=1.0, gradient_width=-1.0)
    with pytest.raises(ValueError, match="2 by 2 or 3 by 3"):
        orientation(np.ones((4, 4)))
    with pytest.raises(ValueError, match="`bins`"):
        orientation_distribution(np.ones((4, 4, 2, 2)), bins=0)
    with pytest.raises(ValueError, match="`mean_orientation`"):
        orientation_distribution(np.ones((4, 4, 4, 3, 3)))
