"""A study file expands to its grid, or says all that is wrong with it at once."""

import pytest
from support.grids import SMALL

from bench.common.errors import UserError
from bench.study.filters import Filters, overridden
from bench.study.study import built_in, load_study


def study_with(tmp_path, old: str, new: str):
    path = tmp_path / "changed.toml"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new))
    return load_study(str(path))


@pytest.mark.parametrize("name", built_in())
def test_built_in_studies_expand_and_stay_in_budget(name) -> None:
    study = load_study(name)
    cells = study.cells()
    assert len({cell.job.key for cell in cells}) == len(cells)
    for cell in cells:
        samples = cell.job.hyperparameters.get("samples", 0)
        assert samples <= study.budget.calibration_examples


def test_the_grid_is_complete_and_defaults_are_filled_in(small_study) -> None:
    cells = load_study(str(small_study)).cells()
    assert len(cells) == 2 * 2 * 2
    fields = cells[-1].job.hyperparameters
    assert fields["batch"] == 1 and fields["samples"] == 50


def test_a_label_may_name_a_variant(tmp_path) -> None:
    study = study_with(
        tmp_path, "magnitude = {}", '"few samples" = { method = "woodfisher", samples = 10 }'
    )
    jobs = {cell.label: cell.job for cell in study.cells()}
    assert jobs["few samples"].method == "woodfisher"
    assert jobs["few samples"].hyperparameters["samples"] == 10


def test_two_labels_for_one_job_are_refused(tmp_path) -> None:
    study = study_with(tmp_path, "magnitude = {}", 'magnitude = {}\nm = { method = "magnitude" }')
    with pytest.raises(UserError, match="'magnitude' and 'm' are the same job twice"):
        study.cells()


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("sparsities = [0.5, 0.9]", "sparsities = [0.5, 1.0]", ["sparsities.1", "less than 1"]),
        ("sparsities = [0.5, 0.9]", "sparsities = [-0.1]", ["sparsities.0", "greater than or"]),
        ("sparsities = [0.5, 0.9]", "sparsities = [nan]", ["sparsities.0", "finite"]),
        ("sparsities = [0.5, 0.9]", 'sparsities = ["half"]', ["sparsities.0", "valid number"]),
        ("sparsities = [0.5, 0.9]", "sparsities = [0.5, 0.5]", ["sparsities", "listed twice"]),
        ("seeds = [0, 1]", "seeds = []", ["seeds", "at least 1 item"]),
        (
            "seeds = [0, 1]",
            "seed = [0]",
            ["seed", "Did you mean 'seeds'", "seeds: this key is nee"],
        ),
        ('["global"]', '["globl"]', ["allocations.0", "Did you mean 'global'"]),
        ("backward_passes", "backward_pass", ["budget", "Did you mean 'backward_passes'"]),
        ("[methods]", "[methods", ["can't be read as TOML"]),
    ],
)
def test_mistakes_name_the_file_and_the_key(tmp_path, old, new, messages) -> None:
    with pytest.raises(UserError) as caught:
        study_with(tmp_path, old, new)
    for message in ["changed.toml", *messages]:
        assert message in str(caught.value)


def test_all_mistakes_are_said_at_once(tmp_path) -> None:
    with pytest.raises(UserError) as caught:
        study_with(tmp_path, "seeds = [0, 1]", "seeds = []\ncolour = 1\nprotocol = 'two-shot'")
    for key in ("seeds", "colour", "protocol"):
        assert f"\n  {key}: " in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mlpnet-mnist5k"', '"mlpnet-mnist5"', "no pair 'mlpnet-mnist5'. Did you mean"),
        ("magnitude =", "magnitud =", "no method 'magnitud'. Did you mean 'magnitude'"),
        ("magnitude = {}", "magnitude = { method = 3 }", "must be a method's name, not 3"),
        ("damping = 1e-3", "dampin = 1e-3", "Did you mean 'damping'"),
    ],
)
def test_unknown_names_offer_the_nearest(tmp_path, old, new, message) -> None:
    with pytest.raises(UserError, match=message):
        study_with(tmp_path, old, new).cells()


def test_unknown_studies_offer_the_nearest() -> None:
    with pytest.raises(UserError, match="no study 'quickstrat'. Did you mean 'quickstart'"):
        load_study("quickstrat")
    with pytest.raises(UserError, match="no study file .*absent.toml"):
        load_study("absent.toml")


def test_filters_limit_the_grid(small_study) -> None:
    cells = load_study(str(small_study)).cells()
    left = Filters(methods=["woodfisher"], sparsities=[0.9]).apply(cells)
    assert {(cell.label, cell.job.sparsity) for cell in left} == {("woodfisher", 0.9)}
    assert len(left) == 2


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (Filters(methods=["wodfisher"]), "'wodfisher'. Did you mean 'woodfisher'"),
        (Filters(sparsities=[0.7]), "no sparsity of this study called '0.7'"),
        (Filters(seeds=[7]), "Valid names: 0, 1"),
    ],
)
def test_filters_that_match_nothing_are_said(small_study, filters, message) -> None:
    with pytest.raises(UserError, match=message):
        filters.apply(load_study(str(small_study)).cells())


def test_set_changes_a_field_and_so_the_key(small_study) -> None:
    study = load_study(str(small_study))
    changed = overridden(study, ["woodfisher.damping=0.1", "woodfisher.samples=20"])
    assert changed.methods["woodfisher"] == {"samples": 20, "damping": 0.1}
    assert changed.cells()[-1].job.key != study.cells()[-1].job.key
    for wrong, message in {
        "damping=1": "METHOD.FIELD=VALUE",
        "woodfishr.damping=1": "Did you mean 'woodfisher'",
    }.items():
        with pytest.raises(UserError, match=message):
            overridden(study, [wrong])
