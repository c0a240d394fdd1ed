# make            build build/moonpost
# make run        the main scenario, as three processes (installs what is missing first)
# make test       every spec (installs what is missing first); ends with "N passed, N failed"
# make check      what a reviewer runs: test, lint, sanitizers, a bounded simulation, the proofs
# make lint       luacheck, the format, all warnings as errors, the purity of the core
# make asan tsan  every spec under the sanitizers
# make proof      a few seconds of each of the next six, see HACKING.md
# make power      power cuts: ITER=N of them, SEED=N to see them again
# make nth-io     every write, flush and open of a run fails once: STEP=N for every N-th
# make diskfull   a small disk fills and drains: CYCLES=N
# make clock      the wall clock jumps by hours and years both ways
# make sim        random worlds: SEEDS=N of them, or SEED=N for one
# make plants     bugs planted on purpose: after how many random worlds each is found
# make crash      processes killed at any moment, a ledger of what was confirmed: ITER=N rounds, SEED=N; PEERS=1: its peers
# make stops      processes stopped by SIGTERM under load: ITER=N stops
# make reloads    an agent loaded again under load: ITER=N times
# make bank       transfers between nodes that are killed: ITER=N kills, SEED=N
# make bench      how fast it is; beside its peers with BENCH_PEERS=FOLDER (see spec/bench/README.md)
# make fuzz       wrong input and wrong peers: T=NAME of one fuzzer, SECS=N of each; see HACKING.md
# make coverage   which lines of the core and the stores the specs run
# make install    into DESTDIR, PREFIX
# make reference  docs/reference.md, from the editor types
# make rock       a source rock, in build/rock
# make format     let clang-format decide
# make functions  how long the C functions are
# make pure       what the core asks of the outside
# make clean      forget everything that was built
#
# BUILD=release (default), debug, asan, tsan, coverage, plant

# The Debian packages, in one place: to build, to run the specs, and to check.
BUILD_PACKAGES = gcc libc6-dev make pkg-config libluajit-5.1-dev libuv1-dev libjansson-dev liblmdb-dev
TEST_PACKAGES  = $(BUILD_PACKAGES) lua-busted
CHECK_PACKAGES = $(TEST_PACKAGES) lua-check clang-format luarocks

# For the power cuts, which are skipped without it.
PROOF_PACKAGES = libfuse3-dev

# For the fuzzers' engine, libFuzzer; their corpora are played without it.
FUZZ_PACKAGES = clang

BUILD   ?= release
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share/moonpost
UNITDIR ?= $(PREFIX)/lib/systemd/system
MANDIR  ?= $(PREFIX)/share/man
SHAREDIR ?= $(PREFIX)/share
DESTDIR ?=
SEEDS   ?= 300
VERSION  = $(shell sed -n 's/.*VERSION = "\(.*\)".*/\1/p' lua/moonpost/init.lua)

CC           = gcc
OUT          = build/$(BUILD)
STRICT       = -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
MODE_release = -O2 -g
MODE_debug   = -O0 -g -Werror
MODE_asan    = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MODE_plant   = -O2 -g -DMOONPOST_PLANTS
MODE_tsan    = -O1 -g -fsanitize=thread
MODE_coverage = -O0 -g --coverage
MODE_fuzz    = $(MODE_asan) -fsanitize=fuzzer-no-link

# luarocks says where LuaJIT is; otherwise pkg-config knows.
FOUND      := $(shell pkg-config --exists luajit jansson libuv lmdb 2>/dev/null && echo yes)
LUA_CFLAGS  = $(if $(LUAJIT_INCDIR),-I$(LUAJIT_INCDIR)/luajit-2.1,$(shell pkg-config --cflags luajit))
ifeq ($(FOUND),yes)
LIB_CFLAGS := $(LUA_CFLAGS) $(shell pkg-config --cflags jansson libuv lmdb)
LUA_LIBS   := $(shell pkg-config --libs luajit jansson)
LMDB_LIBS  := $(shell pkg-config --libs lmdb)
SHELL_LIBS := $(shell pkg-config --libs libuv) $(LMDB_LIBS)
endif
OUR_CFLAGS  = $(STRICT) $(MODE_$(BUILD)) -Iruntime $(LIB_CFLAGS) -MMD -MP -fPIC

