"""The numbers of papers are read whole, each with what is known of it, or the line is named."""

import shutil

import pytest

from bench.check.published import FOLDER, PublishedValues, published_values
from bench.common.errors import UserError

HEAD = (FOLDER / "published.csv").read_text().splitlines()[0]
ROW = "A paper,a-table,mlpnet,mnist,93.97,all,magnitude,0.5,93.93,,top1,one-shot"
COLUMN = """
[[column]]
table = "a-table"
pair = "mlpnet-mnist"
method = "magnitude"
protocol = "one-shot"
allocation = "global"
"""


def read(tmp_path, *rows: str, columns: str = COLUMN) -> PublishedValues:
    (tmp_path / "published.csv").write_text("\n".join([HEAD, *rows]) + "\n")
    (tmp_path / "columns.toml").write_text(columns)
    return PublishedValues(tmp_path)


def test_every_number_has_a_column_and_every_column_numbers() -> None:
    found = published_values()
    assert len(found.values) == 160
    assert {value.column for value in found.values} == set(found.columns)
    assert all(value.source and value.protocol for value in found.values)


def test_a_protocol_of_a_column_is_what_its_numbers_say() -> None:
    words = {"one-shot": "one-shot", "gradual": "gradual", "100 epochs": "sparse-training"}
    for value in published_values().values:
        (word,) = [name for start, name in words.items() if value.protocol.startswith(start)]
        assert published_values().columns[value.column].protocol == word


def test_methods_and_fields_that_columns_name_are_ours() -> None:
    from methods import METHODS, build

    for column in published_values().columns.values():
        if column.ours in METHODS:
            build(column.ours, column.hyperparameters)
        else:
            assert column.ours in (None, "str")


def test_every_published_method_that_is_ours_names_it() -> None:
    from methods import METHODS

    for column in published_values().columns.values():
        assert column.ours is not None or column.method not in METHODS


def test_values_are_selected_by_table_and_pair() -> None:
    found = published_values().select("chita-table1", {"mlpnet-mnist"})
    assert len(found) == 35
    assert published_values().select(None, {"mlpnet-mnist5k"}) == []
    with pytest.raises(UserError, match="Did you mean 'chita-table1'"):
        published_values().select("chita-tabel1", {"mlpnet-mnist"})
    with pytest.raises(UserError, match="m-fac has no value of the pairs mlpnet-mnist"):
        published_values().select("m-fac", {"mlpnet-mnist"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW.replace("93.93", "193.93"), "line 3, column value: .* not '193.93'"),
        (ROW.replace("0.5,", "50,"), "line 3, column sparsity"),
        (ROW.replace("93.93", "nan"), "line 3, column value"),
        (ROW.replace("top1", "top2"), "line 3, column metric"),
        (ROW + ",more", "line 3, column more: there is no such column, or a comma too many"),
        (ROW.replace("93.93", "93.94"), "line 3: the same cell as line 2"),
        (ROW.replace("magnitude", "other").replace("A paper", ""), "line 3, column source"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, row, message) -> None:
    assert len(read(tmp_path, ROW).values) == 1
    with pytest.raises(UserError, match=message):
        read(tmp_path, ROW, row)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("", "has no column for a-table / mlpnet-mnist / magnitude"),
        (COLUMN + "prunable = 0\n", "Column 1 of .*, prunable"),
        (COLUMN + COLUMN, "Column 2 of .* is there twice"),
        (COLUMN + "sparsity = 1\n", "Column 1 of .*, sparsity"),
        (COLUMN + "runs =\n", "can't be read"),
    ],
)
def test_a_bad_column_is_named(tmp_path, columns, message) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, ROW, columns=columns)


def test_a_missing_file_is_said(tmp_path) -> None:
    shutil.copy(FOLDER / "columns.toml", tmp_path)
    with pytest.raises(UserError, match=r"published\.csv can't be read"):
        PublishedValues(tmp_path)
