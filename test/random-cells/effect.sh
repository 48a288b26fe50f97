# The effect of a random command cell. Plain sh with few processes, because thousands of them run.
#
#   sh effect.sh LEDGER VERDICTS PLAN [IGNORED]
#
# PLAN is a list of words, one for each attempt (the last one stands for all later ones): the name
# of a move (moves.ts) and what the receiver does to the key: + acts, ! refuses, . neither.
#
# A receiver that keeps its word never refuses a key that it has acted on, and never acts on one
# that it has refused. The first to create the file of a key in VERDICTS decides.
ledger=$1
verdicts=$2
. "${0%/*}/../harness/attempt-word.sh"
attempt_word "$3"
move=${word%?}
want=${word#"$move"}
file=$verdicts/$LEASEHOLD_INSTANCE_ID.$LEASEHOLD_CELL_ID.${LEASEHOLD_IDEMPOTENCY_KEY##*/}

note() {
  printf 'effect %s %s %s %s %s %s %s -\n' "$LEASEHOLD_INSTANCE_ID" "$LEASEHOLD_CELL_ID" \
    "$LEASEHOLD_IDEMPOTENCY_KEY" "$LEASEHOLD_ATTEMPT" "$LEASEHOLD_FENCING_TOKEN" "$1" "$move" \
    >>"$ledger"
}

settle() {
  verdict=$1
  set -C
  { echo "$1" >"$file"; } 2>/dev/null || read -r verdict <"$file" || verdict=refused
  set +C
}

case $move in
*-late) sleep 0.3 ;;
esac

case $want in
+)
  settle acted
  if [ "$verdict" = acted ]; then
    note acted
  else
    case $move in
    ok-*)
      move=exit-1
      note refused
      ;;
    *) note nothing ;;
    esac
  fi
  ;;
!)
  settle refused
  if [ "$verdict" = refused ]; then
    note refused
  else
    move=ok-json
    note acted
  fi
  ;;
*) note nothing ;;
esac

# Writes the output file. Its folder may be away for a while, or for good if the replica is.
output() {
  tries=0
  until { cat >"$LEASEHOLD_OUTPUT_FILE"; } 2>/dev/null || [ $tries -ge 20 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
}

# A command that hangs never says how it ended, however long the replica is frozen.
hang() {
  sleep 5
  kill -9 $$
}

large() {
  head -c 300000 /dev/zero | tr '\0' x
}

case $move in
ok-json | ok-late) printf '{"done": true}' ;;
ok-text) printf 'done' ;;
ok-quiet) ;;
ok-file) printf '{"done": true}' | output ;;
ok-noisy)
  printf '{"done": true}' | output
  large
  large >&2
  ;;
ok-text-file) printf 'done' | output ;;
ok-large) large ;;
ok-large-file) large | output ;;
ok-directory)
  tries=0
  until mkdir "$LEASEHOLD_OUTPUT_FILE" 2>/dev/null || [ $tries -ge 20 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  ;;
exit-*)
  printf 'declined' >&2
  exit "${move#exit-}"
  ;;
kill-*) kill "-${move#kill-}" $$ ;;
hang) hang ;;
hang-deaf)
  trap '' TERM
  hang
  ;;
hang-polite)
  trap 'exit 0' TERM
  sleep 5 &
  wait
  kill -9 $$
  ;;
esac
# It acted, or it would not have come so far.
exit 0
