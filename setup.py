"""Packaging: ``pip install -e .`` or, with extras, ``pip install -e '.[test,gpu]'``."""

import pathlib
import re

from setuptools import find_namespace_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "reasoning_jax/__init__.py").read_text())[1]

# Lower bounds are the versions the tests ran with; older ones are untested.
INSTALL = [
    "absl-py>=2.5.1",
    "flax>=0.12.8",
    "grain>=0.2.18",
    "jax>=0.10.2",
    # On CPU, jaxlib 0.11.1 rewrites the whole buffer for a small dynamic_update_slice in a loop
    # (jax #40101), which makes decoding quadratic in its length: 100,000 one-element updates
    # took 0.28 s, and 0.0004 s with 0.11.0, 0.11.2 and 0.12.0.
    "jaxlib>=0.10.2,!=0.11.1",
    "jinja2>=3.1.6",
    # Reads LaTeX in checks of answers, in worker processes.
    "latex2sympy2-extended[antlr4_13_2]>=1.11.0",
    "matplotlib>=3.11.2",
    "ml_collections>=1.1.0",
    "mpmath>=1.3.0",
    "numpy>=2.4.6",
    "optax>=0.2.8",
    "orbax-checkpoint>=0.12.8",
    "rich>=15.0.0",
    "safetensors>=0.8.0",
    "sentencepiece>=0.2.3",
    "sympy>=1.14.0",
    "tensorboardX>=2.6.5",
    "tokenizers>=0.23.3",
]
EXTRAS = {
    # The formatter is pinned: versions differ in what they call formatted.
    "test": [
        "aiohttp>=3.14.5",
        "pytest>=9.2.0",
        "pytest-xdist>=3.8.0",
        "hypothesis>=6.170.17",
        "psutil>=7.2.2",
        "ruff==0.17.6",
        "nbclient>=0.11.0",
        "ipykernel>=7.4.0",
    ],
    "eval": ["math-verify>=0.9.0"],
    "data": ["pyarrow>=26.0.1"],
    "serve": ["aiohttp>=3.14.5"],
    "parity": ["torch>=2.13.0", "transformers>=5.24.0", "peft>=0.21.2"],
}
# Accelerators are left out of "all": a machine has one kind.
EXTRAS["all"] = [requirement for extra in EXTRAS.values() for requirement in extra]
EXTRAS |= {"gpu": ["jax[cuda13]"], "tpu": ["jax[tpu]"]}

setup(
    name="reasoning-jax",
    version=VERSION,
    description="Training and testing language models that reason, natively in JAX",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_namespace_packages(
        include=["reasoning_jax", "reasoning_jax.*", "configs", "launch"]
    ),
    install_requires=INSTALL,
    extras_require=EXTRAS,
)
