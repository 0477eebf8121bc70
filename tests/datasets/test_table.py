"""Tables of images: numbers or classes, and rows that cannot be used."""

import numpy as np
import pytest
from PIL import Image

from fishsk.datasets import load_image_table


@pytest.fixture
def write_table(tmp_path):
    """Return a function that writes a table beside four images, a.png to d.png, and returns its path."""
    (tmp_path / "photos").mkdir()
    for name in "abcd":
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / f"{name}.png")

    def write(*rows, encoding="utf-8"):
        table = tmp_path / "photos.csv"
        table.write_text("\n".join(rows), encoding=encoding)
        return table

    return write


def test_numbers_make_a_regression(write_table):
    table = write_table("path,weight", "photos/a.png,1.5", "photos/b.png,2", "photos/c.png,-1e3")
    data = load_image_table(table, target="weight")
    assert data.task == "regression"
    assert data.target_names == ["weight"]
    assert data.target.dtype == np.float64
    assert data.target.tolist() == [1.5, 2, -1000]


def test_relative_paths_start_at_the_table_and_absolute_ones_stay(write_table, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    absolute = tmp_path / "photos" / "b.png"
    images, _ = load_image_table(
        write_table("path,n", "photos/a.png,1", f"{absolute},2"), target="n", return_X_y=True
    )
    assert images.tolist() == [str(tmp_path / "photos" / "a.png"), str(absolute)]


def test_text_makes_a_classification(write_table):
    table = write_table("path,kind", "photos/a.png,trout", "photos/b.png,ray", "photos/c.png,trout")
    data = load_image_table(table, target="kind")
    assert data.task == "classification"
    assert data.target_names == ["ray", "trout"]
    assert data.target.tolist() == [1, 0, 1]


def test_classes_may_be_numbers_where_it_is_said(write_table):
    table = write_table("path,kind", "photos/a.png,10", "photos/b.png,9")
    data = load_image_table(table, target="kind", task="classification")
    assert data.target_names == ["10", "9"]
    assert data.target.tolist() == [0, 1]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_spreadsheets_write_is_read(write_table, mark, encoding):
    rows = (["datei", "länge, cm"], ["photos/a.png", "1"], ['"photos/b.png"', "2"])
    quoted = [[f'"{cell}"' if "," in cell else cell for cell in row] for row in rows]
    table = write_table(*map(mark.join, quoted), encoding=encoding)
    data = load_image_table(table, target="länge, cm", path_column="datei")
    assert data.target.tolist() == [1, 2]


BAD = (
    "path,weight",
    "photos/a.png,1.5",
    "photos/none.png,2",
    ",3",
    "photos/b.png,",
    'photos/c.png,"12,5"',
    "photos/d.png,nan",
)


def test_each_row_that_cannot_be_used_is_named_with_its_column(write_table):
    with pytest.raises(ValueError, match="5 of 6 rows") as caught:
        load_image_table(write_table(*BAD), target="weight", task="regression")
    _, *lines, advice = str(caught.value).splitlines()
    starts = [line.partition(":")[0] for line in lines]
    assert starts == [
        "row 3, column 'path'",
        "row 4, column 'path'",
        "row 5, column 'weight'",
        "row 6, column 'weight'",
        "row 7, column 'weight'",
    ]
    assert "none.png" in lines[0]
    assert "decimal comma" in lines[3]
    assert 'on_error="skip"' in advice


def test_empty_rows_are_passed_over_and_counted(write_table):
    data = load_image_table(write_table("path,n", "", "photos/a.png,1", ",", "photos/b.png,2"), target="n")
    assert data.rows.tolist() == [3, 5]


def test_they_can_be_left_out(write_table):
    with pytest.warns(UserWarning, match="5 of 6 rows"):
        data = load_image_table(write_table(*BAD), target="weight", task="regression", on_error="skip")
    assert data.target.tolist() == [1.5]
    assert data.rows.tolist() == [2]


def test_many_bad_rows_are_counted_rather_than_listed(write_table):
    table = write_table("path,n", *["photos/a.png,x"] * 100)
    with pytest.raises(ValueError, match="and 80 more"):
        load_image_table(table, target="n", task="regression")


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (("path,n", "photos/a.png,1"), {"target": "m"}, r"must have a column 'm'. Got \['path', 'n'\]"),
        (("file,n", "photos/a.png,1"), {"target": "n"}, "must have a column 'path'.*Pass path_column"),
        (("path,n",), {"target": "n"}, "a row for each image"),
        (
            ("path,n", "photos/a.png,1", "photos/b.png,x"),
            {"target": "n"},
            "Got both: 1 rows have numbers, row 3 has 'x'",
        ),
        (("path,n", "photos/a.png,1"), {"target": "n", "task": "both"}, "task must be one of"),
        (("path,n", "photos/a.png,1"), {"target": "n", "on_error": "ignore"}, "on_error must be one of"),
    ],
)
def test_a_table_says_what_is_wrong(write_table, rows, options, message):
    with pytest.raises(ValueError, match=message):
        load_image_table(write_table(*rows), **options)


