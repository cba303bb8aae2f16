"""Where a run's arrays lie: the train state on every device, each batch shared out among them.

The step is one program for all of them (`jax.jit` over a `Mesh`), so that BatchNorm's moments, the loss and the
gradient are those of the whole batch, and which samples a step sees and which keys it draws does not depend on the
number of devices.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


class Placement:
    """Puts arrays where they belong.

    Args:
      devices: which to use; JAX's default one if none is given.
      batch_size: how many samples a step sees.

    Raises:
      ValueError: if a batch cannot be shared out in equal parts.
    """

    def __init__(self, devices: Sequence[Any] | None, batch_size: int) -> None:
        self._mesh = Mesh(np.asarray(devices), ("batch",)) if devices else None
        self._parts = len(devices) if devices else 1
        if batch_size % self._parts:
            raise ValueError(f"a batch of {batch_size} samples cannot be shared out equally to {self._parts} devices.")

    def state(self, tree: Any) -> Any:
        """Returns copies of a tree's arrays, each whole on every device."""
        # Copied, because some optimizers keep the parameters in their own state, and no buffer can be donated twice.
        return self.whole(jax.tree.map(lambda leaf: leaf.copy(), tree))

    def whole(self, tree: Any) -> Any:
        """Puts a tree's arrays on every device, each of them whole."""
        return jax.device_put(tree) if self._mesh is None else jax.device_put(tree, self._sharding())

    def batches(self, arrays: Any) -> Any:
        """Puts arrays `(steps, batch, …)` on the devices, a part of each batch on each.

        Smaller batches that have no equal parts are put on every device.
        """
        if self._mesh is None:
            return jax.device_put(arrays)
        equal = all(array.shape[1] % self._parts == 0 for array in arrays)
        return jax.device_put(arrays, self._sharding(None, "batch") if equal else self._sharding())

    def _sharding(self, *axes: str | None) -> NamedSharding:
        assert self._mesh is not None
        return NamedSharding(self._mesh, PartitionSpec(*axes))
