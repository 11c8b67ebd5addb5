/* SPDX-License-Identifier: MIT */
/*
 * The start: executions from the top of the tree, with and without a ledger's word on them.
 */
#include "exec/recover.h"

#include <errno.h>
#include <sys/xattr.h>

#include "exec/exec_table.h"
#include "exec/restore.h"
#include "exec_fixture.h"
#include "store/stub.h"

static const struct recover_upcalls no_up;

/* End the process, so to speak, and start it again; ledger: whether it is kept. */
static void restart(bool keep_ledger)
{
	stop_layers();
	if (!keep_ledger) {
		(void)unlinkat(scratch.fd, "ledger.db", 0);
		(void)unlinkat(scratch.fd, "ledger.db-wal", 0);
		(void)unlinkat(scratch.fd, "ledger.db-shm", 0);
	}
	start_layers();
}

static void recover(bool clean)
{
	struct recover *r = NULL;

	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, clean), 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger,
					   clean ? RECOVER_SUMS : RECOVER_FILES, &no_up, &r),
			 0);
	recover_files_free(r);
}

static struct exec_info info_of(const char *id)
{
	struct execution *e = exec_lookup(fix.execs, id);
	struct exec_info info;

	ck_assert_msg(e != NULL, "no execution %s", id);
	exec_info(fix.execs, e, &info);
	exec_unref(fix.execs, e);
	return info;
}

static void assert_none(const char *id)
{
	ck_assert_ptr_null(exec_lookup(fix.execs, id));
}

START_TEST(empty_tree_has_no_executions)
{
	recover(false);
	ck_assert_uint_eq(exec_count(fix.execs), 0);
}
END_TEST

START_TEST(tree_without_rows_belongs_to_the_files_owners)
{
	int tree = fix.store.tree_fd;

	(void)close(make_dir(tree, "4711"));
	ck_assert_int_eq(fchownat(tree, "4711", 1000, 100, 0), 0);
	add_file(tree, "4712_x", "x");
	ck_assert_int_eq(fchownat(tree, "4712_x", 1001, 101, 0), 0);
	add_file(tree, "stray.txt", "x");
	(void)close(make_dir(tree, "n8n"));
	recover(false);

	ck_assert_uint_eq(info_of("4711").owner.uid, 1000);
	ck_assert_uint_eq(info_of("4711").owner.gid, 100);
	ck_assert_int_eq(info_of("4711").lifetime, LIFETIME_TTL);
	ck_assert_int_gt(info_of("4711").expires_real_ns, clock_real_ns() + TTL_NS / 2);
	ck_assert_uint_eq(info_of("4712").owner.uid, 1001);
	ck_assert_int_eq(info_of("_").lifetime, LIFETIME_FILES);
	ck_assert_int_eq(info_of("n8n").lifetime, LIFETIME_EXTERNAL);
	ck_assert_uint_eq(exec_count(fix.execs), 4);
}
END_TEST

START_TEST(row_tells_number_owner_and_times)
{
	struct execution *e = with_dir("4711");
	struct exec_info before;

	exec_info(fix.execs, e, &before);
	exec_unref(fix.execs, e);
	restart(true);
	recover(false);
	ck_assert_uint_eq(info_of("4711").number, before.number);
	ck_assert_uint_eq(info_of("4711").owner.uid, alice.uid);
	ck_assert_str_eq(info_of("4711").owner.comm, "node");
	ck_assert_int_eq(info_of("4711").created_real_ns, before.created_real_ns);
	ck_assert_int_le(info_of("4711").activity_real_ns, clock_real_ns());
}
END_TEST

