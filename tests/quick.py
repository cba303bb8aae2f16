"""How XLA compiles in the tests: hardly optimizing, which takes a fifth of the time where a program runs once."""

import jaxlib.version

QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""XLA's options, also for processes that tests start; `--optimize` leaves them out."""
AS_USERS_DO = {
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
    "xla_cpu_parallel_codegen_split_count": 32,
}
"""XLA's defaults, for `jax.jit(…, compiler_options=…)` where a test is about what the optimizer makes."""
if jaxlib.version.__version_info__ < (0, 11):  # 0.11 no longer has the choice
    QUICK["xla_cpu_use_fusion_emitters"] = False
    AS_USERS_DO["xla_cpu_use_fusion_emitters"] = True

FLAGS = " ".join(f"--{name}={str(value).lower()}" for name, value in QUICK.items())
"""As the environment's `XLA_FLAGS` has them."""
