#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "attention_point.hpp"
#include "curve_files.hpp"
#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/fit/power_law_bootstrap.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/threshold.hpp"
#include "output.hpp"
#include "power_extras.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct PredictInput {
  std::vector<std::string> files;
  std::optional<std::uint64_t> n_context;
  double beta0 = 0.0;
  double w0 = 0.0;
  std::optional<double> lr;
  std::vector<std::uint64_t> n_items;
  BootstrapInput bootstrap;
  Destinations destinations;
};

struct PredictedCurve {
  MeasuredCurve curve;
  theory::CurvePrediction prediction;
  Estimate joint_infinity;  ///< I_K(infinity) with the tail that the curves of all K share; empty without a law

  std::optional<double> t_icl_iterations() const {
    if (!prediction.t_icl || !curve.lr) return std::nullopt;
    return *prediction.t_icl / *curve.lr;
  }
};

/// Exponent between two neighbouring K.
struct LocalExponent {
  double n_items_low = 0.0;
  double n_items_high = 0.0;
  double nu = 0.0;
};

struct Prediction {
  std::vector<PredictedCurve> curves;
  std::optional<fit::MemorizationLawFit> law;
  std::string no_law;  ///< why there is no law
  std::size_t n_law_curves = 0;
  std::optional<fit::PowerLawBootstrap> bootstrap;
  std::vector<LocalExponent> local_exponents;  ///< where they drift, the law is not straight
  double x_leading = 0.0;
  double x_undamped = 0.0;
  double x_exact = 0.0;
  std::optional<double> t_full_loss;  ///< time to attention 1/2 with the exact loss and an MLP that never memorizes
  theory::Threshold threshold;
  Estimate k_star_leading;
  std::optional<double> finite_n_excess;  ///< I_K that the full loss needs beyond Eqs. 7-8, see find_threshold
  Estimate k_star_full_loss;
  std::vector<std::string> warnings;
};

/// c2 of an untrained network, whose logits are all zero: the constant for which the closed forms are given.
constexpr double kUntrainedC2 = 0.5;

/// From the means of ln I_K(inf) over the runs at each K.
std::vector<LocalExponent> local_exponents(std::span<const PredictedCurve> curves) {
  struct Sum {
    double log_integral = 0.0;
    double n_runs = 0.0;
  };
  std::map<std::uint64_t, Sum> levels;
  for (const PredictedCurve& each : curves) {
    if (!each.curve.n_items || !each.joint_infinity.value) continue;
    Sum& level = levels[*each.curve.n_items];
    level.log_integral += std::log(*each.joint_infinity.value);
    level.n_runs += 1.0;
  }
  std::vector<LocalExponent> exponents;
  for (auto low = levels.begin(); low != levels.end() && std::next(low) != levels.end(); ++low) {
    const auto high = std::next(low);
    const auto k_low = static_cast<double>(low->first);
    const auto k_high = static_cast<double>(high->first);
    const double rise = high->second.log_integral / high->second.n_runs - low->second.log_integral / low->second.n_runs;
    exponents.push_back({k_low, k_high, rise / std::log(k_high / k_low)});
  }
  return exponents;
}

void find_law(const BootstrapInput& bootstrap, Prediction& result) {
  std::vector<fit::TruncatedCurve> points;
  std::vector<std::uint64_t> levels;
  std::vector<PredictedCurve*> used;
  for (PredictedCurve& each : result.curves) {
    if (!each.curve.n_items) continue;
    used.push_back(&each);
    points.push_back(
        {static_cast<double>(*each.curve.n_items), each.curve.curves.c1, each.prediction.integral.infinity});
    levels.push_back(*each.curve.n_items);
  }
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  if (levels.size() < 2) {
    result.no_law = points.empty() ? "no curve says its number of items (--items)" : "the curves have only one K";
    return;
  }
  result.n_law_curves = points.size();
  result.law = fit::fit_memorization_law(points);
  for (std::size_t i = 0; i < used.size(); ++i) used[i]->joint_infinity = result.law->infinity[i];
  result.local_exponents = local_exponents(result.curves);
  const std::vector<std::string>& warnings = result.law->warnings;
  result.warnings.insert(result.warnings.end(), warnings.begin(), warnings.end());
  if (bootstrap.n_resamples) {
    result.bootstrap = fit::bootstrap_memorization_law(points, *result.law, {}, bootstrap_options(bootstrap));
    for (const std::string& warning : result.bootstrap->warnings) result.warnings.push_back("bootstrap: " + warning);
  }
}

