"""Initial values of parameters, by name or as any function `(key, shape, dtype) -> array`."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax.nn import initializers as jax_initializers

InitializerFn = Callable[..., jax.Array]
Initializer = str | InitializerFn

INITIALIZERS: dict[str, InitializerFn] = {
    "zeros": jax_initializers.zeros,
    "ones": jax_initializers.ones,
    "normal": jax_initializers.normal(1.0),
    "lecun_normal": jax_initializers.lecun_normal(),
    "lecun_uniform": jax_initializers.lecun_uniform(),
    "glorot_normal": jax_initializers.glorot_normal(),
    "glorot_uniform": jax_initializers.glorot_uniform(),
    "he_normal": jax_initializers.he_normal(),
    "he_uniform": jax_initializers.he_uniform(),
    "orthogonal": jax_initializers.orthogonal(),
}
"""The initializers that have a name. The fan of a kernel is its window times its input channels.

- `lecun_*`: variance 1 / fan_in (LeCun et al. 1998, "Efficient BackProp", section 4.6).
- `glorot_*`: variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010).
- `he_*`: variance 2 / fan_in, which keeps the scale through ReLU (He et al. 2015, arXiv 1502.01852, eq. 10).
- `normal`: variance 1. `orthogonal`: Saxe et al. 2013, arXiv 1312.6120.
"""


def resolve_initializer(initializer: Initializer, layer: str) -> InitializerFn:
    """Returns the function behind a name, or the function itself.

    Raises:
      ValueError: if no initializer has that name.
    """
    if callable(initializer):
        return initializer
    if not isinstance(initializer, str) or initializer not in INITIALIZERS:
        raise ValueError(
            f"{layer} knows no initializer {initializer!r}. Choose one of {', '.join(INITIALIZERS)}, "
            "or pass a function (key, shape, dtype) -> array."
        )
    return INITIALIZERS[initializer]


def parameters(
    key: jax.Array, initializers: Mapping[str, InitializerFn], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, jax.Array]:
    """Makes a layer's parameters, in float32 whatever the input's dtype, each from a key of its own.

    Raises:
      ValueError: if a parameter would hold no numbers, or an initializer does not give the shape it was asked for.
    """
    made = {}
    for own, (name, shape) in zip(jax.random.split(key, len(shapes)), shapes.items(), strict=True):
        if 0 in shape:
            raise ValueError(f"{name} would have shape {shape} and hold no numbers: the input has no channels.")
        made[name] = initializers[name](own, shape, jnp.float32)
        if getattr(made[name], "shape", None) != shape:
            raise ValueError(f"the initializer of {name} was asked for shape {shape}, but gave {made[name]!r:.80}.")
    return made