def test_text_in_another_encoding_is_refused(write_table):
    table = write_table("path,länge", "photos/a.png,1", encoding="latin-1")
    with pytest.raises(ValueError, match="UTF-8"):
        load_image_table(table, target="länge")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_image_table(tmp_path / "none.csv", target="n")


def write_column(write_table, cells):
    rows = (f"photos/{name}.png;{cell}" for name, cell in zip("abcd", cells, strict=False))
    return write_table("path;n", *rows)


SPELLED = {
    "underscores": ["1_1", "2_10"],
    "another script": ["\u0663", "\u0664"],
    "decimal commas": ["1,5", "2"],
    "spaces between thousands": ["1 000", "12\u202f500"],
    "apostrophes between thousands": ["1'000.5", "2\u2019000"],
    "a unit": ["12 kg", "1.5 kg"],
    "several units": ["12 kg", "300 g"],
    "a unit without a space": ["3cm\u00b2", "4cm\u00b2"],
    "percent": ["5%", "6.5%"],
    "a currency": ["$5", "$7.50"],
    "another minus": ["\u22125", "\u22126"],
}


@pytest.mark.parametrize("spelling", SPELLED)
def test_fault_67_numbers_in_another_spelling_are_refused_by_auto(write_table, spelling):
    table = write_column(write_table, SPELLED[spelling])
    with pytest.raises(ValueError, match=r"another spelling.* in row 2. Write numbers as 1234.5.*or pass"):
        load_image_table(table, target="n")
    names = load_image_table(table, target="n", task="classification").target_names
    assert sorted(names) == sorted(SPELLED[spelling])
    with pytest.raises(ValueError, match="must be a finite number"):
        load_image_table(table, target="n", task="regression")


@pytest.mark.parametrize(
    "cells", [["kind 1", "kind 2"], ["1st", "2nd"], ["1a", "2b"], ["2024-05-01", "2024-05-02"], ["R2", "D2"]]
)
def test_fault_67_names_with_digits_are_classes(write_table, cells):
    assert load_image_table(write_column(write_table, cells), target="n").target_names == sorted(cells)


def test_fault_67_numbers_are_what_csv_means_by_numbers(write_table):
    data = load_image_table(write_column(write_table, ["+7", ".5", "1e3", "-2."]), target="n")
    assert data.target.tolist() == [7, 0.5, 1000, -2]


def test_fault_68_names_in_tables_are_composed(write_table):
    decomposed, composed = "o\u0308", "\u00f6"
    table = write_table(f"path,gr{decomposed}sse", f"photos/a.png,{decomposed}", f"photos/b.png,{composed}")
    data = load_image_table(table, target=f"gr{composed}sse")
    assert data.target_names == [composed]
    assert data.target.tolist() == [0, 0]


def test_fault_67_rows_that_are_left_out_are_told(write_table):
    with pytest.warns(UserWarning, match="5 of 6 rows"):
        data = load_image_table(write_table(*BAD), target="weight", task="regression", on_error="skip")
    assert list(data.left_out) == [f"row {row}" for row in range(3, 8)]


