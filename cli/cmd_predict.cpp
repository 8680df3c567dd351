#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "attention_point.hpp"
#include "curve_files.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/prediction.hpp"
#include "iclk/theory/threshold.hpp"
#include "output.hpp"
#include "power_extras.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

using figures::LocalExponent;
using figures::PredictedCurve;
using figures::Prediction;

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

figures::Prediction predict(const PredictInput& input) {
  figures::PredictionOptions options{.n_context = static_cast<double>(*input.n_context),
                                     .start = {.w = input.w0, .beta = input.beta0}};
  if (input.bootstrap.n_resamples) options.bootstrap = bootstrap_options(input.bootstrap);
  return figures::predict_from_curves(read_all_curves(input.files, input.lr, input.n_items), options);
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
            {"c2", figures::kUntrainedC2},
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
