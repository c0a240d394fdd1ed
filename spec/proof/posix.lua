--- What the proofs need of the system, by LuaJIT's FFI: processes that are killed without warning, one file that
--- many append to, sockets. A child dies with its parent.
local ffi = require "ffi"

ffi.cdef [[
struct proof_poll { int fd; short events, revents; };
struct proof_time { long seconds, nanoseconds; };
struct proof_unix { unsigned short family; char path[108]; };
struct proof_inet { unsigned short family; unsigned char port[2], address[4], zero[8]; };
int fork(void);
int prctl(int option, unsigned long value);
int execv(const char *path, char *const *words);
int setenv(const char *name, const char *value, int replace);
int chdir(const char *path);
int dup2(int from, int to);
int kill(int pid, int signal);
int waitpid(int pid, int *status, int options);
int getpid(void);
void _exit(int code);
void (*signal(int number, void (*handler)(int)))(int);
int open(const char *path, int flags, ...);
long read(int fd, void *bytes, size_t size);
long write(int fd, const void *bytes, size_t size);
int close(int fd);
int poll(struct proof_poll *files, unsigned long count, int timeout_ms);
int inotify_init1(int flags);
int inotify_add_watch(int fd, const char *path, unsigned mask);
int clock_gettime(int clock, struct proof_time *now);
int socket(int domain, int type, int protocol);
int bind(int fd, const void *address, unsigned size);
int listen(int fd, int backlog);
int accept4(int fd, void *address, unsigned *size, int flags);
int connect(int fd, const void *address, unsigned size);
int setsockopt(int fd, int level, int option, const void *value, unsigned size);
long send(int fd, const void *bytes, size_t size, int flags);
long recv(int fd, void *bytes, size_t size, int flags);
char *mkdtemp(char *template);
int isatty(int fd);
int unlink(const char *path);
]]

local C = ffi.C
local posix = { READ = 1, WRITE = 4 }

local AF_UNIX, AF_INET, SOCK_STREAM, CLOEXEC, NONBLOCK = 1, 2, 1, 0x80000, 0x800
local WRONLY, CREATE, APPEND = 1, 64, 1024
local PDEATHSIG, SIGKILL, CLOCK_MONOTONIC, DONTWAIT_NOSIGNAL = 1, 9, 1, 0x4040
local EAGAIN, EINTR, EINPROGRESS = 11, 4, 115
local SOL_SOCKET, SO_REUSEADDR, IPPROTO_TCP, TCP_NODELAY = 1, 2, 6, 1
local MODIFIED = 2 -- IN_MODIFY
local SIGNALS = { HUP = 1, INT = 2, ABRT = 6, KILL = 9, SEGV = 11, TERM = 15, CONT = 18, STOP = 19 }

--- Ctrl-C ends this process, and with it its children.
function posix.die_when_interrupted()
  C.signal(SIGNALS.INT, nil)
  C.signal(SIGNALS.TERM, nil)
end

--- Seconds, of a clock that only goes forward.
function posix.now()
  local now = ffi.new "struct proof_time"
  C.clock_gettime(CLOCK_MONOTONIC, now)
  return tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
end

