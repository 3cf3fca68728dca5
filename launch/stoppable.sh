#!/usr/bin/env bash
# Runs a command; exits 143 if it was told to stop, though the command then exits 0.
#
#   launch/stoppable.sh python -m fractaljax.main --config=configs/demo.py --workdir=runs/demo
#
# On SIGTERM training saves and exits 0, as a person at a terminal expects. A scheduler that moves
# the run to another machine would take that 0 for a finished run and not start it again. The
# container image, Kubernetes, SkyPilot and TPU pods run everything through this script.
#
# To adapt: nothing.
set -u

if (($# == 0)); then
  echo 'error: no command given; write launch/stoppable.sh COMMAND...' >&2
  exit 2
fi

signals=0 child=''
# Before the command starts, since the signal may come at any moment.
trap '((signals += 1)); [[ -z $child ]] || kill -TERM "$child" 2>/dev/null' TERM INT
"$@" &
child=$!
((signals == 0)) || kill -TERM "$child"

# A signal ends `wait` early; the command is still saving then.
heard=-1 status=0
while ((heard != signals)); do
  heard=$signals
  wait "$child"
  status=$?
done
if ((signals && status == 0)); then
  status=143
fi
exit "$status"
