"""What each unit of work costs each way, in seconds. Written by `python -m benchmarks.costs`."""

# (kind, way, sort of problem): products, patches, partial, input, output, kernel, calls
PRICES: dict[tuple[str, str, str], tuple[float, ...]] = {
    ("convolution", "direct", "grouped"): (1.81e-11, 1.25e-10, 0.0, 0.0, 8.72e-10, 7.99e-10, 0.0001),
    ("convolution", "direct", "narrow"): (8.69e-12, 0.0, 0.0, 1.11e-12, 1.77e-09, 6.67e-09, 0.000118),
    ("convolution", "direct", "wide"): (1.14e-11, 2.15e-10, 0.0, 0.0, 2.57e-10, 2.41e-10, 6.18e-05),
    ("convolution", "fft", "grouped"): (2.48e-10, 3.4e-10, 0.0, 0.0, 0.0, 0.0, 7.27e-05),
    ("convolution", "fft", "narrow"): (0.0, 0.0, 0.0, 4.02e-09, 0.0, 3.95e-09, 0.0),
    ("convolution", "fft", "wide"): (1.79e-10, 0.0, 0.0, 0.0, 2.54e-09, 4.31e-09, 0.0),
    ("convolution", "patches", "grouped"): (1.03e-11, 1.25e-09, 0.0, 0.0, 5.97e-10, 5.13e-10, 8.4e-05),
    ("convolution", "patches", "narrow"): (2.97e-11, 0.0, 0.0, 0.0, 1.9e-10, 1.51e-09, 0.000123),
    ("convolution", "patches", "wide"): (1.15e-11, 5.75e-10, 0.0, 0.0, 2.08e-10, 1.62e-10, 5.25e-05),
    ("convolution", "shifted", "grouped"): (1.87e-11, 0.0, 0.0, 3.56e-10, 0.0, 1.18e-09, 2.94e-05),
    ("convolution", "shifted", "narrow"): (2.66e-11, 0.0, 6.81e-10, 0.0, 0.0, 0.0, 2.24e-05),
    ("convolution", "shifted", "wide"): (1.51e-11, 0.0, 1.64e-13, 0.0, 2.34e-10, 1.65e-10, 1.82e-05),
    ("convolution", "winograd of 2", "narrow"): (1.97e-11, 0.0, 0.0, 0.0, 2.91e-09, 2e-09, 2.92e-05),
    ("convolution", "winograd of 2", "wide"): (1.07e-11, 0.0, 0.0, 1.79e-09, 4.04e-10, 3.03e-10, 1.51e-05),
    ("convolution", "winograd of 4", "narrow"): (2.29e-11, 0.0, 0.0, 0.0, 2.63e-09, 2.42e-09, 1.9e-05),
    ("convolution", "winograd of 4", "wide"): (8.04e-12, 0.0, 0.0, 2.69e-09, 6.8e-10, 4.1e-10, 9.32e-06),
    ("kernel gradient", "direct", "grouped"): (0.0, 2.27e-08, 0.0, 0.0, 1.74e-08, 0.0, 0.0),
    ("kernel gradient", "direct", "narrow"): (1.05e-11, 0.0, 0.0, 1.73e-09, 1.15e-09, 9.69e-09, 3.24e-05),
    ("kernel gradient", "direct", "wide"): (1.19e-11, 4.03e-11, 0.0, 7.91e-10, 7.01e-10, 6.84e-10, 7.59e-05),
    ("kernel gradient", "patches", "grouped"): (1.11e-11, 1.08e-09, 0.0, 0.0, 1.35e-09, 6.37e-11, 6.85e-05),
    ("kernel gradient", "patches", "narrow"): (5.2e-11, 0.0, 0.0, 0.0, 1.54e-09, 4.34e-09, 0.000149),
    ("kernel gradient", "patches", "wide"): (1.18e-11, 7.85e-10, 0.0, 0.0, 1.24e-10, 2.31e-10, 6.23e-05),
    ("kernel gradient", "shifted", "grouped"): (1.42e-11, 3.22e-10, 2.27e-10, 0.0, 8.53e-10, 0.0, 0.0),
    ("kernel gradient", "shifted", "narrow"): (5.39e-11, 0.0, 2.49e-10, 0.0, 0.0, 2.41e-08, 1.76e-05),
    ("kernel gradient", "shifted", "wide"): (1.07e-11, 1.12e-09, 9.09e-11, 0.0, 2.91e-11, 4.12e-10, 8.53e-06),
    ("kernel gradient", "winograd of 2", "narrow"): (7.13e-11, 0.0, 0.0, 0.0, 1.9e-09, 6.02e-09, 0.0),
    ("kernel gradient", "winograd of 2", "wide"): (1.02e-11, 0.0, 0.0, 2.37e-09, 4.62e-10, 6.04e-10, 1.95e-05),
    ("kernel gradient", "winograd of 4", "narrow"): (5.45e-11, 0.0, 0.0, 0.0, 3.86e-09, 5.23e-09, 0.0),
    ("kernel gradient", "winograd of 4", "wide"): (9.84e-12, 0.0, 0.0, 2.64e-09, 3.72e-10, 5.1e-10, 2.12e-05),
}
"""As in `fnn.ops.cpu.costs.Work`."""

COMPILE: dict[tuple[str, str], float] = {
    ("convolution", "direct"): 0.011,
    ("convolution", "fft"): 0.127,
    ("convolution", "patches"): 0.195,
    ("convolution", "shifted"): 0.209,
    ("convolution", "winograd of 2"): 0.149,
    ("convolution", "winograd of 4"): 0.217,
    ("kernel gradient", "direct"): 0.075,
    ("kernel gradient", "patches"): 0.224,
    ("kernel gradient", "shifted"): 0.133,
    ("kernel gradient", "winograd of 2"): 0.237,
    ("kernel gradient", "winograd of 4"): 0.342,
}
"""Seconds that compiling takes."""
