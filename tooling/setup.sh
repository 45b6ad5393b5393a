#!/bin/sh
# Creates the environments that are named as arguments. It uses the first Python >= 3.11:
# BASE_PYTHON if it is set, else one with a usual name. All other programs run in these
# environments.
set -eu
CDPATH="" cd "$(dirname "$0")/.."

find_python() {
  if [ -n "${BASE_PYTHON:-}" ]; then
    set -- "$BASE_PYTHON"
  else
    set -- python3.11 python3.12 python3.13 python3.14 python3 python
  fi
  for python in "$@"; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      return
    fi
  done
  echo "Herald needs Python 3.11 or newer on PATH, or BASE_PYTHON=/path/to/python." >&2
  exit 1
}

find_python
exec "$python" -m tooling.environments "$@"
