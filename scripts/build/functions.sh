#!/bin/sh
# Prints how long the C functions of the given files are: count, median, ninth decile, longest.
# A function begins at a line in column one that is only "{" and ends at a line that is only "}".
set -eu
awk '
  /^[a-zA-Z_].*\)$|^[ \t]+.*\)$/ { head = $0 }
  /^\{$/ { start = FNR }
  /^\}$/ && start { print FNR - start - 1 "\t" FILENAME ":" start; start = 0 }
' "$@" | sort -n | awk '
  { size[NR] = $1; place[NR] = $2 }
  END {
    printf "%d functions  median %d  ninth decile %d  longest %d (%s)\n",
      NR, size[int((NR + 1) / 2)], size[int(NR * 0.9)], size[NR], place[NR]
  }'
