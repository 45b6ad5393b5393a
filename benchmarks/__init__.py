"""The delivery engine compared with its peers: `make bench`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
CLIENT_CORE = 0
SERVER_CORE = 1
REGION = "us-east-1"
TOKEN = "T" * 920  # the length of a role's session token, signed and sent with every request
FRAME = (  # the length of a typical event frame
    b'{"type":"event","epoch":"0197e3f0-6c1e-7d53-8a44-2f0c5c0f7a11","offset":42,"replayed":false,'
    b'"event":{"specversion":"1.0","type":"herald.generation.complete","data":{"prompt":"'
    + b"a lighthouse " * 15
    + b'"}}}'
)


def connection_id(number: int) -> str:
    """A connection id in API Gateway's form, which needs escaping."""
    return f"L0SM9cOF{number % 10_000_000:07d}="
