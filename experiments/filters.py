r"""See what filters, strides and pools do to a photograph.

Question: what does a convolution see in an image, and what do stride, pooling and subsampling keep of it?

  python -m experiments.filters
  python -m experiments.filters --photograph=flower --factors=2,3,6
  python -m experiments.filters --photograph=holiday.jpg

The lecture's idea: a convolution slides a small kernel over the image and says at each place how much the image there
is like the kernel. Kernels that sum to 1 smooth or sharpen, kernels that sum to 0 find edges. A stride of s leaves
(w + 2p − k)/s + 1 places of w. A pool keeps of each window the largest value, the average, or, if it only subsamples,
whatever stands in the corner.

The kernels are set by hand in fnn.Conv; a network would learn such ones in its first layer. Pools are fnn's layers.
Writes into the working directory:

  result.json    for each filter mean and deviation of its responses, and how it amplifies noise, measured and expected
                 (root of the kernel's sum of squares); the sizes that strides leave; for each pool how much brighter it
                 makes the photograph, the share of noise that it leaves, and how much its output changes, as a share of
                 its deviation, when the photograph moves by one pixel
  responses.png  the photograph and what each filter makes of it
  strides.png    the response of one filter at four strides
  pools.png      the photograph and one response under each pool

Expect filters that sum to 1 to keep the mean brightness, those that sum to 0 to have a mean response near 0, and noise
to be amplified as expected, within 1 %: 0.20 times by the box, 5.39 times by sharpening. A pool of 4×4 leaves 0.25 of
the noise if it averages and all of it if it only subsamples; moving the photograph by one pixel changes the average by
0.04 of its deviation, the largest by 0.06, the subsampled by 0.17. The seed moves only the noise, and these numbers by
less than 0.02. 5 seconds on two cores.

Reference: Sobel & Feldman 1968, "A 3×3 isotropic gradient operator for image processing"; Burt & Adelson 1983, "The
Laplacian pyramid as a compact image code"; Boureau, Ponce & LeCun 2010, "A theoretical analysis of feature pooling in
visual recognition".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import fnn
from experiments import command, outcome
from experiments.command import FlagError
from fnn.analysis.figure import make_figure
from fnn.keys import number_of

EMBEDDED = ("china", "flower")

flags.adopt_module_key_flags(outcome)
PHOTOGRAPH = flags.DEFINE_string(
    "photograph", "china", f"{' or '.join(EMBEDDED)}, which scikit-learn carries, or the path of an image."
)
FACTORS = flags.DEFINE_list("factors", ["2", "4", "8"], "Strides, and sizes of pools.")
NOISE = flags.DEFINE_float("noise", 0.05, "Standard deviation of the noise that is added, of 0 to 1.", lower_bound=1e-3)

KERNELS: dict[str, np.ndarray] = {
    "box": np.ones((5, 5)) / 25,
    "Gaussian": np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256,
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "Sobel, vertical edges": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4,
    "Sobel, horizontal edges": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 4,
    "Laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    "Laplacian of a Gaussian": np.array(
        [[0, 0, 1, 0, 0], [0, 1, 2, 1, 0], [1, 2, -16, 2, 1], [0, 1, 2, 1, 0], [0, 0, 1, 0, 0]]
    ) / 8,
    "emboss": np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
}  # fmt: skip
EDGES = "Sobel, vertical edges"
POOLS = {"largest": fnn.MaxPool, "average": fnn.AvgPool, "subsampled": fnn.Subsample}


def main() -> None:
    """Filters, pools, measures, draws."""
    factors = command.integers(FACTORS, least=2)
    photograph = read_photograph()
    height, width = photograph.shape[:2]
    if min(height, width) < 8 * max(factors):
        raise FlagError(f"--factors: {max(factors)} leaves too little of an image of {height}×{width}")
    run = outcome.begin("filters")
    grey = jnp.asarray(photograph.mean(axis=-1)[None, :, :, None])  # (1, height, width, 1), 0 to 1
    generator = np.random.default_rng([outcome.SEED.value, number_of("noise")])
    noise = jnp.asarray(NOISE.value * generator.normal(size=grey.shape), jnp.float32)

    responses = {name: convolve(grey, kernel) for name, kernel in KERNELS.items()}
    about_filters = {}
    print(f"{'filter':24}{'mean':>7}{'deviation':>11}{'noise':>8}{'expected':>10}")
    for name, kernel in KERNELS.items():
        response, left = responses[name], convolve(noise, kernel)
        about = {
            "sum": float(kernel.sum()),
            "mean": float(response.mean()),
            "deviation": float(response.std()),
            "noise_gain": float(left.std() / noise.std()),
            "expected_noise_gain": float(np.sqrt(np.square(kernel).sum())),
        }
        about_filters[name] = about
        gains = f"{about['noise_gain']:8.2f}{about['expected_noise_gain']:10.2f}"
        print(f"{name:24}{about['mean']:7.3f}{about['deviation']:11.3f}{gains}")

    strided = {stride: convolve(grey, KERNELS[EDGES], stride) for stride in (1, *factors)}
    sizes = {str(stride): list(response.shape[1:3]) for stride, response in strided.items()}
    about_pools = {name: {str(factor): measure_pool(make(factor), factor, grey, noise) for factor in factors}
                   for name, make in POOLS.items()}  # fmt: skip
    print(f"{'pool':24}{'brighter by':>12}{'noise left':>12}{'changed by a pixel':>20}")
    for name, by_factor in about_pools.items():
        for factor, about in by_factor.items():
            cells = f"{about['brighter']:12.3f}{about['noise_left']:12.2f}{about['changed_by_a_pixel']:20.2f}"
            print(f"{name + ', ' + factor + '×' + factor:24}{cells}")

    draw_responses(photograph, {name: of[0, :, :, 0] for name, of in responses.items()}, run.workdir / "responses.png")
    draw_strides({stride: of[0, :, :, 0] for stride, of in strided.items()}, run.workdir / "strides.png")
    rows = {"photograph": grey, "vertical edges, above 0": jnp.maximum(responses[EDGES], 0)}
    draw_pools(rows, max(factors), run.workdir / "pools.png")
    answer = {"size": [height, width], "filters": about_filters, "sizes_by_stride": sizes, "pools": about_pools}
    outcome.finish(run, answer, __name__)


def read_photograph() -> np.ndarray:
    """Reads the photograph that the flag names: `(height, width, 3)`, float32, 0 to 1."""
    if PHOTOGRAPH.value in EMBEDDED:
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{PHOTOGRAPH.value}.jpg").astype(np.float32) / 255
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(PHOTOGRAPH.value) as image:
            return np.asarray(image.convert("RGB"), np.float32) / 255
    except (OSError, UnidentifiedImageError) as error:
        wanted = f"{', '.join(EMBEDDED)} or the path of an image"
        raise FlagError(f"--photograph expects {wanted}, got {PHOTOGRAPH.value!r}: {error}") from error


def convolve(x: jax.Array, kernel: np.ndarray, stride: int = 1) -> jax.Array:
    """Applies one kernel, set by hand, at every place where all of it is inside of `x`, `(1, height, width, 1)`."""
    layer = fnn.Conv(1, kernel.shape, strides=stride, padding="VALID", bias=False)
    return layer.apply({"kernel": jnp.asarray(kernel[:, :, None, None], jnp.float32)}, {}, x, train=False)[0]


def apply(pool: fnn.Layer, x: jax.Array) -> jax.Array:
    """Applies a layer without parameters."""
    return pool.apply({}, {}, x, train=False)[0]


def measure_pool(pool: fnn.Layer, factor: int, x: jax.Array, noise: jax.Array) -> dict[str, float]:
    """Measures how a pool of `factor` treats brightness, noise and a photograph that moves by one pixel."""
    height, width = (size // factor * factor + 1 for size in (x.shape[1] - 1, x.shape[2] - 1))
    x, noise = x[:, :height, :width], noise[:, :height, :width]  # whole windows, and a pixel to move by
    still, moved = apply(pool, x[:, :-1, :-1]), apply(pool, x[:, :-1, 1:])
    noisy = apply(pool, (x + noise)[:, :-1, :-1])
    return {
        "brighter": float(still.mean() - x[:, :-1, :-1].mean()),
        "noise_left": float((noisy - still).std() / noise.std()),
        "changed_by_a_pixel": float(jnp.abs(moved - still).mean() / still.std()),
    }


def draw_responses(photograph: np.ndarray, responses: Mapping[str, Any], path: Path) -> None:
    """Draws the photograph and each filter's response, as a PNG: grey, or red and blue where it has a sign."""
    figure, grid = make_figure(3, 3, (11, 6.9))
    grid.flat[0].imshow(photograph)
    grid.flat[0].set_title("photograph")
    for axes, (name, response) in zip(grid.flat[1:], responses.items(), strict=True):
        if KERNELS[name].sum():
            image = axes.imshow(response, cmap="gray", vmin=0, vmax=1)
        else:
            bound = np.percentile(np.abs(response), 99)
            image = axes.imshow(response, cmap="RdBu_r", vmin=-bound, vmax=bound)
        rows, columns = KERNELS[name].shape
        axes.set_title(f"{name}, {rows}×{columns}")
        figure.colorbar(image, ax=axes, fraction=0.03, label="response")
    _without_ticks(grid.flat)
    figure.suptitle("What filters make of a photograph")
    figure.savefig(path)


