/* SPDX-License-Identifier: MIT */
/*
 * Text that others have chosen, for a terminal or a log: the names of files and of processes may hold any byte.
 */
#ifndef UTIL_PRINTABLE_H
#define UTIL_PRINTABLE_H

/*
 * Put '?' in the place of each control character, in place: those of ASCII, which end lines and begin a terminal's
 * commands, and U+0080 to U+009F in UTF-8, which some terminals take for the same. All else stays, also what is no
 * UTF-8. Returns its argument.
 */
static inline char *printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '?';
	}
	return text;
}

#endif
