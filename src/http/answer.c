/* SPDX-License-Identifier: MIT */
/*
 * A table of what there is to ask for.
 */
#include "http/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/mhd.h"
#include "http/page.h"
#include "util/address.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* How long the mount may take: to answer at all, and to tell everything. Source: less than a millisecond; 10 000 executions. */
#define HEALTH_NS (2 * NS_PER_S)
#define TEXT_NS (5 * NS_PER_S)

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_HTML "text/html; charset=utf-8"

/* For the page: what it may load and ask for; nobody may frame it. For all others, which no browser is to show: nothing. */
#define POLICY_PAGE                                                                                \
	"default-src 'none'; connect-src 'self'; img-src data:; style-src 'nonce-%s'; "            \
	"script-src 'nonce-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define POLICY_NONE "default-src 'none'; frame-ancestors 'none'"

/* One answer. */
struct reply {
	unsigned int status;
	const char *type;
	const char *policy;
	char *text; /* owned until it is sent */
	size_t len;
};

/* What libmicrohttpd has of it until it is sent. */
struct body {
	struct answers *answers;
	size_t len;
	char *text;
};

static void body_free(void *arg)
{
	struct body *b = arg;

	b->answers->pending -= b->len;
	free(b->text);
	free(b);
}

static void add_headers(struct MHD_Response *response, const struct reply *reply)
{
	const char *const headers[][2] = {
		{ MHD_HTTP_HEADER_CONTENT_TYPE, reply->type },
		{ "Content-Security-Policy", reply->policy },
		{ MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
		{ MHD_HTTP_HEADER_CONNECTION, "close" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Referrer-Policy", "no-referrer" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		(void)mhd.add_response_header(response, headers[i][0], headers[i][1]);
	if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)mhd.add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
}

/* Takes the text over. MHD_NO ends the connection. */
static enum MHD_Result send_reply(struct answers *a, struct MHD_Connection *c,
				  const struct reply *reply)
{
	struct body *body = malloc(sizeof(*body));
	struct MHD_Response *response = NULL;
	enum MHD_Result result;

	if (body) {
		*body = (struct body){ a, reply->len, reply->text };
		response = mhd.create_response_from_buffer_with_free_callback_cls(reply->len,
										  reply->text,
										  body_free, body);
	}
	if (!response) {
		free(body);
		free(reply->text);
		return MHD_NO;
	}
	a->pending += reply->len;
	add_headers(response, reply);
	result = mhd.queue_response(c, reply->status, response);
	mhd.destroy_response(response);
	return result;
}

static enum MHD_Result say(struct answers *a, struct MHD_Connection *c, unsigned int status,
			   const char *line)
{
	struct reply reply = { .status = status, .type = TYPE_TEXT, .policy = POLICY_NONE };
	int n = asprintf(&reply.text, "%s\n", line);

	if (n < 0)
		return MHD_NO;
	reply.len = (size_t)n;
	return send_reply(a, c, &reply);
}

/* ---- what there is ---- */

struct route {
	const char *path;
	const char *type;
	const char *file; /* of the mount; NULL: the page */
};

static const struct route routes[] = {
	{ "/", TYPE_HTML, NULL },
	{ "/metrics", TYPE_PROMETHEUS, "metrics" },
	{ "/status.json", TYPE_JSON, "status.json" },
	{ "/executions.json", TYPE_JSON, "executions.json" },
	{ "/healthz", NULL,
	  "version" }, /* nothing of .baton is in the kernel's cache: it is a request to the daemon */
};

static const char *reason(int err)
{
	switch (err) {
	case -ETIMEDOUT:
		return "the mount does not answer";
	case -ENOTCONN:
	case -ECONNABORTED:
		return "the mount has ended";
	case -EFBIG:
		return "there are too many executions for that; `baton ls` lists them";
	default:
		return strerror(-err);
	}
}

static enum MHD_Result send_page(struct answers *a, struct MHD_Connection *c)
{
	char policy[sizeof(POLICY_PAGE) + 2 * (size_t)PAGE_NONCE_MAX];
	struct reply reply = { .status = MHD_HTTP_OK, .type = TYPE_HTML, .policy = policy };
	char nonce[PAGE_NONCE_MAX];

	if (page_nonce(nonce) < 0 || page_text(nonce, &reply.text, &reply.len) < 0)
		return MHD_NO;
	(void)snprintf(policy, sizeof(policy), POLICY_PAGE, nonce, nonce);
	return send_reply(a, c, &reply);
}

static enum MHD_Result send_route(struct answers *a, struct MHD_Connection *c,
				  const struct route *route)
{
	struct reply reply = { .status = MHD_HTTP_OK, .type = route->type, .policy = POLICY_NONE };
	int r;

	if (!route->file)
		return send_page(a, c);
	r = mount_reader_ask(a->reader, route->file, route->type ? TEXT_NS : HEALTH_NS, &reply.text,
			     &reply.len);
	if (r < 0)
		return say(a, c, MHD_HTTP_SERVICE_UNAVAILABLE, reason(r));
	if (route->type)
		return send_reply(a, c, &reply);
	free(reply.text);
	return say(a, c, MHD_HTTP_OK, "ok");
}

static bool is_led_here(const struct answers *a, struct MHD_Connection *c)
{
	const char *host = mhd.lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

	return a->loopback && host && !address_host_is_loopback(host);
}

enum MHD_Result answer(void *cls, struct MHD_Connection *c, const char *url, const char *method,
		       const char *version, const char *data, size_t *data_size, void **seen)
{
	struct answers *a = cls;

	(void)version;
	(void)data;
	if (*data_size > 0) { /* of a body, which nobody wants */
		*data_size = 0;
		return MHD_YES;
	}
	if (!*seen) { /* the headers are there; an answer now would end the connection */
		*seen = a;
		return MHD_YES;
	}
	if (is_led_here(a, c))
		return say(a, c, MHD_HTTP_MISDIRECTED_REQUEST,
			   "this is for localhost; another name for it is not");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(a, c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
	if (a->pending > ANSWER_BYTES_MAX)
		return say(a, c, MHD_HTTP_SERVICE_UNAVAILABLE, "too many answers are on their way");
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, url) == 0)
			return send_route(a, c, &routes[i]);
	}
	return say(a, c, MHD_HTTP_NOT_FOUND,
		   "there are /, /metrics, /healthz, /status.json and /executions.json");
}