def test_fault_74_files_are_found_under_the_names_that_other_systems_write(write_table, tmp_path):
    decomposed, composed = "o\u0308.png", "\u00f6.png"
    Image.new("RGB", (8, 8)).save(tmp_path / "photos" / decomposed)
    table = write_table("path,n", f"photos/{composed},1", "photos\\a.png,2")
    images = load_image_table(table, target="n").images
    assert images.tolist() == [str(tmp_path / "photos" / name) for name in (decomposed, "a.png")]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_fault_74_excels_line_about_the_separator_is_no_row(write_table, mark):
    rows = [f"sep={mark}", mark.join(["path", "n"]), mark.join(["photos/a.png", "1"])]
    data = load_image_table(write_table(*rows), target="n")
    assert data.rows.tolist() == [3]


def test_fault_75_a_quotation_mark_without_its_partner_swallows_no_rows(write_table):
    table = write_table("path,kind", 'photos/a.png,"x', "photos/b.png,y", "photos/c.png,z")
    with pytest.raises(ValueError, match="quotation mark without its partner"):
        load_image_table(table, target="kind")


def test_fault_75_a_row_with_more_cells_than_names_is_named(write_table):
    table = write_table("path,kind", "photos/a.png,x,y", "photos/b.png,y,")
    with pytest.raises(ValueError, match=r"1 of 2 rows.*\nrow 2, .* more cells than"):
        load_image_table(table, target="kind")


def test_fault_75_two_columns_of_one_name_are_refused(write_table):
    table = write_table("path,kind,kind", "photos/a.png,x,y")
    with pytest.raises(ValueError, match=r"must have one column 'kind'\. Got 2"):
        load_image_table(table, target="kind")


def test_fault_76_an_image_with_different_targets_warns(write_table):
    table = write_table("path,kind", "photos/a.png,x", "photos/b.png,y", "photos/a.png,y", "photos/b.png,y")
    with pytest.warns(UserWarning, match=r"1 rows .* first row 4 \('y'\) row 2 \('x'\)"):
        load_image_table(table, target="kind")


def test_fault_76_classes_that_differ_in_capitals_alone_warn(write_table):
    table = write_table("path,kind", "photos/a.png,Ray", "photos/b.png,ray", "photos/c.png,eel")
    with pytest.warns(UserWarning, match="the classes 'Ray' and 'ray' differ in capitals"):
        load_image_table(table, target="kind")


def test_fault_76_two_numbers_in_many_rows_warn(write_table):
    table = write_table("path,n", *(f"photos/a.png,{place}" for place in [1] * 6), *["photos/b.png,0"] * 6)
    with pytest.warns(UserWarning, match="two different numbers"):
        assert load_image_table(table, target="n").task == "regression"
    assert load_image_table(table, target="n", task="classification").target_names == ["0", "1"]
    assert load_image_table(table, target="n", task="regression").task == "regression"


def test_fault_77_words_for_nothing_may_be_names_of_classes(write_table):
    cells = ["null", "NA", "None", "nan"]
    assert load_image_table(write_column(write_table, cells), target="n").target_names == sorted(cells)


@pytest.mark.parametrize("codes", [["001", "002"], ["7", "007"], ["10000000000000001", "10000000000000002"]])
def test_fault_83_codes_are_no_numbers(write_table, codes):
    table = write_column(write_table, codes)
    with pytest.raises(ValueError, match=r"looks like codes, such as .* in row [23].*classification"):
        load_image_table(table, target="n")
    assert load_image_table(table, target="n", task="classification").target_names == sorted(codes)
    assert load_image_table(table, target="n", task="regression").target.tolist() == list(map(float, codes))


def test_fault_83_zeros_before_a_point_are_those_of_numbers(write_table):
    data = load_image_table(write_column(write_table, ["0", "0.5", "-0.25", "1000000"]), target="n")
    assert data.target.tolist() == [0, 0.5, -0.25, 1e6]


