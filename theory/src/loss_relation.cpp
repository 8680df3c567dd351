#include "iclk/theory/loss_relation.hpp"

#include <cmath>
#include <cstddef>
#include <numbers>

#include "arguments.hpp"
#include "iclk/core/logistic.hpp"

namespace iclk::theory {
namespace {

void require_loss(const char* field, double loss) {
  require(loss > 0.0 && std::isfinite(loss), field, "a positive number", loss);
}

/// 1 where x > 0, 1/2 at a tie.
double share_correct(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? 0.0 : 0.5; }

/// ln(exp(x) - 1) for x > 0.
double log_expm1(double x) { return x < 1.0 ? std::log(std::expm1(x)) : x + std::log1p(-std::exp(-x)); }

/// ln cosh x.
double log_cosh(double x) {
  const double size = std::abs(x);
  return size + std::log1p(std::exp(-2.0 * size)) - std::numbers::ln2;
}

/// asinh(exp(log_x)), also where exp(log_x) leaves the range of doubles.
double asinh_of_exp(double log_x) {
  if (log_x < 300.0) return std::asinh(std::exp(log_x));
  return log_x + std::numbers::ln2;
}

/// L - ln(exp(L) - 1)/2.
double loss_of_the_other(double loss) { return 0.5 * (loss - std::log(-std::expm1(-loss))); }

}  // namespace

TwoPointLosses two_point_losses(double w, double xi) {
  require_finite("w", w);
  require_finite("xi", xi);
  const double both = softplus(-w - xi);
  return {.icl = 0.5 * (both + softplus(xi - w)),
          .iwl = 0.5 * (both + softplus(w - xi)),
          .icl_accuracy = 0.5 * (share_correct(w + xi) + share_correct(w - xi)),
          .iwl_accuracy = 0.5 * (share_correct(w + xi) + share_correct(xi - w))};
}

double iwl_loss_leading(double icl_loss) {
  require_loss("icl_loss", icl_loss);
  return -0.5 * std::log(icl_loss);
}

double icl_loss_leading(double iwl_loss) {
  require_loss("iwl_loss", iwl_loss);
  return -0.5 * std::log(iwl_loss);
}

double iwl_loss_from_icl(double icl_loss) {
  require_loss("icl_loss", icl_loss);
  return loss_of_the_other(icl_loss);
}

double icl_loss_from_iwl(double iwl_loss) {
  require_loss("iwl_loss", iwl_loss);
  return loss_of_the_other(iwl_loss);
}

double icl_strength(double icl_loss, double xi) {
  require_loss("icl_loss", icl_loss);
  require_finite("xi", xi);
  // With A = exp(2 L) - 1 and C = cosh xi: w = -ln A + ln(C + sqrt(C^2 + A)), both in logarithms.
  const double log_a = log_expm1(2.0 * icl_loss);
  const double log_c = log_cosh(xi);
  const double log_ratio = log_a - 2.0 * log_c;
  const double log_root = log_ratio < 600.0 ? std::log1p(std::sqrt(1.0 + std::exp(log_ratio))) : 0.5 * log_ratio;
  return log_c + log_root - log_a;
}

std::optional<double> iwl_strength(double iwl_loss, double xi) {
  require_loss("iwl_loss", iwl_loss);
  require_finite("xi", xi);
  const double excess = iwl_loss - softplus(-xi);
  if (excess < 0.0) return std::nullopt;
  if (!(excess > 0.0)) return 0.0;
  return 2.0 * asinh_of_exp(log_cosh(0.5 * xi) + 0.5 * log_expm1(2.0 * excess));
}

std::optional<TwoPointState> two_point_state(double icl_loss, double iwl_loss) {
  require_loss("icl_loss", icl_loss);
  require_loss("iwl_loss", iwl_loss);
  const double difference = 2.0 * (iwl_loss - icl_loss);
  // From the smaller of the two losses, whose excess loses less to rounding.
  const double excess =
      difference > 0.0 ? icl_loss - 0.5 * softplus(-difference) : iwl_loss - 0.5 * softplus(difference);
  if (!(excess > 0.0)) return std::nullopt;
  const double sum = -log_expm1(2.0 * excess);
  return TwoPointState{.w = 0.5 * (sum + difference), .xi = 0.5 * (sum - difference)};
}

double uniform_attention_iwl_loss(double n_context, double w, const LogitList& logits) {
  require(n_context >= 2.0 && n_context <= 1e6 && std::floor(n_context) >= n_context, "context",
          "a whole number in [2, 1e6]", n_context);
  require_finite("w", w);
  validate(logits);

  const auto loss_at = [&](double sum_of_labels) {
    double loss = 0.0;
    double total = 0.0;
    for (std::size_t i = 0; i < logits.signed_logits.size(); ++i) {
      const double weight = logits.weights.empty() ? 1.0 : logits.weights[i];
      loss += weight * softplus(-logits.signed_logits[i] - w * sum_of_labels / n_context);
      total += weight;
    }
    return loss / total;
  };
  // Binomial(N, 1/2) outwards from its largest term; terms of a weight below 1e-18 of it are left out.
  const double mode = std::floor(0.5 * n_context);
  double loss = 0.0;
  double total = 0.0;
  double term = 1.0;
  for (double n = mode; n >= 0.0 && term > 1e-18; n -= 1.0) {
    loss += term * loss_at(2.0 * n - n_context);
    total += term;
    term *= n / (n_context - n + 1.0);
  }
  term = (n_context - mode) / (mode + 1.0);
  for (double n = mode + 1.0; n <= n_context && term > 1e-18; n += 1.0) {
    loss += term * loss_at(2.0 * n - n_context);
    total += term;
    term *= (n_context - n) / (n + 1.0);
  }
  return loss / total;
}

double mean_square_attention(double n_context, double beta, double dim) {
  require_context(n_context);
  require_finite("beta", beta);
  require(dim >= 1.0 && std::isfinite(dim), "dim", "a number of at least 1", dim);
  return std::exp(beta * beta / dim) / n_context;
}

double condensation_strength(double n_context, double dim) {
  require_context(n_context);
  require(dim >= 1.0 && std::isfinite(dim), "dim", "a number of at least 1", dim);
  return std::sqrt(2.0 * dim * std::log(n_context));
}

}  // namespace iclk::theory
