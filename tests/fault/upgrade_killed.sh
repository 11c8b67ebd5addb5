#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: memory-on
# builds: ci
#
# The worker is killed while it makes room for another program, or is about to: clients see as little of that as of either.
HOW=both
few=60 # of what it is killed in so seldom that a dozen would not do
. "$TESTS/fault/takeover_load.sh"
