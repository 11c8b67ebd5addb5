/* SPDX-License-Identifier: MIT */
/*
 * Numbers with units. Every parser reads its whole argument: trailing text is -EINVAL.
 */
#include "util/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util/clock.h"

/* Bytes, and nanoseconds: so many are refused. Source: a little below 2^63, which a double may be rounded to. */
#define LIMIT UINT64_C(9200000000000000000)

struct unit {
	const char *name;
	double factor;
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", 1024.0 },
	{ "KiB", 1024.0 },
	{ "M", 1048576.0 },
	{ "MiB", 1048576.0 },
	{ "G", 1073741824.0 },
	{ "GiB", 1073741824.0 },
	{ "T", 1099511627776.0 },
	{ "TiB", 1099511627776.0 },
};

static const struct unit time_units[] = {
	{ "", 1e9 },	 { "ms", 1e6 },	   { "s", 1e9 },	 { "m", 60e9 },
	{ "h", 3600e9 }, { "d", 86400e9 }, { "w", 7 * 86400e9 },
};

static int find_unit(const struct unit *units, size_t n, const char *s, size_t len, double *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(units[i].name) == len && strncasecmp(units[i].name, s, len) == 0) {
			*ret = units[i].factor;
			return 0;
		}
	}
	return -EINVAL;
}

int parse_u64(const char *s, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -ERANGE;
	*ret = v;
	return 0;
}

int parse_mode(const char *s, uint32_t *ret)
{
	unsigned long v;
	char *end;

	if (*s < '0' || *s > '7')
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, 8);
	if (*end)
		return -EINVAL;
	if (errno || v > 07777)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

/* Plain decimal number: no sign, exponent, "inf" or hexadecimal, which strtod(3) would take. */
static int parse_decimal(const char **s, double *ret)
{
	const char *p = *s;
	double scale = 1;
	double v = 0;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		v = v * 10 + (*p - '0');
	if (*p == '.') {
		p++;
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		for (; isdigit((unsigned char)*p); p++) {
			scale /= 10;
			v += (*p - '0') * scale;
		}
	}
	*s = p;
	*ret = v;
	return 0;
}

int parse_size(const char *s, uint64_t *ret_bytes)
{
	double factor;
	uint64_t n;
	double v;
	int r;

	if (parse_u64(s, &n) == 0) { /* exact above 2^53 */
		if (n >= LIMIT)
			return -ERANGE;
		*ret_bytes = n;
		return 0;
	}
	r = parse_decimal(&s, &v);
	if (r < 0)
		return r;
	r = find_unit(size_units, ARRAY_SIZE(size_units), s, strlen(s), &factor);
	if (r < 0)
		return r;
	if (v * factor >= (double)LIMIT)
		return -ERANGE;
	*ret_bytes = (uint64_t)(v * factor);
	return 0;
}

int parse_share(const char *s, uint64_t whole_bytes, uint64_t *ret_bytes)
{
	const char *p = s;
	double v;

	if (!strchr(s, '%'))
		return parse_size(s, ret_bytes);
	if (parse_decimal(&p, &v) < 0 || strcmp(p, "%") != 0)
		return -EINVAL;
	if (v <= 0 || v > 100)
		return -ERANGE;
	v = (double)whole_bytes * v / 100 + 0.5; /* the nearest: 32.3 % of 1000 is 322.999... */
	/* UINT64_MAX as a double is 2^64, which no uint64_t holds. */
	*ret_bytes = v < (double)whole_bytes ? (uint64_t)v : whole_bytes;
	return 0;
}

int parse_duration(const char *s, int64_t *ret_ns)
{
	long double total = 0; /* what is shown of years is read as the same nanoseconds */
	bool more = false;

	do {
		double factor;
		size_t len;
		double v;
		int r = parse_decimal(&s, &v);

		if (r < 0)
			return r;
		for (len = 0; isalpha((unsigned char)s[len]); len++)
			;
		if (len == 0 && more) /* "1h30": of what? */
			return -EINVAL;
		r = find_unit(time_units, ARRAY_SIZE(time_units), s, len, &factor);
		if (r < 0)
			return r;
		s += len;
		total += (long double)v * factor;
		more = true;
	} while (*s);

	if (total >= LIMIT)
		return -ERANGE;
	*ret_ns = (int64_t)(total + 0.5L);
	return 0;
}

int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "on", "yes", "true", "1" };
	static const char *const no[] = { "off", "no", "false", "0" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
			*ret = strcasecmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

const char *format_size(uint64_t bytes, char *buf, size_t len)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;

	while (v >= 1024 && i < ARRAY_SIZE(names) - 1) {
		v /= 1024;
		i++;
	}
	if (i == 0)
		(void)snprintf(buf, len, "%" PRIu64 " B", bytes);
	else
		(void)snprintf(buf, len,
			       v < 10	 ? "%.2f %s"
			       : v < 100 ? "%.1f %s"
					 : "%.0f %s",
			       v, names[i]);
	return buf;
}

const char *format_duration(int64_t ns, char *buf, size_t len)
{
	int64_t s = ns / NS_PER_S;

	if (s >= 86400)
		(void)snprintf(buf, len, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		(void)snprintf(buf, len, "%" PRId64 "h %" PRId64 "m", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		(void)snprintf(buf, len, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
	else
		(void)snprintf(buf, len, "%.3g s", (double)ns / 1e9);
	return buf;
}
