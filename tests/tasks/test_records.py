"""Record files in every layout, and their faults by file and place."""

import gzip
import json

import pytest

from reasoning_jax.tasks.records import (
    Malformed,
    gold,
    numeral,
    parse_records,
    raw_text,
    scan_records,
    text,
    texts,
)

ROWS = [{"q": "one", "a": 1}, {"q": "zwei", "a": 2}]


def pairs(path):
    return parse_records(path, lambda record: (text(record, "q"), numeral(record, "a")))


def lines(rows):
    return "\n".join(map(json.dumps, rows)) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", lines(ROWS).encode()),
        ("rows.jsonl.gz", gzip.compress(lines(ROWS).encode(), mtime=0)),
        ("rows.json", json.dumps(ROWS).encode()),
        (
            "rows.json",
            json.dumps({"q": {"0": "one", "1": "zwei"}, "a": {"0": 1, "1": 2}}).encode(),
        ),
    ],
)
def test_layouts(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert pairs(tmp_path / name) == (("one", "1"), ("zwei", "2"))


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist([*ROWS, {"q": None, "a": 3}])
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match=r"rows\.parquet, row 3: expected a text 'q', got None"):
        pairs(tmp_path / "rows.parquet")
    parquet.write_table(table.slice(0, 2), tmp_path / "rows.parquet")
    assert pairs(tmp_path / "rows.parquet") == (("one", "1"), ("zwei", "2"))
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"rows\.parquet: "):
        pairs(tmp_path / "rows.parquet")


def test_what_is_broken_stands_in_its_place(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(lines([ROWS[0], {"q": ""}]) + "{\n" + lines(ROWS[1:]))
    first, second, third, last = scan_records(path, lambda record: text(record, "q"))
    assert (first, last) == ("one", "zwei")
    assert second == Malformed("line 2", "expected a text 'q', got ''")
    assert third.place == "line 3"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", lines(ROWS) + "{", r"rows\.jsonl, line 3: "),
        ("rows.jsonl", lines(ROWS) + "\n", r"rows\.jsonl, line 3: "),
        ("rows.jsonl", lines([ROWS[0], 3]), "line 2: expected a JSON object, got int"),
        ("rows.jsonl", lines([ROWS[0], {"q": ""}]), "line 2: expected a text 'q', got ''"),
        ("rows.json", json.dumps([{"q": "one"}]), "entry 1: expected a number 'a', got None"),
        ("rows.json", json.dumps("rows"), "expected a list of records, got str"),
        ("rows.json", "[", r"rows\.json: "),
        ("rows.json", json.dumps({"q": {"0": "x"}, "a": {"1": 1}}), "column 'a' does not have"),
        ("rows.json", json.dumps({"q": "one"}), "column 'q' does not have"),
        ("rows.jsonl", "", "holds no records"),
        ("rows.csv", "", r"\.jsonl, .*are read; convert other formats to JSON lines"),
    ],
)
def test_faults_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        pairs(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b'{"q": "one", "a": 1}\n', mtime=0)[:-9]],
    ids=["no", "cut"],
)
def test_a_broken_archive_is_named(tmp_path, content):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"rows\.jsonl\.gz, line 1"):
        pairs(path)


def test_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"q": "\xff"}\n')
    with pytest.raises(ValueError, match=r"rows\.jsonl, line 1"):
        pairs(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(27.0, "27"), (0.5, "0.5"), (-3, "-3"), (" 1,200 ", "1,200"), (1e22, "1" + "0" * 22)],
)
def test_numerals_are_exact(value, expected):
    assert numeral({"a": value}, "a") == expected


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), [], None, " "])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match="expected a number 'a' or 'b'"):
        numeral({"a": value}, "a", "b")


def test_golds_may_be_empty_but_not_missing():
    assert gold({"a": None}, "a") == gold({"a": ""}, "a") == ""
    assert gold({"a": None, "b": 7}, "a", "b") == "7"
    with pytest.raises(ValueError, match="expected a number 'a'"):
        gold({"b": 1}, "a")


def test_the_first_field_there_is():
    assert text({"b": " x "}, "a", "b") == "x"
    assert raw_text({"a": " x "}, "a") == " x "
    assert texts({"a": ["x", ""]}, "a") == ("x", "")
    for bad in (None, "x", ["x", 1]):
        with pytest.raises(ValueError, match="list of texts 'a'"):
            texts({"a": bad}, "a")