void find_threshold(Prediction& result) {
  std::vector<theory::ThresholdPoint> points;
  for (const PredictedCurve& each : result.curves) {
    if (!each.curve.n_items) continue;
    const Estimate& alone = each.prediction.integral.infinity;
    points.push_back({.n_items = static_cast<double>(*each.curve.n_items),
                      .i_infinity = each.joint_infinity.value ? each.joint_infinity : alone,
                      .required_integral = each.prediction.required_integral});
  }
  result.threshold = theory::threshold_from_curves(points);
  if (result.threshold.outcome == theory::ThresholdOutcome::extrapolated) {
    result.warnings.emplace_back("K* lies outside the measured K: it is extrapolated with the local slope");
  }
  if (result.law && result.law->law.exponent.value && std::isfinite(result.x_leading)) {
    result.k_star_leading = fit::x_at(result.law->law, result.x_leading);
  }
  // Eqs. 7-8 hold for N -> infinity. The exact loss of an MLP that never memorizes needs more before attention reaches
  // 1/2, an amount that hardly depends on N (docs/equations.md, Eq. 21); at c1 = 1/2 the integral is the time itself.
  // We add the same amount to what each curve needs.
  if (result.t_full_loss) {
    result.finite_n_excess = *result.t_full_loss - result.x_exact;
    for (theory::ThresholdPoint& point : points) point.required_integral += *result.finite_n_excess;
    result.k_star_full_loss = theory::threshold_from_curves(points).k_star;
  }
}

void add_curve_warnings(Prediction& result) {
  std::size_t closures = 0;
  std::size_t unresolved = 0;
  std::size_t undecided = 0;
  std::size_t extrapolated = 0;
  for (const PredictedCurve& each : result.curves) {
    closures += each.curve.curves.c2_is_closure ? 1 : 0;
    unresolved += each.prediction.integral.tail == theory::TailModel::unresolved ? 1 : 0;
    undecided += each.prediction.verdict == theory::Verdict::undecided ? 1 : 0;
    extrapolated += each.prediction.t_icl_extrapolated ? 1 : 0;
  }
  const auto of_all = [&](std::size_t n) {
    return std::to_string(n) + " of " + std::to_string(result.curves.size()) +
           (result.curves.size() == 1 ? " curve" : " curves");
  };
  if (closures > 0) result.warnings.push_back("no c2 in " + of_all(closures) + ": the closure c2 = 1 - c1 is used");
  if (unresolved > 0) {
    result.warnings.push_back("the tail is unresolved in " + of_all(unresolved) +
                              ": I_K may diverge, only its lower end is known; train longer");
  }
  if (undecided > 0) {
    result.warnings.push_back("undecided in " + of_all(undecided) +
                              ": the verdict depends on a tail that the curve does not settle; train longer");
  }
  if (extrapolated > 0) {
    result.warnings.push_back("t_ICL of " + of_all(extrapolated) + " lies beyond the end of the curve, on its tail");
  }
}

Prediction predict(const PredictInput& input) {
  const auto n_context = static_cast<double>(*input.n_context);
  const theory::FlowState start{.w = input.w0, .beta = input.beta0};
  Prediction result;
  for (MeasuredCurve& curve : read_all_curves(input.files, input.lr, input.n_items)) {
    PredictedCurve each{std::move(curve), {}, {}};
    each.prediction = theory::predict_curve(each.curve.curves, n_context, start);
    result.curves.push_back(std::move(each));
  }
  result.x_leading = theory::acquisition_integral_leading(n_context, input.beta0);
  result.x_undamped = theory::acquisition_integral(n_context, input.beta0, input.w0);
  result.x_exact = theory::acquisition_integral_exact(n_context, input.beta0, input.w0, kUntrainedC2);
  const theory::AttentionFlow full_loss =
      theory::attention_flow({.n_context = n_context}, start, theory::ConstantMemorization{});
  if (full_loss.attention_half) result.t_full_loss = full_loss.attention_half->time;
  add_curve_warnings(result);
  find_law(input.bootstrap, result);
  find_threshold(result);
  return result;
}

