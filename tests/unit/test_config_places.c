/* SPDX-License-Identifier: MIT */
/*
 * Options from the command line, the environment and the file: every option, right and wrong.
 */
#include "config_fixture.h"

/* What a file named `name` in the scratch directory says; NULL: there is none. Returns its path. */
static const char *write_file(const char *name, const char *text)
{
	static char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", scratch.path, name);
	if (!text)
		return path;
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

/* All three places, each of which may be NULL: options of the command line, a variable, the text of a file. */
static int complete(const char *list, const char *variable, const char *file)
{
	char line[512];
	char *envp[2] = { NULL, NULL };
	char copy[512];

	(void)snprintf(line, sizeof(line), "%s%s none /mnt --config=%s", list ? "-o " : "",
		       list ? list : "", file ? write_file("a.conf", file) : "/dev/null");
	if (variable) {
		(void)snprintf(copy, sizeof(copy), "%s", variable);
		envp[0] = copy;
	}
	return parse_as("batonfs", line) < 0 ? -EINVAL
					     : config_complete(&config, envp, scratch.path, &why);
}

static void complete_ok(const char *list, const char *variable, const char *file)
{
	ck_assert_msg(complete(list, variable, file) == 0, "%s, %s, %s: %s", list, variable, file,
		      why.text);
}

static void assert_said(const char *word)
{
	ck_assert_msg(strstr(why.text, word) != NULL, "'%s' is not in: %s", word, why.text);
	ck_assert_ptr_null(strchr(why.text, '\n'));
}

/* The value of an option, and where it comes from. */
static void assert_option(const char *name, const char *value, const char *origin)
{
	const struct option *o = option_find(name);
	char got[PATH_MAX], from[PATH_MAX + 32];

	ck_assert_str_eq(option_format(o, &config, got, sizeof(got)), value);
	(void)config_origin_text(&config, option_index(o), from, sizeof(from));
	ck_assert_msg(strcmp(from, origin) == 0, "%s: '%s', not '%s'", name, from, origin);
}

/* Three values of each kind of option as they are written back, then what is refused. */
static const struct sample {
	const char *option; /* NULL: every other one of the type */
	enum option_type type;
	const char *good[3];
	const char *bad[3];
} samples[] = {
	{ "spill", OPTION_TEXT, { "/var/spill", "none", "/a b#c" }, { "" } },
	{ "source", OPTION_TEXT, { "memory", "/a b#c", "memory:8G" }, { "" } },
	{ "fmask", OPTION_MODE, { "027", "umask", "000" }, { "9", "1777", "caller" } },
	{ "dmask", OPTION_MODE, { "027", "umask", "777" }, { "x", "1000", "" } },
	{ "low", OPTION_MARK, { "50%", "auto", "1536M" }, { "0%", "120%", "low" } },
	{ "exec_files",
	  OPTION_COUNT,
	  { "7", "none", "9223372036854775807" },
	  { "0", "many", "-1" } },
	{ "threads", OPTION_COUNT, { "7", "auto", "64" }, { "0", "65", "7x" } },
	{ "exec_bytes", OPTION_SIZE, { "1", "none", "3T" }, { "0", "1X", "-1" } },
	{ "metrics",
	  OPTION_ADDRESS,
	  { "127.0.0.1:9464", "off", "[::1]:9464" },
	  { "localhost:9464", "127.0.0.1", "::1:9464" } },
	{ NULL, OPTION_DURATION, { "30m", "never", "1500ms" }, { "0", "soon", "36501d" } },
	{ NULL, OPTION_BOOL, { "on", "off", "on" }, { "perhaps", "2", "onn" } },
	{ NULL, OPTION_CHOICE, { NULL }, { "maybe", "a|b", "" } },
	{ NULL, OPTION_SIZE, { "64K", "1M", "1025K" }, { "65535", "1X", "9999999T" } },
	{ NULL, OPTION_ID, { "0", "caller", "4294967294" }, { "4294967295", "root", "-1" } },
	{ NULL, OPTION_MODE, { "027", "caller", "777" }, { "8", "1777", "umask" } },
	{ NULL, OPTION_MARK, { "90%", "never", "2G" }, { "0", "100%", "full" } },
};

static const struct sample *sample_of(const struct option *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (samples[i].option ? strcmp(samples[i].option, o->name) == 0
				      : samples[i].type == o->type)
			return &samples[i];
	}
	ck_abort_msg("no sample for %s", o->name);
}

