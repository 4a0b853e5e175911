"""All faults of a module: a walk over its syntax tree, past what no test should see."""

import ast
from collections.abc import Iterator

from . import operators
from .operators import Change
from .text import Mutation, Text

TYPES = {"Literal", "TypeVar", "cast", "isinstance", "issubclass", "get_type_hints"}
"""Subscripts and calls whose arguments are types."""

LOGGING = {"debug", "info", "warning", "exception"}
"""Methods of a logger."""


def mutations(source: str) -> list[Mutation]:
    """Every fault of a module, in the order of its text.

    Left out are docstrings, annotations, protocols, imports, `__all__`, assertions, error messages
    and other sentences, logging, `__repr__`, and whatever is under `if TYPE_CHECKING`.
    """
    text = Text(source)
    found = [
        Mutation(kind, scope, span, new)
        for scope, changes in _module(ast.parse(source), text)
        for kind, span, new in changes
    ]
    return sorted(dict.fromkeys(found), key=lambda mutation: (mutation.span, mutation.new))


def _module(tree: ast.Module, text: Text) -> Iterator[tuple[str, Iterator[Change]]]:
    for statement in tree.body:
        yield from _statement(statement, "", text)


def _statement(node: ast.stmt, scope: str, text: Text) -> Iterator[tuple[str, Iterator[Change]]]:
    if _is_passed_over(node):
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield from _definition(node, f"{scope}.{node.name}".lstrip("."), text)
        return
    yield scope, operators.statement(node, text)
    if isinstance(node, ast.AugAssign):
        yield scope, operators.arithmetic(node, text)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "exc", "cause"):
            continue
        if name in ("target", "targets") and not _indexed(value):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.stmt):
                yield from _statement(part, scope, text)
            else:
                yield from _expression(part, scope, text)
    if isinstance(node, ast.If | ast.While):
        yield scope, operators.condition(node.test, text)


def _definition(
    node: ast.FunctionDef | ast.ClassDef, scope: str, text: Text
) -> Iterator[tuple[str, Iterator[Change]]]:
    if isinstance(node, ast.FunctionDef):
        yield scope, operators.decorator(node, text)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            yield from _expression(default, scope, text)
    for statement in node.body:
        yield from _statement(statement, scope, text)


def _expression(node: object, scope: str, text: Text) -> Iterator[tuple[str, Iterator[Change]]]:
    """The changes of an expression, or of what holds some, such as the arguments of a call."""
    if not isinstance(node, ast.AST) or _names_types(node):
        return
    if isinstance(node, ast.ExceptHandler | ast.match_case):
        for statement in node.body:
            yield from _statement(statement, scope, text)
        return
    if isinstance(node, ast.FormattedValue):
        # Words of a sentence are left alone, what it reckons out isn't.
        if text.is_true_of(node.value):
            yield from _expression(node.value, scope, text)
        return
    if isinstance(node, ast.JoinedStr):
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                yield from _expression(value, scope, text)
        return
    yield scope, _changes(node, text)
    # The one keyword of `zip`, strict, is an assertion too.
    parts = node.args if _calls(node, "zip") else ast.iter_child_nodes(node)
    for part in parts:
        yield from _expression(part, scope, text)


def _changes(node: ast.AST, text: Text) -> Iterator[Change]:
    if isinstance(node, ast.BinOp):
        yield from operators.arithmetic(node, text)
    elif isinstance(node, ast.Compare):
        yield from operators.comparison(node, text)
    elif isinstance(node, ast.BoolOp):
        yield from operators.boolean(node, text)
    elif isinstance(node, ast.UnaryOp):
        yield from operators.unary(node, text)
    elif isinstance(node, ast.Constant):
        yield from operators.constant(node, text)
    elif isinstance(node, ast.Call):
        yield from operators.call(node, text)
    elif isinstance(node, ast.Attribute):
        yield from operators.attribute(node, text)
    elif isinstance(node, ast.IfExp):
        yield from operators.condition(node.test, text)
    elif isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield from operators.condition(test, text)


def _is_passed_over(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert | ast.Pass):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name == "__repr__"
    if isinstance(node, ast.ClassDef):
        return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _is_logging(node.value)
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _is_logging(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    return isinstance(function, ast.Attribute) and function.attr in LOGGING


def _names_types(node: ast.AST) -> bool:
    """Whether a node holds types, where another operator or text means nothing."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id in TYPES
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in TYPES
    return isinstance(node, ast.BinOp) and any(
        isinstance(side, ast.Name | ast.Attribute | ast.Subscript)
        and isinstance(node.op, ast.BitOr)
        and ast.unparse(side).split("[")[0].split(".")[-1][0].isupper()
        for side in (node.left, node.right)
    )


def _indexed(value: object) -> bool:
    """Whether a statement's targets hold an index, which reckons with numbers."""
    targets = value if isinstance(value, list) else [value]
    return any(isinstance(target, ast.Subscript) for target in targets)
