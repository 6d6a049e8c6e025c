#!/bin/bash
# A real Slurm of one node on loopback, for as long as a study takes: --place=slurm:array submitted, waited for, gathered.
#
#     bash scripts/slurm_one_node.sh [--tasks N] WORDS OF attn-jax compare ...
#     bash scripts/slurm_one_node.sh --config=quickstart --config.train.steps=100 --workdir=/tmp/slurm
#
# As root, where Debian's slurm-wlm and munge are installed (apt-get install slurm-wlm munge). It writes nothing outside
# of a folder of its own and ends the three daemons that it starts. PYTHON names another Python.
set -euo pipefail

tasks=2
if [[ ${1:-} == --tasks ]]; then tasks=$2; shift 2; fi
for tool in munged slurmctld slurmd sbatch; do
    command -v "$tool" >/dev/null || { echo "$tool is not here: apt-get install slurm-wlm munge" >&2; exit 4; }
done
[[ $(id -u) == 0 ]] || { echo "slurmd wants to be root" >&2; exit 4; }
folder=$(mktemp -d /tmp/slurm-one-node.XXXXXX)
mkdir -m 700 "$folder/key"
mkdir "$folder/socket" "$folder/state" "$folder/spool"
chmod 755 "$folder" "$folder/socket"
daemons=()
end() {
    for ((k = ${#daemons[@]} - 1; k >= 0; k--)); do kill "${daemons[k]}" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap end EXIT

cores=$(nproc)
# a node that may use one core alone leaves nothing to bind a task to
binding=$([[ $cores -gt 1 ]] && echo task/affinity || echo task/none)
cat > "$folder/slurm.conf" <<END
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$((20000 + RANDOM % 10000))
SlurmdPort=$((30000 + RANDOM % 10000))
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$folder/socket/munge
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=$binding
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MailProg=/bin/true
ReturnToService=2
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$cores State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$folder/slurm.conf
head -c 128 /dev/urandom > "$folder/key/munge"
chmod 400 "$folder/key/munge"
munged --foreground --force --key-file="$folder/key/munge" --socket="$folder/socket/munge" \
    --pid-file="$folder/munged.pid" --seed-file="$folder/key/seed" > "$folder/munged.log" 2>&1 &
daemons+=($!)
until [[ -S $folder/socket/munge ]]; do sleep 0.1; done
slurmctld -D > "$folder/slurmctld.log" 2>&1 &
daemons+=($!)
slurmd -D -N localhost > "$folder/slurmd.log" 2>&1 &
daemons+=($!)
began=$SECONDS
until [[ $(sinfo --noheader --format=%T 2>/dev/null) == idle ]]; do
    if ((SECONDS - began > 30)); then tail -n 20 "$folder"/*.log >&2; exit 4; fi
    sleep 0.2
done
echo "$(sinfo --version): one node, $cores cores, $binding, after $((SECONDS - began)) s"

compare() { "${PYTHON:-python}" -m attn_jax compare "$@" "--place=slurm:array:$tasks" --yes; }
code=0
compare "$@" || code=$?
[[ $code == 75 ]] || exit "$code"
squeue --noheader --array --format="task %i on %N: %T"
while [[ -n $(squeue --noheader) ]]; do sleep 1; done
compare "$@"
