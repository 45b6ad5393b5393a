#!/bin/sh
# Makes the environments named as arguments, with the newest installed Python that can be deployed.
# If BASE_PYTHON is set, only that Python is tried. Everything else runs in these environments.
set -eu
CDPATH="" cd "$(dirname "$0")/.."

# The Lambda package is built with this Python, and Terraform's AWS provider must know the runtime
# (lambda_runtime in infra/variables.tf; tests compare the two).
SUPPORTED="3.13 3.12 3.11"

version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

find_python() {
  if [ -n "${BASE_PYTHON:-}" ]; then
    set -- "$BASE_PYTHON"
  else
    set -- $(printf 'python%s ' $SUPPORTED) python3 python
  fi
  other=
  for python in "$@"; do
    found=$(version "$python") || continue
    case " $SUPPORTED " in *" $found "*) return ;; esac
    other=" Python $found is not a Lambda runtime that the AWS provider knows."
  done
  echo "Herald needs Python 3.11, 3.12 or 3.13 on PATH, or BASE_PYTHON=/path/to/python.$other" >&2
  exit 1
}

find_python
exec "$python" -m tooling.environments "$@"
