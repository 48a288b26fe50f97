# Sets `word` to the word of this attempt: the first one of a list is that of attempt 1, and so on;
# the last one also stands for all later attempts.
#
#   . attempt-word.sh; attempt_word "$list"
attempt_word() {
  n=$LEASEHOLD_ATTEMPT
  # shellcheck disable=SC2086
  set -- $1
  while [ "$n" -gt 1 ] && [ $# -gt 1 ]; do
    shift
    n=$((n - 1))
  done
  word=$1
}
