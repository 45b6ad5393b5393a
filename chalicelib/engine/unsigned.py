"""Requests without a signature, for hosts outside AWS: they must not see any credential."""

from chalicelib.engine.sigv4 import Credentials, Headers


class Unsigned:
    """Writes requests to one host below one path, with the interface of `Signer`."""

    def __init__(self, host: str, base: str = "") -> None:
        self._host = host
        self._base = base

    def request(
        self,
        method: str,
        path: str,
        headers: Headers,
        body: bytes,
        credentials: Credentials,  # of AWS, never sent
        second: int,
    ) -> bytes:
        """Return a request as it is sent; `path` follows the base and may contain a query."""
        sent = [("Host", self._host), *headers]
        if body:
            sent.append(("Content-Length", str(len(body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent)
        return f"{method} {self._base}{path} HTTP/1.1\r\n{lines}\r\n".encode() + body