START_TEST(activity_of_the_future_is_now)
{
	struct ledger_execution row = {
		.number = 77,
		.id = "4711",
		.activity_ns = clock_real_ns() + 1000 * NS_PER_S,
		.ttl_ns = LEDGER_TTL_DEFAULT,
	};

	(void)close(make_dir(fix.store.tree_fd, "4711"));
	ledger_execution_put(fix.ledger, &row);
	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	recover(false);
	ck_assert_uint_eq(info_of("4711").number, 77);
	ck_assert_int_le(info_of("4711").activity_real_ns, clock_real_ns() + NS_PER_S);
}
END_TEST

START_TEST(newest_of_two_rows_counts)
{
	struct ledger_execution row = { .id = "4711", .ttl_ns = LEDGER_TTL_DEFAULT };

	(void)close(make_dir(fix.store.tree_fd, "4711"));
	for (row.number = 70; row.number < 75; row.number++) {
		row.owner.uid = (uint32_t)row.number;
		row.activity_ns = clock_real_ns();
		ledger_execution_put(fix.ledger, &row);
	}
	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	recover(false);
	ck_assert_uint_eq(info_of("4711").number, 74);
	ck_assert_uint_eq(info_of("4711").owner.uid, 74);
}
END_TEST

static int count_row(void *arg, const struct ledger_execution *e)
{
	(void)e;
	++*(int *)arg;
	return 0;
}

static int keep_release(void *arg, const struct ledger_release *r)
{
	*(struct ledger_release *)arg = *r;
	return 0;
}

START_TEST(row_without_a_name_in_the_tree_goes_and_is_on_record)
{
	struct ledger_execution row = {
		.number = 7, .id = "4711", .owner = alice, .ttl_ns = LEDGER_TTL_DEFAULT
	};
	struct ledger_release release = { .reason = LEDGER_REASON_MAX_ };
	int rows = 0;

	ledger_execution_put(fix.ledger, &row);
	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	recover(false);
	assert_none("4711");
	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	ck_assert_int_eq(ledger_each_execution(fix.ledger, count_row, &rows), 0);
	ck_assert_int_eq(rows, 0);
	ck_assert_int_eq(ledger_each_release(fix.ledger, "4711", 9, keep_release, &release), 0);
	ck_assert_int_eq(release.reason, LEDGER_UNRECORDED);
	ck_assert_uint_eq(release.owner.uid, alice.uid);
	ck_assert_int_eq(release.ttl_ns, TTL_NS);
}
END_TEST

START_TEST(marks_win_over_rows)
{
	struct execution *e = with_dir("4711");
	struct execution *plain = with_dir("4712");
	struct ledger_execution row = { .id = "4712", .ttl_ns = 5 * NS_PER_S, .pinned = true };
	bool made;

	row.activity_ns = clock_real_ns() - 2 * TTL_NS;
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, 90 * NS_PER_S, &made), 0);
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, true, &made), 0);
	row.number = exec_number(plain);
	ledger_execution_put(fix.ledger, &row); /* of which the tree knows nothing */
	exec_unref(fix.execs, plain);
	exec_unref(fix.execs, e);
	restart(true);
	recover(false);
	ck_assert_int_eq(info_of("4711").ttl_ns, 90 * NS_PER_S);
	ck_assert(info_of("4711").pinned);
	ck_assert_int_eq(info_of("4712").ttl_ns, TTL_NS);
	ck_assert(!info_of("4712").pinned);
	/* Its time begins when the pin goes, and a crash may have come before the row. */
	ck_assert_int_gt(info_of("4712").expires_real_ns, clock_real_ns() + TTL_NS / 2);
}
END_TEST

