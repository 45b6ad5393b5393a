"""Herald's callback door, as the client's reports see it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from herald_client.server import Callbacks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Door:
    """Herald's callback door: verifies reports, and answers with scripted statuses."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.statuses: list[int] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                Webhook(SECRET).verify(body, dict(self.headers))
                assert self.path == "/callbacks/generations"
                door.reports.append(json.loads(body))
                door.ids.append(self.headers["webhook-id"])
                self.send_response(door.statuses.pop(0) if door.statuses else 200)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        base = f"http://127.0.0.1:{self._server.server_port}/callbacks"
        self.callbacks = Callbacks(base, {"runpod": "key"}, SECRET)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
