"""The form of a piece of code: the part of its syntax that can influence a result.

Docstrings, comments, imports, and the texts of errors and log messages are left out. A name that
leads to code of the suite or the user becomes a hole, to be filled with what the name stands for;
one that leads to another package is written out in full. So it doesn't matter by which path, or
under which alias, code is imported.
"""

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bench.fingerprint.quiet import is_text_call, left_out, names_bound, own_scope, words
from bench.fingerprint.source import File

HOLE = "\0"
"""The sign that stands for a hole in the text of a form."""
_NEITHER = ("ctx", "kind", "type_comment")
"""Fields of syntax nodes that follow from the node's place, or that say nothing."""


class Target(NamedTuple):
    """What a name stands for: a definition in a file, its EFFECTS, or the module as a VALUE.

    EFFECTS are the statements that act when the file is imported.
    """

    file: File
    name: str


EFFECTS, VALUE = "", "*"
"""The target names of a file's effects and of the module itself."""


class Imported(NamedTuple):
    """What an import statement binds: `name` of a module, or the module itself if it is None.

    `level` counts the leading dots of a relative import.
    """

    module: str
    level: int
    name: str | None


class Found(NamedTuple):
    """What a chain of names leads to: `targets`, or a `text`, and the `rest` of the chain.

    `passed` are the files whose imports were followed on the way.
    """

    targets: tuple[Target, ...]
    text: str
    rest: tuple[str, ...] = ()
    passed: tuple[File, ...] = ()


Resolve = Callable[[str, tuple[str, ...], Sequence[Imported]], Found | None]
"""A function that resolves a chain `name.attribute...` in a file; its last argument are the imports
of an enclosing function."""


class Form(NamedTuple):
    """The text of a piece of code with holes, what fills each, and the files passed on the way."""

    text: str
    holes: tuple[tuple[Target, ...], ...]
    passed: frozenset[File]


def form_of(nodes: Iterable[ast.AST], resolve: Resolve, without: frozenset[str]) -> Form:
    """Return the form of statements or expressions.

    Classes are taken without the members `without`.
    """
    writer = _Writer(resolve, without)
    for node in nodes:
        writer.write(node)
    return Form("".join(writer.parts), tuple(writer.holes), frozenset(writer.passed))


class _Writer:
    def __init__(self, resolve: Resolve, without: frozenset[str]) -> None:
        self.parts: list[str] = []
        self.holes: list[tuple[Target, ...]] = []
        self.passed: set[File] = set()
        self._resolve, self._without = resolve, without
        self._scopes: list[dict[str, list[Imported]]] = []
        self._wordless = False

    def write(self, node: ast.AST) -> None:
        """Append the node's form to `parts`: its syntax without what only speaks to a reader."""
        match node:
            case ast.Name():
                self._chain(node.id, ())
            case ast.Attribute() if (chain := _names(node)) is not None:
                self._chain(chain[0], chain[1:])
            case ast.expr() if self._wordless and words(node):
                self.parts.append("''")
            case ast.Raise():
                self._without_words(node, *node._fields)
            case ast.Expr(value=ast.Call() as call) if is_text_call(call):
                self._without_words(node, *node._fields)
            case ast.Assert():
                self._fields(node, "test")
                self._without_words(node, "msg")
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._function(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node)
            case _:
                self._fields(node, *node._fields)

    def _without_words(self, node: ast.AST, *names: str) -> None:
        """Write these fields without texts: an error's type counts, and what is computed for it."""
        before, self._wordless = self._wordless, True
        self._fields(node, *names)
        self._wordless = before

    def _fields(self, node: ast.AST, *names: str) -> None:
        """Write the node's kind and fields.

        Empty ones are left out, as Python's versions differ.
        """
        self.parts.append(f"{type(node).__name__}(")
        for name in names:
            value = getattr(node, name, None)
            constant = isinstance(node, ast.Constant) and name == "value"
            if not constant and (value in (None, []) or name in _NEITHER):
                continue
            self.parts.append(f"{name}=")
            self._value(value, isinstance(node, ast.ClassDef) and name == "body")
        self.parts.append(")")

    def _value(self, value: object, members: bool = False) -> None:
        if isinstance(value, ast.AST):
            self.write(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, ast.stmt) and left_out(item):
                    continue
                if members and getattr(item, "name", None) in self._without:
                    continue
                self._value(item)
                self.parts.append(",")
        else:
            self.parts.append(repr(value))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """Write a function; decorators, defaults and annotations belong to the scope around it."""
        self._fields(node, *(name for name in node._fields if name != "body"))
        body = node.body if isinstance(node.body, list) else [node.body]
        arguments = [item.arg for item in ast.walk(node.args) if isinstance(item, ast.arg)]
        self._scopes.append(_bound(body) | {name: [] for name in arguments})
        self._value(body)
        self._scopes.pop()

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        """Write a comprehension; its first iterable belongs to the scope around it."""
        first, *others = node.generators
        self.write(first.iter)
        targets = [name for part in node.generators for name in names_bound([part.target])]
        self._scopes.append({name: [] for name in targets})
        self._fields(first, "target", "ifs", "is_async")
        self._value(others)
        self._fields(node, *(name for name in node._fields if name != "generators"))
        self._scopes.pop()

    def _chain(self, name: str, attributes: tuple[str, ...]) -> None:
        local = next((scope[name] for scope in reversed(self._scopes) if name in scope), None)
        found = None
        if local is None or local:
            found = self._resolve(name, attributes, local or ())
        if found is None:
            self.parts.append(".".join((name, *attributes)) + ";")
            return
        self.passed.update(found.passed)
        if found.targets:
            self.holes.append(found.targets)
        start = HOLE * bool(found.targets) + f"<{found.text}>" * bool(found.text)
        self.parts.append(".".join((start, *found.rest)) + ";")


def _bound(body: Sequence[ast.AST]) -> dict[str, list[Imported]]:
    """Return the names that a function's body makes local, with what imports bind to them."""
    bound: dict[str, list[Imported]] = {name: [] for name in names_bound(body)}
    for name, imported in imports_among(own_scope(body)):
        bound.setdefault(name, []).append(imported)
    return bound


def imports_among(nodes: Iterable[ast.AST]) -> Iterable[tuple[str, Imported]]:
    """Yield each name that an import statement among the nodes binds; `*` stands for all names."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                whole = alias.name if alias.asname else first
                yield alias.asname or first, Imported(whole, 0, None)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                imported = Imported(node.module or "", node.level, alias.name)
                yield alias.asname or alias.name, imported


def _names(node: ast.expr) -> tuple[str, ...] | None:
    """Return `a.b.c` as its names; None if the chain begins with something other than a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None
