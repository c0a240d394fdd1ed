#!/bin/sh
# The table of planted bugs: plants.sh SIM SEEDS. For each the random worlds run, at most so many seeds, until one fails.
# Exit code 1: one was not found. A world that does not come to its end within PLANT_SECONDS is a find, too.
sim=$1 seeds=$2 missed=0
printf '| planted bug | seeds until found | what was said |\n| --- | --: | --- |\n'
for plant in $(MOONPOST_PLANT='?' "$sim"); do
  said=$(MOONPOST_PLANT=$plant timeout "${PLANT_SECONDS:-300}" "$sim" spec/sim/random.lua --seeds "$seeds" 2>&1)
  if [ $? -eq 0 ]; then
    printf '| %s | not within %s | |\n' "$plant" "$seeds"
    missed=1
    continue
  fi
  seed=$(printf '%s\n' "$said" | sed -n 's/.*seed \([0-9]*\).*/\1/p' | head -1)
  why=$(printf '%s\n' "$said" | grep -v '^ ' | head -1 | cut -c1-100)
  printf '| %s | %s | %s |\n' "$plant" "$seed" "$why"
done
exit $missed
