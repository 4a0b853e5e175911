"""Takes a file of code apart into what it defines and what it does when it is imported."""

import ast
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.fingerprint.forms import (
    EFFECTS,
    VALUE,
    Form,
    Found,
    Imported,
    Target,
    form_of,
    imports_among,
)
from bench.fingerprint.places import Foreign, Place, beside, inside, place
from bench.fingerprint.quiet import computes, left_out, names_bound, own_scope
from bench.fingerprint.source import File, of_the_suite, text

REGISTRIES = {
    *("METHODS", "PAIRS", "DATASETS", "AUGMENTATIONS"),
    *("ALLOCATIONS", "PROTOCOLS", "PRUNED", "TRAINED"),
}
"""Tables of the suite from which a job picks one entry; only this entry counts for its result."""

PLUGIN_REGISTRIES = {"METHODS", "PAIRS"}
"""The tables of that kind in files of the user's."""

REGISTERED = "[]"
"""The target name of a file's statements that fill registries."""
LAMBDA = "<lambda>"
"""The name that Python gives to lambda expressions."""


class Module:
    """A file's definitions by name, and the statements that act when it is imported.

    In the user's own files a value computed by a call counts among these statements, since the
    order of such calls may matter. In the suite's files it counts only for code that uses its name.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self.own = not of_the_suite(file.path)
        self.tree = _tree(file.path)
        self.definitions: dict[str, list[ast.AST]] = {}
        self.registered: list[ast.AST] = []
        self._imports: dict[str, list[Imported]] = {}
        self._effects: list[ast.stmt] = []
        self._forms: dict[tuple[str, frozenset[str]], Form] = {}
        for statement in [] if self.tree is None else self.tree.body:
            self._place(statement)

    def _place(self, statement: ast.stmt) -> None:
        for name, imported in imports_among(own_scope([statement])):
            self._imports.setdefault(name, []).append(imported)
        if left_out(statement):
            return
        names = names_bound([statement])
        for name in names:
            self.definitions.setdefault(name, []).append(statement)
        registry = registry_of(statement)
        if registry in (PLUGIN_REGISTRIES if self.own else REGISTRIES):
            self.registered.append(statement)
            if registry not in names:  # counts if other code reads the table
                self.definitions.setdefault(registry, []).append(statement)
            return
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return
            case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.AnnAssign(value=value):
                if names and not (self.own and value is not None and computes(value)):
                    return
        self._effects.append(statement)

    def form(self, name: str, without: frozenset[str] = frozenset()) -> Form:
        """Return the form of a definition without some of its members, or of the EFFECTS."""
        key = name, without
        if key not in self._forms:
            self._forms[key] = form_of(self._nodes(name), self.resolve, without)
        return self._forms[key]

    def _nodes(self, name: str) -> Sequence[ast.AST]:
        nodes: Sequence[ast.AST] = self.definitions.get(name, [])
        if name == EFFECTS:
            nodes = self._effects
        elif name == REGISTERED:
            nodes = self.registered
        elif name.startswith(LAMBDA) and self.tree is not None:
            line = int(name.partition(":")[2])
            functions = (node for node in ast.walk(self.tree) if isinstance(node, ast.Lambda))
            nodes = [node for node in functions if node.lineno == line]
        return nodes

    def resolve(
        self, name: str, attributes: tuple[str, ...], local: Sequence[Imported]
    ) -> Found | None:
        """Return what a chain of names in this file leads to.

        None if the file doesn't define it.
        """
        if local:
            return _merged([_follow(one, self.file, attributes, frozenset()) for one in local])
        return self._named(name, attributes, frozenset())

    def _named(
        self, name: str, attributes: tuple[str, ...], seen: frozenset[object]
    ) -> Found | None:
        here = Target(self.file, name)
        if here in seen:
            return None
        found: list[Found | None] = []
        if name in self.definitions:
            found.append(Found((here,), "", attributes))
        for imported in self._imports.get(name, []):
            found.append(_follow(imported, self.file, attributes, seen | {here}))
        if not found:
            for imported in self._imports.get("*", []):
                star = imported._replace(name=name)
                found.append(_follow(star, self.file, attributes, seen | {here}, only_defined=True))
        return _merged(found)

    def imports(self) -> Iterator[Imported]:
        """Iterate over everything that is imported anywhere in the file, immediately or later."""
        if self.tree is None:
            return
        for _, imported in imports_among(ast.walk(self.tree)):
            yield imported
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                    called = getattr(function, "attr", getattr(function, "id", ""))
                    if called in ("import_module", "__import__") and name.strip("."):
                        level = len(name) - len(name.lstrip("."))
                        yield Imported(name.lstrip("."), level, None)
                case ast.Constant(value=str(name)) if self._names_a_file(name):
                    yield Imported(name, 0, None)

    def _names_a_file(self, word: str) -> bool:
        """Return whether a text in the user's code may name a module beside the file."""
        first, *rest = word.split(".")
        if not all(part.isidentifier() for part in (first, *rest)):
            return False
        return beside(first, self.file.search, self.file.path) is not None


@functools.cache
def module_of(file: File) -> Module:
    """Return the file taken apart, which is done once per process."""
    return Module(file)


def registry_of(statement: ast.stmt) -> str:
    """Return the table that a statement fills: `NAME = …`, `NAME[…] = …`, `NAME.update(…)`.

    The result is empty if the statement fills none.
    """
    match statement:
        case ast.Assign(targets=[target]) | ast.AnnAssign(target=target):
            while isinstance(target, ast.Subscript):
                target = target.value
        case ast.AugAssign(target=target):
            pass
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target, attr="update"))):
            pass
        case _:
            return ""
    return target.id if isinstance(target, ast.Name) else ""


def _tree(path: Path) -> ast.Module | None:
    """Return the syntax tree; None if the file is no Python source, such as a compiled module."""
    if path.suffix != ".py":
        return None
    try:
        return ast.parse(text(path))
    except (SyntaxError, ValueError):
        return None


def _follow(
    imported: Imported,
    file: File,
    attributes: tuple[str, ...],
    seen: frozenset[object],
    only_defined: bool = False,
) -> Found | None:
    """Return what an imported name with its attributes leads to."""
    if imported.name is not None:
        attributes = (imported.name, *attributes)
    found = place(imported.module, imported.level, file)
    if found is None:
        return Found((), ".".join((imported.module, *attributes)))
    return _walk(found, attributes, seen, only_defined)


def _walk(
    at: Place, chain: tuple[str, ...], seen: frozenset[object], only_defined: bool
) -> Found | None:
    passed: list[File] = []
    while True:
        if isinstance(at, Foreign):
            return None if only_defined else Found((), ".".join((at.name, *chain)))
        named = None
        if isinstance(at, File):
            passed.append(at)
            named = module_of(at)._named(chain[0], chain[1:], seen) if chain else None
        if named is not None:
            return named._replace(passed=(*passed, *named.passed))
        inner = inside(at, chain[0]) if chain else None
        if inner is None:
            if only_defined:
                return None
            if isinstance(at, File):
                return Found((Target(at, VALUE),), "", chain, tuple(passed))
            return Found((), ".".join((at.path.name, *chain)))
        at, chain = inner, chain[1:]


def _merged(found: Sequence[Found | None]) -> Found | None:
    """Return the only result, or all results in one if a name is bound in several ways."""
    known = [one for one in found if one is not None]
    if len(known) < 2:
        return known[0] if known else None
    targets = tuple(target for one in known for target in one.targets)
    texts = "|".join(sorted({one.text for one in known}))
    passed = tuple(file for one in known for file in one.passed)
    return Found(targets, texts, known[0].rest, passed)
