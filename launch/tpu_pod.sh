#!/usr/bin/env bash
# Training on a Cloud TPU pod, all of its machines, over preemptions.
#
#   launch/tpu_pod.sh watch --name=w512 --zone=us-west4-a -- \
#     --config=configs/w512.py --workdir=gs://my-bucket/runs/w512 \
#     --config.data.directory=gs://my-bucket/data/mine
#
# does everything: asks for the pod, installs the code of the last commit, trains, and starts again
# when the pod was taken away, until the run is finished, or refuses its flags or its songs. Its parts
# are commands too.
#
# To adapt (minutes, once `gcloud auth login` and a TPU quota are there): --name, --zone, --type and
# --runtime. v5e: v5litepod-16 and v2-alpha-tpuv5-lite; v6e: v6e-16 and v2-alpha-tpuv6e; v5p: v5p-16
# and v2-alpha-tpuv5; v4: v4-16 and tpu-ubuntu2204-base. From TPU7x on there is no such pod; take
# launch/gke_jobset_tpu.yaml. The pod's service account needs access to the bucket.
#
# To resume: `watch` again, or `resume` for once. The run goes on from its last checkpoint.
set -euo pipefail

usage='launch/tpu_pod.sh COMMAND [--name=NAME] [--zone=ZONE] [--type=TYPE] [--runtime=VERSION]
                 [--on-demand] [--dry-run] [-- FLAGS OF THE PROGRAM]

  create   asks for a pod, a spot one unless --on-demand
  run      waits for the pod, installs the last commit on every machine, starts the program
  resume   looks after the pod once: asks anew for one that was taken away, starts what stands still
  watch    resumes every minute until the program is finished
  status   of the pod, and of the program on every machine
  logs     of the first machine, as they come
  stop     has the program save and end
  delete   the pod

  --dry-run prints the commands and does nothing; resume and watch then take the pod for preempted'

name=fractaljax zone=us-west4-a type=v5litepod-16 runtime=v2-alpha-tpuv5-lite
tier=(--spot)
dry_run=''
unit=fractaljax

refuse() {
  echo "error: $1; see launch/tpu_pod.sh --help" >&2
  exit 2
}

# What no other try would help; `watch` tells it from all else that can end a round of it.
give_up() {
  echo "error: $1" >&2
  exit 3
}

