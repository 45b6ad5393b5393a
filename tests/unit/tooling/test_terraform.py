"""Finding the provider, and reading the outputs and the progress of an apply."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tooling import SetupError, terraform
from tooling.progress import Step
from tooling.terraform import ApplyProgress

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without a configuration or a mirror, on a known platform."""
    monkeypatch.delenv("TF_PROVIDER_MIRROR", raising=False)
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "missing"))
    monkeypatch.setattr(terraform, "_BUILD", tmp_path / "build")
    monkeypatch.setattr(terraform, "_usual_places", list)
    monkeypatch.setattr(terraform, "_platform", lambda: "linux_amd64")


def make_mirror(root: Path, platform: str = "linux_amd64") -> Path:
    (root / "registry.example.org" / "hashicorp" / "aws" / "5.100.0" / platform).mkdir(parents=True)
    return root


def test_without_a_mirror_terraform_decides() -> None:
    assert terraform.cli_config() is None


def test_a_missing_configuration_file_is_not_passed_on() -> None:
    assert "TF_CLI_CONFIG_FILE" not in terraform.environment({"TF_CLI_CONFIG_FILE": "/missing"})


def test_downloaded_providers_are_cached() -> None:
    assert terraform.environment({})["TF_PLUGIN_CACHE_DIR"].endswith("plugins")


@pytest.mark.parametrize("below", [".", "plugins", "share/plugins"])
def test_a_mirror_in_the_usual_places_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    mirror = make_mirror(tmp_path / "terraform" / below)
    monkeypatch.setattr(terraform, "_usual_places", lambda: [tmp_path / "terraform"])

    config = terraform.cli_config()

    assert config is not None
    assert f'"{mirror}"' in config.read_text()
    assert terraform.environment({})["TF_CLI_CONFIG_FILE"] == str(config)


def test_a_mirror_for_another_platform_does_not_count(tmp_path: Path) -> None:
    make_mirror(tmp_path, platform="darwin_arm64")
    assert terraform.find_mirror([tmp_path]) is None


def test_the_users_configuration_comes_before_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mirror(tmp_path / "mirror")
    monkeypatch.setattr(terraform, "_usual_places", lambda: [tmp_path / "mirror"])
    own = tmp_path / "own.tfrc"
    own.touch()
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(own))

    assert terraform.cli_config() is None


def test_a_named_mirror_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = make_mirror(tmp_path / "mirror")
    own = tmp_path / "own.tfrc"
    own.touch()
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(own))
    monkeypatch.setenv("TF_PROVIDER_MIRROR", str(mirror))

    config = terraform.cli_config()

    assert config is not None
    assert f'"{mirror}"' in config.read_text()


def test_a_named_mirror_without_the_provider_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_PROVIDER_MIRROR", str(tmp_path))
    with pytest.raises(SetupError, match="linux_amd64"):
        terraform.cli_config()


def line(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def hook(address: str, action: str = "create") -> dict[str, Any]:
    return {"resource": {"addr": address}, "action": action}


def summary(operation: str) -> str:
    changes = {"operation": operation, "add": 2, "change": 1, "remove": 0}
    return line("change_summary", changes=changes)


def test_outputs_are_read_by_name() -> None:
    assert terraform.read_outputs('{"a":{"value":1},"b":{"value":"x"}}') == {"a": 1, "b": "x"}
    with pytest.raises(ValueError, match="terraform output"):
        terraform.read_outputs('{"a":1}')


def test_progress_counts_finished_resources_and_names_what_runs() -> None:
    progress = ApplyProgress()
    assert str(progress) == "planning"

    progress.feed(summary("plan"))
    progress.feed(line("apply_start", hook=hook("aws_sqs_queue.main")))
    progress.feed(line("apply_start", hook=hook("aws_sns_topic.main")))
    progress.feed(line("apply_complete", hook=hook("aws_sns_topic.main")))

    assert str(progress) == "1/3 resources, aws_sqs_queue.main"


def test_data_sources_do_not_count_as_progress() -> None:
    progress = ApplyProgress()
    progress.feed(summary("plan"))
    progress.feed(line("apply_start", hook=hook("data.aws_region.current", "read")))
    progress.feed(line("apply_complete", hook=hook("data.aws_region.current", "read")))
    assert str(progress) == "0/3 resources"


def test_the_outputs_are_those_at_the_end_of_the_apply() -> None:
    progress = ApplyProgress()
    progress.feed(line("outputs", outputs={"url": {"action": "create"}}))
    assert progress.outputs == {"url": None}
    progress.feed(line("outputs", outputs={"url": {"sensitive": False, "value": "ws://a"}}))
    assert progress.outputs == {"url": "ws://a"}


def test_the_closing_summary_does_not_change_the_plan() -> None:
    progress = ApplyProgress()
    progress.feed(summary("plan"))
    progress.feed(summary("apply").replace('"add": 2', '"add": 0'))
    assert progress.planned == 3


def test_errors_name_the_place_and_warnings_are_left_out() -> None:
    progress = ApplyProgress()
    place = {"filename": "modules/messaging/main.tf", "start": {"line": 73}}
    error = {"severity": "error", "summary": "denied", "detail": "why", "range": place}
    progress.feed(line("diagnostic", diagnostic={**error, "address": "aws_sqs_queue.main"}))
    progress.feed(line("diagnostic", diagnostic={"severity": "warning", "summary": "deprecated"}))
    assert progress.errors == [
        "denied\n  modules/messaging/main.tf:73 (aws_sqs_queue.main)\n  why",
    ]


def test_lines_that_are_not_json_are_ignored() -> None:
    progress = ApplyProgress()
    progress.feed("panic: not JSON\n")
    assert str(progress) == "planning"


def test_an_interruption_lets_terraform_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "terraform"
    program.write_text(
        f"#!{sys.executable}\nimport signal, sys\n"
        'def stop(*_):\n    print(\'{"type": "stopped"}\', flush=True)\n    sys.exit(1)\n'
        "signal.signal(signal.SIGINT, stop)\nprint('{}', flush=True)\nsignal.pause()\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(terraform, "find_terraform", lambda: program)
    log = tmp_path / "log"

    class Interrupting(Step):
        """Send Ctrl-C as soon as Terraform has printed something."""

        def note(self, text: str) -> None:
            if not text.startswith("stopping"):
                raise KeyboardInterrupt

    run = terraform.follow(["apply"], tmp_path, {}, Interrupting("apply"), log)

    assert (run.code, run.interrupted) == (1, True)
    assert "stopped" in log.read_text()
