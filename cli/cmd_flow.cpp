#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "attention_point.hpp"
#include "context_options.hpp"
#include "curve_files.hpp"
#include "grid.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "logit_file.hpp"
#include "output.hpp"
#include "point_table.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct FlowInput {
  ContextOptions context;
  OrderParameterOptions order_parameters;
  double beta0 = 0.0;
  double w0 = 0.0;
  double lambda_w = 0.0;
  double lambda_beta = 0.0;
  std::optional<std::string> curve;
  std::optional<double> lr;
  std::optional<std::string> logits;
  bool closed_loop = false;
  bool tower = false;
  std::optional<double> t_max;
  std::optional<std::string> times;
  double rel_tol = 1e-10;
  std::optional<std::string> table;
  Destinations destinations;
};

/// One marker of the flow: its key, when it came, and what it means.
struct Marker {
  const char* key;
  const std::optional<theory::AttentionPoint> theory::AttentionFlow::*point;
  const char* meaning;
};

constexpr Marker kMarkers[] = {
    {"t_blow_up", &theory::AttentionFlow::blow_up, "beta reaches infinity (leading models)"},
    {"t_attention_half", &theory::AttentionFlow::attention_half, "half of the attention on the copy, beta = ln(N - 1)"},
    {"t_ln_n", &theory::AttentionFlow::ln_n, "beta = ln N"},
    {"t_half_loss", &theory::AttentionFlow::half_loss, "half of the loss of the MLP alone"},
    {"t_accuracy_95", &theory::AttentionFlow::accuracy_95, "95 % of novel items right"},
    {"t_w_max", &theory::AttentionFlow::w_max, "w is largest; from here on memorization makes it superfluous"},
    {"t_attention_lost", &theory::AttentionFlow::attention_lost, "the attention on the copy falls below one half"},
    {"t_fade", &theory::AttentionFlow::fade, "in-context learning has faded, w = 1"},
};

std::optional<double> time_of(const theory::AttentionFlow& flow, const Marker& marker) {
  const auto& point = flow.*marker.point;
  return point ? std::optional(point->time) : std::nullopt;
}

std::string in_words(const theory::AttentionFlow& flow) {
  using theory::AttentionOutcome;
  const bool acquired = flow.attention_half.has_value();
  switch (flow.outcome) {
    case AttentionOutcome::blow_up:
      return "in-context learning is acquired: the flow blows up";
    case AttentionOutcome::acquired:
      return "in-context learning is acquired";
    case AttentionOutcome::faded:
      return "in-context learning is acquired and fades again";
    case AttentionOutcome::other_basin:
      return "in-context learning is never acquired: on balanced contexts this start leads away from it";
    case AttentionOutcome::settled:
      return acquired ? "in-context learning is acquired and stays: w and beta have come to rest"
                      : "in-context learning is never acquired: w and beta have come to rest";
    case AttentionOutcome::reached_t_max:
      return acquired ? "in-context learning is acquired by the end of the time"
                      : "not acquired by the end of the time";
    case AttentionOutcome::curve_ended:
      return acquired ? "in-context learning is acquired; then the curve ends"
                      : "the curve ends before in-context learning is acquired: train longer";
    case AttentionOutcome::step_limit:
      return "the integration was given up after too many steps";
    case AttentionOutcome::not_finite:
      return "the flow left the range of floating-point numbers";
  }
  return "";
}

/// No answer: the question of acquisition is open, and not because the user set the end.
bool is_open(const theory::AttentionFlow& flow) {
  using theory::AttentionOutcome;
  return flow.outcome == AttentionOutcome::step_limit || flow.outcome == AttentionOutcome::not_finite ||
         (flow.outcome == AttentionOutcome::curve_ended && !flow.attention_half);
}

/// What the MLP knows, where it does not come from c1 and c2; empty when it does.
std::optional<theory::Memorization> read_memorization(const FlowInput& input) {
  const bool constants = input.order_parameters.c1 || input.order_parameters.c2;
  if (input.curve && input.logits) throw field_error("--logits", "not together with --curve");
  if (constants && (input.curve || input.logits)) {
    throw field_error(input.order_parameters.c1 ? "--c1" : "--c2",
                      input.curve ? "not together with --curve" : "not together with --logits");
  }
  if (input.lr && !input.curve) throw field_error("--lr", "belongs to --curve, which is missing");
  if (input.curve) {
    std::vector<MeasuredCurve> curves = read_all_curves(std::vector{*input.curve}, input.lr, {});
    if (curves.size() != 1) {
      throw Error(
          {.file = *input.curve, .line = {}, .field = {}},
          "expected one curve, found " + std::to_string(curves.size()) + "; give a file with the one that you mean");
    }
    return theory::Memorization(std::move(curves.front().curves));
  }
  if (!input.logits) return std::nullopt;
  return std::visit([](auto logits) { return theory::Memorization(std::move(logits)); }, read_logits(*input.logits));
}

