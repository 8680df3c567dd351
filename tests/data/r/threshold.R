# Reference values of tests/fit/binary_threshold_test.cpp, sigmoid and scaling included: Rscript threshold.R
# Profile intervals are roots of glm deviances with one parameter fixed through an offset, not MASS's splines.
options(digits = 12)
set.seed(1)
q <- qchisq(0.95, 1)
control <- glm.control(epsilon = 1e-14, maxit = 200)

K <- c(500, 1000, 2000, 4000, 8000, 16000, 32000, 64000)
write.runs <- function(file, K, N, acquired, accuracy) {
  write.csv(data.frame(K = K, context = N, acquired = acquired, accuracy = accuracy), file, row.names = FALSE, quote = FALSE)
}
simulate <- function(runs, contexts) {
  d <- expand.grid(run = 1:runs, K = K, N = contexts)
  p <- pnorm((log(d$K) - log(4000) - 1.4 * log(d$N / 100)) / 0.6)
  d$acquired <- rbinom(nrow(d), 1, p)
  d$accuracy <- round(pmin(ifelse(d$acquired == 1, 0.97, 0.55) + rnorm(nrow(d), 0, 0.01), 1), 4)
  d
}
small <- simulate(3, 100)
large <- simulate(20, 100)
many <- simulate(6, c(50, 100, 200, 400))
write.runs("runs_small.csv", small$K, small$N, small$acquired, small$accuracy)
write.runs("runs_large.csv", large$K, large$N, large$acquired, large$accuracy)
write.runs("runs_contexts.csv", many$K, many$N, many$acquired, many$accuracy)

rows <- data.frame()
add <- function(data, link, quantity, value) {
  rows <<- rbind(rows, data.frame(data = data, link = link, quantity = quantity,
                                  value = trimws(formatC(value, digits = 12, format = "g"))))
}
root <- function(f, a, b) uniroot(f, c(a, b), tol = 1e-13, maxiter = 1000)$root

for (name in c("small", "large")) {
  d <- get(name)
  x <- log(d$K)
  for (link in c("probit", "logit")) {
    full <- glm(acquired ~ x, family = binomial(link), data = d, control = control)
    a <- coef(full)[[2]]
    m <- -coef(full)[[1]] / a
    threshold <- function(m0) {
      u <- x - m0
      glm(acquired ~ u - 1, family = binomial(link), data = d, control = control)$deviance - deviance(full) - q
    }
    slope <- function(a0) {
      glm(acquired ~ 1 + offset(a0 * x), family = binomial(link), data = d, control = control)$deviance - deviance(full) - q
    }
    add(name, link, "log_likelihood", as.numeric(logLik(full)))
    add(name, link, "k_star", exp(m))
    add(name, link, "k_star_low", exp(root(threshold, m - 3, m)))
    add(name, link, "k_star_high", exp(root(threshold, m, m + 3)))
    add(name, link, "width", 1 / a)
    add(name, link, "width_low", 1 / root(slope, a, 20 * a))
    add(name, link, "width_high", 1 / root(slope, 0.01 * a, a))
    minus.penalized <- function(b) {
      eta <- b[1] + b[2] * x
      p <- if (link == "logit") plogis(eta) else pnorm(eta)
      f <- if (link == "logit") dlogis(eta) else dnorm(eta)
      w <- f^2 / (p * (1 - p))
      information <- sum(w) * sum(w * x^2) - sum(w * x)^2
      -sum(ifelse(d$acquired == 1, log(p), log1p(-p))) - log(information) / 2
    }
    b <- coef(full)
    for (i in 1:20) b <- optim(b, minus.penalized, control = list(reltol = 1e-16, maxit = 5000, parscale = abs(b)))$par
    add(name, link, "firth_k_star", exp(-b[[1]] / b[[2]]))
    add(name, link, "firth_width", 1 / b[[2]])
  }
  if (name == "small") next  # a step: nls finds a singular gradient
  sigmoid <- nls(accuracy ~ floor + rise / (1 + exp(-slope * (log10(K) - b))), data = d,
                 start = list(floor = 0.55, rise = 0.43, slope = 5, b = log10(4000)),
                 control = nls.control(tol = 1e-8, maxiter = 500, minFactor = 1e-12))
  s <- summary(sigmoid)$coefficients
  for (p in rownames(s)) {
    add(name, "sigmoid", p, s[p, 1])
    add(name, "sigmoid", paste0(p, "_error"), s[p, 2])
  }
  add(name, "sigmoid", "residual_sd", summary(sigmoid)$sigma)
}

for (link in c("probit", "logit")) {
  full <- glm(acquired ~ log(K) + log(N), family = binomial(link), data = many, control = control)
  b <- coef(full)
  exponent <- -b[[3]] / b[[2]]
  excess <- function(e) {
    u <- log(many$K) - e * log(many$N)
    glm(acquired ~ u, family = binomial(link), data = many, control = control)$deviance - deviance(full)
  }
  free <- sum(sapply(split(many, many$N), function(d)
    as.numeric(logLik(glm(acquired ~ log(K), family = binomial(link), data = d, control = control)))))
  add("contexts", link, "exponent", exponent)
  add("contexts", link, "exponent_low", root(function(e) excess(e) - q, exponent - 2, exponent))
  add("contexts", link, "exponent_high", root(function(e) excess(e) - q, exponent, exponent + 2))
  add("contexts", link, "prefactor", exp(-b[[1]] / b[[2]]))
  add("contexts", link, "width", 1 / b[[2]])
  add("contexts", link, "lack_of_fit", 2 * (free - as.numeric(logLik(full))))
  add("contexts", link, "exponent_is_1_over_0.8", excess(1 / 0.8))
}
write.csv(rows, "threshold.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "\n")
