"""Which rewritings of a convolution are allowed."""

import jax

exact = jax.make_user_context(False)
"""`with fnn.ops.exact(True):` leaves out the ways whose rounding is more than 2e-6 of the largest output.

Those are Winograd's tiles of four on the CPU, which stay within 1e-5. Part of `jit`'s cache key: a function that was
traced outside is traced again inside. Other backends always compute as `lax` does.
"""
