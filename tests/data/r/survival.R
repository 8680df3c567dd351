# Reference values for fit/survival.hpp. Run in this folder: Rscript survival.R
# Writes survival_<set>.csv (the runs), survival_steps.csv, survival_quantiles.csv and survival_models.csv.
library(survival)
digits <- 15
write_table <- function(x, file) {
  numbers <- sapply(x, is.numeric)
  x[numbers] <- lapply(x[numbers], function(v) ifelse(is.na(v), "", trimws(formatC(v, digits = digits, format = "g"))))
  write.csv(x, file, row.names = FALSE, quote = FALSE)
}

set.seed(20260101)
sets <- list()
t <- rlnorm(60, log(274), 0.5); cap <- 600
sets$capped <- data.frame(time = round(pmin(t, cap), 3), acquired = as.integer(t <= cap))
t <- ifelse(runif(80) < 0.35, Inf, rlnorm(80, log(300), 0.6)); cap <- runif(80, 700, 1500)
sets$cured <- data.frame(time = round(pmin(t, cap), 3), acquired = as.integer(t <= cap))
t <- round(rweibull(40, 1.7, 300), -1) + 10; cap <- round(runif(40, 100, 800), -1)
sets$ties <- data.frame(time = pmin(t, cap), acquired = as.integer(t <= cap))
sets$complete <- data.frame(time = round(rlnorm(24, 5, 0.4), 3), acquired = 1L)
sets$half <- data.frame(time = c(10, 20, 30, 40, 50, 60), acquired = c(1L, 1L, 1L, 0L, 0L, 1L))
sets$half_open <- data.frame(time = c(10, 20, 30, 35, 40, 50), acquired = c(1L, 1L, 1L, 0L, 0L, 0L))

steps <- NULL; quantiles <- NULL
for (name in names(sets)) {
  d <- sets[[name]]
  write.csv(d, paste0("survival_", name, ".csv"), row.names = FALSE, quote = FALSE)
  for (type in c("log-log", "log", "plain")) {
    s <- survfit(Surv(time, acquired) ~ 1, data = d, conf.type = type)
    steps <- rbind(steps, data.frame(set = name, interval = sub("-", "_", type), time = s$time, at_risk = s$n.risk,
      acquired = s$n.event, censored = s$n.censor, survival = s$surv, low = s$lower, high = s$upper))
    for (p in c(0.1, 0.25, 0.5, 0.75)) {
      q <- quantile(s, p)
      quantiles <- rbind(quantiles, data.frame(set = name, interval = sub("-", "_", type), probability = p,
        value = unname(q$quantile), low = unname(q$lower), high = unname(q$upper)))
    }
  }
}
write_table(steps, "survival_steps.csv"); write_table(quantiles, "survival_quantiles.csv")

# Log survival and log density; theta: (mu, ln sigma), for the inverse Gaussian (ln threshold, drift).
log_s <- list(
  lognormal = function(t, p) pnorm((log(t) - p[1]) / exp(p[2]), lower.tail = FALSE, log.p = TRUE),
  weibull = function(t, p) -exp((log(t) - p[1]) / exp(p[2])),
  inverse_gaussian = function(t, p) {
    a <- exp(p[1]); v <- p[2]
    log(pnorm((a - v * t) / sqrt(t)) - exp(2 * a * v + pnorm((-a - v * t) / sqrt(t), log.p = TRUE)))
  })
log_f <- list(
  lognormal = function(t, p) dnorm((log(t) - p[1]) / exp(p[2]), log = TRUE) - p[2] - log(t),
  weibull = function(t, p) { z <- (log(t) - p[1]) / exp(p[2]); z - exp(z) - p[2] - log(t) },
  inverse_gaussian = function(t, p) p[1] - 0.5 * log(2 * pi) - 1.5 * log(t) - (exp(p[1]) - p[2] * t)^2 / (2 * t))
