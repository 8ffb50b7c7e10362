#!/usr/bin/env bash
# The compiler, told the crates' names where cargo tells it hashes of the folders they lie in: the image does not depend on where a clone is.
set -euo pipefail
compiler=$1
shift
arguments=()
name=
for argument in "$@"; do
    [[ ${previous:-} == --crate-name ]] && name=$argument
    [[ $argument == metadata=* && $name == lpu_* ]] && argument=metadata=$name
    arguments+=("$argument")
    previous=$argument
done
exec "$compiler" "${arguments[@]}"