theory::AttentionFlowOptions flow_options(const FlowInput& input) {
  theory::AttentionFlowOptions options{.lambda_w = input.lambda_w,
                                       .lambda_beta = input.lambda_beta,
                                       .closed_loop = input.closed_loop,
                                       .rel_tol = input.rel_tol};
  if (input.t_max) {
    options.t_max = *input.t_max;
    options.run_to_t_max = true;
  }
  return options;
}

theory::ConstantMemorization constants(const FlowInput& input, double c1, const std::optional<double>& c2) {
  check_closure(input.context.model, c1, c2);
  return {c1, c2.value_or(0.5)};
}

std::string memorization_in_words(const FlowInput& input) {
  if (input.curve) return "MLP: the curve " + *input.curve;
  if (input.logits) return "MLP: the logits " + *input.logits;
  const double c1 = input.order_parameters.c1.value_or(0.5);
  if (theory::is_full(*theory::loss_model(input.context.model))) return "MLP: c1 = " + human(c1) + ", all logits equal";
  return "MLP: c1 = " + human(c1) + ", c2 = " + human(input.order_parameters.c2.value_or(0.5));
}

Json point_json(const theory::AttentionPoint& point, double n_context) {
  return {{"time", json_number(point.time)},
          {"mlp_time", json_number(point.mlp_time)},
          {"w", json_number(point.state.w)},
          {"beta", json_number(point.state.beta)},
          {"attention", json_number(1.0 / (1.0 + (n_context - 1.0) * std::exp(-point.state.beta)))}};
}

Json tower_json(const theory::AcquisitionTower& tower) {
  return {{"leading", json_number(tower.leading)},     {"undamped", json_number(tower.undamped)},
          {"exact", json_number(tower.exact)},         {"flow", json_number(tower.flow)},
          {"gaussian", json_number(tower.gaussian)},   {"binomial", json_number(tower.binomial)},
          {"half_loss", json_number(tower.half_loss)}, {"accuracy_95", json_number(tower.accuracy_95)}};
}

std::string tower_text(const theory::AcquisitionTower& tower) {
  PrintedTable table({"level", "t_ICL", "which is"}, "lrl");
  table.add_row({"leading", human(tower.leading, 7), "I_K = N sqrt(2 pi) exp(-beta0) (Eq. 10)"});
  table.add_row({"undamped", human(tower.undamped, 7), "any w0, damping neglected (Eq. 34)"});
  table.add_row({"exact", human(tower.exact, 7), "Eqs. 7-8 solved, c2 held at its first value"});
  table.add_row({"flow", human(tower.flow, 7), "Eqs. 7-8 integrated"});
  table.add_row({"gaussian", human(tower.gaussian, 7), "half of the attention on the copy, loss of Eq. 5"});
  table.add_row({"binomial", human(tower.binomial, 7), "the same, exact loss (Eq. 21)"});
  table.add_row({"half_loss", human(tower.half_loss, 7), "exact loss: half of the loss of the MLP alone"});
  table.add_row({"accuracy_95", human(tower.accuracy_95, 7), "exact loss: 95 % of novel items right"});
  return "\nThe same point at every level of the theory:\n\n" + table.str();
}

Json settings_json(const FlowInput& input) {
  Json json = json_head("iclk-flow 1");
  json.update(context_json(input.context));
  json.update({{"beta0", input.beta0},
               {"w0", input.w0},
               {"c1", json_number(input.order_parameters.c1)},
               {"c2", json_number(input.order_parameters.c2)},
               {"curve", input.curve ? Json(*input.curve) : Json()},
               {"lr", json_number(input.lr)},
               {"logits", input.logits ? Json(*input.logits) : Json()},
               {"lambda_w", input.lambda_w},
               {"lambda_beta", input.lambda_beta},
               {"closed_loop", input.closed_loop},
               {"t_max", json_number(input.t_max)},
               {"times", input.times ? Json(*input.times) : Json()},
               {"rel_tol", input.rel_tol}});
  return json;
}