Json curves_json(const Prediction& result) {
  Json curves = Json::array();
  for (std::size_t i = 0; i < result.curves.size(); ++i) {
    const PredictedCurve& each = result.curves[i];
    const theory::MemorizationIntegral& integral = each.prediction.integral;
    curves.push_back({{"source", each.curve.source},
                      {"n_items", json_count(each.curve.n_items)},
                      {"seed", json_count(each.curve.seed)},
                      {"lr", json_number(each.curve.lr)},
                      {"end_time", json_number(integral.end_time)},
                      {"end_c1", json_number(integral.end_c1)},
                      {"i_measured", json_number(integral.measured)},
                      {"i_infinity", json_estimate(integral.infinity)},
                      {"i_infinity_joint", json_estimate(each.joint_infinity)},
                      {"tail", theory::name(integral.tail)},
                      {"tail_fraction", json_number(integral.tail_fraction)},
                      {"log_slope", json_number(integral.log_slope)},
                      {"required_integral", json_number(each.prediction.required_integral)},
                      {"outcome", theory::name(each.prediction.verdict)},
                      {"t_icl", json_number(each.prediction.t_icl)},
                      {"t_icl_iterations", json_number(each.t_icl_iterations())},
                      {"t_icl_extrapolated", each.prediction.t_icl_extrapolated},
                      {"c2_is_closure", each.curve.curves.c2_is_closure}});
  }
  return curves;
}

Json law_json(const PredictInput& input, const Prediction& result) {
  const fit::MemorizationLawFit* law = result.law ? &*result.law : nullptr;
  Json json = {{"nu", json_estimate(law ? law->law.exponent : Estimate{})},
               {"prefactor", json_estimate(law ? law->law.prefactor : Estimate{})},
               {"n_curves", result.n_law_curves}};
  json["outcome"] = law ? std::string(fit::name(law->law.outcome)) : "none";
  if (!law) {
    json["reason"] = result.no_law;
    return json;
  }
  json["n_levels"] = law->law.n_levels;
  json["tails"] = fit::name(law->treatment);
  json["tail_share"] = json_number(law->law.tail_share);
  json["residual_sd"] = json_number(law->law.residual_sd);
  json["nu_single_curve"] = json_estimate(law->single_curve.exponent);
  json["nu_truncated"] = json_estimate(law->truncated.exponent);
  json["bootstrap"] = result.bootstrap ? bootstrap_json(*result.bootstrap, input.bootstrap.seed) : Json(nullptr);
  json["nu_local"] = Json::array();
  for (const LocalExponent& each : result.local_exponents) {
    json["nu_local"].push_back(
        {{"n_items_low", each.n_items_low}, {"n_items_high", each.n_items_high}, {"nu", json_number(each.nu)}});
  }
  return json;
}

Json to_json(const PredictInput& input, const Prediction& result) {
  return {{"schema", "iclk-prediction 1"},
          {"program", "iclk " + std::string(version())},
          {"context", *input.n_context},
          {"beta0", input.beta0},
          {"w0", input.w0},
          {"outcome", theory::name(result.threshold.outcome)},
          {"curves", curves_json(result)},
          {"memorization_law", law_json(input, result)},
          {"acquisition",
           {{"x_leading", json_number(result.x_leading)},
            {"x_undamped", json_number(result.x_undamped)},
            {"x_exact", json_number(result.x_exact)},
            {"c2", kUntrainedC2},
            {"t_full_loss", json_number(result.t_full_loss)}}},
          {"threshold",
           {{"outcome", theory::name(result.threshold.outcome)},
            {"k_star", json_estimate(result.threshold.k_star)},
            {"k_star_leading", json_estimate(result.k_star_leading)},
            {"k_star_full_loss", json_estimate(result.k_star_full_loss)},
            {"finite_n_excess", json_number(result.finite_n_excess)},
            {"local_nu", json_number(result.threshold.local_nu)},
            {"seed_sd", json_number(result.threshold.seed_sd)}}},
          {"warnings", result.warnings}};
}

