#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attention_point.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/core/table_file.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/fade_sensitivity.hpp"
#include "iclk/theory/loss_relation.hpp"
#include "iclk/theory/transience.hpp"
#include "output.hpp"
#include "point_table.hpp"
#include "transience_options.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

/// One point in the order of the columns of a table.
struct Point {
  double c3 = 0.0, lambda_w = 0.0, w_fade = 1.0, novel_ratio = 1.0;
  double time_scale = 0.0, exponent = 0.0;  // 0: c3 is constant; exponential
  double n_context = 0.0, lambda_beta = 0.0;
};

/// Which groups of answers there are beside those at fixed c3; the same for every row of a table.
struct Asked {
  bool times = false;  ///< fade times: c3 falls with a time scale
  bool fold = false;   ///< beta decays too
};

struct Field {
  std::string column;
  AnswerCell cell;
  std::string meaning;
};

void add_fold(std::vector<Field>& fields, const Point& point) {
  std::optional<theory::DecayFold> fold;
  if (point.lambda_w > 0.0 && point.lambda_beta > 0.0) {
    fold = theory::decay_fold(point.n_context, point.lambda_beta / point.lambda_w);
  }
  const auto add = [&](const char* column, const std::optional<double>& value, const char* meaning) {
    fields.push_back({column, answer_cell(value), meaning});
  };
  add("c3_fold", fold ? std::optional(fold->c3_over_lambda * point.lambda_w) : std::nullopt,
      "c3 at which attention is lost abruptly, beta decaying");
  add("w_fold", fold ? std::optional(fold->state.w) : std::nullopt, "w there");
  add("beta_fold", fold ? std::optional(fold->state.beta) : std::nullopt, "beta there");
  add("attention_fold", fold ? std::optional(fold->attention) : std::nullopt, "attention on the copy there");
}

