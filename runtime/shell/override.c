/* Environment and flags over settings: one table of names. */
#include "shell/override.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/buffer.h"

#define STORE_MAX_DEFAULT (8ull << 30)

enum { NAME_BYTES_MAX = 64, VALUE_BYTES_MAX = 4096, STORE_PATH_MAX = 1024 };

/* ---- values ---- */

struct quantity {
    double number;
    char unit[8]; /* what follows the digits */
};

static bool read_quantity(struct span text, struct quantity *quantity)
{
    char copy[64], *unit;
    if (text.size == 0 || text.size >= sizeof copy) return false;
    memcpy(copy, text.bytes, text.size);
    copy[text.size] = 0;
    quantity->number = strtod(copy, &unit);
    snprintf(quantity->unit, sizeof quantity->unit, "%s", unit);
    return copy[0] >= '0' && copy[0] <= '9' && isfinite(quantity->number);
}

static bool read_plain(struct span text, double *number)
{
    struct quantity quantity;
    if (!read_quantity(text, &quantity) || quantity.unit[0]) return false;
    *number = quantity.number;
    return true;
}

static bool is_forever(struct span text)
{
    return span_equal(text, span_text("inf"));
}

static bool read_duration(struct span text, int64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 36e5}, {"d", 864e5}};
    struct quantity quantity;
    if (!read_quantity(text, &quantity)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        double value = quantity.number * units[i].ms;
        if (strcmp(quantity.unit, units[i].name) != 0 || value > 1e15) continue;
        *ms = (int64_t)(value + 0.5);
        return true;
    }
    return false;
}

/* ---- fields of a retry policy ---- */

static bool set_attempts(struct retry_policy *policy, struct span value)
{
    double number = 0;
    bool valid = is_forever(value) || (read_plain(value, &number) && number >= 1 && number <= 1e9 &&
                                       number == floor(number));
    if (valid) policy->attempts = is_forever(value) ? ATTEMPTS_FOREVER : (uint32_t)number;
    return valid;
}

static bool set_first(struct retry_policy *policy, struct span value)
{
    if (!read_duration(value, &policy->first_ms)) return false;
    policy->delay_count = 0;
    return true;
}

static bool set_factor(struct retry_policy *policy, struct span value)
{
    double number;
    if (!read_plain(value, &number) || number < 1 || number > 1000) return false;
    policy->factor = number;
    policy->step_ms = 0;
    policy->delay_count = 0;
    return true;
}

static bool set_cap(struct retry_policy *policy, struct span value)
{
    return read_duration(value, &policy->cap_ms);
}

static bool set_jitter(struct retry_policy *policy, struct span value)
{
    double number;
    if (!read_plain(value, &number) || number > 1) return false;
    policy->jitter = number;
    return true;
}

static bool set_deadline(struct retry_policy *policy, struct span value)
{
    if (!is_forever(value)) return read_duration(value, &policy->deadline_ms);
    policy->deadline_ms = DURATION_FOREVER;
    return true;
}

typedef bool set_policy(struct retry_policy *policy, struct span value);

/* A function of a script would decide everything itself, so it goes. */
static bool set_in(struct retry_policy *policy, set_policy *set, struct span value)
{
    if (!set(policy, value)) return false;
    policy->script = 0;
    return true;
}

static bool set_send(struct override *override, set_policy *set, struct span value)
{
    return set_in(&override->settings.send, set, value);
}

static bool set_handle(struct override *override, set_policy *set, struct span value)
{
    return set_in(&override->settings.handle, set, value);
}

static bool set_link(struct override *override, set_policy *set, struct span value)
{
    struct retry_policy probe = retry_default_link();
    if (!set(&probe, value)) return false;
    for (size_t i = 0; i < override->settings.link_count; i++)
        set_in(&override->settings.links[i].retry, set, value);
    return true;
}

/* ---- other settings ---- */

static bool set_name(struct override *override, set_policy *unused, struct span value)
{
    (void)unused;
    bool valid = value.size > 0 && value.size <= ADDRESS_BYTES_MAX;
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.bytes[i] <= ' ') valid = false;
    if (valid) override->settings.name = arena_copy(&override->memory, value);
    return valid;
}

static bool set_profile(struct override *override, set_policy *unused, struct span value)
{
    (void)unused;
    static const struct {
        const char *name;
        enum profile profile;
    } profiles[] = {
        {"at-most-once", AT_MOST_ONCE},
        {"at-least-once", AT_LEAST_ONCE},
        {"exactly-once", EXACTLY_ONCE},
    };
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
        if (!span_equal(value, span_text(profiles[i].name))) continue;
        override->settings.send_profile = profiles[i].profile;
        return true;
    }
    return false;
}

static bool set_log(struct override *override, set_policy *unused, struct span value)
{
    (void)unused;
    return log_choose(override->log, value);
}

