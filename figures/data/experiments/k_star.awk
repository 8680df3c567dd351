# K* at N = 12, 20, 35, 60, 100 from the rows K,seed,context of critical_context.sh on standard input: geometric means over the
# seeds of each K, straight lines in ln K and ln N between them.
BEGIN { FS = "," }
NR > 1 { sum[$1] += log($3); ++n[$1] }
END {
  for (k in n) { ks[++m] = k + 0 }
  for (i = 2; i <= m; ++i) for (j = i; j > 1 && ks[j] < ks[j - 1]; --j) { t = ks[j]; ks[j] = ks[j - 1]; ks[j - 1] = t }
  split("12 20 35 60 100", wanted, " ")
  for (w = 1; w <= 5; ++w) {
    level = log(wanted[w])
    for (i = 1; i < m; ++i) {
      low = sum[ks[i]]/n[ks[i]]; high = sum[ks[i + 1]]/n[ks[i + 1]]
      if (low <= level && level < high) {
        printf "N = %d: K* = %.1f\n", wanted[w], ks[i]*exp(log(ks[i + 1]/ks[i])*(level - low)/(high - low))
        break
      }
    }
  }
}
