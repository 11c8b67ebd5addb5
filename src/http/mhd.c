/* SPDX-License-Identifier: MIT */
/*
 * The version is the one that the header is of: MHD_SONAME comes from CMakeLists.txt.
 */
#include "http/mhd.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "util/macro.h"

struct mhd mhd;

const char *mhd_load(void)
{
	static const struct {
		const char *name;
		void *to; /* a pointer to a function; of the size of one to an object, as POSIX has it */
	} functions[] = {
#define ENTRY(name) { "MHD_" #name, &mhd.name },
		MHD_EACH_FUNCTION(ENTRY)
#undef ENTRY
	};
	void *library = dlopen(MHD_SONAME, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < ARRAY_SIZE(functions); i++) {
		void *function = dlsym(library, functions[i].name);

		if (!function)
			return dlerror();
		memcpy(functions[i].to, &function, sizeof(function));
	}
	return library ? NULL : dlerror();
}
