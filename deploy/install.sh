#!/bin/sh
# Installs or upgrades a Caxton node on a bare Linux machine, from this checkout. Configuration and
# data are never touched by an upgrade; the release before is kept for `--rollback`.
set -eu

bun_version=1.4.5
source=$(cd "$(dirname "$0")/.." && pwd)
root=
bun_file=
dry_run=false
start=true
action=install

usage() {
  cat <<'EOF'
Usage: deploy/install.sh [--bun FILE] [--no-start] [--rollback] [--root DIR] [--dry-run]

  --bun FILE   use this Bun 1.4.5 instead of fetching it with npm
  --no-start   install without starting or restarting the service
  --rollback   go back to the release before this one
  --root DIR   install below DIR, a tree for another machine or an image: no user, no service, nothing
               outside DIR is touched; what is in it runs once DIR is the machine's /
  --dry-run    print what would be done
EOF
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2:-1}"
}

while [ $# -gt 0 ]; do
  case $1 in
    --bun) [ $# -ge 2 ] || fail "--bun needs a file" 2; bun_file=$2; shift ;;
    --root) [ $# -ge 2 ] || fail "--root needs a folder" 2; root=${2%/}; shift ;;
    --no-start) start=false ;;
    --rollback) action=rollback ;;
    --dry-run) dry_run=true ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" 2 ;;
  esac
  shift
done

opt=$root/opt/caxton
etc=$root/etc/caxton
data=$root/var/lib/caxton
logs=$root/var/log/caxton
unit=$root/etc/systemd/system/caxton.service
command=$root/usr/local/bin/caxton

say() { printf '%s\n' "$*"; }

# Does it, or with --dry-run says it.
run() {
  if $dry_run; then say "would run: $*"; else "$@"; fi
}

# On the machine itself, as opposed to --root.
live() { [ -z "$root" ]; }

with_systemd() { live && [ -d /run/systemd/system ]; }

as_owner() {
  # $1 owner, $2 path
  if live; then run chown "$1" "$2"; fi
}

folder() {
  # $1 mode, $2 owner, $3 path
  run mkdir -p "$3"
  run chmod "$1" "$3"
  as_owner "$2" "$3"
}

restart_service() {
  with_systemd || return 0
  run systemctl daemon-reload
  run systemctl enable caxton.service
  if $start; then run systemctl restart caxton.service; fi
}

# Points the link $2 at $1 in one step.
switch() {
  run ln -sfn "$1" "$2.new"
  run mv -T "$2.new" "$2"
}

release_of() { if [ -L "$1" ]; then basename "$(readlink "$1")"; fi; }

rollback() {
  current=$(release_of "$opt/current")
  previous=$(release_of "$opt/previous")
  [ -n "$previous" ] || fail "there is no release before this one in $opt"
  switch "releases/$previous" "$opt/current"
  switch "releases/$current" "$opt/previous"
  restart_service
  if $dry_run; then return 0; fi
  say "Back to release $previous; $current is kept and another --rollback returns to it"
}

make_user() {
  live || return 0
  if ! getent group caxton >/dev/null; then run groupadd --system caxton; fi
  if ! getent passwd caxton >/dev/null; then
    run useradd --system --gid caxton --home-dir /var/lib/caxton --no-create-home --shell /usr/sbin/nologin caxton
  fi
}

bun_package() {
  case $(uname -m) in
    x86_64) cpu=x64 ;;
    aarch64 | arm64) cpu=aarch64 ;;
    *) fail "there is no Bun for $(uname -m)" ;;
  esac
  libc=
  if [ -e /lib/ld-musl-x86_64.so.1 ] || [ -e /lib/ld-musl-aarch64.so.1 ]; then libc=-musl; fi
  say "@oven/bun-linux-$cpu$libc"
}

install_bun() {
  runtime=$opt/runtime/bun-$bun_version
  [ -x "$runtime" ] && return 0
  fetched=
  if [ -z "$bun_file" ]; then
    command -v npm >/dev/null || fail "npm is needed to fetch Bun; or give --bun FILE"
    package=$(bun_package)
    if $dry_run; then
      say "would run: npm install $package@$bun_version"
      return 0
    fi
    say "Fetching Bun $bun_version with npm"
    fetched=$(mktemp -d)
    # npm checks the tarball against the registry's integrity hash.
    npm install --prefix "$fetched" --no-save --no-audit --no-fund --ignore-scripts --silent "$package@$bun_version"
    bun_file=$fetched/node_modules/$package/bin/bun
  fi
  found=$("$bun_file" --version 2>/dev/null || true)
  [ "$found" = "$bun_version" ] || fail "$bun_file is not Bun $bun_version (it says '$found')"
  run cp -L "$bun_file" "$runtime.new"
  run chmod 0755 "$runtime.new"
  run mv "$runtime.new" "$runtime"
  if [ -n "$fetched" ]; then rm -rf "$fetched"; fi
}

