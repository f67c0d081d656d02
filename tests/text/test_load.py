import subprocess
import sys

import pytest

from reasoning_jax.text import (
    CharTokenizer,
    HFTokenizer,
    SentencePieceTokenizer,
    load_tokenizer,
    train_bpe,
    train_sentencepiece,
)

TEXTS = ["some text to train on, 123\n"] * 3


def test_char_source():
    assert load_tokenizer("char:01 :\n").alphabet == "01 :\n"


def test_a_folder_is_searched_in_order(tmp_path):
    CharTokenizer("ab").save(tmp_path)
    assert isinstance(load_tokenizer(tmp_path), CharTokenizer)
    train_sentencepiece(TEXTS, 280, tmp_path / "tokenizer.model")
    assert isinstance(load_tokenizer(tmp_path), SentencePieceTokenizer)
    train_bpe(TEXTS, 270, tmp_path)
    assert isinstance(load_tokenizer(str(tmp_path)), HFTokenizer)
    # a file says which one it is
    assert isinstance(load_tokenizer(tmp_path / "tokenizer.model"), SentencePieceTokenizer)
    assert isinstance(load_tokenizer(tmp_path / "tokenizer.json"), HFTokenizer)
    assert isinstance(load_tokenizer(tmp_path / "char_tokenizer.json"), CharTokenizer)


def test_files_of_other_names(tmp_path):
    train_sentencepiece(TEXTS, 280, tmp_path / "sp.model")
    assert isinstance(load_tokenizer(tmp_path / "sp.model"), SentencePieceTokenizer)
    train_bpe(TEXTS, 270, tmp_path)
    (tmp_path / "tokenizer.json").rename(tmp_path / "bpe.json")
    assert isinstance(load_tokenizer(tmp_path / "bpe.json"), HFTokenizer)


def test_empty_folder_says_what_was_looked_for(tmp_path):
    names = r"tokenizer\.json, tokenizer\.model, char_tokenizer\.json"
    with pytest.raises(FileNotFoundError, match=f"looked for {names}"):
        load_tokenizer(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent'.*char:<alphabet>"):
        load_tokenizer(tmp_path / "absent")


def test_another_kind_of_file(tmp_path):
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"cannot tell which tokenizer .*vocab\.txt"):
        load_tokenizer(tmp_path / "vocab.txt")


def test_wheels_are_imported_only_when_used():
    code = "import sys, reasoning_jax.text; print({'tokenizers', 'sentencepiece'} & {*sys.modules})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