/* The which-th good value; of a choice its first, second and last. */
static const char *good_value(const struct option *o, int which, char *buf, size_t len)
{
	const char *at = o->choices;

	if (!at)
		return sample_of(o)->good[which];
	for (int i = 0; i < which && strchr(at, '|'); i++)
		at = strchr(at, '|') + 1;
	(void)snprintf(buf, len, "%.*s", (int)strcspn(at, "|"), at);
	return buf;
}

/* `low` alone is none. */
static const char *beside(const struct option *o)
{
	return strcmp(o->name, "low") == 0 ? "high=99%" : "x-nothing";
}

START_TEST(every_option_from_every_place_by_precedence)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)) && o->help; i++) {
		char name[64], v[3][128], list[256], variable[256], file[256], from[300];

		for (int k = 0; k < 3; k++)
			(void)snprintf(v[k], sizeof(v[k]), "%s", good_value(o, k, list, 128));
		(void)snprintf(list, sizeof(list), "%s,%s=%s", beside(o), o->name,
			       strcmp(o->name, "source") == 0 ? "memory" : v[0]);
		(void)snprintf(variable, sizeof(variable), "%s=%s",
			       option_variable(o, name, sizeof(name)), v[1]);
		(void)snprintf(file, sizeof(file), "# a\n\n  %s=\"%s\"  # b\n", o->name, v[2]);
		(void)snprintf(from, sizeof(from), "file %s:3", write_file("a.conf", NULL));
		complete_ok(beside(o), NULL, file);
		assert_option(o->name, v[2], from);
		complete_ok(beside(o), variable, file);
		(void)snprintf(from, sizeof(from), "environment %s", name);
		assert_option(o->name, v[1], from);
		complete_ok(list, variable, file);
		assert_option(o->name, strcmp(o->name, "source") == 0 ? "memory" : v[0],
			      "command line");
		complete_ok(NULL, NULL, NULL);
		assert_option(o->name, o->initial, "default");
	}
}
END_TEST

START_TEST(every_bad_value_is_refused_in_every_place)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)) && o->help; i++) {
		for (int k = 0; k < 3 && sample_of(o)->bad[k]; k++) {
			const char *bad = sample_of(o)->bad[k];
			char name[64], list[256], variable[256], file[256], where[300];

			(void)snprintf(list, sizeof(list), "%s=%s", o->name, bad);
			ck_assert_msg(complete(list, NULL, NULL) < 0, "%s", list);
			assert_said(o->help);
			(void)snprintf(file, sizeof(file), "\n%s = %s # c\n", o->name, bad);
			ck_assert_msg(complete(NULL, NULL, file) < 0, "%s", file);
			(void)snprintf(where, sizeof(where), "%s:2: option '%s",
				       write_file("a.conf", NULL), o->name);
			assert_said(where);
			assert_said(o->help);
			/* What is said with more weight does not make it right. */
			(void)snprintf(list, sizeof(list), "%s,%s=%s", beside(o), o->name,
				       good_value(o, 0, name, sizeof(name)));
			if (!strchr(list, ' '))
				ck_assert_msg(complete(list, NULL, file) < 0, "%s", file);
			(void)snprintf(variable, sizeof(variable), "%s=%s",
				       option_variable(o, name, sizeof(name)), bad);
			if (!*bad) { /* as if it were not there */
				complete_ok(NULL, variable, NULL);
				continue;
			}
			ck_assert_msg(complete(NULL, variable, NULL) < 0, "%s", variable);
			(void)snprintf(where, sizeof(where), "environment variable %s: option '%s",
				       name, o->name);
			assert_said(where);
			assert_said(o->help);
		}
	}
}
END_TEST

START_TEST(what_is_written_is_read)
{
	const struct option *o;

	for (size_t i = 0; (o = option_at(i)) && o->help; i++) {
		for (int k = 0; k < 3; k++) {
			struct config again;
			char buf[128], text[PATH_MAX], back[PATH_MAX];

			option_defaults(&config);
			option_defaults(&again);
			ck_assert_int_eq(option_parse(o, good_value(o, k, buf, sizeof(buf)),
						      &config),
					 0);
			(void)option_format(o, &config, text, sizeof(text));
			ck_assert_msg(option_parse(o, text, &again) == 0, "%s=%s", o->name, text);
			ck_assert_str_eq(option_format(o, &again, back, sizeof(back)), text);
		}
	}
}
END_TEST

