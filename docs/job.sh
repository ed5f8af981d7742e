#!/usr/bin/env bash
# One job on any machine: clone a commit, run what its targets need, take from the remote what is there, send the rest.
#
#   docs/job.sh REPOSITORY COMMIT FOLDER [TARGET...]
#
# REPOSITORY is a path or an address that git can clone. FOLDER is where the clone comes to lie; on a disk that outlives
# the machine, the same line goes on there after an interruption, from the last checkpoint in FOLDER/.scratch.
# `dvc` and the `python` of the stages are those that come first on PATH.
set -euo pipefail

fail() { echo "error: $*" >&2; exit 1; }

[ $# -ge 3 ] || fail "give a repository, a commit and a folder, as in: docs/job.sh /home/me/maskcontrast HEAD /tmp/job pretrain"
repository=$1 commit=$2 folder=$3
shift 3
if [ -d "$repository" ]; then repository=$(cd "$repository" && pwd); fi

# One job in a folder. The system takes the lock away with the last process of a job that dies.
mkdir -p "$(dirname "$folder")"
exec 9> "$folder.lock"
flock --nonblock 9 || fail "another job is at work in $folder; wait until it ends"

# What COMMIT is in a clone. HEAD, a branch or a tag count as they are in REPOSITORY now, which may have gone on since.
commit_in() {
  if [[ $commit =~ ^[0-9a-f]{4,40}$ ]]; then git -C "$1" rev-parse --verify --quiet "$commit^{commit}"
  else git -C "$1" fetch --quiet "$repository" "$commit" && git -C "$1" rev-parse "FETCH_HEAD^{commit}"; fi
}

if [ ! -d "$folder" ]; then
  rm -rf "$folder.new"
  git clone --quiet --no-checkout "$repository" "$folder.new"
  wanted=$(commit_in "$folder.new") || fail "$repository has no commit, branch or tag $commit; name one that is there"
  git -C "$folder.new" checkout --quiet --detach "$wanted"
  # What this user's access to the remote needs, which is not in git.
  if [ -f "$repository/.dvc/config.local" ]; then cp -p "$repository/.dvc/config.local" "$folder.new/.dvc/"; fi
  mv "$folder.new" "$folder"
fi
cd "$folder"
[ "$(git rev-parse HEAD)" = "$(commit_in . || true)" ] \
  || fail "$folder holds commit $(git rev-parse HEAD), not $commit; name another folder"
[ -n "$(dvc config core.remote)" ] || fail "no remote is configured to send the outputs to; add one: dvc remote add --default NAME URL"

unset DVC_ROOT             # inherited from an experiment, it would put .scratch into that one's project
rm -f .dvc/tmp/rwlock      # of an interrupted job: another process may have that one's number by now

status=0
# An earlier job may have been cut off while DVC wrote dvc.lock.
if [ -f pipeline/mend.py ]; then python -m pipeline.mend || status=$?; fi
# DVC does not complete folders that a stage reads as a whole (docs/remotes.md).
if [ -f pipeline/pull_folders.py ]; then python -m pipeline.pull_folders || status=$?; fi
dvc repro --pull --allow-missing "$@" || status=$?
dvc push --run-cache || status=$?  # also after a failure, before which some stages may have ended well
exit $status
