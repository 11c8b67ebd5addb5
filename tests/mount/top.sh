#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci asan
#
# baton top in a terminal: executions by size, keys that choose, sort, filter, pin and release (after a question), other
# sizes of the terminal, names that would command it; and its tables and JSON where there is no terminal.
. "$TESTS/lib/mount.sh"

command -v tmux >/dev/null || skip "no tmux here"

mount_batonfs
export BATON_MOUNT=$MNT
head -c 100000 /dev/zero >"$MNT/4711/a"
head -c 300000 /dev/zero >"$MNT/4712/a"
bash -c 'printf "\e[2J\e]0;x" >/proc/self/comm; echo >"$0/4713_a"' "$MNT"

# ---- without a terminal ----

"$BATON" top >"$WORK/out" 2>&1 </dev/null
expect_eq 2 $? "exit status without a terminal"
expect_match '--batch' "$(cat "$WORK/out")"
expect "$BATON" top --batch --count 2 --delay 100ms >"$WORK/out"
expect_eq "4712 4711 4713 4712 4711 4713" "$(sed -n 's/^\(471.\) .*/\1/p' "$WORK/out" | paste -sd' ')" "order by bytes"
expect_fail grep -q $'\e' "$WORK/out"
expect_eq "4711 4712 4713" "$("$BATON" top -b -n 1 -s id | sed -n 's/^\(471.\) .*/\1/p' | paste -sd' ')" "order by ID"
expect_eq 3 "$("$BATON" top --json --count 1 | python3 -c 'import json, sys; d = json.load(sys.stdin); d["rates"]["requests"]; print(len(d["executions"]))')"
for args in "--sort x" "--delay 1ms" "--count 0" "extra"; do
	# shellcheck disable=SC2086 # words
	"$BATON" top --batch $args >/dev/null 2>&1
	expect_eq 2 $? "exit status of: $args"
done

# ---- in one ----

terminal() { tmux -S "$WORK/tmux" "$@"; }
screen() { terminal capture-pane -p -t 0; }
shows() { screen | grep -qE -- "$1"; }
shows_not() { ! shows "$1"; }
keys() { terminal send-keys -t 0 "$@"; }

tmux -S "$WORK/tmux" -f /dev/null -D & # in the foreground: it ends with this script
wait_until 10 [ -S "$WORK/tmux" ]
TERM=xterm expect terminal new-session -d -x 80 -y 24 "$BATON top -d 200ms; echo status \$?; cat"
terminal set-option -g remain-on-exit on

wait_until 20 shows '^4712 .* 293 KiB '
expect_eq "4712 4711 4713" "$(screen | sed -n 's/^\(471.\) .*/\1/p' | paste -sd' ')" "rows"
expect_match '\?\[2J' "$(screen | grep '^4713')" "the name of a process"
expect_eq "" "$(screen | awk 'length > 80')" "long lines"
keys p
wait_until 10 shows 'choose an execution'
keys Down Down p
wait_until 10 shows '^4711 .* pinned$'
expect_eq 1 "$(cat "$MNT/.baton/executions/4711/pinned")"
keys p
wait_until 10 shows '4711: unpinned'
wait_until 10 shows_not '^4711 .* pinned$'
keys s s s s s
wait_until 10 shows '^by id'
expect_eq "4711 4712 4713" "$(screen | sed -n 's/^\(471.\) .*/\1/p' | paste -sd' ')" "rows by ID"
keys / 1 2 Enter
wait_until 10 shows_not '^4711'
expect shows '^4712'
keys / Escape
wait_until 10 shows '^4711'
keys '?'
wait_until 10 shows 'turn the order round'
keys x
wait_until 10 shows '^4713'

# It asks before it releases, and only the right answer counts. What is chosen is what was chosen before.
keys Home r
wait_until 10 shows '^Release 4711\?'
keys n
wait_until 10 shows_not 'Release'
[ -e "$MNT/4711/a" ] || fail "released without a yes"
keys r
wait_until 10 shows '^Release 4711\?'
keys y
wait_until 10 shows_not '^4711 '
expect_fail [ -e "$MNT/4711/a" ]

terminal resize-window -t 0 -x 120 -y 7
wait_until 10 shows '^4712 .{45}'
terminal resize-window -t 0 -x 30 -y 4
wait_until 10 shows_not 'per second: .* handed'
terminal resize-window -t 0 -x 80 -y 24
wait_until 10 shows '^4712 .* 293 KiB '
keys q
wait_until 10 shows 'status 0'

# What ends it is said where it can be seen, also if it is in the middle of a question then.
top_asks() { grep -qs request_wait_answer "/proc/$(pgrep -P "$(terminal display-message -p -t 0 '#{pane_pid}')" -x baton)/stack"; }
terminal respawn-pane -k -t 0 "$BATON top -d 200ms; echo status \$?; cat"
wait_until 10 shows '^4712'
kill -STOP "$(daemon_pid)"
kill -STOP "$(worker_pid)"
wait_until 10 top_asks
kill_batonfs
wait_until 10 shows 'status 1'
expect shows 'baton: top: the daemon of'
terminal kill-server
