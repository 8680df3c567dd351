# K* at N = 12, 20, 35, 60, 100 from the rows K,seed,context of critical_context.sh on standard input: means of ln N over the
# seeds of each K, straight lines in ln K and ln N between them. In brackets two standard errors, from the scatter over seeds.
BEGIN { FS = "," }
NR > 1 { x = log($3); sum[$1] += x; square[$1] += x*x; ++n[$1] }
END {
  for (k in n) {
    ks[++m] = k + 0
    mean[k + 0] = sum[k]/n[k]
    error[k + 0] = (square[k]/n[k] - mean[k + 0]^2)/(n[k] - 1)  # squared, of the mean
  }
  for (i = 2; i <= m; ++i) for (j = i; j > 1 && ks[j] < ks[j - 1]; --j) { t = ks[j]; ks[j] = ks[j - 1]; ks[j - 1] = t }
  split("12 20 35 60 100", wanted, " ")
  for (w = 1; w <= 5; ++w) {
    level = log(wanted[w])
    for (i = 1; i < m; ++i) {
      low = mean[ks[i]]; high = mean[ks[i + 1]]
      if (!(low <= level && level < high)) continue
      share = (level - low)/(high - low)
      slope = (high - low)/log(ks[i + 1]/ks[i])
      x = log(ks[i]) + share*log(ks[i + 1]/ks[i])
      d = 2*sqrt((1 - share)^2*error[ks[i]] + share^2*error[ks[i + 1]])/slope
      printf "N = %d: K* = %.1f [%.1f, %.1f]\n", wanted[w], exp(x), exp(x - d), exp(x + d)
      break
    }
  }
}