objects  = $(patsubst runtime/%.c,$(OUT)/%.o,$(wildcard $(1)))
core     = $(call objects,runtime/core/*.c)
disk     = $(addprefix $(OUT)/store/,store_lmdb.o folder.o inhand.o)
store    = $(filter-out $(disk),$(call objects,runtime/store/*.c))
common   = $(core) $(store) $(call objects,runtime/script/*.c runtime/node/*.c) $(OUT)/embedded.o
world    = $(filter-out $(OUT)/sim/main.o,$(call objects,runtime/sim/*.c))
lua     := $(sort $(shell find lua -name '*.lua' -not -path '*/meta/*'))
FUZZERS  = frame recover engine json words
replays  = $(addprefix $(OUT)/fuzz/,$(FUZZERS))
sources  = $(wildcard runtime/*.[ch] runtime/*/*.[ch] spec/proof/*.c spec/fuzz/*.[ch])

.PHONY: all found packages run fuzz built coverage test check lint asan tsan sim plants power nth-io diskfull clock proof crash stops reloads bank bench install rock reference format functions pure clean help link
.DEFAULT_GOAL := all

all: found $(OUT)/bin/moonpost $(OUT)/bin/sim $(OUT)/libcore.so $(OUT)/libstore.so $(OUT)/moonpost.1 link

found:
	@[ "$(FOUND)" = yes ] || sh scripts/build/missing.sh

# build/moonpost is the executable of the build that was made last.
link: $(OUT)/bin/moonpost $(OUT)/bin/sim
	@for name in moonpost sim; do [ "$$(readlink build/$$name)" = $(BUILD)/bin/$$name ] || \
	  ln -sfn $(BUILD)/bin/$$name build/$$name; done

$(OUT)/bin/moonpost: $(common) $(disk) $(world) $(call objects,runtime/shell/*.c runtime/main.c)
	@mkdir -p $(@D)
	$(CC) $(MODE_$(BUILD)) $(LDFLAGS) -Wl,-E -o $@ $^ $(LUA_LIBS) $(SHELL_LIBS) -lpthread -lm -ldl

# The manual page, made of the table of commands (lua/moonpost/cli/commands.lua).
$(OUT)/moonpost.1: $(OUT)/bin/moonpost
	$< completion man >$@.new && mv $@.new $@

# The folder rule, kept by the linker: the simulator has no libuv and no LMDB, the core nothing but
# libc.
$(OUT)/bin/sim: $(common) $(world) $(OUT)/sim/main.o
	@mkdir -p $(@D)
	$(CC) $(MODE_$(BUILD)) $(LDFLAGS) -Wl,-E -o $@ $^ $(LUA_LIBS) -lm -ldl
whole  = $(if $(filter release debug,$(BUILD)),-Wl$(comma)-z$(comma)defs)
$(OUT)/libcore.so: $(core) $(store)
	$(CC) $(MODE_$(BUILD)) $(LDFLAGS) -shared $(whole) -o $@ $^ -lm
# The store on disk, for its specs.
$(OUT)/libstore.so: $(core) $(store) $(disk)
	$(CC) $(MODE_$(BUILD)) $(LDFLAGS) -shared $(whole) -o $@ $^ $(LMDB_LIBS) -lm
comma := ,

$(OUT)/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) $(CFLAGS) -c -o $@ $<

# The Lua library travels inside the executable, as text. The list of its files is a dependency too.
build/lua.list: $(if $(filter-out $(file <build/lua.list),$(lua)),FORCE)
	@mkdir -p $(@D); echo $(lua) > $@
FORCE:
$(OUT)/embedded.o: $(lua) build/lua.list scripts/build/embed.sh
	@mkdir -p $(@D)
	@sh scripts/build/embed.sh $(lua) > $(OUT)/embedded.S
	$(CC) -c -o $@ $(OUT)/embedded.S

-include $(wildcard $(OUT)/*.d $(OUT)/*/*.d)

# One line for what takes its time.
quietly = @$(MAKE) -q $(OUT)/bin/moonpost $(OUT)/bin/sim >/dev/null 2>&1 || echo "moonpost: building $(OUT)/bin/moonpost"
run:
	@sh scripts/build/packages.sh $(BUILD_PACKAGES)
	$(quietly)
	@$(MAKE) -s all
	@build/moonpost example run lost-ack

test:
	@sh scripts/build/packages.sh $(TEST_PACKAGES)
	$(quietly)
	@$(MAKE) -s all $(replays)
	@sh scripts/build/specs.sh build/moonpost

check: test
	@sh scripts/build/packages.sh $(CHECK_PACKAGES)
	@$(MAKE) -s lint asan sim proof