std::string to_csv(const PredictInput& input, const Prediction& result) {
  CsvText csv({"n_items", "seed", "i_measured", "i_infinity", "i_infinity_low", "i_infinity_high", "tail",
               "tail_fraction", "required_integral", "outcome", "t_icl", "t_icl_iterations", "i_infinity_joint",
               "i_infinity_joint_low", "i_infinity_joint_high", "context", "beta0", "w0", "source"});
  for (const PredictedCurve& each : result.curves) {
    const theory::MemorizationIntegral& integral = each.prediction.integral;
    csv.count(each.curve.n_items).count(each.curve.seed).cell(integral.measured).cell(integral.infinity);
    csv.cell(theory::name(integral.tail)).cell(integral.tail_fraction).cell(each.prediction.required_integral);
    csv.cell(theory::name(each.prediction.verdict)).cell(each.prediction.t_icl).cell(each.t_icl_iterations());
    csv.cell(each.joint_infinity).count(*input.n_context).cell(input.beta0).cell(input.w0);
    csv.cell(std::string_view(each.curve.source)).end_row();
  }
  return std::move(csv).take();
}

std::string in_words(theory::Verdict verdict) {
  switch (verdict) {
    case theory::Verdict::acquired:
      return "learns in context";
    case theory::Verdict::memorized_first:
      return "memorizes first";
    case theory::Verdict::undecided:
      return "undecided";
  }
  return {};
}

std::string in_words(const theory::Threshold& threshold) {
  switch (threshold.outcome) {
    case theory::ThresholdOutcome::found:
      return "between measured K";
    case theory::ThresholdOutcome::extrapolated:
      return "extrapolated beyond the measured K";
    case theory::ThresholdOutcome::all_acquire:
      return "no K*: every measured K learns in context; add smaller K";
    case theory::ThresholdOutcome::none_acquires:
      return "no K*: no measured K learns in context; add larger K";
    case theory::ThresholdOutcome::too_few:
      return "no K*: fewer than two different K";
    case theory::ThresholdOutcome::not_monotone:
      return "no K*: I_K does not grow with K in these curves";
  }
  return {};
}

std::string law_text(const Prediction& result) {
  if (!result.law) return "none: " + result.no_law + '\n';
  const fit::PowerLawFit& law = result.law->law;
  if (!law.exponent.value) return "none: " + std::string(fit::name(law.outcome)) + '\n';
  std::string text = "I_K(inf) = " + human(law.prefactor) + " x K^nu, nu = " + human(law.exponent) + '\n';
  text += "                     " + std::to_string(result.n_law_curves) + " curves at " + std::to_string(law.n_levels) +
          " K; " + human(100.0 * law.tail_share, 2) + " % of nu's interval comes from tails";
  text += " (" + std::string(fit::name(result.law->treatment)) + ")\n";
  if (result.bootstrap && result.bootstrap->outcome == fit::BootstrapOutcome::resampled) {
    const fit::PowerLawBootstrap& boot = *result.bootstrap;
    text += "                     bootstrap of " + std::string(fit::name(boot.resampling)) + ", " +
            std::to_string(boot.n_resamples) + " resamples: nu = " + human(boot.exponent.percentile) + " percentile, " +
            human_range(boot.exponent.bca) + " BCa\n";
  }
  if (result.local_exponents.size() >= 2) {
    const auto [least, most] =
        std::minmax_element(result.local_exponents.begin(), result.local_exponents.end(),
                            [](const LocalExponent& a, const LocalExponent& b) { return a.nu < b.nu; });
    text += "                     between neighbouring K: nu from " + human(least->nu) +
            " (K = " + human(least->n_items_low) + " to " + human(least->n_items_high) + ") to " + human(most->nu) +
            " (K = " + human(most->n_items_low) + " to " + human(most->n_items_high) + ")\n";
  }
  return text;
}

