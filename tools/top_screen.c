/* SPDX-License-Identifier: MIT */
/*
 * One key at a time; between keys the next moment is waited for. What stands in the bottom line is a question, what is
 * being typed, or what came of the last key. The chosen execution is kept by its ID, wherever it moves to.
 */
#include "top_screen.h"

#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "say.h"
#include "util/clock.h"
#include "util/printable.h"

/* Lines of executions that come before lines of the head, where there is not room for both. */
#define ROWS_FIRST 5
#define ESCAPE 27
#define DELETE 127

enum mode {
	MODE_TABLE,
	MODE_FILTER,  /* the filter is typed */
	MODE_RELEASE, /* asked whether to release `chosen` */
	MODE_HELP,
};

struct screen {
	struct top *top;	     /* borrowed */
	const struct client *client; /* borrowed */
	struct top_wishes wishes;
	enum mode mode;
	char chosen[TOP_CELL_MAX]; /* ID; "": none */
	char filter[64];
	char message[256];
	size_t n;     /* rows that are shown */
	size_t row;   /* of `chosen`; 0 if there is none */
	size_t first; /* the row at the top */
	bool end;
};

static const char *const help[] = {
	"Up, Down, k, j      choose an execution",
	"PgUp, PgDn          a page of them",
	"Home, End           the first, the last",
	"p                   pin it, or unpin it",
	"r                   release it: its files are gone at once",
	"/                   show only IDs and owners that contain a text",
	"s                   sort by the next column: bytes, files, open,",
	"                    latest activity, soonest end, ID",
	"R                   turn the order round",
	"Space               look again now",
	"q                   end",
	"",
	"Press any key to go on.",
};

/* ---- drawing ---- */

static void put_line(int line, const char *text, int attributes)
{
	(void)wmove(stdscr, line, 0);
	(void)wattrset(stdscr, attributes);
	(void)waddnstr(stdscr, text, -1);
	(void)wattrset(stdscr, A_NORMAL);
}

/* The terminal's, whatever a text's characters take: what is too long ends at the margin. */
static void put_cut(int line, const char *text, int attributes)
{
	char cut[4 * TOP_CELL_MAX];

	(void)snprintf(cut, sizeof(cut), "%.*s", MAX_OF(COLS - 1, 0), text);
	put_line(line, cut, attributes);
}

/* Of the head, as many lines as fit above the titles, some executions and the bottom line. */
static int head_lines(void)
{
	return MAX_OF(MIN_OF(LINES - ROWS_FIRST - 3, TOP_HEAD_LINES), 0);
}

/* The line of the titles, below the head and an empty line. */
static int titles(void)
{
	return head_lines() > 0 ? head_lines() + 1 : 0;
}

static int rows_on_screen(void)
{
	return MAX_OF(LINES - titles() - 2, 1);
}

static void draw_bottom(const struct screen *s)
{
	char text[4 * TOP_CELL_MAX];

	if (s->mode == MODE_RELEASE)
		(void)snprintf(text, sizeof(text), "Release %s? Its files are gone then. (y/n)",
			       s->chosen);
	else if (s->mode == MODE_FILTER)
		(void)snprintf(text, sizeof(text), "Filter: %s", s->filter);
	else if (s->message[0])
		(void)snprintf(text, sizeof(text), "%s", s->message);
	else
		(void)snprintf(text, sizeof(text),
			       "by %s%s%s%s  |  p pin  r release  / filter  s sort  q quit  ? help",
			       top_sort_name(s->wishes.sort), s->wishes.reverse ? ", reversed" : "",
			       s->filter[0] ? ", with " : "", s->filter);
	put_cut(LINES - 1, text, s->mode == MODE_RELEASE ? A_BOLD : A_NORMAL);
}

