"""Imports files of the user's, together with the files beside them.

A file may import others from its folder, or from the package that its folder belongs to, as if it
were run as a program. They are imported under private names, so that two folders may each have a
file of the same name.
"""

import builtins
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from bench.fingerprint.forms import EFFECTS, Target
from bench.fingerprint.own_code import OwnCode
from bench.fingerprint.places import beside
from bench.fingerprint.source import SUITE, File, foreign, packages_around, text

HEAD = "bench_plugins_"
"""The prefix of the names of all modules from the user's folders."""


def import_file(path: Path) -> ModuleType:
    """Return the file as a module; if it raises, everything that it imported is removed again."""
    path = path.resolve()
    folder = _Folder.of(path)
    folder.register()
    before = set(sys.modules)
    importlib.invalidate_caches()
    try:
        return folder.load(path)
    except BaseException:
        for name in [name for name in sys.modules.keys() - before if name.startswith(HEAD)]:
            del sys.modules[name]
        text.cache_clear()
        raise


class Beside(NamedTuple):
    """The `files` below the folder `top` that a plug-in consists of, and the variables it reads."""

    top: Path
    files: frozenset[Path]
    variables: frozenset[str]


def files_of(path: Path) -> Beside:
    """Return the file and those beside it that it imports or names, with the variables it reads."""
    folder = _Folder.of(path.resolve())
    own = OwnCode([Target(File(path.resolve(), folder.search), EFFECTS)])
    inside = {file.path for file in own.files if file.path.is_relative_to(folder.top)}
    return Beside(folder.top, frozenset(inside), frozenset(own.variables))


class _Folder:
    """A folder whose files import each other; `top` is the folder its package lies in, if any.

    `search` are the folders in which imports are looked for: that of the file, and that of its
    package.
    """

    known: dict[str, "_Folder"] = {}  # noqa: RUF012 - filled as folders are used

    def __init__(self, own: Path, top: Path) -> None:
        self.top = top
        self.search = tuple(dict.fromkeys((own, top)))
        self.head = HEAD + hashlib.sha256(str(own).encode()).hexdigest()[:16]

    @classmethod
    def of(cls, path: Path) -> "_Folder":
        packages = packages_around(path)
        return cls(path.parent, packages[-1].parent.parent if packages else path.parent)

    def register(self) -> None:
        """Make the modules of the folder importable."""
        if self.head not in sys.modules:
            spec = ModuleSpec(self.head, None, is_package=True)
            spec.submodule_search_locations = [str(self.top)]
            sys.modules[self.head] = importlib.util.module_from_spec(spec)
            _Folder.known[self.head] = self
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())

    def load(self, path: Path) -> ModuleType:
        """Return the module of a file in the folder, loaded once; the file's name may have dots."""
        package = ".".join((self.head, *path.parent.relative_to(self.top).parts))
        importlib.import_module(package)
        name = f"{package}.{path.stem.replace('.', '_')}"
        if name not in sys.modules:
            loader = _Loader(name, str(path), self)
            spec = importlib.util.spec_from_file_location(name, path, loader=loader)
            assert spec is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            loader.exec_module(sys.modules[name])
        return sys.modules[name]

    def prefix(self, spec: ModuleSpec) -> str:
        """Return the prefix of the name of a module that was found in one of the folders."""
        locations = spec.submodule_search_locations
        place = Path(locations[0] if locations else str(spec.origin)).parent
        return ".".join((self.head, *place.relative_to(self.top).parts))


class _Finder(MetaPathFinder):
    """Finds modules of the user's folders, which `_Loader` then loads."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folder = _Folder.known.get(fullname.partition(".")[0])
        if folder is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, str(spec.origin), folder)
        return spec


class _Loader(SourceFileLoader):
    """Runs a file of the user's with an `import` that looks beside the file first."""

    def __init__(self, fullname: str, path: str, folder: _Folder) -> None:
        super().__init__(fullname, path)
        self._folder, self.search = folder, folder.search

    def get_code(self, fullname: str) -> CodeType:
        """Compile the text that is hashed; a cache of bytecode could miss an edit of equal size."""
        path = Path(self.get_filename(fullname))
        return self.source_to_code(text(path.resolve()), str(path))

    def exec_module(self, module: ModuleType) -> None:
        """Run the module; its functions keep this `import` for later imports."""
        importer = _Importer(self._folder, Path(self.path).resolve())
        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": importer.statement}
        super().exec_module(module)


class _Importer:
    """The behaviour of `import` and `importlib.import_module` in one file."""

    def __init__(self, folder: _Folder, path: Path) -> None:
        self._folder, self._path = folder, path

    def statement(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """Like `builtins.__import__`, but looks beside the file first."""
        first = name.partition(".")[0]
        found = self._beside(first) if level == 0 else None
        if found is None:
            module = builtins.__import__(name, globals, locals, fromlist, level)
            if level == 0:
                self._assert_the_same(first)
            return self._importlib() if first == "importlib" and module is importlib else module
        private = f"{self._folder.prefix(found)}.{name}"
        if fromlist:
            return builtins.__import__(private, globals, locals, fromlist, 0)
        importlib.import_module(private)
        return sys.modules[f"{self._folder.prefix(found)}.{first}"]

    def _beside(self, name: str) -> ModuleSpec | None:
        spec = beside(name, self._folder.search, self._path)
        if spec is not None and name in sys.stdlib_module_names:
            raise ImportError(
                f"{name} is a module of Python and a file beside {self._path.name} too: rename "
                "the file"
            )
        return spec

    def _assert_the_same(self, name: str) -> None:
        """Raise `ImportError` if a module of this name from another folder was imported before.

        Two files that add folders to `sys.path` must not get each other's modules.
        """
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded is None or name in (*SUITE, *sys.stdlib_module_names) or foreign(Path(loaded)):
            return
        spec = PathFinder.find_spec(name)
        origin = None if spec is None else spec.origin
        if origin is not None and not Path(origin).samefile(loaded):
            raise ImportError(
                f"{name} would be {origin}, but {loaded} was imported under that name before: "
                "rename one of them"
            )

    def _importlib(self) -> ModuleType:
        """Return `importlib` with an `import_module` that looks beside the file too."""
        own = ModuleType(importlib.__name__, importlib.__doc__)
        own.__dict__.update(vars(importlib) | {"import_module": self._import_module})
        return own

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        found = None if name.startswith(".") else self._beside(name.partition(".")[0])
        if found is None:
            return importlib.import_module(name, package)
        return importlib.import_module(f"{self._folder.prefix(found)}.{name}")
