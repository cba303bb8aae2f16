"""What each unit of work costs each way, in seconds. Written by `python -m benchmarks.costs`."""

# (kind, way, sort of problem): products, patches, partial, input, output, kernel, calls
PRICES: dict[tuple[str, str, str], tuple[float, ...]] = {
    ("convolution", "direct", "grouped"): (1.82e-11, 1.35e-10, 0.0, 0.0, 5.56e-10, 4.74e-10, 0.000102),
    ("convolution", "direct", "narrow"): (7.55e-12, 0.0, 0.0, 0.0, 1.81e-09, 7.26e-09, 0.00012),
    ("convolution", "direct", "wide"): (1.15e-11, 2.17e-10, 0.0, 0.0, 2.44e-10, 1.58e-10, 6.84e-05),
    ("convolution", "fft", "grouped"): (2.99e-10, 1.23e-10, 0.0, 4.06e-09, 2.07e-09, 0.0, 0.0),
    ("convolution", "fft", "narrow"): (3.58e-09, 0.0, 0.0, 2.61e-12, 7.93e-10, 0.0, 1.29e-05),
    ("convolution", "fft", "wide"): (1.99e-10, 0.0, 0.0, 0.0, 2.45e-09, 3.7e-09, 0.0),
    ("convolution", "patches", "grouped"): (8.05e-12, 9.47e-10, 0.0, 0.0, 3.12e-10, 1.22e-09, 6e-05),
    ("convolution", "patches", "narrow"): (2.59e-11, 0.0, 0.0, 0.0, 6.21e-10, 5.01e-09, 0.000113),
    ("convolution", "patches", "wide"): (1.02e-11, 4.67e-10, 0.0, 0.0, 2.57e-10, 7.93e-11, 7.48e-05),
    ("convolution", "shifted", "grouped"): (0.0, 0.0, 0.0, 0.0, 2.13e-10, 0.0, 2.4e-05),
    ("convolution", "shifted", "narrow"): (1.81e-11, 0.0, 1.03e-09, 0.0, 0.0, 5.9e-09, 0.0),
    ("convolution", "shifted", "wide"): (1.29e-11, 1.71e-10, 0.0, 0.0, 1.9e-10, 2.29e-10, 1.13e-05),
    ("convolution", "winograd of 2", "narrow"): (1.97e-11, 0.0, 0.0, 0.0, 2.85e-09, 2.37e-09, 2.72e-05),
    ("convolution", "winograd of 2", "wide"): (1.03e-11, 0.0, 0.0, 1.37e-09, 3.59e-10, 2.22e-10, 1.86e-05),
    ("convolution", "winograd of 4", "narrow"): (1.96e-11, 0.0, 0.0, 0.0, 9.6e-10, 1.36e-09, 2.5e-05),
    ("convolution", "winograd of 4", "wide"): (9.03e-12, 0.0, 0.0, 1.25e-09, 6.17e-10, 3.23e-10, 1.79e-05),
    ("kernel gradient", "direct", "grouped"): (0.0, 2.24e-08, 0.0, 4.31e-09, 8.72e-09, 0.0, 0.0),
    ("kernel gradient", "direct", "narrow"): (9.8e-12, 0.0, 0.0, 1.63e-09, 6.87e-10, 5.27e-09, 4.34e-05),
    ("kernel gradient", "direct", "wide"): (1.03e-11, 1e-10, 0.0, 1.51e-09, 6.8e-10, 2.95e-10, 7.1e-05),
    ("kernel gradient", "patches", "grouped"): (1.1e-11, 9.93e-10, 0.0, 0.0, 5.88e-10, 0.0, 0.000109),
    ("kernel gradient", "patches", "narrow"): (4.11e-11, 0.0, 0.0, 0.0, 9.14e-10, 5.81e-10, 0.000151),
    ("kernel gradient", "patches", "wide"): (9.63e-12, 9.38e-10, 0.0, 0.0, 1.35e-10, 1.95e-10, 6.77e-05),
    ("kernel gradient", "shifted", "grouped"): (0.0, 0.0, 8.54e-10, 0.0, 4.48e-10, 0.0, 0.0),
    ("kernel gradient", "shifted", "narrow"): (5.27e-11, 0.0, 2.16e-10, 0.0, 0.0, 9.19e-09, 1.09e-05),
    ("kernel gradient", "shifted", "wide"): (8.89e-12, 1.24e-09, 6.04e-11, 1.34e-10, 3.63e-11, 3.27e-10, 6.61e-06),
    ("kernel gradient", "winograd of 2", "narrow"): (5.07e-11, 0.0, 0.0, 0.0, 2.14e-09, 2.65e-09, 0.0),
    ("kernel gradient", "winograd of 2", "wide"): (8.11e-12, 0.0, 0.0, 2.82e-09, 3.99e-10, 3.36e-10, 1.85e-05),
    ("kernel gradient", "winograd of 4", "narrow"): (4.74e-11, 0.0, 0.0, 0.0, 3.11e-09, 0.0, 0.0),
    ("kernel gradient", "winograd of 4", "wide"): (9.04e-12, 0.0, 0.0, 1.88e-09, 3.07e-10, 2.78e-10, 2.52e-05),
}
"""As in `fnn.ops.cpu.costs.Work`."""

COMPILE: dict[tuple[str, str], float] = {
    ("convolution", "direct"): 0.01,
    ("convolution", "fft"): 0.111,
    ("convolution", "patches"): 0.172,
    ("convolution", "shifted"): 0.178,
    ("convolution", "winograd of 2"): 0.134,
    ("convolution", "winograd of 4"): 0.2,
    ("kernel gradient", "direct"): 0.08,
    ("kernel gradient", "patches"): 0.186,
    ("kernel gradient", "shifted"): 0.124,
    ("kernel gradient", "winograd of 2"): 0.221,
    ("kernel gradient", "winograd of 4"): 0.31,
}
"""Seconds that compiling takes."""