static bool set_envelopes(struct override *override, set_policy *unused, struct span value)
{
    (void)unused;
    bool yes = span_equal(value, span_text("1")) || span_equal(value, span_text("true"));
    bool no = span_equal(value, span_text("0")) || span_equal(value, span_text("false"));
    if (yes || no) override->show_envelopes = yes;
    return yes || no;
}

/* A path of the command line or the environment starts at the current folder, so it is made whole.
 */
static bool set_store(struct override *override, set_policy *unused, struct span value)
{
    char here[VALUE_BYTES_MAX], path[2 * VALUE_BYTES_MAX];
    struct settings *settings = &override->settings;
    (void)unused;
    if (value.size == 0 || value.size > STORE_PATH_MAX) return false;
    settings->store_on_disk = !span_equal(value, span_text("memory"));
    if (!settings->store_on_disk) return true;
    if (settings->store_max == 0) settings->store_max = STORE_MAX_DEFAULT;
    bool whole = value.bytes[0] == '/' || settings->root.size == 0 ||
                 span_equal(settings->root, span_text(".")) || !getcwd(here, sizeof here);
    int size = whole ? snprintf(path, sizeof path, "%.*s", SPAN_ARGS(value))
                     : snprintf(path, sizeof path, "%s/%.*s", here, SPAN_ARGS(value));
    settings->store_path = arena_copy(&override->memory, span_of(path, (size_t)size));
    return true;
}

static bool set_sync(struct override *override, set_policy *unused, struct span value)
{
    (void)unused;
    override->settings.store_relaxed = span_equal(value, span_text("relaxed"));
    return override->settings.store_relaxed || span_equal(value, span_text("commit"));
}

static bool add_door(struct override *override, set_policy *unused, struct span value)
{
    (void)unused;
    struct settings *settings = &override->settings;
    if (settings->listen_count == SETTINGS_LIST_MAX) return false;
    settings->listen[settings->listen_count++] = arena_copy(&override->memory, value);
    return true;
}

/* ---- the table ---- */

struct rule {
    const char *name;
    bool (*apply)(struct override *override, set_policy *set, struct span value);
    set_policy *set; /* of a retry policy's field, else NULL */
    const char *can_be;
    bool flag_only;
};

#define DURATION "a duration such as 250ms, 5s or 2m"
#define POLICY_RULES(role, apply)                                                                  \
    {role "_ATTEMPTS", apply, set_attempts, "a whole number from 1 on, or inf", false},            \
        {role "_FIRST", apply, set_first, DURATION, false},                                        \
        {role "_FACTOR", apply, set_factor, "a number from 1 to 1000", false},                     \
        {role "_CAP", apply, set_cap, DURATION, false},                                            \
    {                                                                                              \
        role "_JITTER", apply, set_jitter, "a number from 0 to 1", false                           \
    }

static const struct rule rules[] = {
    {"NAME", set_name, NULL, "1 to 255 characters without spaces", false},
    {"PROFILE", set_profile, NULL, "at-least-once, at-most-once or exactly-once", false},
    {"LOG", set_log, NULL, "debug, info, warn or error, and text or json, such as debug,json",
     false},
    {"SHOW_ENVELOPES", set_envelopes, NULL, "1 or 0", false},
    {"STORE", set_store, NULL, "memory, or a folder", false},
    {"SYNC", set_sync, NULL, "commit or relaxed", false},
    POLICY_RULES("SEND", set_send),
    POLICY_RULES("HANDLE", set_handle),
    POLICY_RULES("LINK", set_link),
    {"SEND_DEADLINE", set_send, set_deadline, DURATION ", or inf", false},
    {"LISTEN", add_door, NULL, "one of at most 64 doors", true},
};

enum { RULES = sizeof rules / sizeof *rules };

/* Apply one rule; `origin` is how the user knows it. */
static bool apply_rule(struct override *override, const struct rule *rule, const char *origin,
                       struct span value, struct complaint *complaint)
{
    if (rule->apply(override, rule->set, value)) {
        if (override->applied) override->applied(override->user, rule->name, origin);
        return true;
    }
    complain(complaint, "%s: \"%.*s\" is not possible; it can be %s", origin, SPAN_ARGS(value),
             rule->can_be);
    complaint->usage = true;
    return false;
}

/* ---- the environment ---- */

/* Read a value from a file, without the newline at its end. */
static bool read_value(const char *origin, const char *path, char *value,
                       struct complaint *complaint)
{
    FILE *file = fopen(path, "re");
    if (!file) return complain(complaint, "%s: cannot read %s: %s", origin, path, strerror(errno));
    size_t size = fread(value, 1, VALUE_BYTES_MAX - 1, file);
    fclose(file);
    while (size && (value[size - 1] == '\n' || value[size - 1] == '\r')) size--;
    value[size] = 0;
    return true;
}

