"""What a client is told when it cannot have what it asked for."""

from typing import Any


class RequestError(Exception):
    """An error in OpenAI's shape.

    Args:
      message: what was wrong, with the value, and what to do.
      status: of HTTP.
      param: the field of the request at fault, if one is.
      code: a short stable word for programs.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The JSON of the response."""
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": str(self),
                "type": kinds.get(self.status, kind),
                "param": self.param,
                "code": self.code,
            }
        }
