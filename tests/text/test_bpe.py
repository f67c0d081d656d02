import json

import pytest

from reasoning_jax.text import load_tokenizer, train_bpe

TEXTS = ["Step 1: 12 + 345 = 357\nStep 2: the answer is 357.\n", "so it's the answer\n\n"] * 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpe")
    return train_bpe(TEXTS, 300, folder), folder


@pytest.mark.parametrize(
    "text",
    ["", *TEXTS, "  two  spaces\t\r\n\n\n", "日本 √2 \U0001f600 é", "unseen Wörter 0123456789"],
)
def test_round_trip(trained, text):
    tokenizer, _ = trained
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_text_is_composed(trained):
    tokenizer, _ = trained
    assert tokenizer.encode("e\u0301") == tokenizer.encode("\u00e9")  # NFC


def test_digits_are_tokens_of_their_own(trained):
    tokenizer, _ = trained
    assert [tokenizer.decode([i]) for i in tokenizer.encode("357")] == ["3", "5", "7"]
    assert tokenizer.encode("the")[-1] >= 256  # while letters did merge


def test_special_tokens_come_last(trained):
    tokenizer, _ = trained
    assert tokenizer.vocab_size <= 300
    last = tokenizer.vocab_size - 3
    assert tokenizer.encode("<|endoftext|><|im_start|><|im_end|>") == [last, last + 1, last + 2]
    assert (tokenizer.eos_ids, tokenizer.pad_id, tokenizer.bos_id) == ((last,), last, None)
    assert tokenizer.decode([*tokenizer.encode("ok"), last, last + 2]) == "ok"


def test_same_texts_give_the_same_files(trained, tmp_path):
    _, folder = trained
    train_bpe(TEXTS, 300, tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_loads_with_several_eos_ids(trained, tmp_path):
    tokenizer, _ = trained
    tokenizer.save(tmp_path)
    end = tokenizer.encode("<|im_end|>")[0]
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [end]}))
    assert load_tokenizer(tmp_path).eos_ids == (tokenizer.eos_id, end)


def test_vocabulary_below_the_bytes(tmp_path):
    with pytest.raises(ValueError, match=r"258 is too small.*need 259"):
        train_bpe(TEXTS, 258, tmp_path)
