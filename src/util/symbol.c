/* SPDX-License-Identifier: MIT */
/*
 * The program's file is mapped, and its symbols are looked through one by one: it is done once, when all is lost.
 */
#include "util/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/macro.h"

struct symbols {
	const uint8_t *file; /* owned mapping */
	size_t size;
	const ElfW(Sym) * table; /* in it */
	size_t count;
	const char *names; /* in it; ends with a NUL */
	size_t names_size;
};

/* Where the program was loaded, as its symbols do not know; it is the first of all objects. */
static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(uintptr_t *)arg = info->dlpi_addr;
	return 1;
}

static uintptr_t load_bias(void)
{
	uintptr_t bias = 0;

	(void)dl_iterate_phdr(first_object, &bias);
	return bias;
}

/* [offset, offset + size) of the file; NULL: it has no such bytes. */
static const void *part(const struct symbols *s, uint64_t offset, uint64_t size)
{
	return offset <= s->size && size <= s->size - offset ? s->file + offset : NULL;
}

static void find_table(struct symbols *s)
{
	const ElfW(Ehdr) *head = part(s, 0, sizeof(*head));
	const ElfW(Shdr) * sections;

	if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_shentsize != sizeof(*sections))
		return;
	sections = part(s, head->e_shoff, (uint64_t)head->e_shnum * sizeof(*sections));
	for (size_t i = 0; sections && i < head->e_shnum; i++) {
		const ElfW(Shdr) *at = &sections[i];
		const ElfW(Shdr) *names = at->sh_link < head->e_shnum ? &sections[at->sh_link] : at;

		if (at->sh_type != SHT_SYMTAB || names->sh_size == 0)
			continue;
		s->names = part(s, names->sh_offset, names->sh_size);
		s->names_size = names->sh_size;
		s->table = part(s, at->sh_offset, at->sh_size);
		s->count = at->sh_size / sizeof(*s->table);
		if (!s->names || !s->table || s->names[s->names_size - 1])
			s->count = 0;
	}
}

struct symbols *symbols_new(void)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct symbols *s = calloc(1, sizeof(*s));
	struct stat st;
	void *p;

	if (!s || fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
		free(s);
		return NULL;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		free(s);
		return NULL;
	}
	s->file = p;
	s->size = (size_t)st.st_size;
	find_table(s);
	return s;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	(void)munmap((void *)(uintptr_t)s->file, s->size);
	free(s);
}

/* The function that has this address in the file. */
static const ElfW(Sym) * find(const struct symbols *s, uintptr_t value)
{
	for (size_t i = 0; s && i < s->count; i++) {
		const ElfW(Sym) *at = &s->table[i];

		if (ELF64_ST_TYPE(at->st_info) == STT_FUNC && value >= at->st_value &&
		    value - at->st_value < at->st_size && at->st_name < s->names_size)
			return at;
	}
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "?";
}

const char *symbol_text(const struct symbols *s, uintptr_t pc, char *buf, size_t len)
{
	uintptr_t value = pc - load_bias();
	const ElfW(Sym) *own = find(s, value);
	Dl_info info = { 0 };

	if (own)
		(void)snprintf(buf, len, "%s+%#zx", s->names + own->st_name,
			       (size_t)(value - own->st_value));
	else if (dladdr((void *)pc, &info) == 0)
		(void)snprintf(buf, len, "%#zx", (size_t)pc);
	else if (info.dli_sname && info.dli_saddr)
		(void)snprintf(buf, len, "%s:%s+%#zx", base_name(info.dli_fname), info.dli_sname,
			       (size_t)(pc - (uintptr_t)info.dli_saddr));
	else
		(void)snprintf(buf, len, "%s+%#zx", base_name(info.dli_fname),
			       (size_t)(pc - (uintptr_t)info.dli_fbase));
	return buf;
}
