"""python -m benchmarks [--rounds N] [--scale F] [--only posts|handler|door|imports] [--no-plots]"""

import argparse
import json
import os
import platform
import sys

from benchmarks import BUILD, ROOT, cold, front_door, path_results, posts, report, stand, whole

PARTS = ("posts", "handler", "door", "imports")


def main() -> int:
    options = _options()
    try:
        stand.build()
        found = _measure(options)
    except stand.BenchmarkError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    ratios = report.ratios(found)
    results = BUILD / "results.json"
    results.write_text(json.dumps({**ratios, "machine": _machine(), "runs": found}, indent=1))
    tables = report.tables(found, ratios, _machine())
    print(f"\n{tables}\nAll runs: {results.relative_to(ROOT)}")
    if not options.no_plots:
        folder = ROOT / "docs" / "bench"
        report.plots(found, folder)
        images = "\n".join(f"![{plot.stem}]({plot.name})" for plot in sorted(folder.glob("*.svg")))
        title = "# Results of `make bench`"
        (folder / "results.md").write_text(f"{title}\n\n{tables}\n## Plots\n\n{images}\n")
        print(f"Plots: {folder.relative_to(ROOT)}/")
    return 0


def _measure(options: argparse.Namespace) -> dict[str, object]:
    found: dict[str, object] = {}
    if "posts" in options.only:
        if not posts.prepare_node():
            print("No Node.js on this machine: skipping its SDK.")
            del posts.CLIENTS["node"]
        found["posts"] = posts.measure(options.rounds, options.scale, _say)
    if "handler" in options.only:
        found["handler"] = whole.measure(options.rounds, options.scale, _say)
    if "door" in options.only:
        found["door"] = front_door.measure(options.rounds, options.scale, _say)
    if "imports" in options.only:
        found["imports"] = cold.measure(2 * options.rounds, _say)
    if measured := path_results():
        found["path"] = measured
    else:
        _say(
            "The whole path is not included. To measure it, run `make up`, then"
            " `.venv/bin/python -m benchmarks.path build/local/stack.env`."
        )
    return found


def _say(line: str) -> None:
    print(line, flush=True)


def _machine() -> str:
    load = os.getloadavg()[1]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"{os.cpu_count()} cores ({platform.machine()}) with {python} and a load average of"
        f" {load:.1f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the number of posts")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--no-plots", action="store_true", help="do not write docs/bench/")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