/// The answer for one point, field by field.
std::vector<Field> answer_fields(const Point& point, const Asked& asked, const TransienceInput& input) {
  std::vector<Field> fields;
  const auto add = [&](const char* column, const std::optional<double>& value, const char* meaning) {
    fields.push_back({column, answer_cell(value), meaning});
  };
  const bool settles = point.lambda_w > 0.0;
  const double xi = -std::log(point.c3);
  std::optional<theory::SettledStrength> settled;
  std::optional<theory::TwoPointLosses> losses;
  std::optional<double> w_tr, accuracy, c3_fade;
  std::optional<theory::AccuracyFade> crossing;
  const double ratio = point.novel_ratio * theory::strength_ratio_at_accuracy(input.accuracy, input.novel_logits());
  if (settles) {
    w_tr = theory::transient_strength(point.c3, point.lambda_w);
    settled = theory::settled_strength(std::log(point.c3), point.lambda_w);
    losses = theory::two_point_losses(*w_tr, xi);
    accuracy = theory::novel_accuracy(*w_tr, point.novel_ratio * xi, input.novel_logits());
    c3_fade = theory::c3_at_strength(point.w_fade, point.lambda_w);
    if (ratio > 0.0) crossing = theory::accuracy_fade(point.lambda_w, ratio);
  }
  add("w_tr", w_tr, "W(c3/lambda_w), where w settles (Eq. 15, 45)");
  add("w_logistic", settled ? std::optional(settled->w_logistic) : std::nullopt, "the same for the logistic loss");
  add("loss", settled ? std::optional(settled->loss) : std::nullopt, "loss at w_tr (Eq. 43)");
  add("relaxation_rate", settled ? std::optional(settled->relaxation_rate) : std::nullopt,
      "at which w returns to w_tr");
  add("c3_fade", c3_fade, "c3 at which w_tr falls to w_fade");
  add("c3_accuracy", crossing ? std::optional(crossing->c3) : std::nullopt,
      "c3 at which the accuracy on novel items falls");
  add("accuracy", accuracy, "on novel items with a copy in the context");
  add("l_icl", losses ? std::optional(losses->icl) : std::nullopt, "ICL loss of the two-point model at w_tr");
  add("l_iwl", losses ? std::optional(losses->iwl) : std::nullopt, "IWL loss of the two-point model at w_tr");
  if (asked.fold) add_fold(fields, point);
  if (!asked.times) return fields;

  theory::MemorizationDecay decay{point.c3, point.time_scale, {}};
  if (point.exponent > 0.0) decay.exponent = point.exponent;
  theory::QuasiStaticFade fade;
  if (settles) fade = theory::quasi_static_fade(decay, point.lambda_w, point.w_fade);
  theory::FadeOptions options;
  options.w_fade = point.w_fade;
  options.novel_ratio = ratio;
  options.slow_down = input.slowing();
  if (input.t_max) options.t_max = *input.t_max;
  double start = 0.0;
  if (settled) start = options.slow_down == theory::SlowDown::logistic ? settled->w_logistic : settled->w_tr;
  const theory::FadeResult flow =
      theory::integrate_fade({0.0, 0.0, input.w_start.value_or(start)}, decay, point.lambda_w, options);
  add("tau_fade", fade.tau_fade, "time of the MLP alone until w_tr = w_fade");
  add("t_fade_leading", fade.t_leading, "training time until then, memorization slowed by exp(-w)");
  add("t_fade_quasi_static", fade.t_fade, "the same, slowed as by the logistic loss");
  add("slow_down", fade.slow_down, "t_fade_leading/tau_fade");
  fields.push_back({"outcome", std::string(theory::name(flow.outcome)), "of the flow of w (Eq. 44)"});
  const bool has_peak = flow.outcome != theory::FadeOutcome::not_finite;
  add("w_peak", has_peak ? std::optional(flow.peak.w) : std::nullopt, "largest w of the flow");
  add("t_peak", has_peak ? std::optional(flow.peak.time) : std::nullopt, "when");
  add("t_fade", flow.fade ? std::optional(flow.fade->time) : std::nullopt, "when the flow falls to w_fade");
  add("tau_fade_flow", flow.fade ? std::optional(flow.fade->mlp_time) : std::nullopt, "time of the MLP alone there");
  add("t_accuracy_fade", flow.accuracy_fade ? std::optional(flow.accuracy_fade->time) : std::nullopt,
      "when the accuracy on novel items falls");
  if (input.sensitivity) {
    theory::FadeSensitivity slopes;
    if (settles) slopes = theory::fade_sensitivity(decay, point.lambda_w, point.w_fade, input.slowing());
    const auto slope = [&](double value) { return slopes.t_fade ? std::optional(value) : std::nullopt; };
    add("dlnt_dln_lambda_w", slope(slopes.log_lambda_w), "d ln t_fade/d ln lambda_w, w = w_tr throughout");
    add("dlnt_dln_c3", slope(slopes.log_c3_start), "d ln t_fade/d ln c3");
    add("dlnt_dw_fade", slope(slopes.w_fade), "d ln t_fade/d w_fade");
  }
  if (input.wanted_fade_time) {
    const theory::InverseAnswer needed =
        theory::lambda_w_for_fade_time(decay, *input.wanted_fade_time, point.w_fade, input.slowing());
    fields.push_back({"solve_outcome", std::string(theory::name(needed.outcome)), "is there such a lambda_w?"});
    add("lambda_w_needed", needed.value, "lambda_w with the wanted fade time, w = w_tr throughout");
  }
  return fields;
}

bool beyond_range(const std::vector<Field>& fields) {
  for (const Field& field : fields) {
    if (std::holds_alternative<double>(field.cell) && std::isinf(std::get<double>(field.cell))) return true;
  }
  return false;
}

Json cell_json(const AnswerCell& cell) {
  return std::holds_alternative<double>(cell) ? json_number(std::get<double>(cell)) : Json(std::get<std::string>(cell));
}

void add_settings(Json& json, const TransienceInput& input) {
  json["novel"] = input.novel;
  json["accuracy_lost"] = input.accuracy;
  json["flow_slow_down"] = input.slow_down;
  json["w_start"] = json_number(input.w_start);
  json["t_max"] = json_number(input.t_max);
  if (input.wanted_fade_time) json["wanted_fade_time"] = *input.wanted_fade_time;
}

