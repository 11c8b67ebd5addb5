/* SPDX-License-Identifier: MIT */
/*
 * The table of attributes and what is in it. Reading or setting one is no activity of the
 * execution: who looks at a lifetime does not prolong it.
 */
#include "control/attr.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control/json.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/parse.h"
#include "util/printable.h"
#include "util/utf8.h"

/* Longest value that means something, with its NUL. Source: a duration of all units is shorter. */
#define VALUE_MAX 64

static int PRINTF(2, 3) say(char **ret, const char *fmt, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	*ret = text;
	return 0;
}

/* Milliseconds, rounded. */
static int64_t to_ms(int64_t ns)
{
	return ns / NS_PER_MS + (ns % NS_PER_MS >= NS_PER_MS / 2);
}

/* A regular file whose lifetime is its own. */
static bool own_lifetime(const struct attr_target *t)
{
	return t->file && t->file->is_file && t->file->own_lifetime;
}

static int64_t ttl_of(const struct attr_target *t)
{
	if (own_lifetime(t) && t->file->file_ttl_ns != LEDGER_TTL_DEFAULT)
		return t->file->file_ttl_ns;
	return t->info.ttl_ns;
}

static int64_t expires_of(const struct attr_target *t)
{
	int64_t ttl = ttl_of(t);
	int64_t expires;

	if (!own_lifetime(t))
		return t->info.expires_real_ns;
	if (ttl == LEDGER_TTL_NEVER ||
	    __builtin_add_overflow(t->file->file_active_real_ns, ttl, &expires))
		return INT64_MAX;
	return expires;
}

/* ---- reading ---- */

static int get_json(const struct attr_target *t, char **ret)
{
	return json_to_text(json_of_execution(&t->info), ret);
}

static int get_execution(const struct attr_target *t, char **ret)
{
	return say(ret, "%s", t->info.id);
}

static int get_owner(const struct attr_target *t, char **ret)
{
	const struct ledger_owner *o = &t->info.owner;
	_cleanup_free_ char *comm = NULL;

	if (t->info.state == EXEC_VIRTUAL)
		return -ENODATA;
	comm = utf8_dup(o->comm, sizeof(o->comm));
	if (!comm)
		return -ENOMEM;
	return say(ret, "%" PRIu32 " %" PRIu32 " %" PRId32 " %s", o->uid, o->gid, o->pid,
		   printable(comm)); /* a newline would make it two lines */
}

/* Up to three decimals: "3600", "0.25". */
static int get_ttl(const struct attr_target *t, char **ret)
{
	int64_t ms = to_ms(ttl_of(t));
	int digits = 3;
	int64_t rest = ms % 1000;

	if (ttl_of(t) == LEDGER_TTL_NEVER)
		return say(ret, "never");
	if (rest == 0)
		return say(ret, "%" PRId64, ms / 1000);
	for (; rest % 10 == 0; rest /= 10)
		digits--;
	return say(ret, "%" PRId64 ".%0*" PRId64, ms / 1000, digits, rest);
}

static int get_expires(const struct attr_target *t, char **ret)
{
	int64_t ns = expires_of(t);

	if (t->info.state == EXEC_VIRTUAL && !own_lifetime(t))
		return -ENODATA;
	if (ns == INT64_MAX)
		return say(ret, "never");
	return say(ret, "%" PRId64 ".%03" PRId64, to_ms(ns) / 1000, to_ms(ns) % 1000);
}

static int get_pinned(const struct attr_target *t, char **ret)
{
	return say(ret, "%d", t->info.pinned);
}

static int get_bytes(const struct attr_target *t, char **ret)
{
	return say(ret, "%" PRIu64, t->info.bytes);
}

/* Its owner's and root's business: it tells how often somebody has the same content. */
static int get_shared(const struct attr_target *t, char **ret)
{
	struct ledger_stubs stubs;
	int r = exec_stubs(t->execs, t->exec, &stubs);

	return r < 0 ? r : say(ret, "%" PRIu64, stubs.bytes);
}

static int get_stored(const struct attr_target *t, char **ret)
{
	struct ledger_stubs stubs;
	int r = exec_stubs(t->execs, t->exec, &stubs);

	if (r < 0)
		return r;
	return say(ret, "%" PRIu64,
		   t->info.bytes - MIN_OF(t->info.bytes, stubs.bytes) + stubs.share_bytes);
}

static int get_files(const struct attr_target *t, char **ret)
{
	return say(ret, "%" PRIu64, t->info.files);
}

static int say_limit(uint64_t limit, char **ret)
{
	return limit ? say(ret, "%" PRIu64, limit) : say(ret, "none");
}

