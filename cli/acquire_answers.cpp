#include "acquire_answers.hpp"

#include <cmath>
#include <limits>

#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/exact_solution.hpp"
#include "iclk/theory/threshold.hpp"

namespace iclk::cli {
namespace {

using Input = AcquireInput;
using Answers = std::vector<AnswerCell>;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

theory::FlowState start_of(const AcquirePoint& point) { return {of(point, Input::w0), of(point, Input::beta0)}; }

theory::ExactFlow flow_of(const AcquirePoint& point) {
  return {.n_context = of(point, Input::context),
          .initial = start_of(point),
          .c2 = of(point, Input::c2),
          .rho = of(point, Input::rho),
          .copies = of(point, Input::copies),
          .lambda_w = of(point, Input::lambda_w),
          .c1 = of(point, Input::c1)};
}

AcquireBlock closed_forms() {
  return {{{"x_leading", "I_K at acquisition, leading order (Eq. 10-11)"},
           {"x_undamped", "I_K at acquisition, damping neglected (Eq. 34)"},
           {"x_exact", "I_K at acquisition, exact for constant c2"},
           {"j_cold", "integral of c1/c2 at acquisition, cold start (Eq. 37)"}},
          {Input::rho, Input::copies, Input::lambda_w},
          [](const AcquirePoint& point, Answers& answer) {
            const double n = of(point, Input::context);
            const double beta0 = of(point, Input::beta0);
            const double rate = of(point, Input::rho) * of(point, Input::copies);
            answer.emplace_back(theory::acquisition_integral_leading(n, beta0) / rate);
            answer.emplace_back(theory::acquisition_integral(n, beta0, of(point, Input::w0)) / rate);
            answer.emplace_back(theory::blow_up_integral(flow_of(point)));
            answer.emplace_back(theory::cold_start_integral(n, beta0) / (rate * of(point, Input::rho)));
          }};
}

AcquireBlock time_at_constant_c1() {
  return {{{"t_exact", "t_ICL where c1 stays what it is: x_exact/(2 c1)"}},
          {Input::c1, Input::lambda_w},
          [](const AcquirePoint& point, Answers& answer) {
            answer.emplace_back(theory::blow_up_integral(flow_of(point)) / (2.0 * of(point, Input::c1)));
          }};
}

AcquireBlock crossing() {
  return {{{"x_cross", "I_K at the first moment with beta >= beta_cross"}, {"w_at_cross", "w at that moment"}},
          {Input::beta_cross},
          [](const AcquirePoint& point, Answers& answer) {
            const auto result = theory::exact_crossing(flow_of(point), of(point, Input::beta_cross));
            const bool known = result.outcome == theory::ExactOutcome::before_blow_up;
            answer.emplace_back(known ? result.integral : kNone);
            answer.emplace_back(known ? result.state.w : kNone);
          }};
}

AcquireBlock state_at_integral() {
  return {{{"state_outcome", "is there a state at I_K = integral?"},
           {"w_at", "w at that I_K"},
           {"beta_at", "beta at that I_K"}},
          {Input::integral},
          [](const AcquirePoint& point, Answers& answer) {
            const auto result = theory::exact_state(flow_of(point), of(point, Input::integral));
            answer.emplace_back(std::string(name(result.outcome)));
            answer.emplace_back(result.state ? result.state->w : kNone);
            answer.emplace_back(result.state ? result.state->beta : kNone);
          }};
}

AcquireBlock decay_on_beta() {
  return {{{"decay_outcome", "does attention escape L2 on w and beta?"},
           {"damping", "c2 as the flow feels it, L2 on w included"},
           {"lambda_beta_critical", "L2 on beta that blocks a start at or below zero, lambda_w given"},
           {"lambda_equal_critical", "the same with equal L2 on w and beta"},
           {"trap_beta", "beta where trapped attention rests"},
           {"trap_w", "w there"},
           {"edge_beta", "beta of the unstable state above it"}},
          {Input::lambda_beta, Input::lambda_w, Input::c1},
          [](const AcquirePoint& point, Answers& answer) {
            const theory::DecayedFlow flow{.n_context = of(point, Input::context),
                                           .c1 = of(point, Input::c1),
                                           .c2 = of(point, Input::c2),
                                           .lambda_w = of(point, Input::lambda_w),
                                           .lambda_beta = of(point, Input::lambda_beta)};
            const auto points = theory::decay_fixed_points(flow);
            answer.emplace_back(std::string(name(theory::decay_verdict(flow, start_of(point)))));
            answer.emplace_back(theory::effective_c2(flow_of(point)));
            answer.emplace_back(theory::critical_lambda_beta(flow));
            answer.emplace_back(theory::critical_equal_lambda(flow));
            answer.emplace_back(points.trap ? points.trap->beta : kNone);
            answer.emplace_back(points.trap ? points.trap->w : kNone);
            answer.emplace_back(points.unstable ? points.unstable->beta : kNone);
          }};
}

AcquireBlock balanced_contexts(theory::BalancedCount count, bool partial) {
  AcquireBlock block{{{"balanced_outcome", "where attention goes on balanced contexts"},
                      {"beta_saddle", "beta of the saddle between the two basins"},
                      {"balanced_w_edge", "w0 above which ICL is acquired at this beta0 (v = 0)"},
                      {"balanced_energy", "H = w^2/2 - b - exp(-b), b = beta - beta_saddle (v = 0)"},
                      {"balanced_beta_turn", "where beta turns around"},
                      {"x_balanced", "I_K at acquisition on balanced contexts"}},
                     {},
                     [count](const AcquirePoint& point, Answers& answer) {
                       const theory::PartialBalance balance{
                           .v = of(point, Input::v), .c2 = of(point, Input::c2), .count = count};
                       const auto result = theory::partial_balance_acquisition(start_of(point), balance);
                       answer.emplace_back(std::string(name(result.outcome)));
                       answer.push_back(answer_cell(theory::partial_balance_saddle(balance)));
                       answer.push_back(answer_cell(result.w_separatrix));
                       answer.push_back(answer_cell(result.energy));
                       answer.push_back(answer_cell(result.beta_turn));
                       answer.emplace_back(result.s_blow ? 2.0 * of(point, Input::context) * *result.s_blow : kNone);
                     }};
  if (partial) block.uses = {Input::v};
  return block;
}

AcquireBlock balanced_basin(theory::BalancedCount count) {
  return {{{"p_balanced", "share of normal starts above the separatrix"}},
          {Input::beta0_sd, Input::w0_sd},
          [count](const AcquirePoint& point, Answers& answer) {
            answer.emplace_back(theory::balanced_basin_probability({.beta0_mean = of(point, Input::beta0),
                                                                    .beta0_sd = of(point, Input::beta0_sd),
                                                                    .w0_mean = of(point, Input::w0),
                                                                    .w0_sd = of(point, Input::w0_sd)},
                                                                   count));
          }};
}

AcquireBlock threshold(bool with_derivatives) {
  AcquireBlock block{{{"k_star", "K* = (x_exact/prefactor)^(1/nu)"}},
                     {Input::prefactor, Input::nu},
                     [with_derivatives](const AcquirePoint& point, Answers& answer) {
                       const auto result = theory::threshold_sensitivity(flow_of(point), of(point, Input::prefactor),
                                                                         of(point, Input::nu));
                       answer.emplace_back(result.k_star);
                       if (!with_derivatives) return;
                       for (const double value : {result.gradient.log_context, result.gradient.beta0,
                                                  result.gradient.w0, result.gradient.lambda_w, result.nu}) {
                         answer.emplace_back(value);
                       }
                     }};
  if (with_derivatives) {
    block.uses.push_back(Input::c1);
    block.columns.insert(block.columns.end(), {{"dlnk_dln_context", "d ln K*/d ln N"},
                                               {"dlnk_dbeta0", "d ln K*/d beta0"},
                                               {"dlnk_dw0", "d ln K*/d w0"},
                                               {"dlnk_dlambda_w", "d ln K*/d lambda_w"},
                                               {"dlnk_dnu", "d ln K*/d nu"}});
  }
  return block;
}

AcquireBlock success(bool with_derivatives) {
  AcquireBlock block{
      {{"p_icl", "share of normal starts that acquire before I_K(infinity)"}},
      {Input::beta0_sd, Input::w0_sd, Input::i_infinity},
      [with_derivatives](const AcquirePoint& point, Answers& answer) {
        const auto result = theory::success_sensitivity({.flow = flow_of(point),
                                                         .beta0_sd = of(point, Input::beta0_sd),
                                                         .w0_sd = of(point, Input::w0_sd),
                                                         .i_infinity = of(point, Input::i_infinity)});
        answer.emplace_back(result.probability);
        if (!with_derivatives) return;
        for (const double value : {result.log_context, result.beta0_mean, result.beta0_sd, result.w0_mean, result.w0_sd,
                                   result.lambda_w, result.log_i_infinity}) {
          answer.emplace_back(value);
        }
      }};
  if (with_derivatives) {
    block.uses.push_back(Input::c1);
    block.columns.insert(block.columns.end(), {{"dp_dln_context", "d P/d ln N"},
                                               {"dp_dbeta0", "d P/d mean of beta0"},
                                               {"dp_dbeta0_sd", "d P/d standard deviation of beta0"},
                                               {"dp_dw0", "d P/d mean of w0"},
                                               {"dp_dw0_sd", "d P/d standard deviation of w0"},
                                               {"dp_dlambda_w", "d P/d lambda_w"},
                                               {"dp_dln_i_infinity", "d P/d ln I_K(infinity); times nu: by ln K"}});
  }
  return block;
}

AcquireBlock derivatives() {
  return {
      {{"dlnx_dln_context", "d ln x_exact/d ln N"},
       {"dlnx_dbeta0", "d ln x_exact/d beta0"},
       {"dlnx_dw0", "d ln x_exact/d w0"},
       {"dlnx_dc2", "d ln x_exact/d c2"},
       {"dlnx_dlambda_w", "d ln x_exact/d lambda_w [time]"}},
      {},
      [](const AcquirePoint& point, Answers& answer) {
        const auto gradient = theory::blow_up_gradient(flow_of(point));
        for (const double value : {gradient.log_context, gradient.beta0, gradient.w0, gradient.c2, gradient.lambda_w}) {
          answer.emplace_back(value);
        }
      }};
}

AcquireBlock on_curve(const std::shared_ptr<const MeasuredCurve>& curve, bool with_derivatives) {
  AcquireBlock block{
      {{"curve_outcome", "does the flow with the measured c1, c2 acquire within the curve?"},
       {"t_icl", "t_ICL on the curve"}},
      {},
      [curve, with_derivatives](const AcquirePoint& point, Answers& answer) {
        const auto result = theory::curve_sensitivity(curve->curves, of(point, Input::context), start_of(point),
                                                      of(point, Input::lambda_w));
        answer.emplace_back(std::string(name(result.outcome)));
        answer.push_back(answer_cell(result.t_icl));
        if (!with_derivatives) return;
        for (const double value : {result.gradient.log_context, result.gradient.beta0, result.gradient.w0,
                                   result.gradient.lambda_w, result.gradient.log_c1, result.log_stretch}) {
          answer.emplace_back(result.t_icl ? value : kNone);
        }
      }};
  if (with_derivatives) {
    block.columns.insert(block.columns.end(), {{"dlnt_dln_context", "d ln t_icl/d ln N"},
                                               {"dlnt_dbeta0", "d ln t_icl/d beta0"},
                                               {"dlnt_dw0", "d ln t_icl/d w0"},
                                               {"dlnt_dlambda_w", "d ln t_icl/d lambda_w [time]"},
                                               {"dlnt_dln_c1", "d ln t_icl/d ln c1, the whole curve scaled"},
                                               {"dlnt_dln_stretch", "d ln t_icl, the curve stretched in time"}});
  }
  return block;
}

AcquireBlock inverse(theory::Unknown unknown, Input wanted, std::shared_ptr<const MeasuredCurve> curve) {
  const std::string what = std::string(name(unknown));
  AcquireBlock block{{{"solve_outcome", "is there an answer to --solve-for?"},
                      {what + "_needed", "the " + what + " that gives what is wanted"}},
                     {wanted},
                     [unknown, wanted, curve](const AcquirePoint& point, Answers& answer) {
                       const double value = of(point, wanted);
                       theory::InverseAnswer result;
                       if (curve && wanted == Input::wanted_time) {
                         result = theory::solve_for(unknown, curve->curves, of(point, Input::context), start_of(point),
                                                    of(point, Input::lambda_w), value);
                       } else {
                         const double integral =
                             wanted == Input::wanted_x ? value
                             : wanted == Input::wanted_time
                                 ? 2.0 * of(point, Input::c1) * value
                                 : of(point, Input::prefactor) * std::pow(value, of(point, Input::nu));
                         result = theory::solve_for(unknown, flow_of(point), integral);
                       }
                       answer.emplace_back(std::string(name(result.outcome)));
                       answer.push_back(answer_cell(result.value));
                     }};
  const bool on_curve = curve && wanted == Input::wanted_time;
  if (!on_curve && (wanted == Input::wanted_time || unknown == theory::Unknown::lambda_w)) {
    block.uses.push_back(Input::c1);
  }
  if (wanted == Input::wanted_k_star) block.uses.insert(block.uses.end(), {Input::prefactor, Input::nu});
  return block;
}

}  // namespace

std::vector<AcquireBlock> acquire_blocks(const AcquireQuestion& question) {
  const auto in_use = [&](std::initializer_list<Input> inputs) {
    for (const Input input : inputs) {
      if (!question.in_use(input)) return false;
    }
    return true;
  };
  const bool partial = in_use({Input::v});
  const bool balanced = question.balanced || partial;
  if (balanced) {
    for (const auto& [input, option] : {std::pair{Input::rho, "--rho"}, std::pair{Input::copies, "--copies"},
                                        std::pair{Input::lambda_w, "--lambda-w"}}) {
      if (question.in_use(input)) throw field_error(option, "is not known for balanced contexts (--balanced, --v)");
    }
  }
  if (in_use({Input::lambda_beta})) {
    for (const auto& [input, option] : {std::pair{Input::rho, "--rho"}, std::pair{Input::copies, "--copies"}}) {
      if (question.in_use(input)) throw field_error(option, "is not known together with --lambda-beta");
    }
  }
  if (question.curve) {
    for (const auto& [input, option] : {std::pair{Input::rho, "--rho"}, std::pair{Input::copies, "--copies"}}) {
      if (question.in_use(input)) throw field_error(option, "is not known together with --curve");
    }
  }

  std::vector<AcquireBlock> blocks{closed_forms()};
  if (in_use({Input::c1}) || in_use({Input::lambda_w})) blocks.push_back(time_at_constant_c1());
  if (question.sensitivity) blocks.push_back(derivatives());
  if (in_use({Input::beta_cross})) blocks.push_back(crossing());
  if (in_use({Input::integral})) blocks.push_back(state_at_integral());
  if (in_use({Input::lambda_beta})) blocks.push_back(decay_on_beta());
  if (balanced) {
    const auto count = question.balanced.value_or(theory::BalancedCount::exemplars);
    blocks.push_back(balanced_contexts(count, partial));
    if (!partial && in_use({Input::beta0_sd})) blocks.push_back(balanced_basin(count));
  }
  if (in_use({Input::prefactor, Input::nu})) blocks.push_back(threshold(question.sensitivity));
  if (in_use({Input::beta0_sd, Input::i_infinity})) blocks.push_back(success(question.sensitivity));
  if (question.curve) blocks.push_back(on_curve(question.curve, question.sensitivity));
  if (question.unknown) {
    std::optional<Input> wanted;
    for (const Input input : {Input::wanted_x, Input::wanted_time, Input::wanted_k_star}) {
      if (!question.in_use(input)) continue;
      if (wanted) throw field_error("--solve-for", "takes one of --wanted-x, --wanted-time and --wanted-k-star");
      wanted = input;
    }
    if (!wanted) throw field_error("--solve-for", "needs --wanted-x, --wanted-time or --wanted-k-star");
    if (wanted == Input::wanted_k_star && !in_use({Input::prefactor, Input::nu})) {
      throw field_error("--wanted-k-star", "needs --prefactor and --nu, the law I_K(infinity) = prefactor K^nu");
    }
    blocks.push_back(inverse(*question.unknown, *wanted, question.curve));
  }
  return blocks;
}

}  // namespace iclk::cli
