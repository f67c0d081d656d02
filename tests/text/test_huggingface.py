import json
import pickle

import numpy as np
import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, processors

from reasoning_jax.text import HFTokenizer, load_tokenizer

# Ids are the positions in this list.
WORDS = ["<s>", "</s>", "<pad>", "<|eot|>", "a", "b"]


@pytest.fixture
def folder(tmp_path):
    """write(template, **files): a word-level tokenizer.json with JSON files beside it."""

    def write(template=None, **files):
        model = tokenizers.Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}))
        model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        model.add_special_tokens(WORDS[:4])
        if template:
            special = [(word, i) for i, word in enumerate(WORDS[:4])]
            model.post_processor = processors.TemplateProcessing(
                single=template, special_tokens=special
            )
        model.enable_truncation(2)  # as some published files have it
        model.enable_padding(length=8)
        model.save(str(tmp_path / "tokenizer.json"))
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        return tmp_path

    return write


EOS = {"eos_token": "</s>"}


def test_encode_adds_nothing_and_decode_drops_special_ids(folder):
    tokenizer = load_tokenizer(folder("<s> $A </s>", tokenizer_config=EOS))
    assert tokenizer.encode("a b b") == [4, 5, 5]  # neither cut at 2 nor padded to 8
    assert tokenizer.decode(np.array([0, 4, 5, 1, 2])) == "a b"
    assert tokenizer.vocab_size == 6


@pytest.mark.parametrize(
    "template, config, bos_id",
    [
        ("<s> $A", {}, 0),  # the post-processor adds it
        ("$A </s>", {}, None),
        (None, {}, None),
        (None, {"bos_token": "<s>"}, None),  # it has one, but does not start prompts with it
        (None, {"bos_token": "<s>", "add_bos_token": True}, 0),
        ("<s> $A", {"add_bos_token": True}, 0),
        ("<s> $A", {"bos_token": "<s>", "add_bos_token": False}, None),  # stated: it wins
    ],
)
def test_bos(folder, template, config, bos_id):
    tokenizer = load_tokenizer(folder(template, tokenizer_config=EOS | config))
    assert tokenizer.bos_id == bos_id
    assert tokenizer.encode_prompt("a") == ([4] if bos_id is None else [bos_id, 4])


@pytest.mark.parametrize(
    "template, config",
    [("<s> <|eot|> $A", EOS), (None, EOS | {"add_bos_token": True})],
)
def test_prompt_start_that_is_not_one_id(folder, template, config):
    with pytest.raises(ValueError, match=r"prompts start with .* expected one id"):
        load_tokenizer(folder(template, tokenizer_config=config))


@pytest.mark.parametrize(
    "files, eos_ids, pad_id",
    [
        ({"tokenizer_config": EOS}, (1,), 1),
        ({"tokenizer_config": {"eos_token": {"content": "</s>", "special": True}}}, (1,), 1),
        ({"special_tokens_map": EOS | {"pad_token": "<pad>"}}, (1,), 2),
        ({"generation_config": {"eos_token_id": 3}}, (3,), 3),
        # a chat model lists more; the tokenizer's own stays first and none is listed twice
        ({"tokenizer_config": EOS, "generation_config": {"eos_token_id": [3, 1]}}, (1, 3), 1),
        ({"config": {"eos_token_id": 1, "pad_token_id": -1}}, (1,), 1),
        ({"config": {"eos_token_id": [3, 1], "pad_token_id": 2}}, (3, 1), 2),
        # the model's config is the last resort; ids the tokenizer does not have are none
        ({"tokenizer_config": EOS, "config": {"eos_token_id": 3}}, (1,), 1),
        ({"tokenizer_config": EOS, "generation_config": {"eos_token_id": 99}}, (1,), 1),
        ({"tokenizer_config": {"eos_token": "absent"}, "special_tokens_map": EOS}, (1,), 1),
    ],
)
def test_eos_and_pad(folder, files, eos_ids, pad_id):
    tokenizer = load_tokenizer(folder(**files))
    assert (tokenizer.eos_ids, tokenizer.eos_id) == (eos_ids, eos_ids[0])
    assert tokenizer.pad_id == pad_id


def test_no_eos_says_how_to_give_one(folder):
    path = folder() / "tokenizer.json"
    with pytest.raises(ValueError, match=r"no end-of-sequence token.*eos_ids=.*eos_token"):
        load_tokenizer(path)
    assert HFTokenizer(path, eos_ids=[3, 1]).eos_ids == (3, 1)


def test_save_and_load(folder, tmp_path):
    files = {
        "tokenizer_config": EOS | {"bos_token": "<s>", "chat_template": "{{ x }}"},
        "special_tokens_map": {"pad_token": "<pad>"},
        "generation_config": {"eos_token_id": [3], "top_p": 0.8},
    }
    tokenizer = load_tokenizer(folder("<s> $A", **files))
    tokenizer.save(tmp_path / "copy")
    copy = load_tokenizer(tmp_path / "copy")
    for name in ("vocab_size", "eos_ids", "bos_id", "pad_id"):
        assert getattr(copy, name) == getattr(tokenizer, name)
    assert copy.encode_prompt("a b") == [0, 4, 5]
    written = json.loads((tmp_path / "copy" / "tokenizer_config.json").read_text())
    assert written["chat_template"] == "{{ x }}"
    written = json.loads((tmp_path / "copy" / "generation_config.json").read_text())
    assert written == {"eos_token_id": [1, 3], "top_p": 0.8}


def test_eos_given_by_hand_is_saved(folder, tmp_path):
    HFTokenizer(folder() / "tokenizer.json", eos_ids=[3, 1]).save(tmp_path / "copy")
    assert load_tokenizer(tmp_path / "copy").eos_ids == (3, 1)


def test_truncated_tokenizer_json(folder):
    path = folder(tokenizer_config=EOS) / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a readable.*is it complete"):
        load_tokenizer(path.parent)


@pytest.mark.parametrize("content, problem", [('{"eos', "not valid JSON"), ("[]", "JSON list")])
def test_damaged_file_beside_it(folder, content, problem):
    path = folder() / "generation_config.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"generation_config\.json .*{problem}"):
        load_tokenizer(path.parent)


def test_travels_to_worker_processes(folder):
    tokenizer = load_tokenizer(folder("<s> $A", tokenizer_config=EOS))
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.encode_prompt("a b") == [0, 4, 5]
