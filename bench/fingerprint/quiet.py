"""Tells which parts of code only inform a reader, and which names a piece of code binds."""

import ast
import re
from collections.abc import Iterable, Iterator

_LOGGER = re.compile(r"_*(log|logger|logging)", re.IGNORECASE)
_LEVELS = {"debug", "info", "warning", "warn", "error", "exception", "critical", "log"}
_ACTS = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def left_out(statement: ast.stmt) -> bool:
    """Return whether no result depends on this statement.

    This holds for imports, since names are followed to where they lead; for docstrings and `pass`;
    for log messages that compute nothing; and for code that runs only if the file is run as a
    program.
    """
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call() as call):
            return is_text_call(call) and not any(map(computes, [*call.args, *call.keywords]))
        case ast.If(
            test=ast.Compare(
                left=ast.Name(id="__name__"),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value="__main__")],
            ),
            orelse=[],
        ):
            return True
        case ast.If():
            inner = [*statement.body, *statement.orelse]
            return all(map(left_out, inner)) and not computes(statement.test)
    return False


def is_text_call(call: ast.Call) -> bool:
    """Return whether the call only informs a reader: it prints, warns or logs."""
    match call.func:
        case ast.Name(id="print"):
            return True
        case ast.Attribute(value=ast.Name(id="warnings"), attr="warn"):
            return True
        case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=level):
            return level in _LEVELS and _LOGGER.fullmatch(name) is not None
    return False


def words(node: ast.expr) -> bool:
    """Return whether the expression is a literal text, with whatever is formatted into it."""
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=inner, op=ast.Add() | ast.Mod()):
            return words(inner)
        case ast.Call(func=ast.Attribute(value=inner)):
            return words(inner)
    return False


def computes(node: ast.AST) -> bool:
    """Return whether evaluating the expression may do more than give a value."""
    return any(isinstance(inner, _ACTS) for inner in ast.walk(node))


def names_bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that the nodes assign in their own scope, without those declared global."""
    bound, outside = set[str](), set[str]()
    for node in own_scope(nodes):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Global):
            outside.update(node.names)
    return bound - outside


def own_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Iterate over the nodes and all nodes inside them, except in what has a scope of its own."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _COMPREHENSIONS):
            inner = [item for item in ast.walk(node) if isinstance(item, ast.NamedExpr)]
            waiting += [item.target for item in inner]
        elif not isinstance(node, _SCOPES):
            waiting += ast.iter_child_nodes(node)
