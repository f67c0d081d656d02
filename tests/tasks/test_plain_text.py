"""Documents of text and JSON-lines files, each in one split."""

import itertools
import json

import pytest

from reasoning_jax.tasks import load_task

TEXTS = [f"paragraph {i}\nof two lines" for i in range(200)]


def documents(task):
    return {
        split: [task.problem(split, i).solution for i in range(task.size(split))]
        for split in ("train", "validation", "test")
    }


def test_paragraphs_of_a_text_file_are_split_by_what_they_say(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n\n".join([*TEXTS, TEXTS[0]]))
    found = documents(load_task("text", str(path)))
    assert sorted(itertools.chain(*found.values())) == sorted([*TEXTS, TEXTS[0]])
    assert len(found["train"]) > 120 and len(found["test"]) > 5 and len(found["validation"]) > 5
    assert sum(TEXTS[0] in texts for texts in found.values()) == 1
    assert load_task("text", str(path)).alphabet == "".join(sorted(set("\n".join(TEXTS))))


def test_records_of_json_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"body": text}) + "\n" for text in TEXTS))
    found = documents(load_task("text", str(path), field="body"))
    assert sorted(itertools.chain(*found.values())) == sorted(TEXTS)
    with pytest.raises(ValueError, match="line 1: field 'text' is no text; the fields are body"):
        load_task("text", str(path))


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        load_task("text", str(tmp_path / "missing"))
    (tmp_path / "empty").write_text("\n\n")
    with pytest.raises(ValueError, match="has 0 documents and none for training"):
        load_task("text", str(tmp_path / "empty"))
