# The effect and the probe of a command cell. It prints its secret wherever it can.
#
#   sh effect.sh effect|probe LEDGER MOVES SECONDS
#
# MOVES is a list of words, one for each attempt (life.ts); the last one stands for all later ones.
what=$1
ledger=$2
seconds=$4
. "${0%/*}/../harness/attempt-word.sh"
attempt_word "$3"
move=$word

printf 'the token is %s\n' "$TOKEN" >&2

if [ "$what" = probe ]; then
  if grep -qF " $LEASEHOLD_IDEMPOTENCY_KEY " "$ledger"; then
    printf '{"answer": "happened", "output": {"ok": true, "said": "%s"}}' "$LEASEHOLD_CELL_ID"
  else
    printf '{"answer": "did_not_happen"}'
  fi
  exit 0
fi

# It knows the key: it does not say no to what it has done.
if [ "$move" = refuse ] && grep -qF " $LEASEHOLD_IDEMPOTENCY_KEY " "$ledger"; then
  move=ok
fi

case $move in
refuse)
  printf 'declined for %s' "$TOKEN" >&2
  exit 3
  ;;
drop) kill -9 $$ ;;
esac

printf '%s %s %s %s %s %s\n' "$LEASEHOLD_INSTANCE_ID" "$LEASEHOLD_CELL_ID" \
  "$LEASEHOLD_IDEMPOTENCY_KEY" "$LEASEHOLD_FENCING_TOKEN" "$move" "$(date +%s%3N)" >>"$ledger"
sleep "$seconds"
[ "$move" = lose ] && kill -9 $$
printf '{"ok": true}' >"$LEASEHOLD_OUTPUT_FILE"
printf '%s' "$TOKEN"
