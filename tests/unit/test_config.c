/* SPDX-License-Identifier: MIT */
/*
 * The command line.
 */
#include "config/config_record.h"
#include "config/option.h"
#include "config_fixture.h"
#include "util/log.h"

static void assert_refused(const char *line, const char *word)
{
	ck_assert_msg(parse_as("batonfs", line) == -EINVAL, "%s", line);
	ck_assert_msg(strstr(why.text, word) != NULL, "%s: '%s' is not in: %s", line, word,
		      why.text);
	ck_assert_ptr_null(strchr(why.text, '\n'));
}

START_TEST(defaults)
{
	parse_ok("memory /mnt");
	ck_assert_str_eq(config.source, "memory");
	ck_assert(!room_mark_is_set(&config.marks.high) && !room_mark_is_set(&config.marks.low));
	ck_assert_uint_eq(config.exec_bytes, 0);
	ck_assert_uint_eq(config.exec_files, 0);
	ck_assert_int_eq(config.limit, LIMIT_OPEN);
	ck_assert_int_eq(config.log, LOG_LEVEL_INFO - LOG_LEVEL_ERROR);
	ck_assert_str_eq(config.mountpoint, "/mnt");
	ck_assert_int_eq(config.ttl_ns, 3600 * NS_PER_S);
	ck_assert(config.autodir);
	ck_assert_int_eq(config.passthrough, PASSTHROUGH_AUTO);
	ck_assert_uint_eq(config.threads, 0);
	ck_assert_int_eq(config.hugepages, SEAL_HUGEPAGES_AUTO);
	ck_assert_int_eq(config.hash, SEAL_HASH_CLOSED);
	ck_assert_int_eq(config.dedup, SHARE_OWNER);
	ck_assert_uint_eq(config.dedup_min_bytes, 1 << 20);
	ck_assert_uint_eq(config.uid, UINT32_MAX);
	ck_assert_uint_eq(config.gid, UINT32_MAX);
	ck_assert_uint_eq(config.umask, UINT32_MAX);
	ck_assert_uint_eq(config.fmask, UINT32_MAX);
	ck_assert_uint_eq(config.dmask, UINT32_MAX);
	ck_assert(!config.suid && !config.dev && !config.exec);
	ck_assert(!config.readonly && !config.noatime);
	ck_assert(!config.foreground && !config.fake);
}
END_TEST

START_TEST(every_option_reaches_its_field)
{
	parse_ok("-o ttl=90s,autodir=off,passthrough=on,uid=1000,gid=0,threads=64 memory /mnt "
		 "-ohugepages=off,hash=asked,umask=027,suid,dev,exec,ro,noatime -f -d");
	ck_assert_int_eq(config.ttl_ns, 90 * NS_PER_S);
	ck_assert(!config.autodir);
	ck_assert_int_eq(config.passthrough, PASSTHROUGH_ON);
	ck_assert_uint_eq(config.uid, 1000);
	ck_assert_uint_eq(config.gid, 0);
	ck_assert_uint_eq(config.threads, 64);
	ck_assert_int_eq(config.hugepages, SEAL_HUGEPAGES_OFF);
	ck_assert_int_eq(config.hash, SEAL_HASH_ASKED);
	ck_assert_uint_eq(config.umask, 027);
	ck_assert(config.suid && config.dev && config.exec);
	ck_assert(config.readonly && config.noatime);
	ck_assert(config.foreground);
	ck_assert_int_eq(config.log, LOG_LEVEL_DEBUG - LOG_LEVEL_ERROR);
}
END_TEST

START_TEST(umask_is_the_default_of_the_other_two)
{
	parse_ok("-o umask=027,dmask=022 memory /mnt");
	ck_assert_uint_eq(config_fmask(&config), 027);
	ck_assert_uint_eq(config_dmask(&config), 022);
	parse_ok("-o fmask=0,umask=077 memory /mnt");
	ck_assert_uint_eq(config_fmask(&config), 0);
	ck_assert_uint_eq(config_dmask(&config), 077);
	parse_ok("-o privacy,dmask=027 memory /mnt");
	ck_assert_uint_eq(config_fmask(&config), 077);
	ck_assert_uint_eq(config_dmask(&config), 027);
	parse_ok("-o privacy,umask=022 memory /mnt");
	ck_assert_uint_eq(config_fmask(&config), 022);
}
END_TEST

