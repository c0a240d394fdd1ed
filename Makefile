# make            build build/moonpost            make run    the main scenario, as three processes
# make test       every spec                      make check  what a reviewer runs
# make help       the rest
#
# BUILD=release (default), debug, asan, tsan

BUILD   ?= release
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
LUADIR  ?= $(PREFIX)/share/lua/5.1
DESTDIR ?=

CC       = gcc
OUT      = build/$(BUILD)
PACKAGES = luajit jansson
STRICT   = -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
MODE_release = -O2 -g
MODE_debug   = -O0 -g -Werror
MODE_asan    = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MODE_tsan    = -O1 -g -fsanitize=thread
HAVE    := $(shell pkg-config --exists luajit jansson libuv 2>/dev/null && echo yes)
ifeq ($(HAVE),yes)
LUA_CFLAGS := $(if $(LUAJIT_INCDIR),-I$(LUAJIT_INCDIR)/luajit-2.1,$(shell pkg-config --cflags luajit))
LIB_CFLAGS := $(LUA_CFLAGS) $(shell pkg-config --cflags jansson libuv)
LUA_LIBS   := $(shell pkg-config --libs luajit jansson)
UV_LIBS    := $(shell pkg-config --libs libuv)
endif
OUR_CFLAGS = $(STRICT) $(MODE_$(BUILD)) -Iruntime $(LIB_CFLAGS) -MMD -MP -fPIC

core_c   = $(wildcard runtime/core/*.c)
store_c  = $(wildcard runtime/store/*.c)
script_c = $(wildcard runtime/script/*.c)
node_c   = $(wildcard runtime/node/*.c)
sim_c    = $(filter-out runtime/sim/main.c,$(wildcard runtime/sim/*.c))
shell_c  = $(wildcard runtime/shell/*.c)
lua_src  = $(sort $(shell find lua -name '*.lua' -not -path '*/meta/*'))
objects  = $(patsubst runtime/%.c,$(OUT)/%.o,$(1))
common   = $(call objects,$(core_c) $(store_c) $(script_c) $(node_c)) $(OUT)/embedded_table.o

.PHONY: all run test check lint asan tsan sim pure install clean help functions format FORCE
.DEFAULT_GOAL := all

all: build/moonpost build/sim $(OUT)/libcore.so

build/moonpost: $(OUT)/bin/moonpost
	@ln -sf $(BUILD)/bin/moonpost $@
build/sim: $(OUT)/bin/sim
	@ln -sf $(BUILD)/bin/sim $@

$(OUT)/bin/moonpost: $(common) $(call objects,$(shell_c) $(sim_c) runtime/main.c)
	@mkdir -p $(@D)
	$(CC) $(MODE_$(BUILD)) $(LDFLAGS) -Wl,-E -o $@ $^ $(LUA_LIBS) $(UV_LIBS) -lpthread -lm -ldl

# The folder rule, kept by the linker: the simulator has no libuv, the core nothing at all.
$(OUT)/bin/sim: $(common) $(call objects,$(sim_c) runtime/sim/main.c)
	@mkdir -p $(@D)
	$(CC) $(MODE_$(BUILD)) $(LDFLAGS) -Wl,-E -o $@ $^ $(LUA_LIBS) -lm -ldl
$(OUT)/libcore.so: $(call objects,$(core_c) $(store_c))
	$(CC) $(MODE_$(BUILD)) $(LDFLAGS) -shared -Wl,-z,defs -o $@ $^ -lm

$(OUT)/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) -c -o $@ $<

# The Lua library travels inside the executable, as text.
$(OUT)/embedded_table.S: $(lua_src) Makefile
	@mkdir -p $(@D)
	@sh scripts/build/embed.sh $(lua_src) > $@
$(OUT)/embedded_table.o: $(OUT)/embedded_table.S
	$(CC) -c -o $@ $<

-include $(shell find build -name '*.d' 2>/dev/null)

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
clean:
	rm -rf build