def draw_strides(responses: Mapping[int, Any], path: Path) -> None:
    """Draws one filter's response at several strides, all at one size, as a PNG."""
    figure, grid = make_figure(1, len(responses), (3.6 * len(responses), 3.2), squeeze=False)
    bound = np.percentile(np.abs(responses[1]), 99)
    for axes, (stride, response) in zip(grid.flat, responses.items(), strict=True):
        axes.imshow(response, cmap="RdBu_r", vmin=-bound, vmax=bound, interpolation="nearest")
        axes.set_title(f"stride {stride}: {response.shape[0]}×{response.shape[1]}")
    figure.colorbar(grid.flat[0].images[0], ax=grid, fraction=0.02, pad=0.01, label="response")
    _without_ticks(grid.flat)
    figure.suptitle(f"{EDGES}, at {len(responses)} strides")
    figure.savefig(path)


def draw_pools(rows: Mapping[str, jax.Array], factor: int, path: Path) -> None:
    """Draws images and what each pool makes of them, as a PNG."""
    figure, grid = make_figure(len(rows), 1 + len(POOLS), (3.4 * (1 + len(POOLS)), 2.8 * len(rows)), squeeze=False)
    for line, (name, x) in zip(grid, rows.items(), strict=True):
        pooled = {pool: apply(make(factor), x) for pool, make in POOLS.items()}
        for axes, (what, image) in zip(line, {name: x, **pooled}.items(), strict=True):
            brightest = np.percentile(x, 99.5)
            axes.imshow(image[0, :, :, 0], cmap="gray", vmin=0, vmax=brightest, interpolation="nearest")
            axes.set_title(f"{what}: {image.shape[1]}×{image.shape[2]}", fontsize=10)
        label = "brightness" if name == "photograph" else "response"
        figure.colorbar(line[0].images[0], ax=line, fraction=0.02, pad=0.01, label=label)
    _without_ticks(grid.flat)
    figure.suptitle(f"Pools of {factor}×{factor}")
    figure.savefig(path)


def _without_ticks(every_axes: Any) -> None:
    for axes in every_axes:
        axes.set_xticks([])
        axes.set_yticks([])


if __name__ == "__main__":
    command.run(main)
