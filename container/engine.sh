# shellcheck shell=sh
# Finds a container engine that answers; to be sourced.

# Prints docker, podman, or what CONTAINER_ENGINE names.
find_engine() {
  for engine in ${CONTAINER_ENGINE:-docker podman}; do
    if command -v "$engine" >/dev/null 2>&1 && "$engine" info >/dev/null 2>&1; then
      echo "$engine"
      return 0
    fi
  done
  echo "Cannot find a container engine: ${CONTAINER_ENGINE:-docker or podman} must be installed and running." >&2
  echo "Without one, container/clean-root.sh carries out the same steps in a clean root." >&2
  return 1
}