--- A new folder in the folder for temporary files.
function posix.temporary_folder()
  local template = (os.getenv "TMPDIR" or "/tmp") .. "/moonpost-crash-XXXXXX"
  local buffer = ffi.new("char[?]", #template + 1, template)
  assert(C.mkdtemp(buffer) ~= nil, "cannot make a temporary folder")
  return ffi.string(buffer)
end

function posix.write_file(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

function posix.is_terminal() return C.isatty(2) == 1 end

--- A file to which lines are appended, each with one write.
function posix.append_to(path)
  local fd = C.open(path, WRONLY + CREATE + APPEND + CLOEXEC, ffi.cast("int", 384))
  assert(fd >= 0, path)
  return function(line) assert(C.write(fd, line .. "\n", #line + 1) == #line + 1) end
end

-- ---- processes ----

local function become(options)
  C.prctl(PDEATHSIG, SIGKILL)
  for name, value in pairs(options.env or {}) do C.setenv(name, value, 1) end
  local output = C.open(options.output, WRONLY + CREATE + APPEND, ffi.cast("int", 384))
  C.dup2(C.open("/dev/null", 0), 0)
  C.dup2(output, 1)
  C.dup2(output, 2)
  if options.cwd then C.chdir(options.cwd) end
  local words = ffi.new("const char *[?]", #options.args + 1)
  for index, word in ipairs(options.args) do words[index - 1] = word end
  C.execv(options.args[1], ffi.cast("char *const *", words))
  C._exit(127)
end

--- Start a program: `args` (the first a path), `env`, `cwd`, and `output`, the file for what it says.
---@return integer pid
function posix.start(options)
  local pid = C.fork()
  assert(pid >= 0, "cannot fork")
  if pid == 0 then become(options) end
  return pid
end

--- Start a function that never returns, as a process of its own that keeps only the file `kept`.
---@return integer pid
function posix.fork(kept, run)
  local pid = C.fork()
  assert(pid >= 0, "cannot fork")
  if pid > 0 then return pid end
  C.prctl(PDEATHSIG, SIGKILL)
  for fd = 3, 255 do
    if fd ~= kept then C.close(fd) end
  end
  pcall(run)
  C._exit(1)
end

function posix.signal(pid, name) C.kill(pid, SIGNALS[name]) end

local function first_line(path, pattern)
  local file = io.open(path)
  local line = file and file:read "*l"
  if file then file:close() end
  return line and line:match(pattern)
end

--- The process that another one has started, or nil.
function posix.child_of(pid)
  return tonumber(first_line(("/proc/%d/task/%d/children"):format(pid, pid), "^%d+") or nil)
end

--- Wait until somebody else's child is dead, its parent told or not.
function posix.await_death(pid)
  local deadline = posix.now() + 10
  repeat
    local state = first_line(("/proc/%d/stat"):format(pid), "%) (%a)")
    assert(posix.now() < deadline, "a process does not die")
  until state == nil or state == "Z"
end

--- Wait until it has ended. Answers its exit code, or nil and the signal.
function posix.reap(pid)
  local status = ffi.new "int[1]"
  repeat local got = C.waitpid(pid, status, 0) until got == pid or ffi.errno() ~= EINTR
  local signal = status[0] % 128
  if signal ~= 0 then return nil, signal end
  return math.floor(status[0] / 256) % 256
end

--- Has it ended? Then it is reaped, and its status is the second answer.
function posix.has_ended(pid)
  local status = ffi.new "int[1]"
  return C.waitpid(pid, status, 1) == pid, status[0]
end

-- ---- waiting ----

--- Wait until one of the files ({ fd, events }) is ready, for at most so many seconds.
---@return table<integer, boolean> ready by index
function posix.poll(files, seconds)
  local set = ffi.new("struct proof_poll[?]", math.max(#files, 1))
  for index, file in ipairs(files) do set[index - 1].fd, set[index - 1].events = file[1], file[2] end
  C.poll(set, #files, math.max(0, math.ceil(seconds * 1000)))
  local ready = {}
  for index = 1, #files do
    if set[index - 1].revents ~= 0 then ready[index] = true end
  end
  return ready
end

--- A file that can be read when the one of this path was written to.
function posix.watch(path)
  local fd = C.inotify_init1(CLOEXEC + NONBLOCK)
  assert(C.inotify_add_watch(fd, path, MODIFIED) >= 0, path)
  return fd
end

-- ---- sockets ----

local BLOCK = 65536
local block = ffi.new("char[?]", BLOCK)

--- What can be read now: bytes, "" when there is nothing, nil at the end.
function posix.receive(fd)
  local size = tonumber(C.recv(fd, block, BLOCK, DONTWAIT_NOSIGNAL))
  if size > 0 then return ffi.string(block, size) end
  if size < 0 and (ffi.errno() == EAGAIN or ffi.errno() == EINTR) then return "" end
  return nil
end

--- The same of a file that is no socket.
function posix.read(fd)
  local size = tonumber(C.read(fd, block, BLOCK))
  return size > 0 and ffi.string(block, size) or ""
end

--- Send what goes now; answers how many bytes went, nil when the other side is gone.
function posix.send(fd, bytes)
  local size = tonumber(C.send(fd, bytes, #bytes, DONTWAIT_NOSIGNAL))
  if size >= 0 then return size end
  return ffi.errno() == EAGAIN and 0 or nil
end

function posix.close(fd) C.close(fd) end

local function address_of(path)
  if type(path) == "string" then
    return ffi.new("struct proof_unix", { family = AF_UNIX, path = path })
  end
  local address = ffi.new("struct proof_inet", { family = AF_INET })
  address.port[0], address.port[1] = math.floor(path / 256), path % 256
  address.address[0], address.address[3] = 127, 1
  return address
end

local function socket_for(path)
  local domain = type(path) == "string" and AF_UNIX or AF_INET
  local fd = C.socket(domain, SOCK_STREAM + CLOEXEC, 0)
  local one = ffi.new("int[1]", 1)
  C.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4)
  if domain == AF_INET then C.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, one, 4) end
  return fd
end

--- Connect to a path or to a port of 127.0.0.1; nil when nobody listens.
function posix.connect(path)
  local fd, address = socket_for(path), address_of(path)
  if C.connect(fd, address, ffi.sizeof(address)) == 0 or ffi.errno() == EINPROGRESS then return fd end
  C.close(fd)
  return nil
end

function posix.listen(path)
  if type(path) == "string" then C.unlink(path) end
  local fd, address = socket_for(path), address_of(path)
  if C.bind(fd, address, ffi.sizeof(address)) ~= 0 then return nil end
  C.listen(fd, 64)
  return fd
end

function posix.accept(fd)
  local accepted = C.accept4(fd, nil, nil, CLOEXEC)
  return accepted >= 0 and accepted or nil
end

return posix
