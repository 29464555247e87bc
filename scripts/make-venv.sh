#!/bin/sh
# usage: make-venv.sh FOLDER [PYTHON]
#
# Makes a virtual environment with Python 3.11 or newer: with PYTHON where it is given, else with
# the first suitable one on the PATH. Leaves an existing environment of the wanted version alone.
set -eu

venv=$1
wanted=${2:-}
# Without ensurepip (Debian's python3-venv is a package of its own) an environment has no pip.
check='import sys
sys.exit(3) if sys.version_info < (3, 11) else None
import ensurepip, venv'
version='import sys; print(sys.implementation.name, *sys.version_info[:3], sep=".")'

say() { printf '%s\n' "$*" >&2; }

if [ -n "$wanted" ]; then
    candidates=$wanted
else
    candidates='python3 python3.14 python3.13 python3.12 python3.11 python'
fi

python=
found=
for candidate in $candidates; do
    path=$(command -v "$candidate" 2>/dev/null) || continue
    code=0
    "$path" -c "$check" 2>/dev/null || code=$?
    if [ "$code" = 0 ]; then
        python=$path
        break
    fi
    # A launcher without a Python behind it (pyenv's shims) has no version to report.
    number=$("$path" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue
    if [ "$code" = 3 ]; then
        found="$found
  $path is Python $number"
    else
        found="$found
  $path is Python $number without the venv module (Debian, Ubuntu: apt-get install python3-venv)"
    fi
done

if [ -z "$python" ]; then
    say "Raceway needs Python 3.11 or newer with the venv module."
    if [ -n "$found" ]; then
        say "Found:$found"
    elif [ -n "$wanted" ]; then
        say "PYTHON=$wanted is not a program that runs."
    else
        say "Found no Python on the PATH."
    fi
    say "Install one, or name it: make demo PYTHON=/path/to/python3.12"
    exit 1
fi

if [ -x "$venv/bin/python" ] && [ "$("$venv/bin/python" -c "$version" 2>/dev/null)" = "$("$python" -c "$version")" ]; then
    exit 0
fi

say "Making $venv with $("$python" --version) ($python) …"
"$python" -m venv --clear "$venv"
