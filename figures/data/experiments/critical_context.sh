#!/bin/sh
# The longest context that each memorization curve of width 128 still teaches to attend: the largest N at which the flow with
# the options given here has half of the attention on the copy (column --marker) before training ended, t = 5.7 N + 31. One row
# per curve: K, seed, the middle between that N and the next.
#   sh critical_context.sh iclk ../curves_hidden128 t_attention_half --items K --item-labels balanced --closed-loop
# K in the options stands for that of the curve.
program=$1 curves=$2 marker=$3
shift 3
table=$(mktemp)
trap 'rm -f "$table"' EXIT
echo K,seed,context
for file in "$curves"/k*_s*.curves.csv; do
  name=${file##*/k} name=${name%.curves.csv}
  items=${name%_s*} seed=${name#*_s}
  options=
  for word in "$@"; do [ "$word" = K ] && options="$options $items" || options="$options $word"; done
  awk -v k="$items" 'BEGIN { print "context"; n = k^0.66; for (i = int(0.55*n); i <= 1.7*n; ++i) print i }' > "$table"
  # shellcheck disable=SC2086
  "$program" flow --table "$table" --curve "$file" $options --rel-tol 1e-7 --csv - --quiet 2> /dev/null |
    awk -F, -v head="$items,$seed" -v marker="$marker" '
      NR == 1 { for (i = 1; i <= NF; ++i) column[$i] = i; next }
      { n = $column["context"]; t = $column[marker]; if (t != "" && t <= 5.7*n + 31 && n > largest) largest = n }
      END { print head "," largest + 0.5 }'
done
