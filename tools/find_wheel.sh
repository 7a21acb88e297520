#!/bin/sh
# SPDX-License-Identifier: MIT
# find_wheel.sh VENV PACKAGE: the folder of an installed wheel, or nothing.
for dir in "$1"/lib/python3*/site-packages/"$2"; do
	[ -d "$dir/include" ] && printf '%s\n' "$dir" && exit 0
done
exit 0
