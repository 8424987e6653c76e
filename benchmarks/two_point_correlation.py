"""Periodic two-point correlation of a batch, beside SciPy's FFT on the same arrays.

    python -m benchmarks.two_point_correlation

Prints the median time of each, their ratio, and the largest difference of the answers; compilation
is timed apart. Quote the ratio and not the times: it is what carries over to another machine.
"""

import statistics
import time
from collections.abc import Callable

import jax
import numpy as np
import scipy.fft

from idml_jax.statistics import two_point_correlation


def median_seconds(call: Callable[[], object], repeats: int = 7) -> float:
    """Median wall time of a call."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Time both on 64 images of 256 x 256 pixels in single precision."""
    phases = np.random.default_rng(0).random((64, 256, 256)) < 0.4
    floats = phases.astype(np.float32)

    def peer():
        spectrum = np.asarray(scipy.fft.rfft2(floats, workers=-1))
        power = spectrum.conj() * spectrum
        pairs = np.asarray(scipy.fft.irfft2(power, phases.shape[1:], workers=-1))
        return scipy.fft.fftshift(pairs / phases[0].size, axes=(1, 2))

    began = time.perf_counter()
    ours = jax.jit(jax.vmap(two_point_correlation)).lower(floats).compile()
    compiling = time.perf_counter() - began
    on_device = jax.device_put(floats)
    difference = float(np.abs(np.asarray(ours(on_device)) - peer()).max())
    times = [median_seconds(lambda: ours(on_device).block_until_ready()), median_seconds(peer)]
    print(f"idml_jax {times[0]:.3f} s, SciPy {times[1]:.3f} s, ratio {times[1] / times[0]:.2f}")
    print(f"largest difference {difference:.1e}; compilation {compiling:.2f} s, once")


if __name__ == "__main__":
    main()
