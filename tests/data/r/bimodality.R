# Reference values of tests/fit/bimodality_test.cpp: Rscript bimodality.R
# Dip statistic and its p-values: package diptest. Mixtures: expectation-maximisation, then Newton's method of optim.
library(diptest)
options(digits = 15)
set.seed(4)
sets <- list(
  one = 0.7, two = c(0.2, 0.9), three = c(0.1, 0.5, 0.6), four = c(0.1, 0.12, 0.9, 0.95), five = c(0.1, 0.2, 0.25, 0.8, 0.81),
  four_even = c(1, 2, 3, 4) / 10, five_ties = c(0.1, 0.1, 0.5, 0.9, 0.9), identical = rep(0.5, 8),
  two_values = rep(c(0, 1), c(5, 7)), atoms = rep(c(0, 0.5, 1), c(6, 2, 6)), steps = rep(1:6, c(1, 4, 2, 1, 5, 3)) / 10,
  even = (1:30) / 31, uniform = round(runif(60), 6), normal = round(rnorm(37), 6), exponential = round(rexp(101), 6),
  skewed = round(rbeta(80, 30, 1.2), 3), coarse = round(runif(50), 1), hundredths = round(rnorm(200, 0.5, 0.1), 2),
  accuracies = round(plogis(c(rnorm(14, -0.1, 0.25), rnorm(22, 3.6, 0.6))), 3),
  three_modes = round(c(rnorm(20, 0.1, 0.02), rnorm(25, 0.5, 0.03), rnorm(15, 0.9, 0.02)), 4),
  tails = round(rt(150, 1), 4), mode_left = round(c(rexp(60, 5), runif(20, 0, 3)), 5),
  large = round(c(rnorm(420, 0, 1), rnorm(280, 3, 0.8)), 5))
values <- do.call(rbind, lapply(names(sets), function(s) data.frame(set = s, value = sets[[s]])))
write.csv(values, "bimodality_values.csv", row.names = FALSE, quote = FALSE)

text <- function(x) trimws(formatC(x, digits = 12, format = "g"))
set.seed(5)
dips <- do.call(rbind, lapply(names(sets), function(s) {
  x <- sets[[s]]
  simulated <- if (length(x) < 4) 1 else dip.test(x, simulate.p.value = TRUE, B = 2000)$p.value
  data.frame(set = s, n = length(x), dip = text(dip(x)), p_table = text(dip.test(x)$p.value), p_simulated = text(simulated))
}))
write.csv(dips, "bimodality_dips.csv", row.names = FALSE, quote = FALSE)

# Small samples about two places, each third of them with ties.
set.seed(6)
random <- lapply(1:150, function(i) {
  x <- runif(sample(4:14, 1))
  x <- x + 1.2 * rbinom(length(x), 1, 0.5)
  if (i %% 3 == 0) round(4 * x) else round(x, 5)
})
write.csv(do.call(rbind, lapply(1:150, function(i) data.frame(set = i, value = random[[i]]))), "bimodality_random.csv",
          row.names = FALSE, quote = FALSE)
write.csv(data.frame(set = 1:150, dip = sapply(random, function(x) text(dip(x)))), "bimodality_random_dips.csv",
          row.names = FALSE, quote = FALSE)

# Two normals, in logits (y T + 1/2)/(T + 1) for accuracies and as they are for the others.
logit <- function(y, trials) { z <- (y * trials + 0.5) / (trials + 1); log(z / (1 - z)) }
rows <- data.frame()
add <- function(set, quantity, value) rows <<- rbind(rows, data.frame(set = set, quantity = quantity, value = text(value)))
minus.ln.l <- function(p, z) {
  w <- plogis(p[1])
  -sum(log((1 - w) * dnorm(z, p[2], exp(p[4])) + w * dnorm(z, p[3], exp(p[5]))))
}
for (s in c("accuracies", "large")) {
  z <- if (s == "large") sets[[s]] else logit(sets[[s]], 1000)
  middle <- (min(z) + max(z)) / 2
  w <- mean(z > middle); m <- c(mean(z[z <= middle]), mean(z[z > middle])); v <- c(var(z[z <= middle]), var(z[z > middle]))
  for (i in 1:5000) {
    a <- (1 - w) * dnorm(z, m[1], sqrt(v[1])); b <- w * dnorm(z, m[2], sqrt(v[2])); r <- b / (a + b)
    w <- mean(r); m <- c(sum((1 - r) * z) / sum(1 - r), sum(r * z) / sum(r))
    v <- c(sum((1 - r) * (z - m[1])^2) / sum(1 - r), sum(r * (z - m[2])^2) / sum(r))
  }
  p <- c(qlogis(w), m, log(v) / 2)
  for (i in 1:10) p <- optim(p, minus.ln.l, z = z, method = "BFGS", control = list(reltol = 1e-16, ndeps = rep(1e-5, 5)))$par
  top <- -minus.ln.l(p, z)
  one <- sum(dnorm(z, mean(z), sqrt(mean((z - mean(z))^2)), log = TRUE))
  add(s, "ln_l_one", one)
  add(s, "ln_l_two", top)
  add(s, "upper_weight", plogis(p[1]))
  add(s, "mean_low", p[2]); add(s, "mean_high", p[3]); add(s, "sd_low", exp(p[4])); add(s, "sd_high", exp(p[5]))
  excess <- function(w) {
    q <- p
    for (i in 1:3) {
      f <- optim(q[2:5], function(u) minus.ln.l(c(qlogis(w), u), z), method = "BFGS",
                 control = list(reltol = 1e-16, ndeps = rep(1e-5, 4)))
      q[2:5] <- f$par
    }
    2 * (top + f$value) - qchisq(0.95, 1)
  }
  add(s, "upper_weight_low", uniroot(excess, c(plogis(p[1]) / 4, plogis(p[1])), tol = 1e-12)$root)
  add(s, "upper_weight_high", uniroot(excess, c(plogis(p[1]), 1 - (1 - plogis(p[1])) / 4), tol = 1e-12)$root)
}
for (k in c(0, 3, 12)) {
  exact <- binom.test(k, 12)$conf.int
  wilson <- suppressWarnings(prop.test(k, 12, correct = FALSE)$conf.int)
  add(paste0("share_", k, "_of_12"), "clopper_pearson_low", exact[1]); add(paste0("share_", k, "_of_12"), "clopper_pearson_high", exact[2])
  add(paste0("share_", k, "_of_12"), "wilson_low", wilson[1]); add(paste0("share_", k, "_of_12"), "wilson_high", wilson[2])
}
write.csv(rows, "bimodality_mixtures.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, as.character(packageVersion("diptest")), "\n")
