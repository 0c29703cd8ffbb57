#!/bin/sh
# Builds the image.
#
#     container/build.sh [--image NAME] [--node-image IMAGE] [-- ENGINE-ARGUMENTS…]
set -eu

usage() {
  echo "Usage: container/build.sh [--image NAME] [--node-image IMAGE] [-- ENGINE-ARGUMENTS...]"
  echo "Builds the image waybill with docker or podman (CONTAINER_ENGINE says which)."
}

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# shellcheck source=container/engine.sh
. "$root/container/engine.sh"

image=waybill node_image=
while [ $# -gt 0 ]; do
  case $1 in
    --image) image=${2:?"--image needs a name"}; shift 2 ;;
    --node-image) node_image=${2:?"--node-image needs an image"}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    --) shift; break ;;
    *) usage >&2; echo "Cannot build: unknown argument \"$1\"" >&2; exit 2 ;;
  esac
done

engine=$(find_engine) || exit 1
if [ -n "$node_image" ]; then set -- --build-arg "NODE_IMAGE=$node_image" "$@"; fi
exec env DOCKER_BUILDKIT=1 "$engine" build --file "$root/container/Dockerfile" --tag "$image" "$@" "$root"
