import pytest

from reasoning_jax.serving.chat import chat_encoder, default_template
from reasoning_jax.text import CHATML, ChatTemplate, train_bpe

USER = {"role": "user", "content": "one"}
SYSTEM = {"role": "system", "content": "two"}


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    return train_bpe(["one two three"] * 5, 300, tmp_path_factory.mktemp("bpe"))


def test_chatml_where_its_delimiters_are_tokens(bpe, tokenizer):
    assert default_template(bpe) is CHATML
    assert default_template(tokenizer) is None


def test_the_system_message_of_the_server_gives_way_to_that_of_a_request(bpe):
    encode = chat_encoder(bpe, CHATML, "three")
    plain = chat_encoder(bpe, CHATML)
    own = {"role": "system", "content": "three"}
    assert encode([USER], {}) == plain([own, USER], {})
    assert encode([SYSTEM, USER], {}) == plain([SYSTEM, USER], {})


def test_parts_of_text_are_joined(bpe):
    encode = chat_encoder(bpe, CHATML)
    parts = [{"type": "text", "text": "o"}, {"type": "text", "text": "ne"}]
    assert encode([{"role": "user", "content": parts}], {}) == encode([USER], {})
    image = [{"type": "image_url", "image_url": {"url": "x"}}]
    with pytest.raises(ValueError, match="does not accept"):
        encode([{"role": "user", "content": image}], {})


def test_variables_of_a_request_come_before_those_of_the_server(bpe):
    encode = chat_encoder(bpe, ChatTemplate("{{ mode }}"), variables={"mode": "one"})
    assert encode([USER], {}) == bpe.encode("one")
    assert encode([USER], {"mode": "two"}) == bpe.encode("two")
