"""Training and testing language models that reason, natively in JAX."""

__version__ = "0.1.0"
