#!/bin/sh
# Runs a command in the image: the root read-only, no rights, the current folder at /work, the state in a volume.
#
#     container/run.sh [-it] [--image NAME] [--state VOLUME] [--engine-arg ARGUMENT]… -- CMD…
set -eu

usage() {
  echo "Usage: container/run.sh [-it] [--image NAME] [--state VOLUME] [--engine-arg ARGUMENT]... -- CMD..."
  echo "Runs CMD in the image waybill, such as: container/run.sh -it -- waybill up deploy.ts --log-dir /state/logs"
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=container/engine.sh
. "$root/container/engine.sh"

image=waybill state=waybill-state terminal=
# What is for the engine, one argument in a line.
extra=
while [ $# -gt 0 ]; do
  case $1 in
    -it | -ti) terminal=-it; shift ;;
    -i | -t) terminal="$terminal $1"; shift ;;
    --image) image=${2:?"--image needs a name"}; shift 2 ;;
    --state) state=${2:?"--state needs the name of a volume"}; shift 2 ;;
    --engine-arg) extra="$extra${2:?"--engine-arg needs an argument"}
"; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    --) shift; break ;;
    *) usage >&2; echo "Cannot run: unknown argument \"$1\", the command comes after --" >&2; exit 2 ;;
  esac
done
if [ $# -eq 0 ]; then
  usage >&2
  echo "Cannot run: a command is needed after --" >&2
  exit 2
fi

engine=$(find_engine) || exit 1
# Only a deployment has a state to be healthy in.
case "$1 ${2-}" in
  "waybill up") ;;
  *) set -- --no-healthcheck "$image" "$@"; image= ;;
esac
if [ -n "$image" ]; then set -- "$image" "$@"; fi
old_ifs=$IFS
IFS='
'
for argument in $extra; do set -- "$argument" "$@"; done
IFS=$old_ifs
for argument in $terminal; do set -- "$argument" "$@"; done
exec "$engine" run --rm --init --read-only --cap-drop ALL --security-opt no-new-privileges \
  --tmpfs /tmp --volume "$state:/state" --volume "$PWD:/work" --workdir /work "$@"
