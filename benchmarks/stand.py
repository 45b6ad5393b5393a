"""Runs the substitute for AWS and runs clients against it."""

import contextlib
import datetime
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks import BUILD, CLIENT_CORE, FRAME, REGION, ROOT, SERVER_CORE, TOKEN

NATIVE = Path(__file__).with_name("native")
CERTIFICATE, KEY = BUILD / "server.pem", BUILD / "server.key"


class BenchmarkError(Exception):
    """A requirement is missing on this machine, or a client failed; the message says what to do."""


def build() -> None:
    """Compile the service and the C client, and create a certificate for 127.0.0.1."""
    if len(os.sched_getaffinity(0)) < 2:
        raise BenchmarkError(
            "The benchmark needs two cores: one for the client, one for the server."
        )
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("standin", "floor"):
        command = ["cc", "-O2", "-o", str(BUILD / name), str(NATIVE / f"{name}.c")]
        command += ["-lssl", "-lcrypto"]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        if compiled.returncode:
            raise BenchmarkError(
                "The benchmark needs a C compiler and OpenSSL's headers"
                f" (Debian: gcc libc6-dev libssl-dev).\n{compiled.stderr[:2000]}"
            )
    _make_certificate()


def _make_certificate() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Benchmark")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    CERTIFICATE.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    KEY.touch(mode=0o600)
    KEY.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@contextlib.contextmanager
def standin(
    *,
    delay_ms: float = 0,
    tls: bool = False,
    gone_every: int = 0,
    throttle_every: int = 0,
    secrets: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run the substitute for AWS on its own core; yield its URL.

    `secrets` are the values of Secrets Manager, by id. They must not contain quotation marks.
    """
    command = [str(BUILD / "standin"), str(delay_ms), str(gone_every), str(throttle_every)]
    if tls:
        command += [str(CERTIFICATE), str(KEY)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {f"SECRET_{name}": value for name, value in (secrets or {}).items()},
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),  # noqa: PLW1509 - no threads here
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        assert process.stdin is not None
        process.stdin.close()  # closing its stdin stops the service


FUNCTION = {  # the settings of all measured functions
    "HERALD_STAGE": "bench",
    "HERALD_LOG_SAMPLE_PERCENT": "0",
    "HERALD_CONNECTIONS_TABLE": "connections",
    "HERALD_INBOX_TABLE": "inbox",
    "HERALD_INBOX_RETENTION_DAYS": "7",
    "HERALD_KEEPALIVE_MS": "510000",
    "HERALD_RECONCILE_FUNCTION": "reconcile",
    "HERALD_MANAGEMENT_ENDPOINT": "http://127.0.0.1:9/bench",
    # without TLS, because loading certificates is not an import
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HERALD_POSTS_PER_SECOND": "10000",
    "HERALD_MAX_CONNECTIONS_PER_USER": "50",
    "HERALD_MAX_RECEIVE_COUNT": "3",
    "HERALD_DATABASE_SCHEMA": "herald",
    "HERALD_DATABASE_SECRET_ARN": "database",
    "HERALD_PROVIDERS_SECRET_ARN": "providers",
    "HERALD_WEBHOOK_SECRET_ARN": "webhook",
    "HERALD_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:generation-complete",
    "HERALD_ERROR_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:error-notifications",
    "HERALD_OUTBOX_RETENTION_DAYS": "7",
    "HERALD_OUTPUT_RETENTION_DAYS": "30",
    "HERALD_JWT_ALGORITHM": "HS256",
    "HERALD_JWT_SECRET_ARN": "jwt",
    "HERALD_JWT_ISSUER": "issuer",
    "HERALD_JWT_AUDIENCE": "herald",
    "HERALD_API_KEYS_TABLE": "api-keys",
}


def client_environment(**more: str) -> dict[str, str]:
    """Return the environment of a measured process, like that of a Lambda function."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'app'}",
        "PYTHONPYCACHEPREFIX": str(BUILD / "pycache"),
        "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CA_BUNDLE": str(CERTIFICATE),
        "NODE_EXTRA_CA_CERTS": str(CERTIFICATE),
        "BENCH_FRAME": FRAME.decode(),
        **more,
    }


def run(command: Sequence[str], *, cwd: Path = ROOT, **environment: str) -> Any:
    """Run a client in a new process on its own core; return the JSON in its last line of output."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=client_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}),
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[:4])} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
