#include <cmath>

#include "claim_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/gradient_flow.hpp"

// Formulas against numerical integration of the equations that they come from, for an MLP that never memorizes
// (c1 = c2 = 1/2), where I_K is the time itself.
namespace iclk::figures {
namespace {

constexpr double kHalf = 0.5;
constexpr double kColdStart = -4.0;  ///< beta0 far below zero, where App. A.3 has its second regime
constexpr double kStep = 0.05;       ///< of beta0 in a central difference

std::optional<double> blow_up(double n_context, double beta0, double w0) {
  return theory::integrate_flow({.w = w0, .beta = beta0}, n_context, kHalf, kHalf).t_icl;
}

/// d ln t_ICL/d beta0 of Eqs. 7-8.
std::optional<double> slope_at(double n_context, double beta0, double w0) {
  const auto low = blow_up(n_context, beta0 - kStep, w0), high = blow_up(n_context, beta0 + kStep, w0);
  if (!low || !high) return std::nullopt;
  return std::log(*high / *low) / (2.0 * kStep);
}

std::string flow_command(double n_context, double beta0, double w0) {
  return "iclk flow --model leading --context " + format_number(n_context) + " --c1 0.5 --c2 0.5 --beta0 " +
         format_number(beta0) + " --w0 " + format_number(w0);
}

void add_formula(ClaimList& claims, Claim claim, double predicted, std::optional<double> integrated, double share,
                 const std::string& command) {
  claim.prediction = exactly(predicted);
  if (integrated) claim.measured = exactly(*integrated);
  claim.allowed = within_share(predicted, share);
  claim.allowance = "within " + percent(share) + " of the formula";
  take_calculation(claim, command);
  if (!integrated) claim.reason = "the integration does not reach acquisition from this start";
  claims.push_back(std::move(claim));
}

void add_slope(ClaimList& claims, Claim claim, double predicted, std::optional<double> slope,
               const std::string& command) {
  constexpr double kReach = 0.1;
  claim.prediction = exactly(predicted);
  claim.quantity = "d ln t_ICL/d beta0 of Eqs. 7-8";
  if (slope) claim.measured = exactly(*slope);
  claim.allowed = {predicted, predicted - kReach, predicted + kReach};
  claim.allowance = "within 0.1 of the exponent";
  take_calculation(claim, command);
  claims.push_back(std::move(claim));
}

}  // namespace

void add_acquisition_formula_claims(const Evidence& evidence, ClaimList& claims) {
  const double n = evidence.n_context();
  const double beta0 = evidence.options().beta0, w0 = evidence.options().w0;
  const std::string at =
      "N = " + format_number(n) + ", beta0 = " + format_number(beta0) + ", w0 = " + format_number(w0);
  const auto flow = blow_up(n, beta0, w0);
  const std::string command = flow_command(n, beta0, w0);

  Claim exact =
      make_claim("exact-solution", ClaimOrigin::ours, "Eqs. 31-32",
                 "Eqs. 7-8, which the paper says cannot be solved exactly, have an exact solution for constant "
                 "c2 and any c1(t).");
  exact.quantity = "blow-up time of Eqs. 7-8 [time], " + at;
  add_formula(claims, std::move(exact), theory::acquisition_integral_exact(n, beta0, w0, kHalf), flow, 1e-6, command);

  Claim leading =
      make_claim("leading-order", ClaimOrigin::paper, "Eq. 11, Eq. 34",
                 "t_ICL = N sqrt(2 pi) exp(-beta0) approximates Eqs. 7-8 near beta0 = 0, its prefactor taken "
                 "as it stands.");
  leading.quantity = "blow-up time of Eqs. 7-8 [time], " + at;
  add_formula(claims, std::move(leading), theory::acquisition_integral(n, beta0, w0), flow, 0.05, command);

  add_slope(claims,
            make_claim("start-exponent", ClaimOrigin::paper, "Sec. 3.5, Fig. A.1a",
                       "t_ICL falls as exp(-beta0) near beta0 = 0."),
            -1.0, slope_at(n, 0.0, w0), "iclk figure figA1a --out DIR --context " + format_number(n));
  add_slope(claims,
            make_claim("cold-start-exponent", ClaimOrigin::paper, "App. A.3, Fig. A.1a",
                       "t_ICL falls as exp(-2 beta0) far below zero (beta0 = -4)."),
            -2.0, slope_at(n, kColdStart, w0), "iclk figure figA1a --out DIR --context " + format_number(n));

  const auto cold = blow_up(n, kColdStart, w0);
  const std::string cold_at = "N = " + format_number(n) + ", beta0 = -4, w0 = " + format_number(w0);
  const double corrected = theory::cold_start_integral(n, kColdStart);
  Claim printed = make_claim("cold-start-printed", ClaimOrigin::paper, "Eq. 37",
                             "Far below zero t_ICL = N exp(-2 beta0), as Eq. 37 is printed.");
  printed.quantity = "blow-up time of Eqs. 7-8 [time], " + cold_at;
  constexpr double kMissing = 2.0;  // Eq. 37 as printed lacks the 1/2
  add_formula(claims, std::move(printed), kMissing * corrected, cold, 0.05, flow_command(n, kColdStart, w0));
  Claim right = make_claim("cold-start-corrected", ClaimOrigin::ours, "Eq. 37",
                           "Far below zero t_ICL = (N/2) exp(-2 beta0): Eq. 37 lacks a factor 1/2.");
  right.quantity = "blow-up time of Eqs. 7-8 [time], " + cold_at;
  add_formula(claims, std::move(right), corrected, cold, 0.05, flow_command(n, kColdStart, w0));
}

}  // namespace iclk::figures
