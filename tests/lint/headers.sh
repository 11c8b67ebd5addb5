#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every header compiles alone. The FUSE version is the including .c file's business.
cd "$(dirname "$0")/../.." || exit 1

export PKG_CONFIG_PATH=$PWD/build/libfuse/lib/pkgconfig:${PKG_CONFIG_PATH:-}
cflags="$(pkg-config --cflags fuse3 jansson sqlite3) -std=gnu17 -D_GNU_SOURCE -DFUSE_USE_VERSION=317
	-Isrc -Iinclude -Itools -Wall -Wextra -Wmissing-prototypes -Wundef -Werror -Wno-unused-function"
# shellcheck disable=SC2016 # $0 and $1 are the inner shell's
find src include tools tests -name '*.h' -print0 |
	xargs -0 -r -n 1 -P "$(nproc)" sh -c 'cc $0 -fsyntax-only -include "$1" -x c /dev/null' "$cflags"
