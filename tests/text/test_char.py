import pytest

from reasoning_jax.text import CharTokenizer, load_tokenizer


def test_ids_follow_the_alphabet():
    tokenizer = CharTokenizer("01+\n")
    assert tokenizer.encode("1+0\n") == [3, 4, 2, 5]  # 0 pads, 1 ends, "0" is 2
    assert tokenizer.encode_prompt("1") == [3]
    assert (tokenizer.pad_id, tokenizer.eos_id, tokenizer.eos_ids) == (0, 1, (1,))
    assert tokenizer.bos_id is None
    assert tokenizer.vocab_size == 6


def test_decode_drops_special_ids():
    assert CharTokenizer("ab").decode([2, 3, 2, 1, 0, 0]) == "aba"


def test_unicode_round_trip():
    tokenizer = CharTokenizer("é√日 \U0001f600")
    text = "日é √\U0001f600"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_character_outside_the_alphabet():
    with pytest.raises(ValueError, match=r"'x' at position 2 of 'abx'"):
        CharTokenizer("ab").encode("abx")


@pytest.mark.parametrize("ids", [[4], [-1]])
def test_id_outside_the_vocabulary(ids):
    with pytest.raises(ValueError, match="outside the vocabulary of 4"):
        CharTokenizer("ab").decode(ids)


@pytest.mark.parametrize("alphabet, problem", [("abca", r"\['a'\] more than once"), ("", "empty")])
def test_bad_alphabet(alphabet, problem):
    with pytest.raises(ValueError, match=problem):
        CharTokenizer(alphabet)


def test_save_and_load(tmp_path):
    tokenizer = CharTokenizer('0"\\\né')
    tokenizer.save(tmp_path / "new")
    for source in (tmp_path / "new", tmp_path / "new" / "char_tokenizer.json"):
        assert load_tokenizer(source).alphabet == tokenizer.alphabet


@pytest.mark.parametrize("content", ['{"alphabet": "01', "{}", "[]"])
def test_damaged_file(tmp_path, content):
    path = tmp_path / "char_tokenizer.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"char_tokenizer\.json is not a character tokenizer"):
        load_tokenizer(path)
