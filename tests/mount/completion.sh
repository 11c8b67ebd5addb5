#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
#
# What `baton --completion` writes: bash's completes commands, options, execution IDs and words; zsh and fish, where
# they are installed, can read theirs, and fish completes.
. "$TESTS/lib/mount.sh"

PATH=$(dirname "$BATON"):$PATH
mount_batonfs
export BATON_MOUNT=$MNT
echo x >"$MNT/4711_a"
echo x >"$MNT/4712_a"
mkdir "$WORK/dir" "$WORK/dir/sub"
echo x >"$WORK/dir/file"

expect "$BATON" --completion bash >"$WORK/bash"
. "$WORK/bash"
compopt() { :; }

# completes WANTED WORD...: with the last word being typed.
completes() {
	local wanted=$1 got
	shift

	COMP_WORDS=(baton "$@")
	COMP_CWORD=$#
	_baton
	got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' ')
	expect_eq "$wanted" "$got" "baton $*"
}

completes "release" rel
completes "status" statu
completes "stat status" stat
completes "--json" --j
completes "4711 4712" why ""
completes "4712" pin 4711 4712
completes "4711" -m "$MNT" stat 4711
completes "dedup dedup_min" config dedup
completes "ttl" config high=90% tt
completes "default never" ttl 4711 ""
completes "" ttl 4711 never ""
completes "" status ""
completes "$WORK/dir/file $WORK/dir/sub" ref "$WORK/dir/"
completes "$WORK/dir/sub" -m "$WORK/dir/"
completes "$WORK/dir/sub" doctor "$WORK/dir/"
completes "unpin" help unp
completes "fsck" fs
completes "gc get" g
completes "--now" gc --n
completes "--repair" fsck ""
completes "--batch" top --b
completes "" top --now
for command in $("$BATON" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
	grep -q "^complete -c baton -n __fish_use_subcommand -a $command " <("$BATON" --completion fish) || fail "fish: no $command"
	grep -q "'$command:" <("$BATON" --completion zsh) || fail "zsh: no $command"
	grep -qw "$command" "$WORK/bash" || fail "bash: no $command"
done
expect_fail "$BATON" --completion csh 2>/dev/null

expect "$BATON" --completion zsh >"$WORK/zsh"
expect "$BATON" --completion fish >"$WORK/fish"
if command -v zsh >/dev/null; then
	expect zsh -n "$WORK/zsh"
fi
if command -v fish >/dev/null; then
	out=$(HOME=$WORK fish --no-config -c "source $WORK/fish; complete -C 'baton why 471'" 2>&1)
	expect_eq "4711 4712" "$(sort <<<"$out" | paste -sd' ')" "fish"
fi