# Runs the command, or shows it.
act() {
  if [[ $dry_run ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

on_workers() {
  act gcloud compute tpus tpu-vm ssh "$name" "--zone=$zone" "--worker=$1" "--command=$2"
}

# ACTIVE, WAITING_FOR_RESOURCES, SUSPENDED and so on; nothing if there is no such pod.
state() {
  gcloud compute tpus queued-resources describe "$name" "--zone=$zone" \
    '--format=value(state.state)' 2>/dev/null || true
}

create() {
  act gcloud compute tpus queued-resources create "$name" "--node-id=$name" "--zone=$zone" \
    "--accelerator-type=$type" "--runtime-version=$runtime" ${tier[@]+"${tier[@]}"}
}

delete() {
  act gcloud compute tpus queued-resources delete "$name" "--zone=$zone" --force --quiet
}

wait_for_pod() {
  local now
  [[ ! $dry_run ]] || return 0
  until now=$(state) && [[ $now == ACTIVE ]]; do
    case $now in
      '' | FAILED | SUSPENDING | SUSPENDED) refuse "pod $name is ${now:-not there}; resume it" ;;
    esac
    echo "pod $name: $now" >&2
    sleep 30
  done
}

install() {
  local archive=${TMPDIR:-/tmp}/fractaljax.tar.gz
  # uv brings the Python that the image of the machines lacks.
  local uv="\$HOME/.local/bin/uv"
  act git archive --format=tar.gz "--output=$archive" HEAD &&
    act gcloud compute tpus tpu-vm scp "$archive" "$name:fractaljax.tar.gz" "--zone=$zone" \
      --worker=all &&
    on_workers all "mkdir -p fractaljax && tar -xzf fractaljax.tar.gz -C fractaljax &&\
 { test -x $uv || curl -LsSf https://astral.sh/uv/install.sh | sh; } && cd fractaljax &&\
 $uv venv --allow-existing --python 3.12 .venv &&\
 $uv pip install --python .venv --editable '.[tpu,remote]'"
}

# As a service: it outlives the connection, gets SIGTERM at shut-down, and starts again when a
# process dies, with all others, which do not go on without it. Ten such starts an hour are enough.
# One that was told to stop (143) does not: the others have saved and ended, and it would wait for
# them in vain. It counts as failed, and `resume` starts all of them.
start() {
  local flags
  flags=$(printf ' %q' "${program_flags[@]}")
  on_workers all "sudo systemctl stop $unit; sudo systemctl reset-failed $unit; cd fractaljax &&\
 sudo systemd-run --unit=$unit --uid=\$(id -u) --working-directory=\$PWD --setenv=HOME=\$HOME\
 --remain-after-exit --property=TimeoutStopSec=300 --property=Restart=on-failure\
 --property=RestartSec=10 --property=StartLimitIntervalSec=3600 --property=StartLimitBurst=10\
 --property=RestartPreventExitStatus=143\
 \$PWD/launch/stoppable.sh \$PWD/.venv/bin/python -m fractaljax.main --distributed=auto$flags"
}

run() {
  ((${#program_flags[@]})) || refuse 'no flags for the program after --'
  wait_for_pod && install && start
}

# A word a machine: running, exited (finished), failed (or stopped), dead (not started), or one in
# between.
program_states() {
  on_workers all "systemctl show --property=SubState --value $unit"
}

# The program's exit codes: 2 where it refused to go on, with one line that says why.
exit_codes() {
  on_workers all "systemctl show --property=ExecMainStatus --value $unit"
}

resume() {
  local now=SUSPENDED states codes
  [[ $dry_run ]] || now=$(state)
  case $now in
    ACTIVE)
      states=$(program_states) || return
      if grep --quiet --line-regexp --regexp=dead --regexp=failed <<<"$states"; then
        codes=$(exit_codes) || return
        if grep --quiet --line-regexp 2 <<<"$codes"; then
          give_up 'the program refuses to run; "logs" has its reason; mend that, then "run" starts it'
        fi
        run
      fi
      ;;
    FAILED | SUSPENDED) delete && create && run ;;
    '') create && run ;;
    *) run ;;
  esac
}

# Whether the program has ended well on every machine.
finished() {
  local states
  [[ ! $dry_run ]] || return 0
  [[ $(state) == ACTIVE ]] && states=$(program_states) && [[ $states ]] || return
  ! grep --quiet --line-regexp --invert-match exited <<<"$states"
}

watch() {
  ((${#program_flags[@]})) || refuse 'no flags for the program after --'
  local code
  # In a subshell: the pod may be taken away at any moment, which the next round sees.
  until
    code=0
    (resume) || code=$?
    ((code != 3)) || exit 3
    ((code == 0)) && finished
  do
    sleep 60
  done
  echo "finished; launch/tpu_pod.sh delete --name=$name --zone=$zone gives the pod back" >&2
}

status() {
  act gcloud compute tpus queued-resources describe "$name" "--zone=$zone" \
    '--format=value(state.state)'
  program_states
}

logs() {
  on_workers 0 "sudo journalctl --unit=$unit --follow --lines=100"
}

stop() {
  on_workers all "sudo systemctl stop $unit"
}

command=${1-}
case $command in
  create | run | resume | watch | status | logs | stop | delete) shift ;;
  --help) echo "$usage" && exit ;;
  *) refuse "'$command' is not a command" ;;
esac
program_flags=()
while (($#)); do
  case $1 in
    --name=*) name=${1#*=} ;;
    --zone=*) zone=${1#*=} ;;
    --type=*) type=${1#*=} ;;
    --runtime=*) runtime=${1#*=} ;;
    --on-demand) tier=() ;;
    --dry-run) dry_run=yes ;;
    --) shift && program_flags=("$@") && break ;;
    *) refuse "$1 is not a flag of this script; flags of the program come after --" ;;
  esac
  shift
done
[[ $dry_run ]] || command -v gcloud >/dev/null || refuse 'gcloud is not installed'
"$command"