START_TEST(last_word_counts)
{
	parse_ok("-o ttl=1h,ttl=never,suid,nosuid,exec,noexec,dev,nodev,ro,rw memory /mnt");
	ck_assert_int_eq(config.ttl_ns, INT64_MAX);
	ck_assert(!config.suid && !config.exec && !config.dev && !config.readonly);
	parse_ok("-o noatime -o relatime memory /mnt");
	ck_assert(!config.noatime);
	parse_ok("-o autodir=no,autodir memory /mnt");
	ck_assert(config.autodir);
}
END_TEST

START_TEST(what_mount_and_fstab_say_is_ignored)
{
	parse_ok(
		"memory /mnt -o defaults,auto,noauto,nofail,_netdev,user,users,nouser,owner,group,"
		"allow_other,default_permissions,async,nodiratime,loud,silent,x-systemd.automount,"
		"nousers,noowner,nogroup,diratime,symfollow,nomand,nolazytime,norelatime,nostrictatime,"
		"X-mount.mkdir=0755,comment=mine,,ttl=5s -t batonfs -N /proc/1/ns/mnt -s -n -v");
	ck_assert_int_eq(config.ttl_ns, 5 * NS_PER_S);
}
END_TEST

START_TEST(a_mountpoint_may_be_made)
{
	parse_ok("memory /mnt");
	ck_assert(!config.mkdir);
	parse_ok("memory /mnt -o x-mount.mkdir");
	ck_assert(config.mkdir);
	ck_assert_int_eq(config.mkdir_mode, 0755);
	parse_ok("memory /mnt -o X-mount.mkdir=0700");
	ck_assert(config.mkdir);
	ck_assert_int_eq(config.mkdir_mode, 0700);
	assert_refused("memory /mnt -o x-mount.mkdir=rwx", "not of the form");
	assert_refused("memory /mnt -o x-mount.mkdir=", "not of the form");
	assert_refused("memory /mnt -o x-mount.mkdir=17777", "not of the form");
}
END_TEST

START_TEST(mount_helper_reads_f_as_fake)
{
	ck_assert_int_eq(parse_as("/usr/sbin/mount.batonfs", "memory /mnt -f"), 0);
	ck_assert(config.fake && !config.foreground);
	ck_assert_int_eq(parse_as("mount.fuse.batonfs", "memory /mnt -f -o rw"), 0);
	ck_assert(config.fake);
	ck_assert_int_eq(parse_as("./batonfs", "memory /mnt -f"), 0);
	ck_assert(!config.fake && config.foreground);
}
END_TEST

START_TEST(limits_of_values)
{
	parse_ok("-o ttl=1ms,threads=1,uid=4294967294,umask=777 memory /mnt");
	parse_ok("-o ttl=36500d memory /mnt");
	assert_refused("-o ttl=0 memory /mnt", "out of range");
	assert_refused("-o ttl=36501d memory /mnt", "out of range");
	assert_refused("-o ttl=soon memory /mnt", "not of the form");
	assert_refused("-o ttl=-1s memory /mnt", "not of the form");
	assert_refused("-o threads=0 memory /mnt", "out of range");
	assert_refused("-o threads=65 memory /mnt", "out of range");
	assert_refused("-o threads=2x memory /mnt", "not of the form");
	assert_refused("-o uid=4294967295 memory /mnt", "out of range");
	assert_refused("-o uid=root memory /mnt", "not of the form");
	assert_refused("-o gid=-1 memory /mnt", "not of the form");
	assert_refused("-o umask=1777 memory /mnt", "out of range");
	assert_refused("-o dmask=8 memory /mnt", "not of the form");
	assert_refused("-o autodir=perhaps memory /mnt", "not of the form");
	assert_refused("-o passthrough=o memory /mnt", "not of the form");
	assert_refused("-o passthrough=on|off memory /mnt", "not of the form");
	assert_refused("-o passthrough=automatic memory /mnt", "not of the form");
}
END_TEST

START_TEST(errors_name_what_is_wrong)
{
	assert_refused("", "source and mountpoint");
	assert_refused("memory", "mountpoint");
	assert_refused("memory /mnt more", "'more'");
	assert_refused("-o colour=red memory /mnt", "'colour'");
	assert_refused("-o ttl memory /mnt", "'ttl' needs a value");
	assert_refused("-o ttl= memory /mnt", "'ttl' needs a value");
	assert_refused("-o nosuid=1 memory /mnt", "takes no value");
	assert_refused("-o ro=2 memory /mnt", "ro");
	assert_refused("-o low=50% memory /mnt --config", "--config needs a file");
	assert_refused("-o remount,ttl=1h memory /mnt", "baton config");
	assert_refused("memory /mnt -o", "-o needs a value");
	assert_refused("-x memory /mnt", "'-x'");
	assert_refused("-fd memory /mnt", "'-fd'");
	assert_refused("--colour memory /mnt", "'--colour'");
	assert_refused("-- memory /mnt", "'--'");
}
END_TEST

