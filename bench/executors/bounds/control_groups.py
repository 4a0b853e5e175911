"""The memory that Linux's control groups leave to this process, as containers limit it.

What the machine has free says nothing there: a container of 4 GiB on a machine of 64 GiB is killed
at 4 GiB. Source: the kernel's documentation, admin-guide/cgroup-v2 and cgroup-v1/memory.
"""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = Path("/proc/self/cgroup")
"""The file that names the control groups of this process."""
ROOT = Path("/sys/fs/cgroup")
"""The folder of all control groups."""


def room(groups: Path = GROUPS, root: Path = ROOT) -> float:
    """Return the bytes that are left in the narrowest group; infinite if none has a limit.

    File pages that weren't used lately count as left, since the kernel drops them first.
    """
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return math.inf
    left = [math.inf]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            left += [_left(at, "memory.max", "memory.current") for at in _upwards(root, path)]
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            left += [_left(at, *names) for at in _upwards(root / "memory", path)]
    return min(left)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Iterate over the folders from the group to the root.

    Inside of a container the path may be that outside, of which only the root is there.
    """
    inner = PurePosixPath(path.lstrip("/"))
    for part in (inner, *inner.parents):
        if ".." not in part.parts:
            yield root / part


def _left(folder: Path, limit: str, used: str) -> float:
    """Return the bytes that the group has left; infinite without a limit."""
    try:
        most = (folder / limit).read_text().strip()
        if most == "max":
            return math.inf
        inactive = _inactive(folder / "memory.stat")
        return float(max(0, int(most) - int((folder / used).read_text()) + inactive))
    except (OSError, ValueError):
        return math.inf


def _inactive(statistics: Path) -> int:
    """Return the bytes of inactive file pages, of the group and those below it."""
    found = {}
    for line in statistics.read_text().splitlines():
        name, _, value = line.partition(" ")
        found[name] = value
    return int(found.get("total_inactive_file", found.get("inactive_file", "0")))