/// An input of a point: its option, and its place in the point.
struct PointField {
  const char* option;
  double Point::*place;
  std::optional<double> value;  // from the option
  NumberRule rule;
};

std::vector<PointField> point_fields(const TransienceInput& input, const Asked& asked) {
  std::optional<double> lambda_w;
  if (input.lambda_w) lambda_w = parse_checked_number("--lambda-w", *input.lambda_w, not_negative());
  std::vector<PointField> fields{{"--c3", &Point::c3, input.c3, positive_number()},
                                 {"--lambda-w", &Point::lambda_w, lambda_w, not_negative()},
                                 {"--w-fade", &Point::w_fade, input.w_fade, positive_number()},
                                 {"--novel-ratio", &Point::novel_ratio, input.novel_ratio, not_negative()}};
  if (asked.times) {
    fields.push_back({"--time-scale", &Point::time_scale, input.time_scale, positive_number()});
    fields.push_back({"--exponent", &Point::exponent, input.exponent, not_negative()});
  }
  if (asked.fold) {
    std::optional<double> n_context;
    if (input.n_context) n_context = static_cast<double>(*input.n_context);
    fields.push_back({"--context", &Point::n_context, n_context, {}});
    fields.push_back({"--lambda-beta", &Point::lambda_beta, input.lambda_beta, not_negative()});
  }
  return fields;
}

/// What is asked about fade times must find a c3 that falls.
void require_times(const TransienceInput& input, const Asked& asked) {
  if (asked.times) return;
  constexpr const char* kProblem = "needs a c3 that falls: --time-scale, or --curve";
  if (input.sensitivity) throw field_error("--sensitivity", kProblem);
  if (input.wanted_fade_time) throw field_error("--wanted-fade-time", kProblem);
}

Exit answer_for_point(const TransienceInput& input) {
  const Asked asked{.times = input.time_scale > 0.0, .fold = input.lambda_beta > 0.0};
  require_times(input, asked);
  if (asked.fold && !input.n_context) throw field_error("--context", "is required with --lambda-beta");
  Point point;
  Json json = transience_head();
  std::vector<std::string> header;
  std::vector<double> inputs;
  for (const PointField& field : point_fields(input, asked)) {
    const std::string column = point_number(field.option, {}, {}).column;
    point.*field.place = *field.value;
    json[column] = *field.value;
    header.push_back(column);
    inputs.push_back(*field.value);
  }
  add_settings(json, input);
  const std::vector<Field> fields = answer_fields(point, asked, input);
  for (const Field& field : fields) header.push_back(field.column);
  CsvText csv(header);
  for (const double value : inputs) csv.cell(value);
  PrintedTable table({"answer", "value", "meaning"}, "lrl");
  for (const Field& field : fields) {
    json[field.column] = cell_json(field.cell);
    std::visit([&](const auto& content) { csv.cell(content); }, field.cell);
    table.add_row({field.column,
                   std::holds_alternative<double>(field.cell) ? human(std::get<double>(field.cell), 7)
                                                              : std::get<std::string>(field.cell),
                   field.meaning});
  }
  csv.end_row();
  std::string text = "c3 = " + human(point.c3) + ", lambda_w = " + human(point.lambda_w) + "\n\n" + table.str();
  if (!(point.lambda_w > 0.0)) text += "note: without decay of w nothing settles, w grows like ln t\n";
  if (beyond_range(fields)) text += std::string("note: ") + kBeyondRange + '\n';
  write_answer(input.destinations, {text, std::move(json), std::move(csv).take()});
  return point.lambda_w > 0.0 ? Exit::answered : Exit::no_answer;
}

