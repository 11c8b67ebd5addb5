#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
#
# The Debian package has all of a program's parts, where Debian looks for them, and its programs run; and
# `cmake --install` keeps to its prefix and to DESTDIR.
. "$TESTS/lib/mount.sh"

build=$TESTS/../build/$(basename "$BUILD")
command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || skip "no dpkg-dev"

expect flock "$build" cpack --config "$build/CPackConfig.cmake" -B "$WORK/package" >"$WORK/cpack.log"
package=$(echo "$WORK"/package/batonfs_*_*.deb)
expect_match '/batonfs_[0-9.]+_[a-z0-9]+\.deb$' "$package" "name"
expect dpkg-deb -x "$package" "$WORK/root"
expect dpkg-deb -e "$package" "$WORK/control"

for file in usr/bin/batonfs usr/bin/baton usr/sbin/mount.batonfs usr/sbin/mount.fuse.batonfs usr/sbin/umount.fuse.batonfs \
	usr/lib/systemd/system/batonfs@.service usr/share/man/man1/baton.1 usr/share/man/man8/batonfs.8 \
	usr/share/bash-completion/completions/baton usr/share/zsh/vendor-completions/_baton \
	usr/share/fish/vendor_completions.d/baton.fish etc/batonfs/example.conf usr/share/doc/batonfs/docs/metrics.md \
	usr/share/doc/batonfs/copyright etc/needrestart/conf.d/batonfs.conf \
	usr/share/doc/batonfs/deploy/prometheus/batonfs.rules.yml; do
	[ -s "$WORK/root/$file" ] || fail "the package lacks $file"
done
expect_eq "" "$(find "$WORK/root" ! -user root -o ! -group root -o -type f -perm /022)" "owners and modes"
expect_eq "$(cd "$WORK/root" && find etc -type f -printf '/%p\n' | sort)" "$(cat "$WORK/control/conffiles")" "conffiles"
expect_eq 0 "$(perl -e 'do shift; "batonfs\@data-tmp.service" =~ $_ and print $nrconf{override_rc}{$_} for keys %{$nrconf{override_rc}}' \
	"$WORK/root/etc/needrestart/conf.d/batonfs.conf")" "what needrestart does with a unit"
for script in postinst prerm postrm; do
	[ -x "$WORK/control/$script" ] && sh -n "$WORK/control/$script" || fail "$script"
done
for library in libc6 libsqlite3-0 libjansson4 libxxhash0 libseccomp2 libmicrohttpd12; do
	grep -q "^Depends:.*\b$library\(t64\)\?\b" "$WORK/control/control" || fail "does not depend on $library"
done

# What is linked statically is passed on with the package: under the LGPL, which wants that said.
copyright=$WORK/root/usr/share/doc/batonfs/copyright
expect grep -q "^MIT License" "$copyright"
grep -q "^Depends:.*\blibfuse3-" "$WORK/control/control" ||
	expect grep -q "^libfuse 3\.[0-9.]* is part of the program batonfs" "$copyright"

version=$("$BUILD/baton" --version)
expect_eq "${version#baton }" "$(sed -n 's/^Version: //p' "$WORK/control/control")" "version"
expect_eq "$version" "$("$WORK/root/usr/bin/baton" --version)"
expect_eq "batonfs ${version#baton }" "$("$WORK/root/usr/sbin/mount.batonfs" --version)"
grep -q '^ExecStart=/usr/bin/batonfs -f ' "$WORK/root/usr/lib/systemd/system/batonfs@.service" || fail "unit"
! grep -rl "$WORK" "$WORK/root" || fail "names the place where it was built"
expect_eq "" "$(grep -v '^#\|^$' "$WORK/root/etc/batonfs/example.conf")" "the example sets something"

# Elsewhere: everything below prefix and DESTDIR, and nothing that names the latter.
expect env DESTDIR="$WORK/dest" flock "$build" cmake --install "$build" --prefix /opt/baton >/dev/null
expect_eq opt "$(ls "$WORK/dest")" "what DESTDIR has"
expect_eq baton "$(ls "$WORK/dest/opt")" "what the prefix has"
grep -q '^ExecStart=/opt/baton/bin/batonfs -f ' "$WORK/dest/opt/baton/lib/systemd/system/batonfs@.service" || fail "unit elsewhere"
[ -s "$WORK/dest/opt/baton/etc/batonfs/example.conf" ] || fail "configuration elsewhere"
expect_eq "$version" "$("$WORK/dest/opt/baton/bin/baton" --version)"
