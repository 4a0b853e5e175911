"""A job that can't fit into memory is refused in one sentence before it starts, and runs later."""

import math
from pathlib import Path

import pytest
from support.grids import run, study

from bench.common.errors import UserError
from bench.executors import memory
from bench.executors.bounds.control_groups import room
from bench.executors.bounds.need import need, sizes_of
from bench.executors.bounds.refusing import refuse_too_large
from bench.executors.memory import free_memory
from bench.executors.pool import Pool
from bench.executors.task import Task, Work
from bench.problem.passes import MEMORY
from methods import build
from methods.memory import Layer, held

GIB = 2**30
WIDE = [Layer(4096, 4096, 1, linear=True)] * 8
"""A network of 134 million weights, of which there are these numbers alone."""
CONVOLUTION = [Layer(256, 2304, 196, linear=False)] * 20
GROUPS = [Layer(1024, 288, 49, linear=False, groups=32)] * 50


@pytest.mark.parametrize(
    ("method", "layers", "least", "most"),
    [
        # m×m kernels in double precision: 7.5 GiB each, of which a Cholesky factor is a second.
        (build("woodfisher", {"samples": 32_000}), WIDE, 15, 45),
        # 1,000 gradients of 11.8 million weights are recomputed in groups of 8 GiB.
        (build("woodfisher", {"samples": 1000}), CONVOLUTION, 8, 12),
        (build("woodfisher", {"samples": 1000, "blocks": 100}), CONVOLUTION, 8, 24),
        # Signals take less than gradients: 10 million numbers for each example.
        (build("ekfac", {"samples": 1000}), CONVOLUTION, 37, 50),
        (build("kfac", {"samples": 1000}), WIDE, 2 * 2, 10),
        # A factor of 288 × 288 for each of 32 groups: 21 MB a layer.
        (build("kfac", {"samples": 1000}), GROUPS, 1, 5),
        (build("ekfac", {"samples": 1000}), GROUPS, 1 + 50, 70),
        (build("obc", {"samples": 10}), WIDE, 4, 14),
        (build("chita", {"samples": 100}), WIDE, 50, 130),
        (build("cbs", {"samples": 10_000}), CONVOLUTION, 0, 0),
        (build("magnitude", {}), WIDE, 0, 0),
        (build("rigl", {}), WIDE, 0, 0),
    ],
)
def test_what_methods_hold_follows_from_their_fields(method, layers, least, most) -> None:
    assert least * GIB <= held(method, layers) <= most * GIB


def test_fewer_samples_take_less() -> None:
    for name in ("woodfisher", "ekfac", "chita", "cbs"):
        few, many = (held(build(name, {"samples": n}), CONVOLUTION) for n in (10, 100))
        assert few < many


def test_a_plugin_says_it_by_its_gradients() -> None:
    from methods.method import Method

    class Own(Method):
        def gradients_held(self) -> int:
            return 7

    assert held(Own(), CONVOLUTION[:1]) == 2.5 * 4 * 7 * 256 * 2304
    assert Own().lighter() == "take fewer samples" and Method().lighter() == ""


def test_a_large_batch_of_training_counts(pairs) -> None:
    (dense,) = pairs.values()
    recipe = {"epochs": 1, "learning_rate": 0.1, "schedule": "constant"}
    grid = study({"magnitude": {}})
    grid = grid.model_copy(update={"protocols": ["fine-tune"]})
    budget = grid.budget.model_copy(update={"training_steps": 100})
    needs = []
    for batch in (10, 10**7):
        training = type(grid).model_fields["training"].annotation
        recipes = training.__args__[0](**recipe, batch=batch)
        (cell,) = grid.model_copy(update={"training": recipes, "budget": budget}).cells()
        needs.append(need(cell, dense, MEMORY))
    assert needs[0] < GIB / 2 and needs[1] > 10**7 * sizes_of(dense).activations


def test_sizes_are_those_of_the_network(pairs) -> None:
    (dense,) = pairs.values()
    sizes = sizes_of(dense)
    assert sum(layer.size for layer in sizes.layers) == 32_360
    assert all(layer.linear and layer.positions == 1 for layer in sizes.layers)
    assert sizes.layers[0].inputs == 784


