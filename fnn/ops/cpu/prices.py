"""What each unit of work costs each way, in seconds. Written by `python -m benchmarks.costs`."""

# (kind, way, whether grouped): products, patches, partial, input, output, kernel, calls
PRICES: dict[tuple[str, str, bool], tuple[float, ...]] = {
    ("convolution", "direct", False): (1.17e-11, 0.0, 0.0, 7.02e-11, 2.7e-10, 2.38e-10, 7.26e-05),
    ("convolution", "direct", True): (1.81e-11, 1.25e-10, 0.0, 0.0, 8.72e-10, 7.99e-10, 0.0001),
    ("convolution", "fft", False): (1.27e-10, 0.0, 0.0, 3.64e-09, 2.45e-09, 4.16e-09, 0.0),
    ("convolution", "fft", True): (2.48e-10, 3.4e-10, 0.0, 0.0, 0.0, 0.0, 7.27e-05),
    ("convolution", "patches", False): (1.27e-11, 3.27e-10, 0.0, 0.0, 1.95e-10, 1.46e-10, 6.25e-05),
    ("convolution", "patches", True): (1.03e-11, 1.25e-09, 0.0, 0.0, 5.97e-10, 5.13e-10, 8.4e-05),
    ("convolution", "shifted", False): (1.34e-11, 2.36e-10, 5.29e-12, 0.0, 2.08e-10, 1.75e-10, 1.82e-05),
    ("convolution", "shifted", True): (1.87e-11, 0.0, 0.0, 3.56e-10, 0.0, 1.18e-09, 2.94e-05),
    ("convolution", "winograd of 2", False): (1.19e-11, 0.0, 0.0, 6.56e-10, 4.25e-10, 2.65e-10, 2.3e-05),
    ("convolution", "winograd of 4", False): (1.03e-11, 2.81e-10, 0.0, 0.0, 6.73e-10, 3.38e-10, 1.93e-05),
    ("kernel gradient", "direct", False): (1.15e-11, 0.0, 0.0, 1.45e-09, 6.74e-10, 7.1e-10, 6.39e-05),
    ("kernel gradient", "direct", True): (0.0, 2.27e-08, 0.0, 0.0, 1.74e-08, 0.0, 0.0),
    ("kernel gradient", "patches", False): (1.2e-11, 7.34e-10, 0.0, 0.0, 1.25e-10, 2.23e-10, 6.76e-05),
    ("kernel gradient", "patches", True): (1.11e-11, 1.08e-09, 0.0, 0.0, 1.35e-09, 6.37e-11, 6.85e-05),
    ("kernel gradient", "shifted", False): (1.18e-11, 8.4e-10, 9.51e-11, 0.0, 3.81e-11, 3.32e-10, 1.14e-05),
    ("kernel gradient", "shifted", True): (1.42e-11, 3.22e-10, 2.27e-10, 0.0, 8.53e-10, 0.0, 0.0),
    ("kernel gradient", "winograd of 2", False): (9.02e-12, 1.03e-09, 0.0, 0.0, 4.84e-10, 6e-10, 1.95e-05),
    ("kernel gradient", "winograd of 4", False): (1.01e-11, 0.0, 0.0, 2.31e-09, 3.75e-10, 4.89e-10, 2.47e-05),
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