copy_release() {
  # $1 folder of the release
  run mkdir -p "$1"
  for part in src functions wasm-agents deploy package.json bun.lock bunfig.toml README.md LICENSE; do
    if [ -e "$source/$part" ]; then run cp -R "$source/$part" "$1/"; fi
  done
  run ln -s "../../runtime/bun-$bun_version" "$1/bun"
  if $dry_run; then
    say "would run: bun install --production --frozen-lockfile in $1"
  else
    say "Installing the packages of bun.lock"
    (cd "$1" && ./bun install --production --frozen-lockfile --ignore-scripts) ||
      fail "the packages could not be installed; nothing was changed"
  fi
}

write_config() {
  if [ -e "$etc/config.yaml" ]; then return 0; fi
  if $dry_run; then
    say "would write: $etc/config.yaml"
    return 0
  fi
  cat >"$etc/config.yaml" <<'EOF'
# Caxton configuration; every key: caxton config schema, or caxton config init FILE.
node:
  data_dir: /var/lib/caxton
  # id: node-1            # the host's name unless set
  # region: eu-west
  # zone: eu-west-1a
  # api_addr: 0.0.0.0:8080  # TLS unless on loopback
coordination:
  cluster:
    bind_addr: 0.0.0.0:7946
    # seeds: [node-1.example.com:7946, node-2.example.com:7946]
observability:
  metrics_addr: 127.0.0.1:9090
EOF
  chmod 0640 "$etc/config.yaml"
  as_owner root:caxton "$etc/config.yaml"
}

write_command() {
  run mkdir -p "$(dirname "$command")"
  if $dry_run; then
    say "would write: $command"
    return 0
  fi
  cat >"$command" <<'EOF'
#!/bin/sh
# The CLI of the installed release; finds the local node by its data directory.
export CAXTON_NODE__DATA_DIR="${CAXTON_NODE__DATA_DIR:-/var/lib/caxton}"
exec /opt/caxton/current/bun /opt/caxton/current/src/cli/main.ts "$@"
EOF
  chmod 0755 "$command"
}

# A configuration that the new release refuses must not stop a node that runs.
check_config() {
  if $dry_run; then return 0; fi
  "$1/bun" "$1/src/cli/main.ts" config validate --config "$etc/config.yaml" ||
    fail "the new release refuses $etc/config.yaml; nothing was changed" 2
}

# All but the current and the previous one.
remove_old_releases() {
  for old in "$opt"/releases/*; do
    name=$(basename "$old")
    if [ -d "$old" ] && [ "$name" != "$(release_of "$opt/current")" ] && [ "$name" != "$(release_of "$opt/previous")" ]; then
      run rm -rf "$old"
    fi
  done
}

install() {
  version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$source/package.json")
  [ -n "$version" ] || fail "$source is no checkout of Caxton"
  release=$version-$(date -u +%Y%m%dT%H%M%SZ)-$$
  make_user
  folder 0755 root:root "$opt"
  folder 0755 root:root "$opt/runtime"
  folder 0755 root:root "$opt/releases"
  folder 0750 root:caxton "$etc"
  folder 0700 caxton:caxton "$data"
  folder 0750 caxton:caxton "$logs"
  install_bun
  trap 'if [ "$(release_of "$opt/current")" != "$release" ]; then rm -rf "$opt/releases/$release"; fi' EXIT
  copy_release "$opt/releases/$release"
  write_config
  check_config "$opt/releases/$release"
  current=$(release_of "$opt/current")
  if [ -n "$current" ]; then switch "releases/$current" "$opt/previous"; fi
  switch "releases/$release" "$opt/current"
  write_command
  run mkdir -p "$(dirname "$unit")"
  run cp "$source/deploy/caxton.service" "$unit"
  run chmod 0644 "$unit"
  restart_service
  remove_old_releases
  if $dry_run; then
    say "Would have installed Caxton $version in $opt; nothing was done"
    return 0
  fi
  say "Installed Caxton $version in $opt"
  live || say "This is a tree to be copied to / of a machine: $command looks for /opt/caxton and does not run in place"
  if with_systemd; then say "systemctl status caxton; sudo caxton cluster members"; fi
}

if live && ! $dry_run && [ "$(id -u)" -ne 0 ]; then fail "run it as root, or with --root DIR or --dry-run"; fi
case $action in
  install) install ;;
  rollback) rollback ;;
esac
