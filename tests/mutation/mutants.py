"""Bugs to plant: small wrong changes of a source file, found in its syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One planted bug."""

    file: str
    """The file's path, from the folder that holds the package."""
    line: int
    place: tuple[int, int]
    """Where the changed text begins and ends in the file's bytes."""
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before}  →  {self.after}"

    def planted(self, source: bytes) -> bytes:
        """Returns the file's bytes with the bug in it."""
        start, end = self.place
        return source[:start] + f"({self.after})".encode() + source[end:]


_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def mutants_of(root: Path, file: Path) -> list[Mutant]:
    """Returns every bug that can be planted into a file, in its order."""
    source = file.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in _code(ast.parse(source)):
        for wrong in _wrong(node):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            before, after = ast.unparse(node), ast.unparse(wrong)
            if before != after:
                found.append(Mutant(str(file.relative_to(root)), node.lineno, (start, end), before, after))
    return found


def _code(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that compute: not texts, annotations, or what an error says."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases"):
            continue
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom) or _is_guard(node):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.expr) and not isinstance(child, ast.JoinedStr):
                yield child
            if isinstance(child, ast.AST):
                yield from _code(child)


def _is_guard(node: ast.AST) -> bool:
    """Whether it is a `strict=True`, by which the code checks itself: without it, code that is right does the same."""
    return isinstance(node, ast.keyword) and node.arg == "strict"


def _wrong(node: ast.expr) -> Iterator[ast.expr]:
    """What could stand in place of an expression by mistake."""
    match node:
        case ast.BinOp(left, operator, right):
            if isinstance(operator, ast.BitOr) and isinstance(right, ast.Name | ast.Constant | ast.Attribute):
                return  # more likely a union of types
            if type(operator) in _ARITHMETIC:
                yield ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
            yield left  # a term dropped
            yield right
        case ast.Compare(left, [operator], [right]):
            yield ast.Compare(left, [_COMPARISONS[type(operator)]()], [right])
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.And() if isinstance(operator, ast.Or) else ast.Or(), values)
            yield values[0]
        case ast.UnaryOp(ast.USub() | ast.Not(), operand):
            yield operand
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(float(value)):
            yield ast.Constant(2 * value if value else 1.0)
        case ast.Call(function, arguments, keywords):
            yield from _wrong_calls(function, arguments, keywords)


def _wrong_calls(function: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Iterator[ast.expr]:
    starred = any(isinstance(argument, ast.Starred) for argument in arguments)
    if len(arguments) >= 2 and not starred:
        first, second, *rest = arguments
        yield ast.Call(function, [second, first, *rest], keywords)  # swapped
    if 1 <= len(arguments) <= 2 and not starred and not keywords:
        yield arguments[0]  # the call forgotten: a cast, a stop_gradient, a key's derivation
    for i, keyword in enumerate(keywords):
        if keyword.arg and not _is_guard(keyword):
            yield ast.Call(function, arguments, keywords[:i] + keywords[i + 1 :])  # left to its default
