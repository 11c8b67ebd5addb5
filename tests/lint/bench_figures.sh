#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The benchmark's arithmetic: medians, ratios, verdicts, tables.
exec python3 "$(dirname "$0")/../bench/figures_test.py"
