#!/bin/sh
# SPDX-License-Identifier: MIT
# A worker for tests of the engine: does what the hyperparameter "do" of its spec says.
case "$1" in inspect*) exit 0 ;; esac
[ "$1" = serve ] && exec /usr/bin/python3 "$(dirname "$0")/serve.py"
what=$(sed -n 's/.*"do": "\([a-z0-9_]*\)".*/\1/p' ../spec.json | head -n 1)
event() {
	printf '{"v":1,"at":%s000,%s}\n' "$(date +%s%3N)" "$1" >>events.ndjson
}
echo "doing $what"
event '"t":"progress","done":1,"total":2,"unit":"steps","phase":"fake"'
event '"t":"metric","step":1,"epoch":0.5,"values":{"loss":0.5}'
case $what in
ok) event '"t":"result","values":{"answer":42}' ;;
exit3) exit 3 ;;
failure)
	event '"t":"failure","code":"script_error","message":"it said so"'
	exit 1
	;;
failure_exit0)
	event '"t":"failure","code":"script_error","message":"it failed and ends well"'
	;;
fail_once)
	grep -q '"attempt": 1,' ../spec.json || exit 0
	event '"t":"failure","code":"script_error","message":"the first time fails"'
	exit 1
	;;
kill9) kill -9 $$ ;;
hang) exec sleep 300 ;;
deaf)
	trap '' TERM
	while :; do sleep 1; done
	;;
until_file)
	while [ ! -e ../../../../go ]; do sleep 0.05; done
	;;
*)
	echo "unknown: $what"
	exit 9
	;;
esac
