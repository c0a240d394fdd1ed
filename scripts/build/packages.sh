#!/bin/sh
# Installs the Debian packages that are missing; asks nothing and needs no network when none is.
# Usage: packages.sh PACKAGE...     as root, or with sudo
set -eu

is_there() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null; then
  # Not Debian: nothing to install here. The build says what it does not find.
  exit 0
fi

missing=
for package; do
  is_there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "moonpost: these packages are missing:$missing" >&2
    echo "moonpost: install them as root:  apt-get install$missing" >&2
    exit 1
  fi
  sudo=sudo
fi

echo "moonpost: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends $missing
}
