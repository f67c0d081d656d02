import numpy as np
import pytest

from reasoning_jax.text import (
    CHATML,
    CharTokenizer,
    ChatTemplate,
    ChatTokenizer,
    encode_chat,
    encode_example,
    load_tokenizer,
    train_bpe,
)
from reasoning_jax.text.tokenizer import Tokenizer

TEXTS = "<|im_start|>systemuserassistant<|im_end|>\n0123456789+=?"
LETTERS = CharTokenizer("".join(sorted(set(TEXTS))))
# The id that ends a turn is not the first one of the tokenizer, as in Gemma's folders.
TURNS = ChatTemplate(
    "{% for m in messages %}{{ m.role[0] }}{{ m.content }}.{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}"
)


class TwoEnds(CharTokenizer):
    """Characters, of which "." ends a sequence too."""

    def __init__(self):
        super().__init__("us0123456789a.")
        self.eos_ids = (self.eos_ids[0], self.encode(".")[0])


def test_a_prompt_is_the_conversation_up_to_the_answer():
    chat = ChatTokenizer(LETTERS, CHATML, system="sum")
    messages = [{"role": "system", "content": "sum"}, {"role": "user", "content": "1+1=?"}]
    assert chat.encode_prompt("1+1=?") == encode_chat(LETTERS, CHATML, messages)
    assert chat.decode(chat.encode_prompt("1+1=?")) == (
        "<|im_start|>system\nsum<|im_end|>\n<|im_start|>user\n1+1=?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    plain: Tokenizer = LETTERS
    assert chat.encode("12") == plain.encode("12")
    assert (chat.vocab_size, chat.pad_id, chat.bos_id) == (
        plain.vocab_size,
        plain.pad_id,
        plain.bos_id,
    )


def test_the_end_of_a_turn_is_what_training_appends():
    tokenizer = TwoEnds()
    chat = ChatTokenizer(tokenizer, TURNS)
    assert chat.eos_ids == tokenizer.eos_ids[::-1]
    ids, trained = encode_example(chat, "12", "3")

    assert ids == [*tokenizer.encode("u12.a3"), tokenizer.encode(".")[0]]
    assert np.flatnonzero(trained).tolist() == [5, 6]


def test_a_template_that_never_ends_a_turn_by_an_end_keeps_the_order():
    silent = ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}")
    assert ChatTokenizer(TwoEnds(), silent).eos_ids == TwoEnds().eos_ids


def test_variables_reach_the_template():
    asks = ChatTemplate("{{ messages[0].content }}{% if deep %}1{% endif %}")
    assert ChatTokenizer(LETTERS, asks).encode_prompt("0") == LETTERS.encode("0")
    deep = ChatTokenizer(LETTERS, asks, variables={"deep": True})
    assert deep.encode_prompt("0") == LETTERS.encode("01")


def test_what_cannot_work_is_refused_when_it_is_made():
    refuses = ChatTemplate("{{ raise_exception('no system') }}")
    with pytest.raises(ValueError, match="does not accept these messages: no system"):
        ChatTokenizer(LETTERS, refuses)
    with pytest.raises(ValueError, match="'é'"):
        ChatTokenizer(LETTERS, CHATML, system="é")


def test_saving_saves_the_tokenizer(tmp_path):
    tokenizer = train_bpe(["<|im_start|>user 1+1<|im_end|>"] * 3, 300, tmp_path / "own")
    ChatTokenizer(tokenizer, CHATML).save(tmp_path / "again")
    again = load_tokenizer(tmp_path / "again")
    assert again.encode("1+1") == tokenizer.encode("1+1")
    assert again.eos_ids == tokenizer.eos_ids