static int get_limit_bytes(const struct attr_target *t, char **ret)
{
	return say_limit(t->info.limits.bytes, ret);
}

static int get_limit_files(const struct attr_target *t, char **ret)
{
	return say_limit(t->info.limits.files, ret);
}

/* Of a regular file: whether its content is what it will be until somebody opens it for writing again. */
static int get_sealed(const struct attr_target *t, char **ret)
{
	return t->file && t->file->is_file ? say(ret, "%d", t->file->is_final) : -ENODATA;
}

/* Of a regular file, and asked by who may know: the front has looked after that. */
static int get_file_shared(const struct attr_target *t, char **ret)
{
	return t->file && t->file->is_file ? say(ret, "%d", t->file->is_shared) : -ENODATA;
}

static int get_spilled(const struct attr_target *t, char **ret)
{
	return t->file && t->file->is_file ? say(ret, "%d", t->file->is_spilled) : -ENODATA;
}

/* How far its hash is, while it is made. */
static int get_hashed(const struct attr_target *t, char **ret)
{
	if (!t->file || !t->file->is_file || !t->file->is_hashing)
		return -ENODATA;
	return say(ret, "%" PRIu64, t->file->hashed_bytes);
}

/* A file's is answered by the front, when it is known; nothing else has one. */
static int get_xxh3(const struct attr_target *t, char **ret)
{
	(void)t;
	(void)ret;
	return -ENODATA;
}

/* ---- setting ---- */

/* The value as a string, without the white space around it. */
static int trim(const struct attr_change *change, char buf[VALUE_MAX])
{
	const char *p = change->text;
	size_t n = change->len;

	while (n > 0 && isspace((unsigned char)p[0])) {
		p++;
		n--;
	}
	while (n > 0 && isspace((unsigned char)p[n - 1]))
		n--;
	if (n == 0 || n >= VALUE_MAX || memchr(p, '\0', n))
		return -EINVAL;
	memcpy(buf, p, n);
	buf[n] = '\0';
	return 0;
}

static int parse_ttl(const char *s, int64_t *ret_ns)
{
	int64_t ns;
	int r;

	if (strcmp(s, "never") == 0) {
		*ret_ns = LEDGER_TTL_NEVER;
		return 0;
	}
	if (strcmp(s, "default") == 0) {
		*ret_ns = LEDGER_TTL_DEFAULT;
		return 0;
	}
	r = parse_duration(s, &ns);
	if (r < 0)
		return r;
	if (ns <= 0 || ns > ATTR_TTL_MAX_NS)
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}

/*
 * A virtual execution that is to carry something becomes real first, and belongs to who wanted
 * that.
 */
static int make_real(const struct attr_target *t, struct attr_change *change)
{
	struct handle dir;
	bool made = false;
	int r;

	if (t->info.state != EXEC_VIRTUAL)
		return 0;
	r = exec_materialise(t->execs, t->exec, change->by, &dir, &made);
	change->root_changed |= made;
	return r;
}

static int set_exec_ttl(const struct attr_target *t, struct attr_change *change, int64_t ttl_ns)
{
	bool made = false;
	int r = 0;

	if (ttl_ns != LEDGER_TTL_DEFAULT)
		r = make_real(t, change);
	if (r < 0)
		return r;
	r = exec_set_ttl(t->execs, t->exec, ttl_ns, &made);
	change->root_changed |= made;
	return r;
}

static int set_ttl(const struct attr_target *t, struct attr_change *change)
{
	char value[VALUE_MAX];
	int64_t ttl_ns = 0;
	int r = trim(change, value);

	if (r == 0)
		r = parse_ttl(value, &ttl_ns);
	if (r < 0)
		return r;
	if (!t->file || t->file->is_exec_dir)
		return set_exec_ttl(t, change, ttl_ns);
	if (!t->file->is_file || !t->file->set_file_ttl)
		return -EOPNOTSUPP;
	return t->file->set_file_ttl(t->file->ctx, ttl_ns);
}

static int set_pinned(const struct attr_target *t, struct attr_change *change)
{
	char value[VALUE_MAX];
	bool pinned = false;
	bool made = false;
	int r = trim(change, value);

	if (r == 0)
		r = parse_bool(value, &pinned);
	if (r == 0 && pinned)
		r = make_real(t, change);
	if (r < 0)
		return r;
	r = exec_set_pinned(t->execs, t->exec, pinned, &made);
	change->root_changed |= made;
	return r;
}

static int set_release(const struct attr_target *t, struct attr_change *change)
{
	struct exec_release_args args = { .reason = LEDGER_RELEASED, .by = *change->by };

	return exec_release(t->execs, t->exec, &args);
}

/* ---- the table ---- */

#define BOTH (ATTR_TREE | ATTR_XATTR)

