# Answers whether the effect of an attempt happened: the truth, or what SAYS says instead.
#
#   sh probe.sh LEDGER VERDICTS SAYS
says=$3
file=$2/$LEASEHOLD_INSTANCE_ID.$LEASEHOLD_CELL_ID.${LEASEHOLD_IDEMPOTENCY_KEY##*/}
if [ "$says" = truth ]; then
  says=did_not_happen
  if [ -e "$file" ] && read -r verdict <"$file" && [ "$verdict" = acted ]; then says=happened; fi
fi
printf 'probe %s %s %s %s %s %s - -\n' "$LEASEHOLD_INSTANCE_ID" "$LEASEHOLD_CELL_ID" \
  "$LEASEHOLD_IDEMPOTENCY_KEY" "$LEASEHOLD_ATTEMPT" "$LEASEHOLD_FENCING_TOKEN" "$says" >>"$1"
case $says in
happened) printf '{"answer": "happened", "output": {"done": true, "probed": true}}' ;;
did_not_happen | unknown) printf '{"answer": "%s"}' "$says" ;;
nonsense) printf '{"yes": "perhaps"}' ;;
fails) exit 7 ;;
esac