static void draw_table(const struct screen *s)
{
	char lines[TOP_HEAD_LINES][2 * TOP_CELL_MAX];
	char line[4 * TOP_CELL_MAX];

	top_head(s->top, s->client->path, (double)clock_real_ns() / NS_PER_S, lines);
	for (int i = 0; i < head_lines(); i++)
		put_cut(i, lines[i], A_NORMAL);
	top_line(NULL, COLS, line, sizeof(line));
	put_cut(titles(), line, A_REVERSE);
	for (int i = 0; i < rows_on_screen() && s->first + (size_t)i < s->n; i++) {
		size_t row = s->first + (size_t)i;

		top_line(&s->top->rows[row], COLS, line, sizeof(line));
		put_line(titles() + 1 + i, line,
			 row == s->row && s->chosen[0] ? A_REVERSE | A_BOLD : A_NORMAL);
	}
	if (s->n == 0)
		put_cut(titles() + 1, s->filter[0] ? "no execution matches" : "no executions",
			A_NORMAL);
}

static void draw(struct screen *s)
{
	(void)werase(stdscr);
	if (s->mode == MODE_HELP) {
		for (size_t i = 0; i < ARRAY_SIZE(help) && (int)i < LINES; i++)
			put_cut((int)i, help[i], A_NORMAL);
	} else {
		draw_table(s);
		draw_bottom(s);
	}
	(void)curs_set(s->mode == MODE_FILTER);
	(void)wrefresh(stdscr);
}

/* ---- what is chosen ---- */

static void choose(struct screen *s, size_t row)
{
	s->row = row;
	(void)snprintf(s->chosen, sizeof(s->chosen), "%s", s->n > 0 ? s->top->rows[row].id : "");
}

/* After the rows have changed: the same execution; if it has gone, what stands in its place. */
static void arrange(struct screen *s)
{
	size_t page = (size_t)rows_on_screen();
	size_t row = 0;

	s->n = top_arrange(s->top, s->wishes.sort, s->wishes.reverse, s->filter);
	while (row < s->n && strcmp(s->top->rows[row].id, s->chosen) != 0)
		row++;
	if (row < s->n)
		s->row = row;
	else if (s->chosen[0])
		choose(s, s->n > 0 ? MIN_OF(s->row, s->n - 1) : 0);
	if (s->row < s->first)
		s->first = s->row;
	if (s->row >= s->first + page)
		s->first = s->row - page + 1;
	if (s->first + page > s->n)
		s->first = s->n > page ? s->n - page : 0;
}

static void choose_by(struct screen *s, long by)
{
	long to = s->chosen[0] ? (long)s->row + by : 0;

	if (s->n > 0)
		choose(s, (size_t)MAX_OF(MIN_OF(to, (long)s->n - 1), 0L));
}

static const struct top_row *chosen_row(struct screen *s)
{
	if (s->chosen[0] && s->row < s->n)
		return &s->top->rows[s->row];
	(void)snprintf(s->message, sizeof(s->message), "choose an execution with the arrows first");
	return NULL;
}

/* ---- what is done ---- */

static void tell(struct screen *s, const char *id, int err, const char *done)
{
	(void)snprintf(s->message, sizeof(s->message), "%.64s: %s", id,
		       err == 0		? done
		       : err == -EACCES ? "it belongs to somebody else"
		       : err == -ENOENT ? "it is gone"
		       : err == -EPERM	? "it has no lifetime to change"
					: strerror(-err));
}

static void pin(struct screen *s)
{
	const struct top_row *row = chosen_row(s);
	bool on = row && !row->pinned;

	if (!row || !client_id_ok(row->id))
		return;
	tell(s, row->id, client_set(s->client, row->id, "pinned", on ? "1" : "0"),
	     on ? "pinned, does not expire" : "unpinned, expires as others do");
}

static void release(struct screen *s)
{
	if (client_id_ok(s->chosen))
		tell(s, s->chosen, client_set(s->client, s->chosen, "release", "1"), "released");
}

/* ---- keys ---- */

static void key_in_filter(struct screen *s, int key)
{
	size_t len = strlen(s->filter);

	if (key == '\n' || key == KEY_ENTER) {
		s->mode = MODE_TABLE;
	} else if (key == ESCAPE) {
		s->filter[0] = '\0';
		s->mode = MODE_TABLE;
	} else if (key == KEY_BACKSPACE || key == DELETE || key == '\b') {
		s->filter[len > 0 ? len - 1 : 0] = '\0';
	} else if (key >= ' ' && key < DELETE && len + 1 < sizeof(s->filter)) {
		s->filter[len] = (char)key;
		s->filter[len + 1] = '\0';
	}
}

