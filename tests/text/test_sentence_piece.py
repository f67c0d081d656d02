import io
import json
import pickle

import numpy as np
import pytest
import sentencepiece

from reasoning_jax.text import SentencePieceTokenizer, load_tokenizer, train_sentencepiece

TEXTS = ["Step 1: 12 + 345 = 357\nStep 2: the answer is 357.\n", "so it is the answer\n\n"] * 5


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("sentencepiece") / "new" / "tokenizer.model"
    return train_sentencepiece(TEXTS, 300, path), path


def model_file(path, **options):
    """A model with chosen special ids, such as published ones have."""
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=proto,
        vocab_size=300,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
        **options,
    )
    path.write_bytes(proto.getvalue())
    return path


@pytest.mark.parametrize(
    "text", ["", *TEXTS, "  two  spaces\t\n\n\n", " lead", "日本 √2 \U0001f600 é e\u0301"]
)
def test_round_trip(trained, text):
    tokenizer, _ = trained
    assert tokenizer.decode(np.array(tokenizer.encode(text), np.int32)) == text


def test_a_continuation_encodes_as_inside_the_text(trained):
    tokenizer, _ = trained
    ids = tokenizer.encode("the ") + tokenizer.encode("answer")
    assert tokenizer.decode(ids) == "the answer"


def test_digits_are_pieces_of_their_own(trained):
    tokenizer, _ = trained
    assert [tokenizer.decode([i]) for i in tokenizer.encode("357")] == ["3", "5", "7"]


def test_special_ids(trained):
    tokenizer, _ = trained
    assert (tokenizer.pad_id, tokenizer.eos_ids, tokenizer.bos_id) == (0, (1,), None)
    assert tokenizer.vocab_size == 300
    assert tokenizer.encode_prompt("a") == tokenizer.encode("a")
    assert tokenizer.decode([*tokenizer.encode("ok"), 1, 0, 0]) == "ok"


def test_prompts_start_with_the_bos_of_the_model(tmp_path):
    tokenizer = load_tokenizer(model_file(tmp_path / "gemma.model"))  # library: unk 0, bos 1, eos 2
    assert tokenizer.encode_prompt("the") == [1, *tokenizer.encode("the")]
    assert (tokenizer.eos_ids, tokenizer.pad_id) == ((2,), 2)
    (tmp_path / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    assert load_tokenizer(tmp_path / "gemma.model").bos_id is None


def test_files_beside_it_name_more_eos_ids(tmp_path):
    path = model_file(tmp_path / "tokenizer.model", user_defined_symbols=["<end_of_turn>"])
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 3]}))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.eos_ids == (2, 3)
    assert tokenizer.decode([*tokenizer.encode("the answer"), 3]) == "the answer"
    assert SentencePieceTokenizer(path, eos_ids=[3]).eos_ids == (3,)


def test_no_eos_says_how_to_give_one(tmp_path):
    path = model_file(tmp_path / "some.model", eos_id=-1)
    with pytest.raises(ValueError, match=r"some\.model has no end-of-sequence.*eos_ids="):
        load_tokenizer(path)


@pytest.mark.parametrize("options", [{}, {"bos_id": -1}, {"pad_id": 3}])
def test_save_and_load(tmp_path, options):
    tokenizer = load_tokenizer(model_file(tmp_path / "some.model", **options))
    tokenizer.save(tmp_path / "copy")
    copy = load_tokenizer(tmp_path / "copy")
    for name in ("vocab_size", "eos_ids", "bos_id", "pad_id"):
        assert getattr(copy, name) == getattr(tokenizer, name)
    assert copy.encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


def test_damaged_model(tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match=r"tokenizer\.model is not a readable SentencePiece"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("vocab_size", [100, 5000])  # below the bytes; more than the texts have
def test_impossible_vocabulary(tmp_path, vocab_size):
    path = tmp_path / "some.model"
    with pytest.raises(ValueError, match=f"cannot train a bpe model of {vocab_size} pieces"):
        train_sentencepiece(TEXTS, vocab_size, path)
    assert not path.exists()


def test_unigram(tmp_path):
    tokenizer = train_sentencepiece(TEXTS, 285, tmp_path / "u.model", model_type="unigram")
    assert tokenizer.decode(tokenizer.encode(TEXTS[0])) == TEXTS[0]


def test_travels_to_worker_processes(trained):
    tokenizer, _ = trained
    assert pickle.loads(pickle.dumps(tokenizer)).encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])
