#!/bin/sh
# Writes an assembler file with the text of each Lua file given and a table of them
# (struct embedded_entry of runtime/script/embedded.c). lua/moonpost/x/init.lua is module moonpost.x.
set -eu
echo '.section .rodata'
n=0
for file; do
  printf '.Lfirst%d: .incbin "%s"\n.Lend%d: .byte 0\n' "$n" "$file" "$n"
  module=$(printf %s "${file#lua/}" | sed 's/\.lua$//; s/\/init$//; s/\//./g')
  printf '.Lname%d: .asciz "%s"\n' "$n" "$module"
  n=$((n + 1))
done
echo '.section .data.rel.ro,"aw"'
echo '.balign 8'
echo '.globl embedded_table'
echo 'embedded_table:'
i=0
while [ "$i" -lt "$n" ]; do
  printf '.quad .Lname%d, .Lfirst%d, .Lend%d\n' "$i" "$i" "$i"
  i=$((i + 1))
done
echo '.quad 0, 0, 0'
echo '.section .note.GNU-stack,"",@progbits'