Exit answer_point(const FlowInput& input) {
  if (!input.context.n_context) {
    throw field_error("--context", "is required: the number of labelled exemplars in a context");
  }
  const auto n_context = static_cast<double>(*input.context.n_context);
  const theory::ContextModel context = context_model(input.context, n_context);
  const theory::FlowState start{input.w0, input.beta0};
  std::optional<theory::Memorization> memorization = read_memorization(input);
  if (!memorization) {
    memorization = constants(input, input.order_parameters.c1.value_or(0.5), input.order_parameters.c2);
  }
  theory::AttentionFlowOptions options = flow_options(input);
  if (input.times) {
    options.times = parse_grid("--times", *input.times, {.low = 0.0, .words = "a number that is not negative"});
  } else {
    options.record_trajectory = true;
  }
  const theory::AttentionFlow flow = theory::attention_flow(context, start, *memorization, options);

  Json json = settings_json(input);
  json["outcome"] = theory::name(flow.outcome);
  PrintedTable table({"marker", "time", "w", "beta", "meaning"}, "lrrrl");
  for (const Marker& marker : kMarkers) {
    const auto& point = flow.*marker.point;
    json[marker.key] = json_number(time_of(flow, marker));
    if (!point) continue;
    table.add_row({marker.key, human(point->time, 7), human(point->state.w), human(point->state.beta), marker.meaning});
  }
  json["w_max"] = flow.w_max ? json_number(flow.w_max->state.w) : Json();
  table.add_row({"end", human(flow.end.time, 7), human(flow.end.state.w), human(flow.end.state.beta),
                 std::string(theory::name(flow.outcome))});
  json["end"] = point_json(flow.end, n_context);
  json["steps"] = flow.steps;
  std::string text = described(context) + "; start beta0 = " + human(input.beta0) + ", w0 = " + human(input.w0) + "\n" +
                     memorization_in_words(input) + "\n\n" + table.str() + in_words(flow) + '\n';
  if (input.tower) {
    if (input.context.label_variance || input.context.n_items || input.context.item_dim) {
      throw field_error("--tower", "is for random labels, orthonormal items and one copy");
    }
    const theory::AcquisitionTower tower =
        theory::acquisition_tower(n_context, start, *memorization, flow_options(input));
    json["tower"] = tower_json(tower);
    text += tower_text(tower);
  }
  CsvText csv({"time", "mlp_time", "w", "beta", "attention"});
  json["trajectory"] = Json::array();
  for (const theory::AttentionPoint& point : flow.trajectory) {
    const Json fields = point_json(point, n_context);
    for (const auto& field : fields) csv.cell(field.is_null() ? std::optional<double>() : field.get<double>());
    csv.end_row();
    json["trajectory"].push_back(fields);
  }
  write_answer(input.destinations, {text, std::move(json), std::move(csv).take()});
  return is_open(flow) ? Exit::no_answer : Exit::answered;
}

Exit answer_table(const VerbOptions& options, const FlowInput& input) {
  if (input.tower) throw field_error("--tower", "is for one point, not for --table");
  if (input.times) throw field_error("--times", "is for one point, not for --table");
  const std::optional<theory::Memorization> memorization = read_memorization(input);
  const bool uses_c2 = !theory::is_full(*theory::loss_model(input.context.model));
  PointTableAnswer how{
      .inputs = {point_count("--context", input.context.n_context, kContextRule),
                 point_number("--beta0", input.beta0, start_rule()), point_number("--w0", input.w0, start_rule()),
                 point_number("--lambda-w", input.lambda_w, number_from(0.0, 1e6)),
                 point_number("--lambda-beta", input.lambda_beta, number_from(0.0, 1e6))},
      .columns = {"outcome"},
      .answer = {},
      .head = settings_json(input)};
  if (!memorization) {
    const NumberRule share{
        .low = 0.0, .high = std::nextafter(1.0, 0.0), .low_excluded = true, .words = "a number in (0, 1)"};
    how.inputs.push_back(point_number("--c1", input.order_parameters.c1.value_or(0.5), share));
    if (uses_c2) {
      how.inputs.push_back(point_number("--c2", input.order_parameters.c2.value_or(0.5), number_from(0.0, 1.0)));
    }
  }
  for (const Marker& marker : kMarkers) how.columns.emplace_back(marker.key);
  for (const char* column : {"w_max", "t_end", "w_end", "beta_end"}) how.columns.emplace_back(column);
  how.answer = [&](std::span<const double> values) {
    theory::AttentionFlowOptions flow_settings = flow_options(input);
    flow_settings.lambda_w = values[3];
    flow_settings.lambda_beta = values[4];
    const theory::Memorization mlp =
        memorization ? *memorization
                     : theory::Memorization(
                           constants(input, values[5], uses_c2 ? std::optional(values[6]) : input.order_parameters.c2));
    const theory::AttentionFlow flow =
        theory::attention_flow(context_model(input.context, values[0]), {values[2], values[1]}, mlp, flow_settings);
    std::vector<AnswerCell> cells{std::string(theory::name(flow.outcome))};
    for (const Marker& marker : kMarkers) cells.push_back(answer_cell(time_of(flow, marker)));
    cells.push_back(answer_cell(flow.w_max ? std::optional(flow.w_max->state.w) : std::nullopt));
    cells.insert(cells.end(), {flow.end.time, flow.end.state.w, flow.end.state.beta});
    return cells;
  };
  write_answer(input.destinations, answer_for_table(options, *input.table, input.destinations, how));
  return Exit::answered;
}

}  // namespace