lint:
	luacheck -q lua spec scripts examples
	clang-format --dry-run -Werror $(sources)
	@$(MAKE) -s BUILD=debug build/debug/bin/moonpost build/debug/bin/sim build/debug/libcore.so build/debug/libstore.so
	@! ls examples/*/moonpost.lua 2>/dev/null

asan tsan:
	@$(MAKE) -s BUILD=$@ built
	@sh scripts/build/specs.sh build/$@/bin/moonpost

# All that the specs run, for builds that are not the one made last.
built: $(OUT)/bin/moonpost $(OUT)/bin/sim $(OUT)/libcore.so $(OUT)/libstore.so $(replays)

# The lines by the specs alone: the corpora of the fuzzers would run many that nobody looks at. A rock
# is made of this build while others count in it.
coverage:
	@sh scripts/build/packages.sh $(TEST_PACKAGES)
	@$(MAKE) -s BUILD=coverage built
	@find build/coverage -name '*.gcda' -delete
	@WITHOUT='fuzz|rock' sh scripts/build/specs.sh build/coverage/bin/moonpost; specs=$$?; \
	  sh scripts/build/lines.sh build/coverage; exit $$specs

sim: all
	@build/sim spec/sim/random.lua $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

plants:
	@$(MAKE) -s BUILD=plant build/plant/bin/sim
	@sh scripts/build/plants.sh build/plant/bin/sim $(SEEDS)

# The proofs on a real node (spec/proof). What only they need is built by them.
PROOF_CFLAGS = $(STRICT) -O2 -g -Iruntime
FUSE = $(shell pkg-config --exists fuse3 && pkg-config --cflags --libs fuse3)
build/proof/%: spec/proof/%.c
	@mkdir -p $(@D)
	$(CC) $(PROOF_CFLAGS) -o $@ $<
build/proof/holds: spec/proof/holds.c $(core) $(store) $(disk)
	@mkdir -p $(@D)
	$(CC) $(PROOF_CFLAGS) $(MODE_$(BUILD)) $(LIB_CFLAGS) -o $@ $^ $(LMDB_LIBS) -lm
build/proof/powerfs: spec/proof/powerfs.c
	@mkdir -p $(@D)
	$(CC) $(PROOF_CFLAGS) -o $@ $< $(FUSE)

ITER ?= 200
power: all build/proof/sender build/proof/holds build/proof/faults.so
	@sh scripts/build/packages.sh $(PROOF_PACKAGES) || true
	@if pkg-config --exists fuse3; then $(MAKE) -s build/proof/powerfs && \
	  build/moonpost exec spec/proof/power.lua ITER=$(ITER) SEED=$(SEED) SWEEP=$(SWEEP); \
	else echo "power: skipped, libfuse3 is not there"; fi

build/proof/%.so: spec/proof/%.c
	@mkdir -p $(@D)
	$(CC) $(PROOF_CFLAGS) -fPIC -shared -o $@ $< -ldl
STEP ?= 1
nth-io: all build/proof/sender build/proof/holds build/proof/faults.so
	@build/moonpost exec spec/proof/nthio.lua STEP=$(STEP) NTH=$(NTH)
CYCLES ?= 100
diskfull: all build/proof/sender build/proof/holds
	@build/moonpost exec spec/proof/diskfull.lua CYCLES=$(CYCLES) SEED=$(SEED)
clock: all build/proof/holds build/proof/clock.so
	@timeout 120 build/moonpost exec spec/proof/clock.lua

# The fuzzers (spec/fuzz): with libFuzzer they search, with replay.c they play what is known again.
$(OUT)/fuzz/%.o: spec/fuzz/%.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CFLAGS) -Ispec/fuzz -c -o $@ $<
driver = $(if $(filter fuzz,$(BUILD)),,$(OUT)/fuzz/replay.o)
link_fuzzer = $(CC) $(MODE_$(BUILD)) $(if $(driver),,-fsanitize=fuzzer) -Wl,-E -o $@ $(filter %.o,$^)
$(OUT)/fuzz/frame: $(OUT)/fuzz/frame.o $(core) $(store) $(driver)
	$(link_fuzzer) -lm
$(OUT)/fuzz/engine: $(addprefix $(OUT)/fuzz/,play.o peers.o agents.o people.o)
$(OUT)/fuzz/recover $(OUT)/fuzz/engine: $(OUT)/fuzz/%: $(OUT)/fuzz/%.o $(OUT)/fuzz/shell.o $(core) $(store) $(driver)
	$(link_fuzzer) -lm
$(OUT)/fuzz/json $(OUT)/fuzz/words: $(OUT)/fuzz/%: $(OUT)/fuzz/%.o $(OUT)/fuzz/state.o $(common) $(driver)
	$(link_fuzzer) $(LUA_LIBS) -lm -ldl

SECS ?= 60
fuzz:
	@sh scripts/build/packages.sh $(BUILD_PACKAGES) $(FUZZ_PACKAGES)
	@command -v clang >/dev/null || { echo "fuzz: clang is missing, whose libFuzzer searches" >&2; exit 1; }
	@$(MAKE) -s BUILD=fuzz CC=clang $(addprefix build/fuzz/fuzz/,$(or $(T),$(FUZZERS)))
	@sh scripts/build/fuzz.sh $(SECS) $(or $(T),$(FUZZERS))

# A few seconds of each.
proof:
	@$(MAKE) -s power ITER=40
	@$(MAKE) -s nth-io STEP=29
	@$(MAKE) -s diskfull CYCLES=5
	@$(MAKE) -s clock
	@$(MAKE) -s crash ITER=1000 SECONDS=20
	@$(MAKE) -s stops ITER=1000 SECONDS=10
	@$(MAKE) -s reloads ITER=100
	@$(MAKE) -s bank ITER=1000 SECONDS=15
	@$(MAKE) -s bank POWER=1 ITER=1000 SECONDS=15

ledger = LUA_PATH="./?.lua;./spec/?.lua" ITER=$(ITER) SEED=$(SEED) SECONDS=$(SECONDS) build/moonpost exec spec/proof/main.lua

crash: all
	@$(ledger) $(if $(PEERS),peers,crash) $(CURDIR)/$(OUT)/bin/moonpost
stops: all
	@$(ledger) stops $(CURDIR)/$(OUT)/bin/moonpost
reloads: all
	@$(ledger) reloads $(CURDIR)/$(OUT)/bin/moonpost
bank: all
	@$(if $(POWER),sh scripts/build/packages.sh $(PROOF_PACKAGES) || true)
	@if [ -z "$(POWER)" ] || pkg-config --exists fuse3; then \
	  $(if $(POWER),$(MAKE) -s build/proof/powerfs &&) POWER=$(POWER) $(ledger) bank $(CURDIR)/$(OUT)/bin/moonpost; \
	else echo "bank: power cuts are skipped, libfuse3 is not there"; fi

bench: all
	@sh scripts/build/bench.sh $(OUT)/bin/moonpost

# UNITDIR= leaves the systemd unit out, MANDIR= the manual page, SHAREDIR= the shells' completions.
install: all
	install -D -m 755 $(OUT)/bin/moonpost $(DESTDIR)$(BINDIR)/moonpost
	mkdir -p $(DESTDIR)$(DATADIR)/scripts $(DESTDIR)$(DATADIR)/meta
	cp -R examples $(DESTDIR)$(DATADIR)/
	cp lua/moonpost/meta/moonpost.lua lua/moonpost/meta/test.lua $(DESTDIR)$(DATADIR)/meta/
	cp -R scripts/node.lua scripts/agents scripts/hooks scripts/policies $(DESTDIR)$(DATADIR)/scripts/
	[ -z "$(MANDIR)" ] || install -D -m 644 $(OUT)/moonpost.1 $(DESTDIR)$(MANDIR)/man1/moonpost.1
	[ -z "$(SHAREDIR)" ] || { set -e; mkdir -p $(DESTDIR)$(SHAREDIR); cd $(DESTDIR)$(SHAREDIR); \
	  mkdir -p bash-completion/completions zsh/site-functions fish/vendor_completions.d; \
	  moonpost=$(CURDIR)/$(OUT)/bin/moonpost; \
	  $$moonpost completion bash >bash-completion/completions/moonpost; \
	  $$moonpost completion zsh >zsh/site-functions/_moonpost; \
	  $$moonpost completion fish >fish/vendor_completions.d/moonpost.fish; }
	[ -z "$(UNITDIR)" ] || { mkdir -p $(DESTDIR)$(UNITDIR) && \
	  sed 's|@BINDIR@|$(BINDIR)|' scripts/systemd/moonpost@.service >$(DESTDIR)$(UNITDIR)/moonpost@.service; }

rock:
	@sh scripts/build/rock.sh $(VERSION) build/rock

reference: all
	@build/moonpost exec scripts/build/reference.lua >docs/reference.new && mv docs/reference.new docs/reference.md

format:
	clang-format -i $(sources)
functions:
	@sh scripts/build/functions.sh $(filter %.c,$(sources))
pure: $(OUT)/libcore.so
	@nm -D --undefined-only $<
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
clean:
	rm -rf build
