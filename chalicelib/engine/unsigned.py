"""Requests without a signature, for hosts outside AWS, which must not see any credential."""

from chalicelib.engine.sigv4 import Credentials, Headers


class Unsigned:
    """Builds the requests to one host below one base path; has the same interface as `Signer`."""

    def __init__(self, host: str, base: str = "") -> None:
        self._host = host
        self._base = base

    def request(
        self,
        method: str,
        path: str,
        headers: Headers,
        body: bytes,
        credentials: Credentials,  # AWS credentials; never sent
        second: int,
    ) -> bytes:
        """Return the bytes of a request; `path` is appended to the base and may contain a query."""
        sent = [("Host", self._host), *headers]
        if body:
            sent.append(("Content-Length", str(len(body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent)
        return f"{method} {self._base}{path} HTTP/1.1\r\n{lines}\r\n".encode() + body
