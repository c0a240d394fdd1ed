std = "luajit"
max_line_length = 120
exclude_files = { "build", "spec/support/project" }
files["spec"] = { std = "luajit+busted", max_line_length = 140 }
files["lua/moonpost/meta"] = { ignore = { "212", "241", "631" } } -- declarations, each in one line
files["examples/*/scenario.lua"] = { read_globals = { "scenario", "seed" } } -- loads a neighbour