static const struct attr attrs[] = {
	{ "execution.json", ATTR_TREE, 0444, get_json, NULL, "everything below as one object" },
	{ "execution", ATTR_XATTR, 0444, get_execution, NULL, "the ID" },
	{ "ttl", BOTH | ATTR_PER_FILE, 0644, get_ttl, set_ttl,
	  "time-to-live in seconds, or never" },
	{ "expires", BOTH | ATTR_PER_FILE, 0444, get_expires, NULL,
	  "seconds since the epoch, or never" },
	{ "pinned", BOTH, 0644, get_pinned, set_pinned, "1: does not expire" },
	{ "owner", BOTH, 0444, get_owner, NULL, "UID GID PID COMM of who made it real" },
	{ "bytes", BOTH, 0444, get_bytes, NULL, "sum over its regular files" },
	{ "shared", ATTR_TREE, 0400, get_shared, NULL,
	  "of these bytes, those whose content is shared" },
	{ "stored", ATTR_TREE, 0400, get_stored, NULL,
	  "what they take: of shared content, its part" },
	{ "files", BOTH, 0444, get_files, NULL, "its regular files" },
	{ "limit_bytes", BOTH, 0444, get_limit_bytes, NULL, "how many bytes it may have, or none" },
	{ "limit_files", BOTH, 0444, get_limit_files, NULL, "how many files it may have, or none" },
	{ "sealed", ATTR_XATTR | ATTR_PER_FILE, 0444, get_sealed, NULL,
	  "1: nobody can write to the file" },
	{ "xxh3", ATTR_XATTR | ATTR_PER_FILE, 0444, get_xxh3, NULL, "hash of the file's content" },
	{ "shared", ATTR_XATTR | ATTR_PER_FILE, 0400, get_file_shared, NULL,
	  "1: others have the file's content, too" },
	{ "spilled", ATTR_XATTR | ATTR_PER_FILE, 0444, get_spilled, NULL,
	  "1: the file's content is on the disk that a full memory spills to" },
	{ "release", ATTR_TREE, 0200, NULL, set_release,
	  "write anything: the execution is released" },
	{ "hashed", ATTR_XATTR | ATTR_PER_FILE, 0444, get_hashed, NULL,
	  "bytes of the file that are hashed, while it is being hashed" },
};

const struct attr *attr_at(size_t i)
{
	return i < ARRAY_SIZE(attrs) ? &attrs[i] : NULL;
}

int attr_index(const char *name, enum attr_scope scope)
{
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		if ((attrs[i].scope & scope) && strcmp(attrs[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

int attr_get(const struct attr *a, const struct attr_target *t, char **ret_text)
{
	return a->get ? a->get(t, ret_text) : -EACCES;
}

/* Is it the file's own that is asked for, not the execution's? */
static bool is_per_file(const struct attr *a, const struct attr_target *t)
{
	return (a->scope & ATTR_PER_FILE) && t->file && t->file->is_file;
}

static bool may_set(const struct attr *a, const struct attr_target *t, uid_t uid)
{
	if (uid == 0)
		return true;
	if (is_per_file(a, t) && uid == t->file->uid)
		return true;
	if (is_per_file(a, t) && t->info.lifetime != LIFETIME_TTL)
		return false; /* `_` is nobody's: its owner only came first */
	if (t->info.state == EXEC_VIRTUAL)
		return true; /* nobody's yet; the kernel has checked the directory's mode */
	return uid == t->info.owner.uid;
}

/*
 * The lifetimes that may be set: an execution's with a TTL; a file's, unless somebody else prunes
 * it.
 */
static bool is_ours(const struct attr *a, const struct attr_target *t)
{
	return t->info.lifetime == LIFETIME_TTL ||
	       (is_per_file(a, t) && t->info.lifetime != LIFETIME_EXTERNAL);
}

bool attr_is_seen(const struct attr *a, const struct attr_target *t, const struct viewer *v)
{
	return t->info.state == EXEC_VIRTUAL || a->get == get_execution ||
	       (is_per_file(a, t) && viewer_sees(v, t->file->uid)) ||
	       viewer_sees_execution(v, t->info.lifetime, t->info.owner.uid);
}

int attr_set(const struct attr *a, const struct attr_target *t, struct attr_change *change)
{
	int r;

	if (!a->set)
		return -EPERM;
	if (change->len > CONTROL_WRITE_MAX)
		return -EINVAL;
	if (!may_set(a, t, change->by->uid) || !may_set(a, t, change->opener))
		return -EACCES;
	if (!is_ours(a, t))
		return -EPERM;
	r = a->set(t, change);
	return r == -ESTALE ? -ENOENT : r;
}
