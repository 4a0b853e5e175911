"""The user's own code, which counts as a whole: it may look up more than its names lead to."""

from collections.abc import Iterable

from bench.fingerprint.distributions import versions
from bench.fingerprint.forms import EFFECTS, VALUE, Target
from bench.fingerprint.modules import REGISTERED, Module, module_of
from bench.fingerprint.places import Foreign, inside, place
from bench.fingerprint.source import File, content_sha256, of_the_suite, packages_around
from bench.fingerprint.surroundings import named_files, variables


class OwnCode:
    """What counts of the user's own files that contain the roots or are imported by such files.

    `targets` are definitions and effects. `surroundings` are lines for what isn't code: versions of
    packages, environment variables, and files that the code names.
    """

    def __init__(self, roots: Iterable[Target]) -> None:
        self._modules: dict[File, Module] = {}
        self._packages: set[str] = set()
        for root in roots:
            if not of_the_suite(root.file.path):
                self._add(root.file)
        modules = self._modules.values()
        self.data = {
            File(path, module.file.search)
            for module in modules
            if module.tree is not None
            for path in named_files(module.tree, module.file.path.parent)
        } - self._modules.keys()
        self.variables = {
            name: value
            for module in modules
            if module.tree is not None
            for name, value in variables(module.tree).items()
        }
        self.files = {*self._modules, *self.data}

    @property
    def targets(self) -> list[Target]:
        """All that the files define and do, except for what only entries of registries use."""
        entries = self._used([Target(file, REGISTERED) for file in self._modules])
        everything = [
            Target(file, name)
            for file, module in self._modules.items()
            for name in module.definitions
        ]
        free = [one for one in everything if one not in entries]
        return [*(Target(file, EFFECTS) for file in self._modules), *free]

    @property
    def surroundings(self) -> list[str]:
        """A line for each thing beside code, sorted."""
        lines = {f"package {line}" for line in versions(self._packages)}
        lines |= {f"variable {name} {value!r}" for name, value in self.variables.items()}
        lines |= {f"file {content_sha256(file.path)}" for file in self.data}
        return sorted(lines)

    def _add(self, file: File) -> None:
        """Add the file, and all files that it imports at any time."""
        waiting = [file]
        while waiting:
            file = waiting.pop()
            if of_the_suite(file.path) or file in self._modules:
                continue
            module = self._modules[file] = module_of(file)
            waiting += [File(path, file.search) for path in packages_around(file.path)]
            for imported in module.imports():
                found = place(imported.module, imported.level, file)
                if isinstance(found, Foreign):
                    self._packages.add(found.name.partition(".")[0])
                elif found is not None:
                    inner = inside(found, imported.name) if imported.name else None
                    waiting += [one for one in (found, inner) if isinstance(one, File)]

    def _used(self, targets: list[Target]) -> set[Target]:
        """Return the definitions in the user's files that these targets lead to."""
        used, waiting = set[Target](), targets
        while waiting:
            target = waiting.pop()
            if target in used or target.file not in self._modules or target.name == VALUE:
                continue
            used.add(target)
            form = self._modules[target.file].form(target.name)
            waiting += [one for hole in form.holes for one in hole]
        return used