START_TEST(rows_that_agree_are_not_written_again)
{
	struct execution *e = with_dir("4711");
	struct execution *plain = with_dir("4712");
	struct ledger_execution row = { .id = "4712", .ttl_ns = 5 * NS_PER_S };
	struct ledger_stats before;
	struct ledger_stats after;
	bool made;

	ck_assert_int_eq(exec_set_ttl(fix.execs, e, 90 * NS_PER_S, &made), 0);
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, true, &made), 0);
	row.number = exec_number(plain);
	row.activity_ns = clock_real_ns();
	ledger_execution_put(fix.ledger, &row);
	exec_unref(fix.execs, plain);
	exec_unref(fix.execs, e);

	restart(true);
	ledger_stats(fix.ledger, &before);
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, true), 0);
	ledger_stats(fix.ledger, &after);
	ck_assert_uint_eq(after.events, before.events + 1); /* 4712's, which said otherwise */
	restart(true);
	ledger_stats(fix.ledger, &before);
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, true), 0);
	ledger_stats(fix.ledger, &after);
	ck_assert_uint_eq(after.events, before.events);
	ck_assert_int_eq(info_of("4711").ttl_ns, 90 * NS_PER_S);
	ck_assert(info_of("4711").pinned);
	ck_assert_int_eq(info_of("4712").ttl_ns, TTL_NS);
}
END_TEST

START_TEST(marks_do_without_rows)
{
	struct execution *e = with_dir("4711");
	struct handle dir;
	uint64_t ino;
	bool made;

	ck_assert_int_eq(exec_set_ttl(fix.execs, e, LEDGER_TTL_NEVER, &made), 0);
	exec_unref(fix.execs, e);
	restart(false);
	recover(false);
	ck_assert_int_eq(info_of("4711").ttl_ns, LEDGER_TTL_NEVER);
	e = exec_lookup(fix.execs, "4711");
	ck_assert(exec_dir_is_auto(e, &ino));
	ck_assert_uint_eq(ino, exec_auto_ino("4711"));
	ck_assert_int_eq(exec_dir(e, &dir), 0);
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(damaged_marks_are_none)
{
	int tree = fix.store.tree_fd;
	_cleanup_close_ int fd = make_dir(tree, "4711");

	ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "ttl", "soon", 4, 0), 0);
	ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "pinned", "maybe", 5, 0), 0);
	ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "auto", "", 0, 0), 0);
	recover(false);
	ck_assert_int_eq(info_of("4711").ttl_ns, TTL_NS);
	ck_assert(!info_of("4711").pinned);
}
END_TEST

/* The rows of n8n's executions are believed after a clean end, and found in the tree after another. */
START_TEST(external_executions_come_back)
{
	_cleanup_close_ int n8n = make_dir(fix.store.tree_fd, "n8n");
	struct recover *r = NULL;
	struct execution *e;

	ck_assert_int_eq(mkdirat(n8n, "executions", 0755), 0);
	ck_assert_int_eq(mkdirat(n8n, "executions/88", 0755), 0);
	add_file(n8n, "executions/88/f", "hello");
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, false), 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_FILES, &no_up,
					   &r),
			 0);
	EVENTUALLY((e = exec_lookup(fix.execs, "88")) && (exec_unref(fix.execs, e), 1));
	EVENTUALLY(info_of("88").bytes == 5);
	recover_files_free(r);
	ck_assert_int_eq(info_of("88").lifetime, LIFETIME_EXTERNAL);
	ck_assert_int_eq(info_of("88").expires_real_ns, INT64_MAX);

	restart(true);
	ck_assert_int_eq(fix.opened.state, LEDGER_CLEAN);
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, true), 0);
	ck_assert_int_eq(info_of("88").lifetime, LIFETIME_EXTERNAL);
	assert_none("87");
}
END_TEST

static int stop_at_first(void *arg, const struct ledger_file *f)
{
	*(struct ledger_file *)arg = *f;
	return 1;
}

