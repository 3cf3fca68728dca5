#!/usr/bin/env bash
# Several processes of one program on this machine, to try out what runs on many.
#
#   launch/local.sh --processes=2 --devices=4 -- --config=configs/demo.py --workdir=runs/two \
#       --config.data.batch_size=8
#
# One process drives all GPUs of a machine by itself: `python -m fractaljax.main` needs no script
# there. This one is for the CPU, where --devices simulates accelerators.
#
# To adapt: nothing. --command=evaluate or sample runs those; PYTHON names another interpreter.
# To stop: Ctrl-C or SIGTERM, sent on to every process; they save and exit.
# To resume: the same line.
set -euo pipefail

usage='launch/local.sh --processes=N [--devices=N] [--command=main|evaluate|sample] [--port=N]
                [--logs=DIR] [--grace=SECONDS] [--dry-run] -- FLAGS

  --processes  how many
  --devices    simulated CPU devices of each; without it, what the machine has
  --command    the command of fractaljax that runs; main unless said
  --port       of the coordinator; a free one unless said
  --logs       folder of process_0.log and so on; outputs/local unless said
  --grace      seconds that the others get when one process fails; 10 unless said
  --dry-run    prints the commands and starts nothing'

python=${PYTHON:-python}
processes='' devices='' command=main port='' logs=outputs/local grace=10 dry_run=''

refuse() {
  echo "error: $1; see launch/local.sh --help" >&2
  exit 2
}

read_flags() {
  while (($#)); do
    case $1 in
      --processes=*) processes=${1#*=} ;;
      --devices=*) devices=${1#*=} ;;
      --command=*) command=${1#*=} ;;
      --port=*) port=${1#*=} ;;
      --logs=*) logs=${1#*=} ;;
      --grace=*) grace=${1#*=} ;;
      --dry-run) dry_run=yes ;;
      --help) echo "$usage" && exit ;;
      --) shift && break ;;
      *) refuse "$1 is not a flag of this script; flags of the program come after --" ;;
    esac
    shift
  done
  [[ $processes =~ ^[1-9][0-9]*$ ]] || refuse "--processes=$processes must be a positive number"
  [[ $devices =~ ^([1-9][0-9]*)?$ ]] || refuse "--devices=$devices must be a positive number"
  [[ $port =~ ^[0-9]*$ ]] || refuse "--port=$port must be a number"
  [[ $grace =~ ^[0-9]+$ ]] || refuse "--grace=$grace must be a number of seconds"
  [[ $command =~ ^(main|evaluate|sample)$ ]] ||
    refuse "--command=$command must be main, evaluate or sample"
  program=("$python" -m "fractaljax.$command" "$@")
}

# A port that nobody answers on. Another program may still take it first; then start again.
free_port() {
  local candidate
  while :; do
    candidate=$((20000 + RANDOM % 10000))
    (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || break
  done
  echo "$candidate"
}

# The command line of process $1, in the array `line`.
command_line() {
  line=("${program[@]}" "--coordinator=127.0.0.1:$port")
  line+=("--num_processes=$processes" "--process_id=$1")
  if [[ $devices ]]; then
    local simulate="--xla_force_host_platform_device_count=$devices"
    line=(env JAX_PLATFORMS=cpu "XLA_FLAGS=${XLA_FLAGS:+$XLA_FLAGS }$simulate" "${line[@]}")
  fi
}

print_all() {
  for ((i = 0; i < processes; i++)); do
    command_line "$i"
    printf '%q ' "${line[@]}"
    echo
  done
}

# Copies the output of process $1 to its log, and prefixed to the screen, until it ends.
copy_output() {
  local text
  trap '' INT TERM HUP
  while IFS= read -r text || [[ $text ]]; do
    printf '%s\n' "$text" >&3
    printf '[%s] %s\n' "$1" "$text"
  done 3>"$logs/process_$1.log"
}

# Starts process $1 in a process group of its own, which can be killed as a whole.
start() {
  local folder
  folder=$(mktemp -d)
  mkfifo "$folder/pipe"
  # Opened here for both: a process that is stopped before it opens its end would leave the reader
  # waiting for it.
  # shellcheck disable=SC2094
  exec 7<>"$folder/pipe" 8>"$folder/pipe" 9<"$folder/pipe" 7>&-
  rm -r "$folder"
  command_line "$1"
  set -m
  copy_output "$1" <&9 8>&- 9<&- &
  readers+=($!)
  "${line[@]}" >&8 2>&1 </dev/null 8>&- 9<&- &
  pids+=($!)
  # The terminal stays with this script: Ctrl-C comes here and is sent on.
  set +m
  exec 8>&- 9<&-
}

# Sends signal $1 to every process; what these have started is theirs to end.
send() {
  kill -s "$1" "${pids[@]}" 2>/dev/null || true
}

# Kills every process with all that it has started and left, data workers say.
kill_groups() {
  kill -s KILL -- "${pids[@]/#/-}" 2>/dev/null || true
}

# Waits for all; returns the first exit code that is not 0, once the others have been stopped.
wait_for_all() {
  local running=("${pids[@]}") left pid code status=0 deadline=''
  while ((${#running[@]})); do
    left=()
    for pid in "${running[@]}"; do
      if kill -0 "$pid" 2>/dev/null; then
        left+=("$pid")
        continue
      fi
      code=0 && wait "$pid" 2>/dev/null || code=$?
      if ((code && !status)); then
        status=$code deadline=$((SECONDS + grace))
        echo "a process failed with exit code $code; stopping the others" >&2
        send TERM
      fi
    done
    # One that waits for the dead process cannot save and does not heed SIGTERM.
    [[ -z $deadline ]] || ((SECONDS < deadline)) || kill_groups
    # Not `wait -n`, which the bash 3.2 of macOS lacks. bash 3.2 also finds empty arrays unbound.
    ((${#left[@]})) || return "$status"
    running=("${left[@]}")
    sleep 0.1
  done
}

read_flags "$@"
: "${port:=$(free_port)}"
if [[ $dry_run ]]; then
  print_all
  exit
fi

mkdir -p "$logs"
pids=() readers=()
asked=''
trap 'asked=INT' INT
trap 'asked=TERM' TERM HUP
for ((i = 0; i < processes; i++)); do
  start "$i"
done
trap 'send INT' INT
trap 'send TERM' TERM HUP
[[ ! $asked ]] || send "$asked"
status=0 && wait_for_all || status=$?
# The readers see the end once nobody is left who could write.
kill_groups
wait "${readers[@]}" || true
exit "$status"