log_likelihood <- function(family, d, p, cured) {
  e <- d$acquired == 1
  sum(log1p(-cured) + log_f[[family]](d$time[e], p)) +
    sum(log(cured + (1 - cured) * exp(log_s[[family]](d$time[!e], p))))
}
# Maximum by Nelder-Mead, BFGS, then Newton steps with central differences.
maximise <- function(f, start) {
  fit <- optim(start, function(p) { v <- -f(p); if (is.finite(v)) v else 1e10 }, control = list(reltol = 1e-14, maxit = 5000))
  p <- fit$par; k <- length(p)
  derivatives <- function(p) {
    h <- 1e-4 * pmax(1e-1, abs(p)); g <- numeric(k); H <- matrix(0, k, k)
    at <- function(i, j, a, b) { q <- p; q[i] <- q[i] + a * h[i]; q[j] <- q[j] + b * h[j]; f(q) }
    for (i in 1:k) {
      g[i] <- (8 * (at(i, i, 1, 0) - at(i, i, -1, 0)) - (at(i, i, 2, 0) - at(i, i, -2, 0))) / (12 * h[i])
      for (j in 1:k) {
        H[i, j] <- if (i == j) (-at(i, i, 2, 0) + 16 * at(i, i, 1, 0) - 30 * f(p) + 16 * at(i, i, -1, 0) - at(i, i, -2, 0)) / (12 * h[i]^2)
          else (at(i, j, 1, 1) - at(i, j, 1, -1) - at(i, j, -1, 1) + at(i, j, -1, -1)) / (4 * h[i] * h[j])
      }
    }
    list(g = g, H = H)
  }
  for (step in 1:20) { d <- derivatives(p); p <- p - solve(d$H, d$g) }
  d <- derivatives(p)
  list(par = p, value = f(p), se = sqrt(diag(solve(-d$H))))
}
models <- NULL
for (name in c("capped", "cured", "ties", "complete")) {
  d <- sets[[name]]
  for (family in c("lognormal", "weibull", "inverse_gaussian")) {
    # Times in units of a typical time, so that the inverse Gaussian's parameters are of order one.
    unit <- if (family == "inverse_gaussian") 300 else 1
    u <- transform(d, time = time / unit)
    start <- if (family == "inverse_gaussian") c(0.5, 1) else c(mean(log(u$time)), log(0.6))
    shift <- -sum(u$acquired) * log(unit)
    plain <- maximise(function(p) log_likelihood(family, u, p, 0), start)
    if (family != "inverse_gaussian") {
      r <- survreg(Surv(time, acquired) ~ 1, data = d, dist = family, control = list(rel.tolerance = 1e-13, maxiter = 200))
      stopifnot(abs(r$loglik[2] - plain$value) < 1e-7, abs(coef(r) - plain$par[1]) < 1e-6, abs(log(r$scale) - plain$par[2]) < 1e-6,
        abs(sqrt(diag(vcov(r))) - plain$se) < 1e-5)
      plain <- list(par = c(unname(coef(r)), log(r$scale)), value = r$loglik[2], se = unname(sqrt(diag(vcov(r)))))
    }
    models <- rbind(models, data.frame(set = name, family = family, with_cured = 0L, unit = unit, first = plain$par[1],
      second = plain$par[2], first_se = plain$se[1], second_se = plain$se[2], cured = 0, cured_low = NA, cured_high = NA,
      log_likelihood = plain$value + shift))
    if (name == "complete") next
    f <- function(p) log_likelihood(family, u, p[1:2], plogis(p[3]))
    best <- tryCatch(maximise(f, c(plain$par, qlogis(0.2))), error = function(e) NULL)
    if (is.null(best) || best$value < plain$value || plogis(best$par[3]) < 1e-3) next  # maximum at no cured fraction
    profile <- function(cured) {
      o <- best$par[1:2]
      for (i in 1:3) o <- optim(o, function(p) { v <- -log_likelihood(family, u, p, cured); if (is.finite(v)) v else 1e10 },
        control = list(reltol = 1e-15, maxit = 5000))$par
      log_likelihood(family, u, o, cured) - best$value + qchisq(0.95, 1) / 2
    }
    cured <- plogis(best$par[3])
    low <- if (profile(1e-9) > 0) 0 else uniroot(profile, c(1e-9, cured), tol = 1e-10)$root
    high <- uniroot(profile, c(cured, 0.95), tol = 1e-10)$root
    models <- rbind(models, data.frame(set = name, family = family, with_cured = 1L, unit = unit, first = best$par[1],
      second = best$par[2], first_se = best$se[1], second_se = best$se[2], cured = cured, cured_low = low, cured_high = high,
      log_likelihood = best$value + shift))
  }
}
write_table(models, "survival_models.csv")
print(models)
