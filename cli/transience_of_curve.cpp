#include <cmath>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/fade_sensitivity.hpp"
#include "iclk/theory/loss_relation.hpp"
#include "iclk/theory/transience_prediction.hpp"
#include "number_list.hpp"
#include "output.hpp"
#include "transience_options.hpp"

namespace iclk::cli {
namespace {

struct CurveAnswer {
  MeasuredCurve curve;
  std::vector<theory::TransiencePrediction> fates;
  std::vector<theory::CurveFadeSensitivity> slopes;  // of each fate; empty unless asked for
  std::optional<theory::TransienceRange> range;
  std::optional<theory::InverseAnswer> needed;  // lambda_w with the wanted fade time

  std::optional<double> iterations(const std::optional<double>& time) const {
    if (!time || !curve.lr) return std::nullopt;
    return *time / *curve.lr;
  }
};

theory::TransienceOptions theory_options(const TransienceInput& input) {
  theory::TransienceOptions options;
  if (input.n_context) options.n_context = static_cast<double>(*input.n_context);
  options.model = input.model == "leading" ? theory::AcquisitionModel::leading : theory::AcquisitionModel::binomial;
  options.initial = {.w = input.w0, .beta = input.beta0};
  options.fade.w_fade = input.w_fade;
  options.fade.slow_down = input.slowing();
  options.fade.novel_ratio =
      input.novel_ratio * theory::strength_ratio_at_accuracy(input.accuracy, input.novel_logits());
  if (input.t_max) options.fade.t_max = *input.t_max;
  options.fade.record_trajectory = input.points > 0;
  options.extrapolate = !input.no_extrapolation;
  return options;
}

/// At most n points of a trajectory, spaced evenly in ln(time since its start), first and last included.
std::vector<theory::FadePoint> thinned(const std::vector<theory::FadePoint>& all, std::uint64_t n) {
  if (all.size() <= n) return all;
  std::vector<theory::FadePoint> kept;
  const double start = all.front().time;
  const double first = std::log1p(all[1].time - start);
  const double last = std::log1p(all.back().time - start);
  std::uint64_t slot = 0;  // the next slot of the even spacing to fill
  for (std::size_t i = 0; i + 1 < all.size() && kept.size() + 1 < n; ++i) {
    const double position = (std::log1p(all[i].time - start) - first) / (last - first) * static_cast<double>(n - 1);
    if (i > 0 && position < static_cast<double>(slot)) continue;
    kept.push_back(all[i]);
    slot = static_cast<std::uint64_t>(std::fmax(position, 0.0)) + 1;
  }
  kept.push_back(all.back());
  return kept;
}

/// A point of w(t) with what follows from it.
struct ReportedPoint {
  theory::FadePoint point;
  std::optional<double> w_tr;
  double c3 = 0.0, attention = 1.0, accuracy = 0.0;
  theory::TwoPointLosses losses;
};

ReportedPoint reported(const theory::FadePoint& point, double lambda_w, const TransienceInput& input) {
  ReportedPoint result;
  result.point = point;
  result.c3 = std::exp(point.log_c3);
  const double xi = std::fmin(-point.log_c3, 1e6);  // c3 may have left the range of doubles
  if (lambda_w > 0.0) result.w_tr = theory::settled_strength(-xi, lambda_w).w_tr;
  if (input.n_context) {
    result.attention = sigmoid(point.beta - std::log(static_cast<double>(*input.n_context) - 1.0));
  }
  const double strength = point.w * result.attention;
  result.accuracy = theory::novel_accuracy(strength, input.novel_ratio * xi, input.novel_logits());
  result.losses = theory::two_point_losses(strength, xi);
  return result;
}

Json trajectory_json(const theory::TransiencePrediction& fate, const TransienceInput& input) {
  Json points = Json::array();
  for (const theory::FadePoint& point : thinned(fate.trajectory, input.points)) {
    const ReportedPoint each = reported(point, fate.lambda_w, input);
    points.push_back({{"time", json_number(point.time)},
                      {"mlp_time", json_number(point.mlp_time)},
                      {"w", json_number(point.w)},
                      {"w_tr", json_number(each.w_tr)},
                      {"attention", json_number(each.attention)},
                      {"c3", json_number(each.c3)},
                      {"accuracy", json_number(each.accuracy)},
                      {"l_icl", json_number(each.losses.icl)},
                      {"l_iwl", json_number(each.losses.iwl)}});
  }
  return points;
}

std::optional<double> peak_of(const theory::TransiencePrediction& fate) {
  return fate.peak ? std::optional(fate.peak->w) : std::nullopt;
}

std::optional<double> peak_time(const theory::TransiencePrediction& fate) {
  return fate.peak ? std::optional(fate.peak->time) : std::nullopt;
}

Json fate_json(const CurveAnswer& answer, const theory::TransiencePrediction& fate, const TransienceInput& input) {
  Json json = {{"lambda_w", fate.lambda_w},
               {"outcome", theory::name(fate.outcome)},
               {"t_acquired", json_number(fate.t_acquired)},
               {"w_peak", json_number(peak_of(fate))},
               {"t_peak", json_number(peak_time(fate))},
               {"t_accuracy_fade", json_number(fate.t_accuracy_fade)},
               {"t_fade", json_estimate(fate.t_fade)},
               {"t_fade_iterations", json_number(answer.iterations(fate.t_fade.value))},
               {"mlp_time_fade", json_number(fate.mlp_time_fade)},
               {"extrapolated", fate.extrapolated}};
  if (input.points > 0) json["trajectory"] = trajectory_json(fate, input);
  return json;
}

Json slopes_json(const theory::CurveFadeSensitivity& slopes) {
  return {{"dlnt_dln_lambda_w", json_number(slopes.log_lambda_w)},
          {"dlnt_dln_context", json_number(slopes.log_context)},
          {"dlnt_dbeta0", json_number(slopes.beta0)},
          {"dlnt_dw0", json_number(slopes.w0)}};
}

Json range_json(const theory::TransienceRange& range) {
  return {{"acquired_below", json_number(range.acquired_below)},
          {"never_above", json_number(range.never_above)},
          {"fades_above", json_number(range.fades_above)}};
}

Json to_json(const std::vector<CurveAnswer>& answers, const TransienceInput& input) {
  Json json = transience_head();
  json["context"] = json_count(input.n_context);
  if (input.n_context) json.update({{"model", input.model}, {"beta0", input.beta0}, {"w0", input.w0}});
  json.update({{"w_fade", input.w_fade},
               {"novel_ratio", input.novel_ratio},
               {"novel", input.novel},
               {"accuracy_lost", input.accuracy},
               {"flow_slow_down", input.slow_down},
               {"t_max", json_number(input.t_max)},
               {"extrapolation", !input.no_extrapolation}});
  if (input.wanted_fade_time) json["wanted_fade_time"] = *input.wanted_fade_time;
  json["curves"] = Json::array();
  for (const CurveAnswer& answer : answers) {
    Json curve = {{"source", answer.curve.source},
                  {"n_items", json_count(answer.curve.n_items)},
                  {"seed", json_count(answer.curve.seed)},
                  {"lr", json_number(answer.curve.lr)},
                  {"end_time", answer.curve.curves.c1.end_time()},
                  {"c3_is_closure", !answer.curve.curves.c3}};
    curve["rows"] = Json::array();
    for (std::size_t i = 0; i < answer.fates.size(); ++i) {
      curve["rows"].push_back(fate_json(answer, answer.fates[i], input));
      if (input.sensitivity) curve["rows"].back().update(slopes_json(answer.slopes[i]));
    }
    if (answer.needed) {
      curve["solve_outcome"] = theory::name(answer.needed->outcome);
      curve["lambda_w_needed"] = json_number(answer.needed->value);
    }
    if (answer.range) curve["range"] = range_json(*answer.range);
    json["curves"].push_back(std::move(curve));
  }
  return json;
}

std::string fates_csv(const std::vector<CurveAnswer>& answers, const TransienceInput& input) {
  std::vector<std::string> header{
      "n_items",         "seed",   "lambda_w",   "outcome",     "t_acquired",        "w_peak",        "t_peak",
      "t_accuracy_fade", "t_fade", "t_fade_low", "t_fade_high", "t_fade_iterations", "mlp_time_fade", "extrapolated"};
  if (input.sensitivity) {
    header.insert(header.end(), {"dlnt_dln_lambda_w", "dlnt_dln_context", "dlnt_dbeta0", "dlnt_dw0"});
  }
  if (input.wanted_fade_time) header.insert(header.end(), {"solve_outcome", "lambda_w_needed"});
  header.emplace_back("source");
  CsvText csv(header);
  for (const CurveAnswer& answer : answers) {
    for (std::size_t i = 0; i < answer.fates.size(); ++i) {
      const theory::TransiencePrediction& fate = answer.fates[i];
      csv.count(answer.curve.n_items).count(answer.curve.seed).cell(fate.lambda_w).cell(theory::name(fate.outcome));
      csv.cell(fate.t_acquired).cell(peak_of(fate)).cell(peak_time(fate)).cell(fate.t_accuracy_fade);
      csv.cell(fate.t_fade).cell(answer.iterations(fate.t_fade.value)).cell(fate.mlp_time_fade);
      csv.count(fate.extrapolated ? 1 : 0);
      if (input.sensitivity) {
        const theory::CurveFadeSensitivity& slopes = answer.slopes[i];
        csv.cell(slopes.log_lambda_w).cell(slopes.log_context).cell(slopes.beta0).cell(slopes.w0);
      }
      if (answer.needed) csv.cell(theory::name(answer.needed->outcome)).cell(answer.needed->value);
      csv.cell(std::string_view(answer.curve.source)).end_row();
    }
  }
  return std::move(csv).take();
}

std::string trajectories_csv(const std::vector<CurveAnswer>& answers, const TransienceInput& input) {
  CsvText csv({"n_items", "seed", "lambda_w", "time", "mlp_time", "w", "w_tr", "attention", "c3", "accuracy", "l_icl",
               "l_iwl"});
  for (const CurveAnswer& answer : answers) {
    for (const theory::TransiencePrediction& fate : answer.fates) {
      for (const theory::FadePoint& point : thinned(fate.trajectory, input.points)) {
        const ReportedPoint each = reported(point, fate.lambda_w, input);
        csv.count(answer.curve.n_items).count(answer.curve.seed).cell(fate.lambda_w);
        csv.cell(point.time)
            .cell(point.mlp_time)
            .cell(point.w)
            .cell(each.w_tr)
            .cell(each.attention)
            .cell(each.c3)
            .cell(each.accuracy);
        csv.cell(each.losses.icl).cell(each.losses.iwl).end_row();
      }
    }
  }
  return std::move(csv).take();
}

std::string range_text(const theory::TransienceRange& range, const TransienceInput& input) {
  std::string text;
  if (!range.acquired_below) {
    text += "acquired at no lambda_w\n";
  } else if (std::isinf(*range.acquired_below)) {
    text += "acquired at every lambda_w\n";
  } else {
    text += "acquired below lambda_w = " + human(*range.acquired_below);
    if (range.never_above && *range.never_above > *range.acquired_below * 1.0001) {
      text += "; never above " + human(*range.never_above) + ", between them the curve does not decide";
    }
    text += '\n';
  }
  if (!range.acquired_below) return text;
  const std::string lasting = input.t_max ? "permanent" : "not faded at the end of the curve";
  if (!range.fades_above) {
    text += lasting + " wherever acquired\n";
  } else if (*range.fades_above > 0.0) {
    text += "transient above lambda_w = " + human(*range.fades_above) + ", " + lasting + " below\n";
  } else {
    text += "transient at every lambda_w > 0 that acquires\n";
  }
  return text;
}

std::string to_text(const std::vector<CurveAnswer>& answers, const TransienceInput& input) {
  std::string text;
  if (input.n_context) {
    text += "N = " + std::to_string(*input.n_context) + " labelled exemplars, start beta0 = " + human(input.beta0) +
            ", w0 = " + human(input.w0) + ".";
  } else {
    text += "Attention acquired at time 0 (no --context).";
  }
  text += " Faded means w = " + human(input.w_fade) + ". Times are learning rate x SGD steps.\n";
  bool extrapolated = false;
  bool closure = false;
  for (const CurveAnswer& answer : answers) {
    text += '\n' + answer.curve.source;
    if (answer.curve.n_items) text += ", K = " + std::to_string(*answer.curve.n_items);
    if (answer.curve.seed) text += ", seed " + std::to_string(*answer.curve.seed);
    text += "\n\n";
    PrintedTable table({"lambda_w", "outcome", "acquired at", "largest w", "accuracy falls at", "fades at", "bracket"},
                       "rlr");
    for (const theory::TransiencePrediction& fate : answer.fates) {
      table.add_row({human(fate.lambda_w), std::string(theory::name(fate.outcome)), human(fate.t_acquired),
                     human(peak_of(fate)), human(fate.t_accuracy_fade), human(fate.t_fade.value),
                     fate.extrapolated ? human_range(fate.t_fade) : "-"});
      extrapolated = extrapolated || fate.extrapolated;
    }
    text += table.str();
    if (input.sensitivity) {
      PrintedTable slopes({"lambda_w", "d ln t_fade by ln lambda_w", "by ln N", "by beta0", "by w0"}, "r");
      for (std::size_t i = 0; i < answer.slopes.size(); ++i) {
        const theory::CurveFadeSensitivity& each = answer.slopes[i];
        slopes.add_row({human(answer.fates[i].lambda_w), human(each.log_lambda_w), human(each.log_context),
                        human(each.beta0), human(each.w0)});
      }
      text += '\n' + slopes.str();
    }
    if (answer.needed) {
      text += "\nfading at " + human(input.wanted_fade_time) + " needs lambda_w = " + human(answer.needed->value) +
              " (" + std::string(theory::name(answer.needed->outcome)) + ")\n";
    }
    if (answer.range) text += '\n' + range_text(*answer.range, input);
    closure = closure || !answer.curve.curves.c3;
  }
  if (extrapolated) {
    text +=
        "note: fade times with a bracket lie beyond the end of the curve: c3 is continued by its own tail, within the "
        "bracket as an exponential and as 1/t\n";
  }
  if (closure) text += "note: no c3 in the file: that of equal logits, c1/(1 - c1), is used\n";
  return text;
}

}  // namespace

Exit answer_transience_of_curve(const TransienceInput& input) {
  const std::vector<double> lambdas = parse_log_spaced("--lambda-w", *input.lambda_w, number_from(0.0, 1e6));
  const theory::TransienceOptions options = theory_options(input);
  std::vector<CurveAnswer> answers;
  for (MeasuredCurve& curve : read_curves(*input.curve, {.lr = input.lr, .n_items = input.n_items})) {
    CurveAnswer answer{std::move(curve), {}, {}, {}, {}};
    try {
      for (const double lambda_w : lambdas) {
        answer.fates.push_back(theory::predict_transience(answer.curve.curves, lambda_w, options));
        if (!input.sensitivity) continue;
        answer.slopes.push_back(lambda_w > 0.0 ? theory::curve_fade_sensitivity(answer.curve.curves, lambda_w, options)
                                               : theory::CurveFadeSensitivity{});
      }
      if (input.wanted_fade_time) {
        answer.needed = theory::lambda_w_for_fade_time(answer.curve.curves, *input.wanted_fade_time, options);
      }
      if (input.range) answer.range = theory::transience_range(answer.curve.curves, options);
    } catch (const Error& error) {
      throw Error({.file = answer.curve.source, .line = {}, .field = error.location().field}, error.problem());
    }
    answers.push_back(std::move(answer));
  }

  Answer answer{to_text(answers, input), {}, {}};
  if (input.destinations.json) answer.json = to_json(answers, input);
  if (input.destinations.csv)
    answer.csv = input.points > 0 ? trajectories_csv(answers, input) : fates_csv(answers, input);
  write_answer(input.destinations, answer);
  for (const CurveAnswer& each : answers) {
    for (const theory::TransiencePrediction& fate : each.fates) {
      if (fate.outcome != theory::TransienceOutcome::undecided) return Exit::answered;
    }
  }
  return Exit::no_answer;
}

}  // namespace iclk::cli
