"""How fnn comes to choose among the ways to convolve on the CPU: `python -m benchmarks.costs` measures and fits."""