def test_of_files_that_are_not_checked_those_that_are_not_there_are_named(write_table, tmp_path, counts):
    (tmp_path / "photos" / "b.png").write_bytes(b"cut")
    table = write_table("path,weight", "photos/a.png,1.5", "photos/b.png,2.5", "photos/z.png,3.5")
    with pytest.warns(UserWarning, match=r"1 of 3 rows .*\nrow 4, column 'path': .*z\.png'\n"):
        data = load_image_table(table, target="weight", on_error="skip", check_files=False)
    assert data.rows.tolist() == [2, 3]
    assert counts == ({}, {})


def test_tags_are_separated_by_semicolons_and_an_empty_cell_holds_none(write_table):
    table = write_table("path,tags", "photos/a.png,river; young", "photos/b.png,", "photos/c.png,river")
    data = load_image_table(table, target="tags")
    assert data.task == "tags"
    assert data.target_names == ["river", "young"]
    assert data.target.tolist() == [[1, 1], [0, 0], [1, 0]]


def test_several_columns_of_0_and_1_are_tags_in_their_order(write_table):
    table = write_table("path,young,river", "photos/a.png,1,0", "photos/b.png,0,0", "photos/c.png,True,1.0")
    data = load_image_table(table, target=["young", "river"])
    assert data.target_names == ["young", "river"]
    assert data.target.tolist() == [[1, 0], [0, 0], [1, 1]]
    table = write_table("path,young,river", "photos/a.png,1,0", "photos/b.png,2,0")
    with pytest.raises(ValueError, match=r"row 3, column 'young': must be 0 or 1. Got '2'"):
        load_image_table(table, target=["young", "river"])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["a;b", "b", "c"], "looks like tags, such as 'a;b' in row 2. Pass task=\"tags\""),
    ],
)
def test_tags_in_a_column_of_another_name_are_asked_for(write_table, cells, words):
    table = write_table(
        "path,what", *(f"photos/{name}.png,{cell}" for name, cell in zip("abc", cells, strict=True))
    )
    with pytest.raises(ValueError, match=words):
        load_image_table(table, target="what")
    assert load_image_table(table, target="what", task="tags").target.sum() == 4


def test_one_tag_alone_and_a_tag_named_twice_are_refused(write_table):
    with pytest.raises(ValueError, match=r"at least two different tags. Got \['a'\]"):
        load_image_table(write_table("path,tags", "photos/a.png,a", "photos/b.png,"), target="tags")
    with pytest.raises(ValueError, match="row 2, column 'tags': names the tag 'a' twice"):
        load_image_table(write_table("path,tags", "photos/a.png,a;b;a"), target="tags")


def test_a_table_with_four_columns_holds_boxes(write_table):
    table = write_table(
        "path,kind,x,y,width,height",
        "photos/a.png,ray,1,2,3,4",
        "photos/a.png,ray,4,4,4,4",
        "photos/b.png,ray,,,,",
    )
    data = load_image_table(table, target="kind")
    assert data.n_boxes == 2
    assert [path.rpartition("/")[2] for path in data.images] == [
        "a.png#xywh=1,2,3,4",
        "a.png#xywh=4,4,4,4",
        "b.png",
    ]
    assert load_image_table(table, target="kind", box_columns=None).n_boxes == 0


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("1,2,,4", r"row 2, column 'width': must be a finite number.*Got an empty field"),
        ("1,nan,3,4", r"row 2, column 'y': must be a finite number.*Got 'nan'"),
        ("1,2,3,0", r"row 2, column 'height': a box must be larger than 0"),
        ("1,2,30,4", r"row 2, column 'path': .*the box must lie in the image, 8 x 8 pixels"),
    ],
)
def test_boxes_that_are_none_are_named_by_their_rows(write_table, box, words):
    table = write_table("path,kind,x,y,width,height", f"photos/a.png,ray,{box}", "photos/b.png,ray,1,2,3,4")
    with pytest.raises(ValueError, match=words):
        load_image_table(table, target="kind")


def test_a_table_without_a_target_holds_images_alone(write_table):
    data = load_image_table(
        write_table("file,x", "photos/a.png,1", "photos/b.png,2"), target=None, path_column="file"
    )
    assert len(data.images) == 2
    assert data.target is None
    assert data.task is None
