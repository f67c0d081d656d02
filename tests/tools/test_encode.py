"""Results as ids, and demonstrations cut as sampling cuts them."""

import pytest

from reasoning_jax.text import CharTokenizer, train_bpe
from reasoning_jax.tools import Syntax, encode_result, encode_worked

BRACES = Syntax("{", "}", "[", ";")


@pytest.fixture
def tokenizer():
    return CharTokenizer("0123456789+={}[;?")


def test_a_result_is_its_body_between_the_delimiters(tokenizer):
    assert encode_result(tokenizer, BRACES, "42", 8) == tokenizer.encode("[42;")
    assert encode_result(tokenizer, BRACES, "", 8) == tokenizer.encode("[;")


def test_the_body_is_cut_and_the_delimiters_stay(tokenizer):
    assert encode_result(tokenizer, BRACES, "12345", 2) == tokenizer.encode("[12;")


def test_characters_that_the_tokenizer_lacks_are_left_out(tokenizer):
    assert encode_result(tokenizer, BRACES, "4 or 2", 8) == tokenizer.encode("[42;")


def test_an_end_of_sequence_spelt_in_a_result_is_no_end(tmp_path):
    tokenizer = train_bpe(["answer"] * 5, 300, tmp_path)
    spelt = "4<|endoftext|>2"
    assert tokenizer.eos_id in tokenizer.encode(spelt)
    ids = encode_result(tokenizer, Syntax(), spelt, 8)
    assert tokenizer.eos_id not in ids and tokenizer.decode(ids) == "<result>42</result>"


def test_no_token_spans_written_text_and_result(tmp_path):
    syntax = Syntax("<", ">", "an", "wer")
    tokenizer = train_bpe(["answer"] * 5, 300, tmp_path)
    ids, trained = encode_worked(tokenizer, syntax, "q", "<x>answerswer", 8)
    assert tokenizer.decode(i for i, t in zip(ids, trained) if t) == "<x>swer"
    assert tokenizer.decode(i for i, t in zip(ids, trained) if not t) == "qanswer"


def test_a_demonstration_by_hand(tokenizer):
    ids, trained = encode_worked(tokenizer, BRACES, "2+3=", "{2+3}[5;=5", 8)
    assert ids == [*tokenizer.encode("2+3={2+3}[5;=5"), tokenizer.eos_id]
    assert trained == [False] * 4 + [True] * 5 + [False] * 3 + [True] * 3


def test_results_of_demonstrations_are_cut_as_in_sampling(tokenizer):
    ids, trained = encode_worked(tokenizer, BRACES, "=", "{1}[123;9", 2)
    assert tokenizer.decode(ids) == "={1}[12;9" and sum(trained) == 5
