#!/bin/sh
# A source rock of this tree: rock.sh VERSION FOLDER leaves moonpost-VERSION-1.src.rock there. It installs without
# a network:  luarocks --lua-version 5.1 install moonpost-VERSION-1.src.rock
#   ROCK_ALSO    more folders for the rock, such as build/release: what is built is not compiled again
set -eu
version=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$(dirname "$0")/../.."
name=moonpost-$version

# Names in the archive begin with the folder that luarocks expects. Times stay: make compares them.
# shellcheck disable=SC2086 # folders, one word each
tar -czf "$folder/$name.tar.gz" --exclude=.git --exclude=.run --exclude=data --exclude='*.sock' \
  --transform "s|^|$name/|" Makefile LICENSE [A-Z]*.md docs runtime lua scripts examples spec rockspec ${ROCK_ALSO:-}
sed -e "s|^version = .*|version = \"$version-1\"|" -e "s|git+file://\.|file://$folder/$name.tar.gz|" -e '/branch = /d' \
  rockspec/moonpost-scm-1.rockspec >"$folder/$name-1.rockspec"
(cd "$folder" && luarocks --lua-version 5.1 pack "$name-1.rockspec" >/dev/null)
rm "$folder/$name.tar.gz" "$folder/$name-1.rockspec"
echo "$folder/$name-1.src.rock"
