"""Whatever writes text for a prompt: the own model, another one, or an endpoint of OpenAI's API."""

from reasoning_jax.generators.client import Client, EndpointError, Retries
from reasoning_jax.generators.endpoint import ChatEndpoint, CompletionEndpoint
from reasoning_jax.generators.generator import Generator, Request
from reasoning_jax.generators.local import LocalGenerator
from reasoning_jax.generators.usage import Usage

__all__ = [
    "ChatEndpoint",
    "Client",
    "CompletionEndpoint",
    "EndpointError",
    "Generator",
    "LocalGenerator",
    "Request",
    "Retries",
    "Usage",
]
