"""The faults: what is changed in an expression or a statement of each type."""

import ast
import re
from collections.abc import Iterator

from .text import Span, Text

Change = tuple[str, Span, str]
"""The kind of fault, the bytes replaced, and what takes their place."""

SYMBOLS: dict[type[ast.AST], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-",)),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("/",)),
    ast.Div: ("/", ("*",)),
    ast.FloorDiv: ("//", ("*",)),
    ast.Mod: ("%", ("*",)),
    ast.Pow: ("**", ("*",)),
    ast.MatMult: ("@", ("*",)),
    ast.BitAnd: ("&", ("|",)),
    ast.BitOr: ("|", ("&",)),
    ast.BitXor: ("^", ("&",)),
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.In: (" in", (" not in",)),
    ast.NotIn: ("not in", ("in",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.And: ("and", ("or",)),
    ast.Or: ("or", ("and",)),
}
"""How each operator is written, and what is written instead."""

NAMES = {
    **{"min": "max", "max": "min", "amin": "amax", "amax": "amin", "any": "all", "all": "any"},
    **{"argmin": "argmax", "argmax": "argmin", "floor": "ceil", "ceil": "floor"},
    **{"cummax": "cummin", "sum": "mean", "mean": "sum", "zeros": "ones", "ones": "zeros"},
    **{"zeros_like": "ones_like", "ones_like": "zeros_like", "new_zeros": "new_ones"},
    **{"new_ones": "new_zeros", "softmax": "log_softmax", "cumsum": "cumprod"},
}
"""Functions and methods that are mistaken for one another."""

DROPPED = {"abs", "square", "sqrt", "reciprocal", "relu", "sigmoid", "sign", "flip", "clone"}
"""Methods without which a tensor has the same shape."""

SYMMETRIC = {"min", "max", "minimum", "maximum", "transpose", "equal", "allclose", "isclose"}
"""Functions whose first two arguments may change places."""

CACHES = {"cache", "lru_cache"}
"""Decorators whose absence changes nothing but time."""


def arithmetic(node: ast.BinOp | ast.AugAssign, text: Text) -> Iterator[Change]:
    """Another operator."""
    left, right = (
        (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
    )
    yield from _other("arithmetic", node.op, left, right, text)


def comparison(node: ast.Compare, text: Text) -> Iterator[Change]:
    """Another comparison: the neighbour at the boundary, and the opposite."""
    operands = [node.left, *node.comparators]
    for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
        yield from _other("comparison", operator, left, right, text)


def boolean(node: ast.BoolOp, text: Text) -> Iterator[Change]:
    """`and` for `or`."""
    for left, right in zip(node.values, node.values[1:], strict=False):
        yield from _other("boolean", node.op, left, right, text)


def unary(node: ast.UnaryOp, text: Text) -> Iterator[Change]:
    """Without the sign, `not` or `~`."""
    start, _ = text.span(node)
    length = 4 if isinstance(node.op, ast.Not) else 1
    yield "sign", (start, start + length), ""


def condition(node: ast.expr, text: Text) -> Iterator[Change]:
    """The opposite condition; that of a comparison or of a `not` is among their own faults."""
    if not isinstance(node, ast.Compare | ast.UnaryOp):
        span = text.span(node)
        yield "condition", span, f"not ({text.part(span)})"


def constant(node: ast.Constant, text: Text) -> Iterator[Change]:
    """Another number, truth value or name of an option."""
    value, span = node.value, text.span(node)
    if isinstance(value, bool):
        yield "constant", span, repr(not value)
    elif isinstance(value, int):
        yield "constant", span, repr(value + 1)
    elif isinstance(value, float):
        yield "constant", span, repr(2 * value if value else 1.0)
    elif isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9_+-]*", value):
        yield "string", span, repr(value + "x")


def call(node: ast.Call, text: Text) -> Iterator[Change]:
    """Swapped arguments, a mistaken function, a method left out, a sign in an in-place one."""
    function = node.func
    name = getattr(function, "attr", getattr(function, "id", ""))
    if len(node.args) > 1 and name not in SYMMETRIC:
        yield from _swapped(node.args[0], node.args[1], text)
    start = text.span(function)[1] - len(name.encode())
    if name in NAMES:
        yield "function", (start, start + len(name)), NAMES[name]
    if isinstance(function, ast.Attribute):
        if name in DROPPED and not node.args:
            yield "method", (text.span(function.value)[1], text.span(node)[1]), _closing(node, text)
        if name.endswith("_") and not name.startswith("_") and len(node.args) == 1:
            span = text.span(node.args[0])
            yield "sign", span, f"-({text.part(span)})"


def _swapped(one: ast.expr, other: ast.expr, text: Text) -> Iterator[Change]:
    first, second = text.span(one), text.span(other)
    before, between, after = map(text.part, (first, (first[1], second[0]), second))
    if before != after and not isinstance(one, ast.Starred) and not isinstance(other, ast.Starred):
        yield "arguments", (first[0], second[1]), after + between + before


def _closing(node: ast.Call, text: Text) -> str:
    """The parentheses that close what a method is called on."""
    assert isinstance(node.func, ast.Attribute)
    gap = text.part((text.span(node.func.value)[1], text.span(node.func)[1]))
    return ")" * gap.count(")")


def attribute(node: ast.Attribute, text: Text) -> Iterator[Change]:
    """A matrix that isn't transposed."""
    if node.attr in ("T", "mT"):
        end = text.span(node)[1]
        yield "transpose", (end - len(node.attr) - 1, end), ""


def statement(node: ast.stmt, text: Text) -> Iterator[Change]:
    """A statement left out, a result left out, and loops that end too early or too late."""
    span = text.span(node)
    if isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield "return", span, "return None"
    elif isinstance(node, ast.Break):
        yield "loop", span, "continue"
    elif isinstance(node, ast.Continue):
        yield "loop", span, "break"
    elif isinstance(node, ast.Raise | ast.AugAssign | ast.Delete) or _acts(node):
        yield "statement", span, "pass"


def decorator(node: ast.FunctionDef, text: Text) -> Iterator[Change]:
    """A decorator left out."""
    for item in node.decorator_list:
        start, end = text.span(item)
        name = item.func if isinstance(item, ast.Call) else item
        if getattr(name, "attr", getattr(name, "id", "")) not in CACHES:
            yield "decorator", (text.bytes.rindex(b"@", 0, start), end), ""


def _acts(node: ast.stmt) -> bool:
    """Whether a statement is there for what it does to something that exists already."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    return isinstance(node, ast.Assign) and all(
        isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets
    )


def _other(
    kind: str, operator: ast.AST, left: ast.expr, right: ast.expr, text: Text
) -> Iterator[Change]:
    symbol, others = SYMBOLS.get(type(operator), ("", ()))
    span = text.between(left, right, symbol) if others else None
    if span is not None:
        for other in others:
            yield kind, span, other
