"""Random networks, compared with the same networks interpreted in NumPy and PyTorch: `python -m tests.fuzz`."""