START_TEST(files_are_counted_and_their_own_lifetimes_found)
{
	_cleanup_close_ int dir = make_dir(fix.store.tree_fd, "4711");
	_cleanup_close_ int timed = make_file(dir, "timed", "0123456789");
	struct ledger_file f = { 0 };
	struct recover *r = NULL;
	int64_t now;

	add_file(dir, "a", "hello");
	add_file(fix.store.tree_fd, "4711_b", "x");
	ck_assert_int_eq(mark_set(timed, MARK_TTL, 1), 0);
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, false), 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_FILES, &no_up,
					   &r),
			 0);
	EVENTUALLY(info_of("4711").files == 3);
	ck_assert_uint_eq(info_of("4711").bytes, 16);
	recover_files_free(r);
	now = clock_real_ns() + NS_PER_S;
	ck_assert_int_eq(ledger_each_expired_file(fix.ledger, now, TTL_NS, 10, stop_at_first, &f),
			 1);
	ck_assert_uint_eq(f.ino, ino_of(dir, "timed"));
	ck_assert_int_eq(f.ttl_ns, 1);
}
END_TEST

START_TEST(sums_come_from_the_rows_after_a_clean_end)
{
	struct recover *r = NULL;

	add_file(fix.store.tree_fd, "4711_b", "hello");
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, false), 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_FILES, &no_up,
					   &r),
			 0);
	EVENTUALLY(info_of("4711").bytes == 5);
	recover_files_free(r);
	r = NULL;
	restart(true);
	ck_assert_int_eq(fix.opened.state, LEDGER_CLEAN);
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, true), 0);
	ck_assert_uint_eq(info_of("4711").files, 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_SUMS, &no_up,
					   &r),
			 0);
	EVENTUALLY(info_of("4711").files == 1 && info_of("4711").bytes == 5);
	recover_files_free(r);
}
END_TEST

/* ---- stubs: what the front is asked to settle ---- */

#define BLOB "0123456789abcdef0123456789abcdef-100000"

static struct {
	_Atomic int asked;
	int answer; /* instead of settling */
	_Atomic int settled;
} front;

static int settle_stub(void *ctx, uint64_t ino, const struct handle *h, struct blob_name *ret_name)
{
	_cleanup_close_ int fd = store_open_handle(&fix.store, h, O_RDWR);

	ck_assert_ptr_eq(ctx, &front);
	front.asked++;
	ret_name->text[0] = '\0';
	if (front.answer)
		return front.answer;
	ck_assert_int_ge(stub_settle(fd, ret_name), 0);
	if (ret_name->text[0])
		ledger_file_shared(fix.ledger, ino, ret_name->text);
	return 0;
}

static void settled(void *ctx)
{
	ck_assert_ptr_eq(ctx, &front);
	front.settled++;
}

static void walk_with_front(int answer)
{
	const struct recover_upcalls up = { &front, settle_stub, settled };
	struct recover *r = NULL;
	struct ledger_stats stats;

	front.asked = front.settled = 0;
	front.answer = answer;
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, false), 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_FILES, &up,
					   &r),
			 0);
	EVENTUALLY((ledger_stats(fix.ledger, &stats), stats.agrees) ||
		   (answer == -ENOMEM && front.asked));
	recover_files_free(r);
}

/* A file of this size with a mark; `blocks`: it was about to be punched, or is just home. */
static void add_stub(const char *name, off_t size, bool blocks)
{
	_cleanup_close_ int fd = make_file(fix.store.tree_fd, name, "");

	ck_assert_int_eq(ftruncate(fd, size), 0);
	if (blocks)
		ck_assert_int_eq(fallocate(fd, 0, 0, size), 0);
	ck_assert_int_eq(fsetxattr(fd, MARK_PREFIX "blob", BLOB, strlen(BLOB), 0), 0);
}

static uint64_t refs(void)
{
	uint64_t n = 99;

	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	ck_assert_int_eq(ledger_blob_refs(fix.ledger, BLOB, &n), 0);
	return n;
}

START_TEST(stubs_are_found_and_settled)
{
	struct stat st;

	add_stub("a", 100000, false);
	add_stub("b", 100000, true);
	add_stub("c", 0, false); /* cut by stub_drop() */
	add_file(fix.store.tree_fd, "d", "x");
	walk_with_front(0);
	ck_assert_int_eq(front.asked, 3);
	ck_assert_int_eq(front.settled, 1);
	ck_assert_uint_eq(refs(), 2);
	ck_assert_int_eq(fstatat(fix.store.tree_fd, "b", &st, 0), 0);
	ck_assert_int_lt(st.st_blocks, 16);
}
END_TEST