START_TEST(lines_of_a_file)
{
	complete_ok(NULL, NULL, "");
	complete_ok(NULL, NULL, "# only this");
	complete_ok(NULL, NULL, "\xef\xbb\xbfttl = 2h\r\n");
	ck_assert_int_eq(config.ttl_ns, 7200 * NS_PER_S);
	complete_ok(NULL, NULL,
		    "\t ttl\t=\t30m  \r\n#x\n ro # bare=not\nautodir = off # 'x'\n"
		    "source='/a \"b\" # c' #not\nhigh=90%");
	ck_assert_int_eq(config.ttl_ns, 30 * 60 * NS_PER_S);
	ck_assert(config.readonly && !config.autodir);
	ck_assert_str_eq(config.source, "/a \"b\" # c");
	ck_assert_uint_eq(config.origins[option_index(option_find("high"))].line, 6);
}
END_TEST

START_TEST(lines_of_a_file_that_mean_nothing)
{
	ck_assert_int_eq(complete(NULL, NULL, "ttl = 1h\ncolour = red\n"), -EINVAL);
	assert_said(":2: unknown option 'colour'");
	ck_assert_int_eq(complete(NULL, NULL, "\n\xef\xbb\xbfttl = 1h\n"), -EINVAL);
	ck_assert_int_eq(complete(NULL, NULL, "high = 90\n"), -ERANGE);
	assert_said(":1: option 'high=90' is out of range; it is: PERCENT%");
	ck_assert_int_eq(complete(NULL, NULL, "ttl\n"), -EINVAL);
	assert_said(":1: option 'ttl' needs a value: TIME");
	ck_assert_int_eq(complete(NULL, NULL, "= 5\n"), -EINVAL);
	assert_said(":1: unknown option ''");
	ck_assert_int_eq(complete(NULL, NULL, "source = \"/a\n"), -EINVAL);
	assert_said(":1: option 'source': a value in quotes");
	ck_assert_int_eq(complete(NULL, NULL, "source = '/a' b\n"), -EINVAL);
	ck_assert_int_eq(complete(NULL, NULL, "low = 50%\n"), -EINVAL);
	assert_said(":1: option 'low' needs 'high'");
	ck_assert_int_eq(complete(NULL, "BATONFS_LOW=50%", NULL), -EINVAL);
	assert_said("environment variable BATONFS_LOW: option 'low' needs 'high'");
	ck_assert_int_eq(complete(NULL, NULL, "uid = 5\nprivacy\n"), -EINVAL);
	assert_said(":2: option 'privacy' does not go with 'uid'");
	ck_assert_int_eq(complete("privacy,dedup=mount", NULL, NULL), -EINVAL);
	assert_said("option 'privacy' does not go with dedup=mount");
	ck_assert_int_eq(complete(NULL, NULL, "private\n"), -EINVAL);
	assert_said(":1: option 'private' is mount(8)'s own");
}
END_TEST

START_TEST(file_of_an_older_unit)
{
	complete_ok(NULL, NULL, "SOURCE=/var/lib/batonfs\nOPTIONS=ttl=2h,ro,nofail\n");
	ck_assert_str_eq(config.source, "/var/lib/batonfs");
	ck_assert_int_eq(config.ttl_ns, 7200 * NS_PER_S);
	ck_assert(config.readonly);
	ck_assert_int_eq(complete(NULL, NULL, "\nOPTIONS=ttl=2h,colour=red\n"), -EINVAL);
	assert_said(":2: unknown option 'colour'");
}
END_TEST

static int complete_at(const char *line, const char *variable)
{
	char copy[256];
	char *envp[] = { copy, NULL };

	(void)snprintf(copy, sizeof(copy), "%s", variable ? variable : "A=1");
	parse_ok(line);
	return config_complete(&config, envp, scratch.path, &why);
}

