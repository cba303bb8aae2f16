"""How operations are written: `x + y`, `exp(x)`, `x ^ 2`."""

from collections.abc import Sequence

from jax.extend.core import JaxprEqn

INFIX = {
    "add": "+", "add_any": "+", "sub": "−", "mul": "×", "div": "÷", "pow": "^",
    "gt": ">", "ge": "≥", "lt": "<", "le": "≤", "eq": "=", "ne": "≠", "and": "and", "or": "or", "rem": "mod",
}  # fmt: skip
"""Operations that are written between their two operands."""

WORDS = {
    "logistic": "sigmoid", "dot_general": "dot", "select_n": "select", "broadcast_in_dim": "broadcast",
    "reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min", "reduce_prod": "prod", "cumsum": "cumsum",
    "fnn_convolve": "convolve", "fnn_input_gradient": "input gradient", "fnn_kernel_gradient": "kernel gradient",
    "fnn_product": "dot", "fnn_matrix_gradient": "matrix gradient",
    "neg": "−", "stop_gradient": "stop gradient", "squeeze": "reshape", "expand_dims": "reshape",
}  # fmt: skip
"""Operations that have a shorter name than JAX's."""


def sign_of(equation: JaxprEqn) -> str:
    """Returns what an equation's operation is called or written as."""
    name, params = equation.primitive.name, equation.params
    if name == "integer_pow":
        return f"^ {params['y']}"
    if name == "convert_element_type":
        return f"to {params['new_dtype'].name}"
    if name in ("custom_jvp_call", "custom_vjp_call"):
        inner = params["call_jaxpr"]
        return getattr(inner, "jaxpr", inner).debug_info.func_name.strip("<>_") or name
    if name == "scan":
        return f"scan, {params['length']} steps"
    return INFIX.get(name) or WORDS.get(name) or name.replace("_", " ")


def write(sign: str, operands: Sequence[str]) -> str:
    """Writes an operation with its operands: `"x + y"`, `"exp(x)"`, `"x ^ 2"`."""
    if sign in INFIX.values() and len(operands) == 2:
        return f"{operands[0]} {sign} {operands[1]}"
    if sign.startswith("^ "):
        return f"{operands[0]} {sign}"
    return f"−{operands[0]}" if sign == "−" else f"{sign}({', '.join(operands)})"


def write_alone(sign: str, operands: Sequence[str | None]) -> str:
    """Writes an operation as it stands in its box, to which wires bring its operands.

    Args:
      sign: the operation.
      operands: the constants among the operands; None for those that wires bring.
    """
    if all(operand is None for operand in operands) or not operands:
        return sign
    if sign in INFIX.values() and len(operands) == 2:
        left, right = operands
        return f"{left} {sign}" if right is None else f"{sign} {right}"
    return f"{sign}({', '.join('·' if operand is None else operand for operand in operands)})"
