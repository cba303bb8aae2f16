"""Where a run's arrays lie: the train state whole on every device or shared out among them, each batch shared out.

A step is one program for all devices (`jax.jit` over a `Mesh`), so that BatchNorm's moments, the loss and the gradient
are those of the whole batch, and which samples a step sees and which keys it draws does not depend on the number of
devices. They may belong to several processes (`jax.distributed`): each of them then runs the same program on the same
host data, and what they do by the clock or after a signal they agree upon.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "batch"


class Placement:
    """Puts arrays where they belong.

    Args:
      devices: which to use; JAX's default one if none is given.
      batch_size: how many samples a step sees.
      shard_parameters: whether each device holds only its part of the train state's arrays (Rajbhandari et al. 2019,
        arXiv 1910.02054, stage 3; PyTorch calls it FSDP): of each array the longest axis that can be cut into equal
        parts, the whole array where there is none.

    Raises:
      ValueError: if a batch cannot be shared out in equal parts, or a process has none of the devices.
    """

    def __init__(self, devices: Sequence[Any] | None, batch_size: int, *, shard_parameters: bool = False) -> None:
        if shard_parameters and not devices:
            raise ValueError("fit expects devices to share the parameters out to.")
        self._mesh = Mesh(np.asarray(devices), (AXIS,)) if devices else None
        self._parts = len(devices) if devices else 1
        self._cut = shard_parameters
        owners = {device.process_index for device in devices} if devices else {0}
        if jax.process_count() > 1 and owners != set(range(jax.process_count())):
            raise ValueError(f"fit expects devices of each of the {jax.process_count()} processes, such as all.")
        self.processes = len(owners)
        """How many processes take part; process 0 writes."""
        if batch_size % self._parts:
            raise ValueError(f"a batch of {batch_size} samples cannot be shared out equally to {self._parts} devices.")

    def state(self, tree: Any) -> Any:
        """Returns copies of a train state's arrays, where they stay during a run."""
        # Copied, because some optimizers keep the parameters in their own state, and no buffer can be donated twice.
        copies = jax.tree.map(lambda leaf: leaf.copy(), tree)
        return copies if self._mesh is None else jax.tree.map(put, copies, self.shardings(tree))

    def shardings(self, tree: Any) -> Any:
        """Returns for each array of a train state how it lies on the devices; None for JAX's default one."""
        return None if self._mesh is None else jax.tree.map(lambda leaf: self._sharding(*self._axes(leaf)), tree)

    @property
    def everywhere(self) -> NamedSharding | None:
        """How an array lies that is whole on every device; None for JAX's default one."""
        return None if self._mesh is None else self._sharding()

    def whole(self, arrays: Any) -> Any:
        """Puts arrays on every device, each of them whole."""
        return jax.tree.map(lambda array: put(array, self.everywhere), arrays)

    def batches(self, arrays: Any, axis: int = 1) -> Any:
        """Puts arrays on the devices, cut along the axis of a batch; those with no equal parts on every device."""
        equal = all(array.shape[axis] % self._parts == 0 for array in arrays)
        if self._mesh is None or not equal:
            return self.whole(arrays)
        cut = self._sharding(*[None] * axis, AXIS)
        return jax.tree.map(lambda array: put(array, cut), arrays)

    def agree(self, *numbers: int) -> np.ndarray:
        """Returns what each process says, `(processes, numbers)`; each must say as many, and then waits for all."""
        if self.processes == 1:
            return np.asarray([numbers])
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(np.asarray(numbers)))

    def _axes(self, leaf: Any) -> tuple[str | None, ...]:
        if not self._cut:
            return ()
        fitting = [axis for axis, length in enumerate(leaf.shape) if length % self._parts == 0 and length]
        longest = max(fitting, key=lambda axis: leaf.shape[axis], default=None)
        return () if longest is None else (*[None] * longest, AXIS)

    def _sharding(self, *axes: str | None) -> NamedSharding:
        assert self._mesh is not None
        return NamedSharding(self._mesh, PartitionSpec(*axes))


def put(array: Any, sharding: NamedSharding | None) -> jax.Array:
    """Puts an array, or random keys, where they belong; of several processes each has the same and puts its part."""
    if sharding is None or jax.process_count() == 1:
        return jax.device_put(array, sharding)
    if jax.numpy.issubdtype(array.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(put(jax.random.key_data(array), sharding), impl=jax.random.key_impl(array))
    numbers = np.asarray(array)  # `device_put` would send all of it to the other processes, to see that they have it
    return jax.make_array_from_callback(numbers.shape, sharding, lambda part: numbers[part])