START_TEST(walk_without_an_answer_does_not_end)
{
	struct ledger_stats stats;

	add_stub("a", 100000, false);
	walk_with_front(-ENOMEM);
	ck_assert_int_eq(front.settled, 0);
	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	ledger_stats(fix.ledger, &stats);
	ck_assert(!stats.agrees);
}
END_TEST

/* Whatever the walk has been at when it asks of the first stub, the directory of the other one moves past it. */
static int move_while_asked(void *ctx, uint64_t ino, const struct handle *h,
			    struct blob_name *ret_name)
{
	int tree = fix.store.tree_fd;

	if (front.asked == 0) {
		recover_name_begin(fix.execs);
		ck_assert_int_eq(renameat(tree, "1/sub", tree, "2/moved"), 0);
		ck_assert(recover_is_walking(fix.execs));
		recover_name_end(fix.execs, true);
	}
	return settle_stub(ctx, ino, h, ret_name);
}

START_TEST(walk_begins_anew_when_directories_moved)
{
	const struct recover_upcalls up = { &front, move_while_asked, settled };
	struct recover *r = NULL;
	struct ledger_stats stats;

	front.asked = front.settled = front.answer = 0;
	ck_assert_int_eq(mkdirat(fix.store.tree_fd, "1", 0777), 0);
	ck_assert_int_eq(mkdirat(fix.store.tree_fd, "1/sub", 0777), 0);
	ck_assert_int_eq(mkdirat(fix.store.tree_fd, "2", 0777), 0);
	add_stub("1/sub/a", 100000, false);
	add_stub("1/b", 100000, false);
	add_stub("2/c", 100000, false);
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, false), 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_FILES, &up,
					   &r),
			 0);
	EVENTUALLY((ledger_stats(fix.ledger, &stats), stats.agrees));
	recover_files_free(r);
	ck_assert_int_gt(front.asked, 3);
	ck_assert_int_eq(front.settled, 1);
	ck_assert_uint_eq(refs(), 3);
	ck_assert(!recover_is_walking(fix.execs));
}
END_TEST

START_TEST(walk_waits_for_names_that_are_changing)
{
	const struct recover_upcalls up = { &front, settle_stub, settled };
	struct recover *r = NULL;
	struct ledger_stats stats;

	front.asked = front.settled = front.answer = 0;
	add_stub("a", 100000, false);
	recover_name_begin(fix.execs);
	ck_assert_int_eq(restore_executions(fix.execs, &fix.store, fix.ledger, false), 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_FILES, &up,
					   &r),
			 0);
	EVENTUALLY(front.asked == 1);
	ck_assert_int_eq(front.settled, 0);
	recover_name_end(fix.execs, false);
	EVENTUALLY((ledger_stats(fix.ledger, &stats), stats.agrees));
	recover_files_free(r);
	ck_assert_uint_eq(refs(), 1);
}
END_TEST

START_TEST(immutable_stub_keeps_its_blob)
{
	add_stub("a", 100000, false);
	walk_with_front(-EPERM);
	ck_assert_uint_eq(refs(), 1);
}
END_TEST

START_TEST(stopping_at_once_is_allowed_and_leaves_it_unclean)
{
	struct recover *r = NULL;
	char name[32];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "%d_x", i);
		add_file(fix.store.tree_fd, name, "x");
	}
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_FILES,
						   &no_up, &r),
				 0);
		recover_files_free(r);
	}
	recover_files_free(NULL);
}
END_TEST

static int rows(void)
{
	int n = 0;

	ck_assert_int_eq(ledger_sync(fix.ledger), 0);
	ck_assert_int_eq(ledger_each_execution(fix.ledger, count_row, &n), 0);
	return n;
}

