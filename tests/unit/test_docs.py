"""The documentation agrees with the code: runbooks, examples, links, make targets and names."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import hcl2
import pytest

from chalicelib import metrics
from chalicelib.protocol import client_frames, events, frame_types, server_frames
from chalicelib.providers.report import Kind
from chalicelib.recording import generation_events
from tests.builders import result_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
}
OPERATIONS = DOCUMENTS["docs/operations.md"]
CLIENT_TYPES = (ROOT / "clients" / "js" / "types.d.ts").read_text()
PROTOCOL = DOCUMENTS["docs/protocol.md"]
SECURITY = DOCUMENTS["docs/security.md"]

_FENCE = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```")


def blocks(text: str, language: str) -> list[str]:
    """Return a document's code blocks in one language."""
    return [body for found, body in _FENCE.findall(text) if found == language]


def spans(text: str) -> set[str]:
    """Return the inline code, without the code blocks."""
    return set(re.findall(r"`([^`\n]+)`", _FENCE.sub("", text)))


def section(text: str, title: str) -> str:
    """Return the text below a second-level heading, up to the next one."""
    return re.split(r"(?m)^## ", text.split(f"\n## {title}\n", 1)[1], maxsplit=1)[0]


def anchors(text: str) -> set[str]:
    """Return the link fragments of a document's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", _FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- operations.md: a runbook for each alarm ---


def alarm_keys(texts: list[str]) -> set[str]:
    """Return the keys of the alarm tables in HCL files, each without a "/" and what follows it."""
    found: set[str] = set()
    for text in texts:
        for block in hcl2.loads(text)["locals"]:
            for name, value in block.items():
                if isinstance(value, dict):
                    found |= {key.strip('"') for key in value if not key.startswith("__")}
                elif isinstance(value, str):  # a string is an HCL expression that builds a table
                    keys = re.findall(r'"?([a-z]+(?:-[a-z]+)+)[^"\s]*"? =>? \{', value)
                    assert len(keys) == value.count('action = "'), f"{name}: a key is not read"
                    found |= set(keys)
    return found


def runbooks(text: str) -> set[str]:
    return set(re.findall(r"(?m)^### (.+)$", section(text, "Runbooks")))


@pytest.fixture(scope="module")
def alarms() -> set[str]:
    directory = ROOT / "infra" / "modules" / "alarms"
    keys = alarm_keys([(directory / name).read_text() for name in ("alarms.tf", "expressions.tf")])
    assert {"dead-letters", "function-errors", "gaps", "authorize-errors"} <= keys
    return keys


def test_each_alarm_has_its_runbook_and_each_runbook_its_alarm(alarms: set[str]) -> None:
    assert runbooks(OPERATIONS) == alarms


def test_the_alarms_links_lead_to_their_runbooks(alarms: set[str]) -> None:
    assert alarms <= anchors(OPERATIONS)


def test_each_runbook_answers_the_same_questions() -> None:
    for runbook in re.split(r"(?m)^### ", section(OPERATIONS, "Runbooks"))[1:]:
        name = runbook.split("\n", 1)[0]
        asked = re.findall(r"(?m)^- \*\*(.+?):\*\*", runbook)
        assert asked == ["Impact", "Causes", "Check", "Fix", "Resolved when"], name


def test_the_metrics_table_matches_the_registry() -> None:
    table = [
        f"| `{metric.name}` | {', '.join(metric.emitters)} | {metric.unit} | {metric.meaning} |"
        for metric in metrics.REGISTRY.values()
    ]
    documented = re.findall(r"(?m)^\| `.+$", section(OPERATIONS, "Metrics"))
    assert documented == table


def test_each_metric_is_emitted_where_the_registry_says() -> None:
    emitters = {
        "authorize": ["sessions/authorize.py"],
        "connect": ["sessions/connecting.py"],
        "callback": [
            "recording/callback.py",
            "recording/linking.py",
            "recording/publishing.py",
            "recording/recorder.py",
            "recording/webhooks.py",
        ],
        "deliver": ["delivery/deliver.py", "delivery/posting.py"],
        "keep": ["outputs/keep.py"],
        "link": ["outputs/link.py"],
        "message": ["sessions/messages.py", "sessions/replay.py"],
        "reconcile": [
            "recording/linking.py",
            "recording/lookups.py",
            "recording/publishing.py",
            "recording/reconcile.py",
        ],
        "relay": ["recording/linking.py", "recording/relay.py"],
    }
    constants = {
        value: name
        for name, value in vars(metrics).items()
        if name.isupper() and name != "REGISTRY"
    }
    package = ROOT / "chalicelib"
    found: dict[str, set[str]] = {name: set() for name in metrics.REGISTRY}
    for function, files in emitters.items():
        source = "".join((package / file).read_text() for file in files)
        for metric in metrics.REGISTRY.values():
            if f"metrics.{constants[metric]}" in source:
                found[metric.name].add(function)
    assert found == {name: set(metric.emitters) for name, metric in metrics.REGISTRY.items()}


# --- names: targets, variables, files, tests ---


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text()))
    for name, text in DOCUMENTS.items():
        shell = "\n".join(body for language, body in _FENCE.findall(text) if language != "python")
        code = "\n".join(spans(text)) + "\n" + shell
        named = set(re.findall(r"(?m)(?:^|[\s$(])make ([a-z][a-z0-9-]*)", code))
        assert named <= targets, f"{name}: {named - targets}"


@pytest.fixture(scope="module")
def sources() -> str:
    files = [ROOT / "Makefile", ROOT / "tests" / "conftest.py"]
    for folder in ("app", "chalicelib", "infra", "cli", "local", "tooling", "migrations"):
        files += [path for kind in ("py", "tf") for path in (ROOT / folder).rglob(f"*.{kind}")]
    return "\n".join(path.read_text() for path in files)


def test_every_environment_variable_named_exists(sources: str) -> None:
    named = set(re.findall(r"\b(?:HERALD|TF|AWS)_[A-Z_]+\b", "".join(DOCUMENTS.values())))
    assert "HERALD_DATABASE_URL" in named
    # Endpoints are named after services (chalicelib/aws/service.py); the region is boto3's own.
    known = {"AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SNS"}
    unknown = {name for name in named - known if not re.search(rf"\b{name}\b", sources)}
    prefix = "HERALD_"  # a setting is a field whose name is the rest of the variable's name
    fields = {name for name in unknown if f"    {name.removeprefix(prefix).lower()}: " in sources}
    assert unknown == fields


def test_every_terraform_variable_named_exists() -> None:
    root = "\n".join(path.read_text() for path in (ROOT / "infra").glob("*.tf"))
    known = set(re.findall(r'(?m)^(?:variable|output) "(\w+)"', root))
    columns = "".join(path.read_text() for path in (ROOT / "migrations/versions").glob("*.py"))
    known |= set(re.findall(r"\w+", columns))
    known |= {"api_key", "polls_per_minute"}  # of an entry in the providers' secret
    known |= set(get_args(frame_types.GapReason))
    for text in (OPERATIONS, SECURITY):
        named = {span for span in spans(text) if re.fullmatch(r"[a-z]+(_[a-z]+)+", span)}
        assert named <= known
    assert "posts_per_second" in spans(OPERATIONS)


def test_every_file_and_test_named_exists() -> None:
    for name, text in DOCUMENTS.items():
        for span in spans(text):
            place, _, test = span.partition("::")
            top, slash, _ = place.partition("/")
            if not slash or not top or not (ROOT / top).is_dir() or re.search(r"[<*…\s]", place):
                continue
            if place.startswith(("build/", "infra/envs/")):
                continue
            path = ROOT / place
            assert path.exists(), f"{name}: {span}"
            if test:
                found = re.search(rf'(?m)^(?:def {test}\(|run "{test}")', path.read_text())
                assert found, f"{name}: {span}"


def test_every_relative_link_leads_somewhere() -> None:
    for name, text in DOCUMENTS.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", text)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, fragment = link.partition("#")
            goal = (ROOT / name).parent / path if path else ROOT / name
            assert goal.exists(), f"{name}: {link}"
            assert not fragment or fragment in anchors(goal.read_text()), f"{name}: {link}"


# --- security.md: the rights match the policies ---


def test_the_table_of_rights_matches_the_policies() -> None:
    # A function declares the keys that it uses, and the module grants these actions on them.
    policies = hcl2.loads((ROOT / "infra/modules/function/policies.tf").read_text())
    key_actions = policies["locals"][0]["key_actions"]
    assert set(key_actions) == {"decrypt", "encrypt"}
    for function in (
        "authorize",
        "callback",
        "connect",
        "deliver",
        "disconnect",
        "message",
        "reconcile",
        "relay",
    ):
        file = hcl2.loads((ROOT / "infra" / f"{function}.tf").read_text())
        (document,) = (
            kind[key][name] for kind in file["data"] for key in kind for name in kind[key]
        )
        granted = {
            action.strip('"')
            for statement in document["statement"]
            for action in statement["actions"]
        }
        ((module,),) = (block.values() for block in file["module"])
        for use, actions in key_actions.items():
            granted |= {action.strip('"') for action in actions if module.get(use)}
        rows = re.findall(rf"(?m)^\| {function} \| (.+?) \|", SECURITY)
        assert {action for row in rows for action in spans(row)} == granted, function


# --- protocol.md: every example matches the server's frames ---

Frame = dict[str, Any]
EXAMPLES: list[Frame] = [json.loads(body) for body in blocks(PROTOCOL, "json")]
FROM_CLIENTS = [frame for frame in EXAMPLES if "action" in frame]
FROM_THE_SERVER = [frame for frame in EXAMPLES if "type" in frame]
CODES = {
    code.code: code for code in vars(server_frames).values() if isinstance(code, server_frames.Code)
}


def _welcome(frame: Frame) -> str:
    names = ("connection", "time", "recovered", "replaying", "keepalive_ms", "token_ms")
    given = {name: frame[name] for name in names}
    return server_frames.welcome(frame["re"], **frame["stream"], **given)


def _event(frame: Frame) -> str:
    text = json.dumps(frame["event"])
    return server_frames.event(text, frame["epoch"], frame["offset"], replayed=frame["replayed"])


def _gap(frame: Frame) -> str:
    names = ("requested", "epoch", "earliest", "head", "reason")
    return server_frames.gap(frame["re"], **{name: frame[name] for name in names})


SERVER: dict[str, Callable[[Frame], str]] = {
    "welcome": _welcome,
    "event": _event,
    "events": lambda frame: next(server_frames.events(map(_event, frame["items"]))),
    "caught_up": lambda frame: server_frames.caught_up(frame["re"], frame["offset"]),
    "gap": _gap,
    "pong": lambda frame: server_frames.pong(frame["re"], epoch=frame["epoch"], head=frame["head"]),
    "cancel_ok": lambda frame: server_frames.cancel_ok(frame["re"], frame["generation"]),
    "auth_ok": lambda frame: server_frames.auth_ok(frame["re"], frame["token_ms"]),
    "error": lambda frame: server_frames.error(
        frame["re"], CODES[frame["code"]], frame["message"], frame["retry_after_ms"]
    ),
    "close": lambda frame: server_frames.close(CODES[frame["code"]], frame["retry_after_ms"]),
}


def test_every_frame_has_an_example() -> None:
    assert {frame["action"] for frame in FROM_CLIENTS} == set(client_frames.SCHEMA["choices"])
    here = server_frames.__name__
    makers = {
        name
        for name, made in vars(server_frames).items()
        if callable(made) and getattr(made, "__module__", "") == here and name.islower()
    }
    assert makers - {"packed", "dump"} == set(SERVER)
    assert {frame["type"] for frame in FROM_THE_SERVER} == set(SERVER)
    assert len(FROM_CLIENTS) + len(FROM_THE_SERVER) == len(EXAMPLES)


@pytest.mark.parametrize("frame", FROM_CLIENTS, ids=lambda frame: frame["action"])
def test_a_client_example_is_valid(frame: Frame) -> None:
    client_frames.parse(json.dumps(frame))


@pytest.mark.parametrize("frame", FROM_THE_SERVER, ids=lambda frame: frame["type"])
def test_a_server_example_matches_the_servers_frame(frame: Frame) -> None:
    assert json.loads(SERVER[frame["type"]](frame)) == frame


def _event_frames() -> Iterator[Frame]:
    for frame in FROM_THE_SERVER:
        if frame["type"] in ("event", "events"):
            yield from frame.get("items", [frame])


@pytest.mark.parametrize("frame", list(_event_frames()), ids=lambda frame: str(frame["offset"]))
def test_an_event_example_matches_the_publishers_event(frame: Frame) -> None:
    event = frame["event"]
    read = events.parse(json.dumps(event))
    assert (read.epoch, read.offset) == (frame["epoch"], frame["offset"])
    assert json.loads(_published(event, read)) == event


def _published(event: Frame, read: events.Event) -> str:
    stage = event["source"].removeprefix("herald/")
    now = datetime.fromisoformat(event["time"])
    if read.is_progress:
        data = event["data"]
        return generation_events.build_progress(
            event["subject"],
            event["userid"],
            stage=stage,
            now=now,
            fraction=data["progress"],
            step=data["step"],
            preview_url=data["previewUrl"],
        )
    if read.epoch is None or read.offset is None:
        return generation_events.build_notice(
            event["subject"], event["userid"], stage=stage, now=now
        )
    columns = {re.sub("[A-Z]", lambda match: "_" + match[0].lower(), name): value
               for name, value in event["data"].items()}  # fmt: skip
    times = {name: datetime.fromisoformat(columns[name]) for name in ("created_at", "updated_at")}
    row: Any = {
        **columns,
        **times,
        "id": event["subject"],
        "user_id": event["userid"],
        "version": 2,
    }
    outputs = event["data"].get("outputs", ())
    return result_event(row, epoch=read.epoch, offset=read.offset, outputs=outputs, stage=stage)


def test_the_kinds_of_outputs_match_the_providers() -> None:
    declared = re.findall(r'(?m)^  kind: ("[^;]+);', CLIENT_TYPES)
    assert [re.findall(r"\w+", line) for line in declared] == [[kind.value for kind in Kind]]
    (paragraph,) = re.findall(r"(?s)the `kind` \((.+?)\)", PROTOCOL)
    assert spans(paragraph) == {kind.value for kind in Kind}


def test_the_codes_match_the_server() -> None:
    rows = re.findall(r"(?m)^\| (\d{4}) \| `(\w+)` \| `(\w+)` \|", section(PROTOCOL, "Codes"))
    assert {(int(code), name, reconnect) for code, name, reconnect in rows} == set(CODES.values())


def test_the_gap_reasons_match_the_server() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \|", section(PROTOCOL, "Server frames"))
    assert rows == ["reason", *get_args(frame_types.GapReason)]