def test_jobs_that_cannot_fit_are_failed_and_the_others_run(pairs, tmp_path, monkeypatch) -> None:
    grid = study({"magnitude": {}, "ekfac": {"samples": 50}, "woodfisher": {"samples": 50}})
    (dense,) = pairs.values()
    cells = {cell.label: cell for cell in grid.cells()}
    bounds = {label: need(cell, dense, MEMORY) for label, cell in cells.items()}
    between = (bounds["magnitude"] + min(bounds["ekfac"], bounds["woodfisher"])) / 2 / GIB
    monkeypatch.setenv("BENCH_FREE_GIB", str(between))
    for executor in (None, Pool(1, ["cpu"], 1)):
        folder = tmp_path / str(executor is None)
        records = run(grid, folder, pairs, executor)
        assert {name: record.status for name, record in records.items()} == {
            "magnitude 0.9 0": "ok",
            "ekfac 0.9 0": "failed",
            "woodfisher 0.9 0": "failed",
        }
        assert records["woodfisher 0.9 0"].reason == (
            f"WoodFisher needs up to {bounds['woodfisher'] / GIB:.1f} GiB and {between:.1f} GiB "
            "are free: set blocks or fewer samples (BENCH_FREE_GIB sets what counts as free)"
        )
        assert "EKFAC needs" in records["ekfac 0.9 0"].reason
        assert "fewer samples" in records["ekfac 0.9 0"].reason
    monkeypatch.setenv("BENCH_FREE_GIB", "inf")
    again = run(grid, tmp_path / "True", pairs)
    assert {record.status for record in again.values()} == {"ok"}
    work = Work(grid.name, tmp_path / "True", MEMORY)
    tasks = [Task(cell, math.inf) for cell in grid.cells()]
    left, found = refuse_too_large(tasks, 1.0, work, pairs)
    assert not left and found == list(again.values()), "what is recorded isn't replaced"


def test_a_refused_job_ends_the_command_with_1(bench, small_study, tmp_path) -> None:
    arguments = ("run", small_study, "--results", tmp_path, "--method", "woodfisher")
    done = bench(*arguments, BENCH_FREE_GIB="0.001")
    assert done.returncode == 1
    assert "WoodFisher needs up to 0." in done.stderr and "Traceback" not in done.stderr
    assert bench(*arguments, BENCH_FREE_GIB="1").returncode == 0


@pytest.mark.parametrize("text", ["much", "-1", "0", "nan"])
def test_what_is_no_size_is_refused(text, monkeypatch) -> None:
    monkeypatch.setenv("BENCH_FREE_GIB", text)
    with pytest.raises(UserError, match="BENCH_FREE_GIB must be a number of GiB above zero"):
        free_memory("cpu", 1)


def test_the_limit_of_a_container_is_what_is_free(monkeypatch) -> None:
    monkeypatch.delenv("BENCH_FREE_GIB", raising=False)
    monkeypatch.setattr(memory, "room", lambda: 3e6)
    assert free_memory("cpu", 0) == 3e6
    monkeypatch.setattr(memory, "room", lambda: math.inf)
    assert free_memory("cpu", 0) > 3e6


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_the_narrowest_group_of_the_second_version_counts(tmp_path) -> None:
    named, root = tmp_path / "named", tmp_path / "root"
    named.write_text("0::/pod/box\n")
    group(root)
    group(root / "pod", memory__max=4 * GIB, memory__current=3 * GIB)
    (root / "pod" / "memory.stat").write_text(f"anon 5\ninactive_file {GIB // 2}\n")
    assert room(named, root) == 1.5 * GIB
    group(root / "pod" / "box", memory__max="max", memory__current=GIB)
    assert room(named, root) == 1.5 * GIB
    group(root / "pod" / "box", memory__max=2 * GIB)
    (root / "pod" / "box" / "memory.stat").write_text("inactive_file 0\n")
    assert room(named, root) == GIB


def test_a_container_of_the_first_version_sees_its_limit_at_the_root(tmp_path) -> None:
    named, root = tmp_path / "named", tmp_path / "root"
    named.write_text("5:cpu,cpuacct:/a\n4:memory:/docker/outside\n0::/\n")
    group(root / "memory")
    (root / "memory" / "memory.limit_in_bytes").write_text(f"{4 * GIB}\n")
    (root / "memory" / "memory.usage_in_bytes").write_text(f"{GIB}\n")
    statistics = "inactive_file 7\ntotal_inactive_file 4096\n"
    (root / "memory" / "memory.stat").write_text(statistics)
    assert room(named, root) == 3 * GIB + 4096


def test_without_groups_there_is_no_limit(tmp_path) -> None:
    assert room(tmp_path / "none", tmp_path) == math.inf
    (tmp_path / "named").write_text("0::/../../else\n")
    assert room(tmp_path / "named", tmp_path) == math.inf