std::string to_text(const PredictInput& input, const Prediction& result) {
  std::string text = "N = " + std::to_string(*input.n_context) +
                     " labelled exemplars, start beta0 = " + human(input.beta0) + ", w0 = " + human(input.w0) +
                     ". Times are learning rate x SGD steps; [ ] is a 95 % interval.\n\n";
  PrintedTable table(
      {"K", "seed", "I_K measured", "I_K(inf)", "interval", "tail", "I_K needed", "verdict", "t_ICL", "SGD steps"},
      "r");
  std::vector<const PredictedCurve*> by_size;  // the files came in the order of the shell: k1000 before k500
  for (const PredictedCurve& each : result.curves) by_size.push_back(&each);
  std::stable_sort(by_size.begin(), by_size.end(), [](const PredictedCurve* a, const PredictedCurve* b) {
    return std::tie(a->curve.n_items, a->curve.seed) < std::tie(b->curve.n_items, b->curve.seed);
  });
  for (const PredictedCurve* curve : by_size) {
    const PredictedCurve& each = *curve;
    const theory::MemorizationIntegral& integral = each.prediction.integral;
    const std::optional<double> steps = each.t_icl_iterations();
    table.add_row({each.curve.n_items ? std::to_string(*each.curve.n_items) : "-",
                   each.curve.seed ? std::to_string(*each.curve.seed) : "-", human(integral.measured),
                   human(integral.infinity.value), human_range(integral.infinity),
                   std::string(theory::name(integral.tail)), human(each.prediction.required_integral),
                   in_words(each.prediction.verdict), human(each.prediction.t_icl),
                   steps ? human(std::round(*steps), 6) : "-"});
  }
  text += table.str() + '\n';
  text += "memorization law     " + law_text(result);
  text += "acquisition needs    I_K = " + human(result.x_leading) + " to leading order (Eq. 11), " +
          human(result.x_exact) + " exactly at c2 = 1/2\n";
  const std::optional<double>& t_full_loss = result.t_full_loss;
  text += "                     t_ICL " + (t_full_loss ? "= " + human(*t_full_loss) : std::string("is not reached")) +
          " with the full loss and an MLP that never memorizes\n";
  const Estimate& k_star = result.threshold.k_star;
  text += "threshold            ";
  if (k_star.value)
    text += "K* = " + human(k_star) + ", " + in_words(result.threshold) + '\n';
  else
    text += in_words(result.threshold) + '\n';
  if (result.k_star_full_loss.value) {
    text += "                     K* = " + human(result.k_star_full_loss) + " at this N: the full loss needs " +
            human(*result.finite_n_excess) + " more\n";
  }
  if (result.k_star_leading.value) {
    text += "                     K* = " + human(result.k_star_leading) + " to leading order (Eq. 13)\n";
  }
  for (const std::string& warning : result.warnings) text += "warning: " + warning + '\n';
  return text;
}

}  // namespace

Action declare_predict(VerbOptions& options) {
  const auto input = std::make_shared<PredictInput>();
  options.explain(
      "I_K, nu, t_ICL, K* and the verdict from measured memorization curves",
      "Reads memorization curves c1(t), c2(t) of an MLP trained alone on K items and says, for each, whether "
      "attention learns in context before the MLP has memorized its items, and when; from curves at several K, "
      "the memorization law I_K(inf) ~ K^nu and the threshold K* above which in-context learning is acquired. "
      "A curve file is the output of iclk train or iclk measure, or any CSV with a header row, a column "
      "iteration (or step) or time (or t), a column c1, and optionally c2, c3, K (or n_items) and seed.");
  options.arguments("CURVE", input->files, "curve files; one file may hold several curves");
  options.count("--context", input->n_context, kContextRule, "N, labelled exemplars in a context (required)");
  options.number("--beta0", input->beta0, start_rule(), "start value of beta, strength of the match to the target");
  options.number("--w0", input->w0, start_rule(), "start value of w, strength of the copied label");
  declare_foreign_curves(options, input->lr, input->n_items);
  declare_bootstrap(options, input->bootstrap);
  declare_destinations(options, input->destinations);
  options.example("iclk predict runs/*.curves.csv --context 100 --json prediction.json",
                  "curves trained by iclk train");
  options.example("iclk predict a.csv b.csv --items 500,2000 --lr 0.01 --context 100",
                  "curves logged by another framework, c1 against SGD steps");
  return [input] {
    if (input->files.empty()) throw field_error("CURVE", "expected at least one curve file");
    if (!input->n_context) throw field_error("--context", "is required: the number of labelled exemplars in a context");
    check_destinations(input->destinations, input->files);
    const Prediction result = predict(*input);
    Answer answer{to_text(*input, result), {}, {}};
    if (input->destinations.json) answer.json = to_json(*input, result);
    if (input->destinations.csv) answer.csv = to_csv(*input, result);
    write_answer(input->destinations, answer);
    return result.threshold.k_star.value ? Exit::answered : Exit::no_answer;
  };
}

}  // namespace iclk::cli