Exit answer_for_points(const VerbOptions& options, const TransienceInput& input) {
  const TextTable table = read_table(*input.table);
  const auto has = [&](const char* name, const char* with_hyphen) {
    return table.find_column(name).has_value() || table.find_column(with_hyphen).has_value();
  };
  const Asked asked{.times = input.time_scale > 0.0 || has("time_scale", "time-scale"),
                    .fold = input.lambda_beta > 0.0 || has("lambda_beta", "lambda-beta")};
  require_times(input, asked);
  const std::vector<PointField> places = point_fields(input, asked);
  PointTableAnswer how;
  for (const PointField& field : places) {
    how.inputs.push_back(field.place == &Point::n_context ? point_count(field.option, input.n_context, kContextRule)
                                                          : point_number(field.option, field.value, field.rule));
  }
  // The names of the columns, from an arbitrary point.
  const Point any{.c3 = 1.0, .lambda_w = 0.5, .time_scale = 1.0, .n_context = 2.0};
  for (const Field& field : answer_fields(any, asked, input)) how.columns.push_back(field.column);
  how.answer = [&](std::span<const double> values) {
    Point point;
    for (std::size_t i = 0; i < places.size(); ++i) point.*places[i].place = values[i];
    std::vector<AnswerCell> cells;
    for (Field& field : answer_fields(point, asked, input)) cells.push_back(std::move(field.cell));
    return cells;
  };
  how.head = transience_head();
  add_settings(how.head, input);
  write_answer(input.destinations, answer_for_table(options, *input.table, input.destinations, how));
  return Exit::answered;
}

void refuse(const VerbOptions& options, std::span<const char* const> names, const std::string& reason) {
  for (const char* name : names) {
    if (options.given(name)) throw field_error(name, reason);
  }
}

constexpr const char* kOfAPoint[] = {"--c3", "--time-scale", "--exponent", "--w-start", "--lambda-beta", "--table"};
constexpr const char* kOfACurve[] = {
    "--lr", "--items", "--model", "--beta0", "--w0", "--range", "--no-extrapolation", "--points"};
constexpr const char* kOfAcquisition[] = {"--model", "--beta0", "--w0"};

void check(const VerbOptions& options, const TransienceInput& input) {
  if (input.curve) {
    refuse(options, kOfAPoint, "belongs to a point, not to --curve");
    if (!input.n_context) refuse(options, kOfAcquisition, "is about acquisition, which --context asks for");
  } else {
    refuse(options, kOfACurve, "belongs to --curve");
    if (!input.table && input.n_context && !(input.lambda_beta > 0.0)) {
      throw field_error("--context", "belongs to --curve, or to a point with --lambda-beta");
    }
  }
  if (!input.lambda_w && !input.table) throw field_error("--lambda-w", "is required: the L2 strength on w");
  if (!input.curve && !input.table && !input.c3) {
    throw field_error("--c3", "expected --c3 for one point, --table for many or --curve for a measured curve");
  }
}

}  // namespace

