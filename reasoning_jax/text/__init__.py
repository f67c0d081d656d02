"""Text to ids and back: tokenizers, training examples, packed rows, reasoning steps."""

from reasoning_jax.text.bpe import train_bpe
from reasoning_jax.text.char import CharTokenizer
from reasoning_jax.text.chat import CHATML, ChatTemplate, encode_chat, load_chat_template
from reasoning_jax.text.chat_tokenizer import ChatTokenizer
from reasoning_jax.text.encode import encode_example
from reasoning_jax.text.huggingface import HFTokenizer
from reasoning_jax.text.load import load_tokenizer
from reasoning_jax.text.packing import PackedRows, first_fit_decreasing, pack, sequential
from reasoning_jax.text.sentence_piece import SentencePieceTokenizer, train_sentencepiece
from reasoning_jax.text.steps import split_numbered_steps, split_steps
from reasoning_jax.text.tokenizer import Tokenizer

__all__ = [
    "CHATML",
    "CharTokenizer",
    "ChatTemplate",
    "ChatTokenizer",
    "HFTokenizer",
    "PackedRows",
    "SentencePieceTokenizer",
    "Tokenizer",
    "encode_chat",
    "encode_example",
    "first_fit_decreasing",
    "load_chat_template",
    "load_tokenizer",
    "pack",
    "sequential",
    "split_numbered_steps",
    "split_steps",
    "train_bpe",
    "train_sentencepiece",
]