Action declare_flow(VerbOptions& options) {
  const auto input = std::make_shared<FlowInput>();
  options.explain(
      "the flow of attention and its acquisition times",
      "Integrates the gradient flow of the two attention strengths w and beta on the loss of your choice, with an MLP "
      "that stays as it is (--c1, --logits) or memorizes (--curve, --logits with a column time), with L2 on both "
      "strengths and, as --closed-loop, with the slowing of memorization by what attention already answers. Reports "
      "when in-context learning is acquired, by four markers, and when it fades. Without decay the flow ends when "
      "every "
      "marker has come, with decay when w has faded to 1; --t-max sets another end.");
  declare_context(options, input->context);
  options.number("--beta0", input->beta0, start_rule(), "start value of beta, strength of the match to the target");
  options.number("--w0", input->w0, start_rule(), "start value of w, strength of the copied label");
  declare_order_parameters(options, input->order_parameters);
  options.text("--curve", input->curve, "FILE",
               "memorization curve with c1 and c2 (closure 1 - c1 where it has no c2), one run");
  options.number("--lr", input->lr, positive_number(),
                 "learning rate of that run, where the curve counts iterations and does not say");
  options.text(
      "--logits", input->logits, "FILE",
      "signed logits of the MLP: .npy of shape [items], .json with phi and weights (FILE.json:NAME for a named "
      "list), or a table with a column phi and optionally weight and time");
  options.number("--lambda-w", input->lambda_w, number_from(0.0, 1e6), "L2 strength on w [1/time]");
  options.number("--lambda-beta", input->lambda_beta, number_from(0.0, 1e6), "L2 strength on beta [1/time]");
  options.flag("--closed-loop", input->closed_loop,
               "acquired attention slows memorization (not for leading, balanced)");
  options.flag("--tower", input->tower, "the acquisition time at every level of the theory, side by side");
  options.number("--t-max", input->t_max, positive_number(), "integrate exactly up to this time");
  options.text("--times", input->times, "LO:HI:N",
               "times at which the trajectory is written, or a list a,b,c; every step unless given");
  options.number("--rel-tol", input->rel_tol, number_from(1e-14, 1e-2), "relative error allowed per step");
  options.text("--table", input->table, "FILE",
               "CSV with columns context (or N), beta0, w0, lambda_w, lambda_beta, c1, c2 in any order, one point per "
               "row; a column that is absent comes from its option, other columns are passed through");
  declare_destinations(options, input->destinations);
  options.example("iclk flow --context 100 --tower", "when is ICL acquired if the MLP does not memorize?");
  options.example("iclk flow --context 100 --curve k4000_s0.curves.csv --lambda-w 1e-3 --closed-loop --csv flow.csv",
                  "acquired and lost again");
  return [input, &options] {
    std::vector<std::string> inputs;
    for (const auto* file : {&input->table, &input->curve, &input->logits}) {
      if (*file) inputs.push_back(**file);
    }
    check_destinations(input->destinations, inputs);
    return input->table ? answer_table(options, *input) : answer_point(*input);
  };
}

}  // namespace iclk::cli
