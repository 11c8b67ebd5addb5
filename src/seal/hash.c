/* SPDX-License-Identifier: MIT */
/*
 * Read, not mapped: a file that is cut short meanwhile ends, instead of sending SIGBUS.
 */
#include "seal/hash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#ifdef HAVE_XXH_DISPATCH
#include <xxh_x86dispatch.h> /* the same names; with AVX2 or AVX-512, where there is that */
#endif

#include "util/cleanup.h"
#include "util/fault.h"

/*
 * Read at once. Source: fits the second-level cache, so that hashing finds it there, with room for what others have in
 * it; and a kernel that does not preempt itself (PREEMPT_NONE) keeps who is woken waiting for no longer than 10 us.
 */
#define BUFFER_SIZE (UINT64_C(64) << 10)

DEFINE_CLEANUP(XXH3_state_t *, XXH3_freeState)

/* Up to a piece. *ret_n: 0 at the end. */
static int hash_piece(int fd, XXH3_state_t *state, void *buffer, uint64_t at, uint64_t *ret_n)
{
	uint64_t done = 0;

	while (done < HASH_PIECE) {
		ssize_t n = FAULT_CALL("hash", pread(fd, buffer, BUFFER_SIZE, (off_t)(at + done)));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		(void)XXH3_128bits_update(state, buffer, (size_t)n); /* fails for NULL only */
		done += (uint64_t)n;
	}
	*ret_n = done;
	return 0;
}

/* Tests make collisions: only so many bytes of it count. */
static uint64_t hash_bytes(void)
{
	return MIN_OF(FAULT_NUMBER("BATONFS_FAULT_HASH", (uint64_t)HASH_SIZE), (uint64_t)HASH_SIZE);
}

int hash_fd(int fd, hash_may_fn *may, void *ctx, uint8_t ret[HASH_SIZE], uint64_t *ret_bytes)
{
	_cleanup_(XXH3_freeStatep) XXH3_state_t *state = XXH3_createState();
	_cleanup_free_ void *buffer = malloc(BUFFER_SIZE);
	XXH128_canonical_t canonical;
	uint64_t at = 0;
	uint64_t n;

	if (!state || !buffer)
		return -ENOMEM;
	(void)XXH3_128bits_reset(state);
	do {
		int r = at == 0 || may(ctx) ? hash_piece(fd, state, buffer, at, &n) : -ECANCELED;

		if (r < 0)
			return r;
		at += n;
	} while (n == HASH_PIECE);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	memset(ret, 0, HASH_SIZE);
	memcpy(ret, canonical.digest, hash_bytes());
	*ret_bytes = at;
	return 0;
}

void hash_text(const uint8_t hash[HASH_SIZE], char ret[HASH_TEXT_SIZE])
{
	for (size_t i = 0; i < HASH_SIZE; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}
