/* SPDX-License-Identifier: MIT */
/*
 * The version is the one that the header is of: MHD_SONAME comes from CMakeLists.txt.
 */
#include "http/mhd.h"

#include <dlfcn.h>
#include <stddef.h>

#include "util/macro.h"

struct mhd mhd;

const char *mhd_load(void)
{
	/* dlsym(3) gives what is a function as a pointer to an object; POSIX has it so. */
	static const struct {
		const char *name;
		void **to;
	} functions[] = {
#define ENTRY(name) { "MHD_" #name, (void **)&mhd.name },
		MHD_EACH_FUNCTION(ENTRY)
#undef ENTRY
	};
	void *library = dlopen(MHD_SONAME, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < ARRAY_SIZE(functions); i++) {
		*functions[i].to = dlsym(library, functions[i].name);
		if (!*functions[i].to)
			return dlerror();
	}
	return library ? NULL : dlerror();
}
