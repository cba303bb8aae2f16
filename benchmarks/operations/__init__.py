"""Single operations: the grid of shapes, and each side's way to compute them."""