Action declare_transience(VerbOptions& options) {
  const auto input = std::make_shared<TransienceInput>();
  options.explain(
      "how strong attention stays after acquisition, and when it fades",
      "What L2 on w does to acquired in-context learning. For a point (--c3, --lambda-w): the strength w_tr = "
      "W(c3/lambda_w) at which w settles (Eq. 15), accuracies and losses there, and, when c3 falls with --time-scale, "
      "the "
      "fade times. For a measured curve (--curve): w(t), fade time and the fate of in-context learning against "
      "lambda_w: "
      "never_acquired, transient, or permanent (until --t-max). Acquired attention slows memorization, so training "
      "time "
      "runs ahead of the MLP's own time. With --context N the acquisition under lambda_w is integrated first; without "
      "it, "
      "attention is acquired at time 0.");
  options.number("--c3", input->c3, positive_number(), "order parameter <exp(-phi)>; at time 0 with --time-scale");
  options.text(
      "--lambda-w", input->lambda_w, "X|LIST|LO:HI:N",
      "L2 strength on w, 1/time (required unless the table has it); with --curve also a list, or N numbers from LO "
      "to HI with equal ratios");
  options.number("--w-fade", input->w_fade, positive_number(), "w at which in-context learning counts as faded");
  options.number("--novel-ratio", input->novel_ratio, not_negative(),
                 "logits of novel items over those of trained ones, which are -ln c3");
  options.choice("--novel", input->novel, {"two_point", "gaussian"},
                 "logits of novel items: +-xi, or normal with standard deviation xi");
  options.number("--accuracy", input->accuracy,
                 {.low = 0.5, .high = 1.0 - 1e-12, .low_excluded = true, .words = "a number between 0.5 and 1"},
                 "accuracy on novel items at which it counts as fallen");
  options.number("--time-scale", input->time_scale, not_negative(),
                 "T: c3 falls as exp(-tau/T) in the time of the MLP alone; 0: no times");
  options.number("--exponent", input->exponent, not_negative(), "p: c3 falls as (1 + tau/T)^-p; 0: exponentially");
  options.number("--w-start", input->w_start, start_rule(), "w of the flow at time 0; default: where it settles");
  options.number("--lambda-beta", input->lambda_beta, not_negative(),
                 "L2 strength on beta too, 1/time: attention is then lost abruptly, at c3_fold; needs --context");
  options.choice("--slow-down", input->slow_down, {"logistic", "exponential"},
                 "loss of the flow: logistic, or its limit in which memorization is slowed by exp(-w)");
  options.text(
      "--table", input->table, "FILE",
      "CSV with columns c3, lambda_w, w_fade, novel_ratio, time_scale, exponent, context, lambda_beta in any order, "
      "one point per row; a column that is absent comes from its option, other columns are passed through");
  options.text("--curve", input->curve, "FILE", "curve file with c1 and c3, as for iclk predict");
  options.number("--lr", input->lr, positive_number(), "learning rate of a curve file that does not say it itself");
  options.count("--items", input->n_items, kItemsRule, "K of a curve file that does not say it itself");
  options.count("--context", input->n_context, kContextRule,
                "N, labelled exemplars: with --curve, integrate the acquisition first");
  options.choice("--model", input->model, {"binomial", "leading"},
                 "acquisition by the exact loss with equal logits, or by Eqs. 7-8 with the measured c2");
  options.number("--beta0", input->beta0, start_rule(), "start value of beta, with --context");
  options.number("--w0", input->w0, start_rule(), "start value of w, with --context");
  options.number("--t-max", input->t_max, positive_number(),
                 "end of training [time]: what has not faded by then is permanent");
  options.flag("--no-extrapolation", input->no_extrapolation, "do not continue c3 beyond the end of the curve");
  options.flag("--range", input->range, "find the lambda_w at which the fate changes");
  options.count("--points", input->points, {.low = 0, .high = 100'000},
                "points of w(t) to report for each lambda_w; the CSV then holds them instead of the fates");
  options.flag(
      "--sensitivity", input->sensitivity,
      "add what moves the fade time: d ln t_fade by ln lambda_w, by c3 and w_fade of a point, or by N, beta0 and "
      "w0 of a curve");
  options.number("--wanted-fade-time", input->wanted_fade_time, positive_number(),
                 "add the lambda_w at which in-context learning fades at this time");
  declare_destinations(options, input->destinations);
  options.example("iclk transience --c3 1 --lambda-w 1e-3 --time-scale 1000", "one point, with fade times");
  options.example("iclk transience --curve k4000_s0.curves.csv --context 100 --lambda-w 1e-6:0.1:26 --range",
                  "fate against lambda_w on a measured curve");
  options.example("iclk transience --curve k4000_s0.curves.csv --lambda-w 1e-3 --points 200 --csv w.csv", "w(t)");
  return [input, &options] {
    check(options, *input);
    std::vector<std::string> files;
    if (input->table) files.push_back(*input->table);
    if (input->curve) files.push_back(*input->curve);
    check_destinations(input->destinations, files);
    if (input->curve) return answer_transience_of_curve(*input);
    return input->table ? answer_for_points(options, *input) : answer_for_point(*input);
  };
}

}  // namespace iclk::cli
