#!/bin/sh
# Says which libraries the build does not find, and the line that installs them on this system; says
# nothing when all are there. Fails when one is missing.
#   OS_RELEASE    another file than /etc/os-release
set -eu

has() { pkg-config --exists "$1" 2>/dev/null; }
system=$(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' "${OS_RELEASE:-/etc/os-release}" 2>/dev/null | tr -d '"' | tr '\n' ' ')

# One column a system: luajit jansson libuv lmdb, then the compiler and pkg-config.
case " $system" in
*" debian "* | *" ubuntu "*)
  install="apt-get install" luajit=libluajit-5.1-dev jansson=libjansson-dev libuv=libuv1-dev lmdb=liblmdb-dev
  compiler="gcc libc6-dev" tool=pkg-config ;;
*" fedora "* | *" rhel "* | *" centos "*)
  install="dnf install" luajit=luajit-devel jansson=jansson-devel libuv=libuv-devel lmdb=lmdb-devel
  compiler=gcc tool=pkgconf-pkg-config ;;
*" arch "*)
  install="pacman -S" luajit=luajit jansson=jansson libuv=libuv lmdb=lmdb compiler=gcc tool=pkgconf ;;
*" alpine "*)
  install="apk add" luajit=luajit-dev jansson=jansson-dev libuv=libuv-dev lmdb=lmdb-dev
  compiler=build-base tool=pkgconf ;;
*" suse "* | *" opensuse "*)
  install="zypper install" luajit=luajit-devel jansson=libjansson-devel libuv=libuv-devel lmdb=lmdb-devel
  compiler=gcc tool=pkg-config ;;
*" void "*)
  install="xbps-install" luajit=LuaJIT-devel jansson=jansson-devel libuv=libuv-devel lmdb=lmdb-devel
  compiler=gcc tool=pkg-config ;;
*)
  install='' luajit=luajit jansson=jansson libuv=libuv lmdb=lmdb compiler=gcc tool=pkg-config ;;
esac

missing='' packages=''
add() {
  missing="$missing${missing:+, }$1"
  packages="$packages $2"
}
command -v gcc >/dev/null || add "a C compiler" "$compiler"
if command -v pkg-config >/dev/null; then
  has luajit || add LuaJIT $luajit
  has jansson || add jansson $jansson
  has libuv || add libuv $libuv
  has lmdb || add LMDB $lmdb
else
  add "pkg-config, which knows where LuaJIT, jansson, libuv and LMDB are" "$tool $luajit $jansson $libuv $lmdb"
fi
[ -n "$missing" ] || exit 0

echo "moonpost: needed to build, and not found: $missing" >&2
if [ -n "$install" ]; then
  echo "moonpost: install with:  $install$packages" >&2
else
  echo "moonpost: install the development files of:$packages; pkg-config must find them by these names" >&2
fi
exit 1
