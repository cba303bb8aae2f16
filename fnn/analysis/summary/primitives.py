"""Which of JAX's primitives compute and which only move numbers."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARITHMETIC = _names("""
    abs acos acosh add add_any asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clamp cos cosh digamma div
    erf erf_inv erfc exp exp2 expm1 floor igamma igamma_grad_a igammac integer_pow lgamma log log1p logistic max min
    mul neg nextafter polygamma pow random_gamma_grad regularized_incomplete_beta rem round rsqrt sign sin sinh sqrt
    square sub tan tanh zeta
""")
"""One operation for each number of the result, which depends on the numbers at its own place alone."""

CHOICES = _names("""
    and bitcast_convert_type clz complex conj convert_element_type copy copy_p device_put eq eq_to ge gt imag is_finite
    layout_constraint le le_to lt lt_to name ne not or pbroadcast population_count pvary real reduce_precision reshard
    select_n sharding_constraint shift_left shift_right_arithmetic shift_right_logical stop_gradient xor
""")
"""Each number of the result depends on the numbers at its own place alone, but nothing is computed that counts."""

ELEMENTWISE = ARITHMETIC | CHOICES

REDUCTIONS = _names("""
    argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum reduce_xor
""")

WINDOWS = _names("reduce_window reduce_window_max reduce_window_min reduce_window_sum")

CUMULATIVE = _names("cumlogsumexp cummax cummin cumprod cumsum")

SCATTERS = _names("scatter scatter-add scatter-max scatter-min scatter-mul scatter-sub")

VIEWS = _names("broadcast_in_dim copy_p expand_dims reshape squeeze stop_gradient")
"""The result needs no memory of its own: it is the same numbers, or the same repeated, which compilers do not write."""

CONSTANT = _names("ceil floor nextafter round sign stop_gradient")
"""The derivative is zero."""

LOOPS = _names("cond scan while")

_OTHERS = _names("""
    broadcast concatenate dynamic_slice dynamic_update_slice empty gather iota optimization_barrier pad rev
    rng_bit_generator rng_uniform scatter slice sort split stack tile top_k transpose unstack
""")

MOVES = _OTHERS | VIEWS | CHOICES | LOOPS
"""Nothing is computed that counts as an operation; of a loop, its body counts."""
