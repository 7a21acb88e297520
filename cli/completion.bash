# SPDX-License-Identifier: MIT
# bash completion for trainyard; installed as /usr/share/bash-completion/completions/trainyard.
# Ids and endpoint names are asked of the daemon, which must answer within a second.

_trainyard_commands="submit clone validate status runs jobs show wait logs metrics events artifacts
	explain cancel retry hold release priority prune delete endpoints endpoint predict model queue
	costs backup restore notify doctor du roles training-jobs devices
	version"

# Values of the first column of a list, for instance: _trainyard_column runs
_trainyard_column() {
	timeout 1 trainyard "$@" 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_trainyard() {
	local word=${COMP_WORDS[COMP_CWORD]} command= i

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		[[ " $(echo $_trainyard_commands) " == *" ${COMP_WORDS[i]} "* ]] || continue
		command=${COMP_WORDS[i]}
		break
	done
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(timeout 1 trainyard $command --help 2>/dev/null |
			grep -oE -- '--[a-z-]+')" -- "$word")
		return
	fi
	case $command in
	"") mapfile -t COMPREPLY < <(compgen -W "$_trainyard_commands" -- "$word") ;;
	submit | validate) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	clone | delete) mapfile -t COMPREPLY < <(compgen -W "$(_trainyard_column runs)" -- "$word") ;;
	show | wait | cancel | retry | explain | hold | release | priority)
		mapfile -t COMPREPLY < <(compgen -W "$(_trainyard_column runs; _trainyard_column jobs)" \
			-- "$word")
		;;
	logs | metrics | artifacts)
		mapfile -t COMPREPLY < <(compgen -W "$(_trainyard_column jobs)" -- "$word")
		;;
	endpoint)
		mapfile -t COMPREPLY < <(compgen -W "renew rollback delete show $(_trainyard_column endpoints)" \
			-- "$word")
		;;
	model)
		case ${COMP_WORDS[COMP_CWORD - 1]} in
		model) mapfile -t COMPREPLY < <(compgen -W "list add show remove" -- "$word") ;;
		show | remove | add)
			mapfile -t COMPREPLY < <(compgen -W "$(_trainyard_column model list)" -- "$word")
			;;
		*) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
		esac
		;;
	restore) mapfile -t COMPREPLY < <(compgen -W "confirm --force" -- "$word") ;;
	backup) mapfile -t COMPREPLY < <(compgen -W "list" -- "$word") ;;
	notify) mapfile -t COMPREPLY < <(compgen -W "test" -- "$word") ;;
	roles | training-jobs)
		mapfile -t COMPREPLY < <(compgen -W "$(_trainyard_column $command)" -- "$word")
		;;
	predict) mapfile -t COMPREPLY < <(compgen -W "$(_trainyard_column endpoints)" -- "$word") ;;
	esac
}

complete -F _trainyard trainyard
