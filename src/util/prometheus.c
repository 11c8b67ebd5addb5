/* SPDX-License-Identifier: MIT */
/*
 * The text format. Numbers are written exactly: a double of the format would round counters above 2^53.
 */
#include "util/prometheus.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/utf8.h"

void prom_head(FILE *out, const char *name, enum prom_type type, const char *help)
{
	static const char *const types[] = {
		[PROM_COUNTER] = "counter",
		[PROM_GAUGE] = "gauge",
		[PROM_HISTOGRAM] = "histogram",
	};

	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static bool is_ascii(const char *text)
{
	while (*text && (unsigned char)*text < 0x80)
		text++;
	return !*text;
}

/* With what would end the value, or the line, escaped. */
static void put_escaped(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
}

/* KEY="VALUE". All that there is would be refused for a value that is not UTF-8. */
static void put_label(FILE *out, const char *key, const char *value)
{
	_cleanup_free_ char *text = is_ascii(value) ? NULL : utf8_dup(value, strlen(value));

	fprintf(out, "%s=\"", key);
	put_escaped(out, text ? text : is_ascii(value) ? value : "");
	fputc('"', out);
}

static void put_name(FILE *out, const char *name, const char *label, const char *value)
{
	fputs(name, out);
	if (label) {
		fputc('{', out);
		put_label(out, label, value);
		fputc('}', out);
	}
	fputc(' ', out);
}

/* Seconds to the nanosecond, without zeros at the end. */
static void put_seconds(FILE *out, uint64_t ns)
{
	char digits[16];
	int n = 9;

	(void)snprintf(digits, sizeof(digits), "%09" PRIu64, ns % (uint64_t)NS_PER_S);
	while (n > 0 && digits[n - 1] == '0')
		n--;
	fprintf(out, "%" PRIu64 "%s%.*s", ns / (uint64_t)NS_PER_S, n > 0 ? "." : "", n, digits);
}

void prom_uint(FILE *out, const char *name, const char *label, const char *value, uint64_t n)
{
	put_name(out, name, label, value);
	fprintf(out, "%" PRIu64 "\n", n);
}

void prom_seconds(FILE *out, const char *name, const char *label, const char *value, uint64_t ns)
{
	put_name(out, name, label, value);
	put_seconds(out, ns);
	fputc('\n', out);
}

void prom_info(FILE *out, const char *name, const char *const *labels)
{
	fputs(name, out);
	for (const char *gap = "{"; *labels; labels += 2, gap = ",") {
		fputs(gap, out);
		put_label(out, labels[0], labels[1]);
	}
	fputs("} 1\n", out);
}

void prom_one(FILE *out, const char *name, enum prom_type type, const char *help, uint64_t n)
{
	prom_head(out, name, type, help);
	prom_uint(out, name, NULL, NULL, n);
}

void prom_histogram(FILE *out, const char *name, const char *label, const char *value, size_t n,
		    const uint64_t *le_ns, const uint64_t *counts, uint64_t sum_ns)
{
	uint64_t total = 0;

	for (size_t i = 0; i <= n; i++) {
		total += counts[i];
		fprintf(out, "%s_bucket{", name);
		put_label(out, label, value);
		fputs(",le=\"", out);
		if (i < n)
			put_seconds(out, le_ns[i]);
		else
			fputs("+Inf", out);
		fprintf(out, "\"} %" PRIu64 "\n", total);
	}
	fprintf(out, "%s_sum{", name);
	put_label(out, label, value);
	fputs("} ", out);
	put_seconds(out, sum_ns);
	fprintf(out, "\n%s_count{", name);
	put_label(out, label, value);
	fprintf(out, "} %" PRIu64 "\n", total);
}
