"""An endpoint that answers as it is told, over real sockets."""

import http.server
import json
import threading

import pytest


class Endpoint:
    """Answers requests from a script of (status, headers, body); its last entry repeats.

    Attributes:
      requests: (path, headers, body) of each request that came.
    """

    def __init__(self):
        self.script: list[tuple[int, dict, object]] = []
        self.requests: list[tuple[str, dict, dict]] = []
        lock = threading.Lock()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    endpoint.requests.append((self.path, dict(self.headers), body))
                    script = endpoint.script
                    status, headers, answer = script.pop(0) if len(script) > 1 else script[0]
                data = answer(body) if callable(answer) else answer
                data = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()
