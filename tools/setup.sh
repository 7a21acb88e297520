# SPDX-License-Identifier: MIT
# Shell functions that ./quickstart and tests/run share; source it in the repository root. They
# install what is missing and nothing else, so that running them again costs a second.

say() {
	printf '==> %s\n' "$*" >&2
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "'$1' needs root: run as root, install sudo, or install by hand what" \
			"tools/packages.txt names and use --no-install"
	fi
}

has_package() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_packages SECTION...: the Debian packages of these sections of tools/packages.txt.
install_packages() {
	local section name missing=()

	command -v dpkg-query >/dev/null ||
		die "this is not Debian: install what tools/packages.txt names and use --no-install"
	for section in "$@"; do
		while read -r name; do
			has_package "$name" || missing+=("$name")
		done < <(sed -n "s/^$section //p" tools/packages.txt)
	done
	[ ${#missing[@]} = 0 ] && return
	say "installing ${#missing[@]} packages: ${missing[*]}"
	as_root apt-get update -qq || say "going on with the package lists of the last update"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
		--no-install-recommends "${missing[@]}" >&2 ||
		die "apt-get could not install: ${missing[*]}"
}

# install_wheels FILE...: .venv with the pinned wheels of these requirement files. torch comes
# first and with what it needs (more in its CUDA builds); the lists hold the rest in full.
install_wheels() {
	local missing file lists=()

	[ -x .venv/bin/python ] || python3 -m venv .venv || die "python3 -m venv .venv failed"
	missing=$(.venv/bin/python tools/missing_wheels.py "$@") ||
		die "tools/missing_wheels.py failed"
	[ -n "$missing" ] || return 0
	say "installing $(wc -l <<<"$missing") wheels into .venv (torch is some 200 MB)"
	for file in "$@"; do
		lists+=(-r "$file")
	done
	if grep -q '^torch==' <<<"$missing"; then
		.venv/bin/python -m pip install -q --disable-pip-version-check \
			-c tools/requirements-test.txt "$(grep '^torch==' <<<"$missing")" >&2 ||
			die "pip could not install torch into .venv"
	fi
	.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps \
		"${lists[@]}" >&2 || die "pip could not install the wheels of $* into .venv"
}

# configure DIR [meson option...]: make the build folder, or bring its options to these.
configure() {
	local dir=$1

	shift
	if [ -f "$dir/build.ninja" ]; then
		meson configure "$dir" "$@" && return
		say "starting $dir afresh: it could not be reconfigured"
		rm -rf "$dir"
	fi
	meson setup "$dir" "$@"
}