START_TEST(long_option_is_cut_not_overrun)
{
	char line[900];
	int n = snprintf(line, sizeof(line), "memory /mnt -o ");

	memset(line + n, 'x', sizeof(line) - (size_t)n - 1);
	line[sizeof(line) - 1] = '\0';
	assert_refused(line, "unknown option 'xxxx");
}
END_TEST

START_TEST(failure_leaves_the_result_alone)
{
	char program[] = "batonfs";
	char bad[] = "-x";
	char *argv[] = { program, bad, NULL };

	config.threads = 77;
	ck_assert_int_eq(config_parse(2, argv, &config, &why), -EINVAL);
	ck_assert_uint_eq(config.threads, 77);
}
END_TEST

START_TEST(clear_takes_a_mountpoint_only)
{
	parse_ok("--clear /data/tmp");
	ck_assert(config.clear);
	ck_assert_int_eq(config.origins[option_index(option_find("source"))].from, CONFIG_DEFAULT);
	ck_assert_str_eq(config.mountpoint, "/data/tmp");
	assert_refused("--clear", "mountpoint");
	assert_refused("--clear /a /b", "'/b'");
}
END_TEST

START_TEST(help_and_version_need_nothing_else)
{
	parse_ok("--help");
	ck_assert(config.help);
	parse_ok("-h");
	ck_assert(config.help);
	parse_ok("--version");
	ck_assert(config.version);
	parse_ok("-V");
	ck_assert(config.version);
}
END_TEST

/* From one table: what is parsed is what is shown. */
START_TEST(help_shows_every_option)
{
	const struct option *o;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	config_help(f);
	ck_assert_int_eq(fclose(f), 0);
	for (size_t i = 0; (o = option_at(i)); i++) {
		if (o->help)
			ck_assert_msg(strstr(text, o->name) != NULL, "%s", o->name);
	}
	ck_assert_ptr_nonnull(strstr(text, "Usage: batonfs"));
	free(text);
}
END_TEST

/* As another process, or program, has it. */
START_TEST(a_record_says_an_option_again)
{
	const struct config_place file = { .from = CONFIG_FILE, .line = 3 };
	char record[CONFIG_RECORD_MAX];
	struct config other;

	parse_ok("-o log=error memory /mnt");
	ck_assert_int_eq(config_say(&config, "ttl", "30m", &file, &why), 0);
	option_defaults(&other);
	for (size_t i = 0; option_at(i); i++) {
		if (!option_at(i)->help)
			continue;
		config_record_format(&config, i, record);
		ck_assert_msg(config_record_say(&other, record, &why) == 0, "%s: %s", record,
			      why.text);
		ck_assert_mem_eq(&config.origins[i], &other.origins[i], sizeof(other.origins[i]));
	}
	ck_assert_int_eq(other.ttl_ns, 1800 * NS_PER_S);
	ck_assert_int_eq(other.log, config.log);
	config_record_format(&config, option_index(option_find("ttl")), record);
	ck_assert_str_eq(record + 1, " 3 ttl 30m");

	ck_assert_int_eq(config_record_say(&other, "1 0 ttl soon", &why), -EINVAL);
	ck_assert_int_eq(config_record_say(&other, "1 0 colour red", &why), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why.text, "colour=red"));
	ck_assert_int_eq(config_record_say(&other, "ttl 30m", &why), -EINVAL);
	ck_assert_int_eq(config_record_say(&other, "", &why), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		defaults,
		a_record_says_an_option_again,
		every_option_reaches_its_field,
		umask_is_the_default_of_the_other_two,
		last_word_counts,
		what_mount_and_fstab_say_is_ignored,
		a_mountpoint_may_be_made,
		mount_helper_reads_f_as_fake,
		limits_of_values,
		errors_name_what_is_wrong,
		long_option_is_cut_not_overrun,
		failure_leaves_the_result_alone,
		clear_takes_a_mountpoint_only,
		help_and_version_need_nothing_else,
		help_shows_every_option,
	};

	return RUN_TESTS("config", tests, scratch_setup, scratch_teardown);
}