/* Its value, or NULL, and the name it came from: MOONPOST_X or MOONPOST_X_FILE. `value` may be
 * used. */
static const char *look_up(const char *name, char *origin, char *value, struct complaint *complaint)
{
    complaint->text[0] = 0;
    snprintf(origin, NAME_BYTES_MAX, "MOONPOST_%s_FILE", name);
    const char *path = getenv(origin);
    if (path) return read_value(origin, path, value, complaint) ? value : NULL;
    snprintf(origin, NAME_BYTES_MAX, "MOONPOST_%s", name);
    return getenv(origin);
}

static bool apply_variable(struct override *override, const struct rule *rule,
                           struct complaint *complaint)
{
    char origin[NAME_BYTES_MAX], from_file[VALUE_BYTES_MAX];
    const char *value = look_up(rule->name, origin, from_file, complaint);
    if (!value || !value[0]) return !complaint->text[0];
    return apply_rule(override, rule, origin, span_text(value), complaint);
}

bool override_variable(const char *name, char *value, size_t size, struct complaint *complaint)
{
    char origin[NAME_BYTES_MAX], from_file[VALUE_BYTES_MAX];
    const char *found = look_up(name, origin, from_file, complaint);
    if (!found || !found[0]) return false;
    snprintf(value, size, "%s", found);
    return true;
}

const char *override_name(size_t index)
{
    static const char *const of_commands[] = {"NODE", "SEED", NULL};
    size_t count = 0;
    for (size_t i = 0; i < RULES; i++)
        if (!rules[i].flag_only && count++ == index) return rules[i].name;
    return index - count < 2 ? of_commands[index - count] : NULL;
}

bool override_by_environment(struct override *override, struct complaint *complaint)
{
    for (size_t i = 0; i < RULES; i++)
        if (!rules[i].flag_only && !apply_variable(override, &rules[i], complaint)) return false;
    return true;
}

bool override_by_flag(struct override *override, const char *name, struct span value,
                      struct complaint *complaint)
{
    char origin[NAME_BYTES_MAX] = "--";
    for (size_t i = 0; i + 3 < sizeof origin && name[i]; i++)
        origin[i + 2] = name[i] == '_' ? '-' : (char)(name[i] | 0x20);
    for (size_t i = 0; i < RULES; i++)
        if (strcmp(rules[i].name, name) == 0)
            return apply_rule(override, &rules[i], origin, value, complaint);
    return complain(complaint, "%s: no such flag", origin);
}

/* ---- parts of it ---- */

void override_init(struct override *override, const struct settings *settings, struct log *log)
{
    *override = (struct override){.settings = *settings, .log = log};
}

void override_deinit(struct override *override)
{
    arena_deinit(&override->memory);
}

/* Did nobody choose it? */
static bool is_usual(const struct retry_policy *send)
{
    struct retry_policy usual = retry_default_send();
    return !send->script && !send->delay_count && send->attempts == usual.attempts &&
           send->first_ms == usual.first_ms && send->factor == usual.factor &&
           send->step_ms == usual.step_ms && send->cap_ms == usual.cap_ms &&
           send->jitter == usual.jitter && send->deadline_ms == usual.deadline_ms;
}

void override_client(struct settings *settings)
{
    struct log ignored = {0};
    struct override override = {.settings = *settings, .log = &ignored};
    struct complaint complaint;
    if (override_by_environment(&override, &complaint)) {
        if (is_usual(&settings->send)) settings->send = override.settings.send;
        memcpy(settings->links, override.settings.links, sizeof settings->links);
    }
    override_deinit(&override);
}

/* A folder stands for the socket of the node that works in it: its data folder, or its project's.
 */
static void enter_folder(char *address, size_t size)
{
    struct stat there;
    char *path = address + strlen("unix:");
    size_t left = size - strlen("unix:"), length = strlen(path);
    if (stat(path, &there) != 0 || !S_ISDIR(there.st_mode)) return;
    while (length > 1 && path[length - 1] == '/') length--;
    snprintf(path + length, left - length, "/data");
    bool project = stat(path, &there) == 0 && S_ISDIR(there.st_mode);
    snprintf(path + length, left - length, "%s/moonpost.sock", project ? "/data" : "");
}

void override_node(struct span given, char *address, size_t size)
{
    char named[VALUE_BYTES_MAX];
    struct complaint complaint;
    if (!given.size && override_variable("NODE", named, sizeof named, &complaint))
        given = span_text(named);
    if (!given.size) given = span_text("data/moonpost.sock");
    bool bare = !memchr(given.bytes, ':', given.size);
    snprintf(address, size, "%s%.*s", bare ? "unix:" : "", SPAN_ARGS(given));
    if (bare) enter_folder(address, size);
}