static void key_in_table(struct screen *s, int key)
{
	switch (key) {
	case 'q':
		s->end = true;
		break;
	case '?':
	case 'h':
		s->mode = MODE_HELP;
		break;
	case '/':
		s->filter[0] = '\0';
		s->mode = MODE_FILTER;
		break;
	case 's':
		s->wishes.sort = (s->wishes.sort + 1) % TOP_SORT_MAX_;
		break;
	case 'R':
		s->wishes.reverse = !s->wishes.reverse;
		break;
	case 'p':
		pin(s);
		break;
	case 'r':
		if (chosen_row(s))
			s->mode = MODE_RELEASE;
		break;
	default:
		break;
	}
}

/* False: none that chooses a row. */
static bool key_moves(struct screen *s, int key)
{
	static const struct {
		int key;
		long by;
	} moves[] = {
		{ KEY_UP, -1 },		 { 'k', -1 },
		{ KEY_DOWN, 1 },	 { 'j', 1 },
		{ KEY_HOME, -0xffffff }, { KEY_END, 0xffffff },
		{ KEY_PPAGE, -1000 },	 { KEY_NPAGE, 1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		if (moves[i].key != key)
			continue;
		choose_by(s, moves[i].by / 1000 == 1	? rows_on_screen()
			     : moves[i].by / 1000 == -1 ? -rows_on_screen()
							: moves[i].by);
		return true;
	}
	return false;
}

static void handle_key(struct screen *s, int key)
{
	s->message[0] = '\0';
	switch (s->mode) {
	case MODE_HELP:
		s->mode = MODE_TABLE;
		break;
	case MODE_FILTER:
		key_in_filter(s, key);
		break;
	case MODE_RELEASE:
		if (key == 'y' || key == 'Y')
			release(s);
		s->mode = MODE_TABLE;
		break;
	case MODE_TABLE:
		if (!key_moves(s, key))
			key_in_table(s, key);
		break;
	}
}

/* Whether what a key did shows only when the mount is asked again. */
static bool asks_again(const struct screen *s, int key)
{
	return s->mode == MODE_TABLE && (key == ' ' || key == 'p' || key == 'y' || key == 'Y');
}

/* Keys until the next moment is due. */
static void keys_until(struct screen *s, int64_t due_mono_ns)
{
	for (int64_t now = clock_mono_ns(); now < due_mono_ns && !s->end; now = clock_mono_ns()) {
		int key;

		arrange(s);
		draw(s);
		wtimeout(stdscr, (int)MIN_OF((due_mono_ns - now) / NS_PER_MS + 1, INT64_C(1000)));
		key = wgetch(stdscr);
		if (key == ERR && !isatty(STDIN_FILENO))
			s->end = true; /* the terminal is gone, and SIGHUP is ignored */
		if (key == ERR || key == KEY_RESIZE)
			continue;
		handle_key(s, key);
		if (asks_again(s, key))
			return;
	}
}

static int watch(struct screen *s)
{
	long count = 0;
	int r = 0;

	while (r == 0) {
		keys_until(s, clock_mono_ns() + s->wishes.delay_ns);
		if (s->end || ++count == s->wishes.count)
			break;
		r = s->mode == MODE_RELEASE ? 0 : top_read(s->top, s->client);
	}
	return r;
}

int top_screen_run(struct top *t, const struct client *c, const struct top_wishes *wishes)
{
	struct screen s = { .top = t, .client = c, .wishes = *wishes };
	SCREEN *terminal = newterm(NULL, stdout, stdin);
	int r;

	if (!terminal)
		return -ENOTTY;
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, TRUE);
	(void)set_escdelay(50); /* ms; a lone Escape is a key here */
	r = watch(&s);
	(void)endwin();
	delscreen(terminal);
	return r;
}