/* A row of a file that is over, as far as it knows. */
static void put_overdue(const char *name)
{
	struct ledger_file f = {
		.ino = ino_of(fix.store.tree_fd, name),
		.execution = 1000, /* of none of the others */
		.ttl_ns = LEDGER_TTL_DEFAULT,
		.own_lifetime = true,
		.activity_ns = ledger_now_ns(fix.ledger) - 2 * TTL_NS,
	};
	struct handle h;

	ck_assert_int_eq(handle_at(fix.store.tree_fd, name, &h), 0);
	f.handle_type = h.type;
	f.handle_len = h.len;
	memcpy(f.handle, h.bytes, h.len);
	ledger_file_put(fix.ledger, &f);
}

/* Events were lost: of one execution that there is, of one that there is not any more, and of a file. */
START_TEST(what_was_lost_is_set_right)
{
	struct ledger_execution gone = { .number = 4000, .id = "gone" };
	struct execution *e = with_dir("4711");
	uint64_t files, bytes;
	struct recover *r = NULL;
	int64_t expiry;

	add_file(fix.store.tree_fd, "4711/f", "hello");
	add_file(fix.store.tree_fd, "stray", "x");
	put_overdue("stray");
	exec_account(e, 1, 5);
	ledger_execution_put(fix.ledger, &gone);
	ledger_execution_forget(fix.ledger, exec_number(e));
	ck_assert_int_eq(rows(), 1);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_LOST, &no_up,
					   &r),
			 0);
	EVENTUALLY(ledger_sync(fix.ledger) == 0 &&
		   ledger_usage(fix.ledger, exec_number(e), &files, &bytes) == 0 && files == 1);
	EVENTUALLY(atomic_load(&fix.execs->walks) == 0);
	recover_files_free(r);
	ck_assert_int_eq(rows(), 2); /* with that of `_` */
	ck_assert_uint_eq(bytes, 5);
	ck_assert_uint_eq(info_of("4711").files, 1); /* and not two */
	/* It may have been used since: */
	ck_assert_int_eq(ledger_next_file_expiry(fix.ledger, TTL_NS, &expiry), 0);
	ck_assert_int_gt(expiry, ledger_now_ns(fix.ledger));
	exec_unref(fix.execs, e);
	stop_layers();
	start_layers();
	ck_assert_int_eq(fix.opened.state, LEDGER_CLEAN);
}
END_TEST

START_TEST(one_walk_at_a_time)
{
	struct recover *r = NULL;
	struct recover *other = NULL;

	atomic_store(&fix.execs->walks, 1);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_LOST, &no_up,
					   &other),
			 -EBUSY);
	atomic_store(&fix.execs->walks, 0);
	ck_assert_int_eq(recover_files_new(fix.execs, &fix.store, fix.ledger, RECOVER_LOST, &no_up,
					   &r),
			 0);
	recover_files_free(r);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_tree_has_no_executions,
		tree_without_rows_belongs_to_the_files_owners,
		row_tells_number_owner_and_times,
		activity_of_the_future_is_now,
		newest_of_two_rows_counts,
		row_without_a_name_in_the_tree_goes_and_is_on_record,
		marks_win_over_rows,
		rows_that_agree_are_not_written_again,
		marks_do_without_rows,
		damaged_marks_are_none,
		external_executions_come_back,
		files_are_counted_and_their_own_lifetimes_found,
		sums_come_from_the_rows_after_a_clean_end,
		stubs_are_found_and_settled,
		walk_without_an_answer_does_not_end,
		walk_begins_anew_when_directories_moved,
		walk_waits_for_names_that_are_changing,
		immutable_stub_keeps_its_blob,
		stopping_at_once_is_allowed_and_leaves_it_unclean,
		what_was_lost_is_set_right,
		one_walk_at_a_time,
	};

	return RUN_TESTS("recover", tests, exec_setup, exec_teardown);
}
