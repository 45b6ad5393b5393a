"""Each module's README has an example that works, and so has the page about kept outputs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import hcl2
import pytest

from tests.infra.running import Terraform
from tooling import ROOT
from tooling.environments import ensure_program, find_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.infra

MODULES = {path.name: path for path in sorted((ROOT / "infra" / "modules").iterdir())}


def example(module: str) -> str:
    """Return the HCL in a module's README."""
    [text] = re.findall(r"(?ms)^```hcl\n(.*?)^```$", (MODULES[module] / "README.md").read_text())
    return str(text)


def arguments(module: str) -> set[str]:
    """Return the names of the arguments in the example's module block."""
    [block] = hcl2.loads(example(module))["module"]
    [call] = block.values()
    assert call["source"].strip('"') == f"./modules/{module}"
    return {name for name in call if not name.startswith("__")} - {"source"}


def variables(module: str) -> dict[str, bool]:
    """Return the module's variables, and whether each is required."""
    blocks = hcl2.loads((MODULES[module] / "variables.tf").read_text())["variable"]
    return {
        name.strip('"'): "default" not in variable
        for block in blocks
        for name, variable in block.items()
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_example_has_the_modules_variables(module: str) -> None:
    known = variables(module)
    assert arguments(module) <= known.keys()


@pytest.mark.parametrize("module", MODULES)
def test_the_example_sets_every_required_variable(module: str) -> None:
    required = {name for name, needed in variables(module).items() if needed}
    assert required
    assert required <= arguments(module)


def test_the_examples_are_a_valid_configuration(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "infra" / "modules", tmp_path / "modules")
    configuration = "\n".join(example(module) for module in MODULES)
    # The examples mention functions that they do not declare. These are declared like the function
    # that the example declares.
    [function] = re.findall(r'(?ms)^module "deliver" \{.*?^\}', configuration)
    declared = set(re.findall(r'(?m)^module "(\w+)"', configuration))
    for name in sorted(set(re.findall(r"\bmodule\.(\w+)", configuration)) - declared):
        configuration += "\n" + function.replace('module "deliver"', f'module "{name}"') + "\n"
    (tmp_path / "examples.tf").write_text(configuration)

    check(tmp_path)


def check(directory: Path) -> None:
    """Check that the configuration is valid and formatted."""
    examples = Terraform(directory).init()
    examples.output("validate", "-no-color")
    examples.output("fmt", "-check", "-diff", "examples.tf")


def cloudfront() -> str:
    """Return the distribution in docs/outputs.md."""
    [text] = re.findall(r"(?ms)^```hcl\n(.*?)^```$", (ROOT / "docs" / "outputs.md").read_text())
    return str(text)


def test_the_distribution_for_kept_outputs_is_a_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / "examples.tf").write_text(cloudfront())

    check(tmp_path)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://bucket.test/a/0?X-Amz-Signature=1", "https://files.test/a/0?X-Amz-Signature=1"),
        ("https://cdn.provider.test/a.png", "https://cdn.provider.test/a.png"),
        (None, None),
    ],
    ids=["copy", "provider", "no-redirect"],
)
def test_the_distribution_sends_clients_to_itself_for_a_copy(
    location: str | None, expected: str | None
) -> None:
    [code] = re.findall(r"(?ms)code = <<-EOT\n(.*?)^  EOT$", cloudfront())
    code = code.replace("${local.bucket}", "bucket.test").replace("${local.domain}", "files.test")
    headers = {} if location is None else {"location": {"value": location}}
    event = json.dumps({"response": {"statusCode": 302, "headers": headers}})

    answer = subprocess.run(
        [
            ensure_program("nodejs", find_node),
            "-e",
            f"{code}\nconsole.log(JSON.stringify(handler({event})))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    returned = json.loads(answer.stdout)["headers"]
    assert returned == ({} if expected is None else {"location": {"value": expected}})