START_TEST(file_is_found_by_the_mountpoint)
{
	char line[300];

	(void)write_file("data-tmp.conf", "ttl=11m\n");
	(void)write_file("data-my\\x2ddir.conf", "ttl=12m\n");
	(void)write_file("-.conf", "ttl=13m\n");
	(void)write_file("named.conf", "ttl=14m\n");
	ck_assert_int_eq(complete_at("none //data/tmp/", NULL), 0);
	ck_assert_int_eq(config.ttl_ns, 11 * 60 * NS_PER_S);
	ck_assert_int_eq(complete_at("none /data/my-dir", NULL), 0);
	ck_assert_int_eq(config.ttl_ns, 12 * 60 * NS_PER_S);
	ck_assert_int_eq(complete_at("none /", NULL), 0);
	ck_assert_int_eq(config.ttl_ns, 13 * 60 * NS_PER_S);
	ck_assert_int_eq(complete_at("none /data/other", NULL), 0);
	ck_assert_str_eq(config.file, "");
	ck_assert_int_eq(symlinkat("nowhere", scratch.fd, "data-linked.conf"), 0);
	ck_assert_int_eq(complete_at("none /data/linked", NULL), -ENOENT);
	assert_said("data-linked.conf: cannot be read: No such file");
	ck_assert_int_eq(mkdirat(scratch.fd, "data", 0755), 0);
	(void)write_file("data/tmp.conf", "ttl=15m\n");
	ck_assert_int_eq(complete_at("none /data/tmp", NULL), 0);
	ck_assert_int_eq(config.ttl_ns, 15 * 60 * NS_PER_S);
	(void)snprintf(line, sizeof(line), "BATONFS_CONFIG=%s", write_file("named.conf", NULL));
	ck_assert_int_eq(complete_at("none /data/tmp", line), 0);
	ck_assert_int_eq(config.ttl_ns, 14 * 60 * NS_PER_S);
	ck_assert_int_eq(complete_at("none /data/tmp --config /dev/null", line), 0);
	ck_assert_int_eq(config.ttl_ns, 60 * 60 * NS_PER_S);
	ck_assert_int_eq(complete_at("none /data/tmp --config /not/there", NULL), -ENOENT);
	assert_said("/not/there: cannot be read: No such file");
	(void)snprintf(line, sizeof(line), "none /data/tmp --config %s", scratch.path);
	ck_assert_int_lt(complete_at(line, NULL), 0);
	assert_said("cannot be read: Is a directory");
}
END_TEST

START_TEST(variable_that_is_no_option_is_said)
{
	complete_ok(NULL, "BATONFS_PORT=tcp://10.0.0.1:80", NULL);
	ck_assert_ptr_nonnull(strstr(config.warning, "BATONFS_PORT: no such option"));
	complete_ok(NULL, "BATONFS_RW=on", NULL);
	ck_assert_ptr_nonnull(strstr(config.warning, "BATONFS_RW"));
	complete_ok(NULL, "BATONFS=/usr/bin/batonfs", NULL);
	ck_assert_str_eq(config.warning, "");
}
END_TEST

/* It is said to a helper whenever nobody has said "ro". */
START_TEST(rw_of_mount_is_no_wish)
{
	const char *file = write_file("a.conf", "ro = on\n");
	char *envp[] = { NULL };
	char line[300];

	(void)snprintf(line, sizeof(line), "none /mnt -o rw --config %s", file);
	ck_assert_int_eq(parse_as("/sbin/mount.batonfs", line), 0);
	ck_assert_int_eq(config_complete(&config, envp, scratch.path, &why), 0);
	ck_assert(config.readonly);
	parse_ok(line);
	ck_assert_int_eq(config_complete(&config, envp, scratch.path, &why), 0);
	ck_assert(!config.readonly);
	(void)snprintf(line, sizeof(line), "none /mnt -o ro,rw --config /dev/null");
	ck_assert_int_eq(parse_as("/sbin/mount.batonfs", line), 0);
	ck_assert(!config.readonly);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_option_from_every_place_by_precedence,
		every_bad_value_is_refused_in_every_place,
		what_is_written_is_read,
		lines_of_a_file,
		lines_of_a_file_that_mean_nothing,
		file_of_an_older_unit,
		file_is_found_by_the_mountpoint,
		variable_that_is_no_option_is_said,
		rw_of_mount_is_no_wish,
	};

	return RUN_TESTS("config_places", tests, scratch_setup, scratch_teardown);
}
