#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "acquire_answers.hpp"
#include "attention_point.hpp"
#include "iclk/core/error.hpp"
#include "output.hpp"
#include "point_table.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

using Input = AcquireInput;

constexpr CountRule kClosedFormContextRule{.low = 2, .high = 1'000'000'000};
constexpr double kLargestDecay = 1e6;  // 1/time; a decay faster than that leaves no dynamics
constexpr double kLargestSpread = 100.0;

NumberRule above_zero_up_to_one() {
  return {.low = 0.0, .high = 1.0, .low_excluded = true, .words = "a number above 0, up to 1"};
}

struct DeclaredInput {
  Input input;
  const char* option;
  NumberRule rule;
  std::optional<double> value;  // default, then what the command line says
  std::string help;
};

struct AcquireOptions {
  std::optional<std::uint64_t> n_context;
  std::vector<DeclaredInput> numbers;  // every input but context, in the order of AcquireInput
  std::string balanced = "none";
  bool sensitivity = false;
  std::string solve_for = "none";
  std::optional<std::string> table, curve;
  std::optional<double> lr;
  Destinations destinations;

  const DeclaredInput& number(Input input) const { return numbers[static_cast<std::size_t>(input) - 1]; }
  const char* option(Input input) const { return input == Input::context ? "--context" : number(input).option; }
};

std::vector<DeclaredInput> declared_inputs() {
  return {
      {Input::beta0, "--beta0", start_rule(), 0.0, "start value of beta, strength of the match to the target"},
      {Input::w0, "--w0", start_rule(), 0.0, "start value of w, strength of the copied label"},
      {Input::c2, "--c2", number_from(0.0, 1.0), 0.5, "order parameter c2, taken as constant; 1/2 before memorization"},
      {Input::c1, "--c1", above_zero_up_to_one(), 0.5,
       "order parameter c1, taken as constant: adds t_exact, the time; matters with L2"},
      {Input::rho, "--rho", above_zero_up_to_one(), 1.0, "share of the sequences that hold a copy of the target"},
      {Input::copies, "--copies", number_from(1.0, 1e9), 1.0, "how often each item stands in its context"},
      {Input::lambda_w, "--lambda-w", number_from(0.0, kLargestDecay), 0.0,
       "L2 strength on w [1/time], for constant c1; changes x_exact and adds t_exact"},
      {Input::lambda_beta, "--lambda-beta", number_from(0.0, kLargestDecay), std::nullopt,
       "L2 strength on beta [1/time]: adds the trap, the unstable state and the critical decays; x_exact and what "
       "follows from it do not know it"},
      {Input::integral, "--integral", number_from(0.0, 1e300), std::nullopt,
       "adds the state (w, beta) at this I_K, exact for constant c2"},
      {Input::beta_cross, "--beta-cross", start_rule(), std::nullopt,
       "adds I_K and w where beta first reaches this value, e.g. ln(N - 1)"},
      {Input::v, "--v", number_from(0.0, 1.0), 0.0,
       "variance of the label sum over N, between balanced (0) and independent labels (1): adds acquisition there"},
      {Input::beta0_sd, "--beta0-sd", number_from(0.0, kLargestSpread), std::nullopt,
       "standard deviation of beta0 around --beta0: with --i-infinity adds P(ICL), with --balanced the share of starts "
       "above the separatrix"},
      {Input::w0_sd, "--w0-sd", number_from(0.0, kLargestSpread), 0.0, "standard deviation of w0 around --w0"},
      {Input::i_infinity, "--i-infinity", positive_number(), std::nullopt,
       "I_K(infinity) [time]: with --beta0-sd adds P(ICL)"},
      {Input::prefactor, "--prefactor", positive_number(), std::nullopt,
       "of the law I_K(infinity) = prefactor K^nu [time]: with --nu adds K*"},
      {Input::nu, "--nu", positive_number(), std::nullopt, "exponent of that law"},
      {Input::wanted_x, "--wanted-x", positive_number(), std::nullopt, "for --solve-for: wanted I_K at acquisition"},
      {Input::wanted_time, "--wanted-time", positive_number(), std::nullopt,
       "for --solve-for: wanted t_ICL, on --curve or at constant c1"},
      {Input::wanted_k_star, "--wanted-k-star", positive_number(), std::nullopt,
       "for --solve-for: wanted K*, with --prefactor and --nu"},
  };
}

std::shared_ptr<const MeasuredCurve> read_one_curve(const AcquireOptions& input) {
  if (!input.curve) return nullptr;
  // K plays no part here; a foreign file need not say it.
  std::vector<MeasuredCurve> curves = read_curves(*input.curve, {.lr = input.lr, .n_items = {}});
  if (curves.size() != 1) {
    throw Error({.file = *input.curve, .line = {}, .field = {}},
                "holds " + std::to_string(curves.size()) + " curves, expected one");
  }
  return std::make_shared<const MeasuredCurve>(std::move(curves.front()));
}

/// The question that options and columns ask. Inputs given as options must change something.
struct PlannedAnswer {
  std::vector<Input> inputs;
  std::vector<AcquireBlock> blocks;

  std::vector<AnswerCell> answer(const AcquirePoint& point) const {
    std::vector<AnswerCell> cells;
    cells.reserve(4 * blocks.size());
    for (const AcquireBlock& block : blocks) block.fill(point, cells);
    return cells;
  }
};

PlannedAnswer plan(const VerbOptions& options, const AcquireOptions& input, const TextTable* table) {
  AcquireQuestion question;
  question.in_use = [&](Input each) {
    const char* option = input.option(each);
    return options.given(option) || (table != nullptr && has_input_column(*table, option));
  };
  if (input.balanced != "none") {
    question.balanced =
        input.balanced == "target" ? theory::BalancedCount::exemplars_and_target : theory::BalancedCount::exemplars;
  }
  question.sensitivity = input.sensitivity;
  for (const auto unknown : {theory::Unknown::n_context, theory::Unknown::beta0, theory::Unknown::w0}) {
    if (input.solve_for == name(unknown)) question.unknown = unknown;
  }
  if (input.solve_for == "lambda-w") question.unknown = theory::Unknown::lambda_w;
  question.curve = read_one_curve(input);
  if (input.lr && !input.curve) throw field_error("--lr", "changes nothing without --curve");

  PlannedAnswer result;
  result.blocks = acquire_blocks(question);
  std::vector<Input> used{Input::context, Input::beta0, Input::w0, Input::c2};
  for (const AcquireBlock& block : result.blocks) {
    for (const Input each : block.uses) {
      // What is used by default only (rho = 1) is no column of the answer.
      if (question.in_use(each) || each == Input::c1) used.push_back(each);
    }
  }
  std::ranges::sort(used);
  used.erase(std::ranges::unique(used).begin(), used.end());
  for (const DeclaredInput& each : input.numbers) {
    if (options.given(each.option) && !std::ranges::binary_search(used, each.input)) {
      throw field_error(each.option, "changes nothing here; iclk acquire --help says what it belongs to");
    }
  }
  result.inputs = std::move(used);
  return result;
}

AcquirePoint default_point(const AcquireOptions& input) {
  AcquirePoint point{};
  point[0] = static_cast<double>(input.n_context.value_or(2));
  for (const DeclaredInput& each : input.numbers)
    point[static_cast<std::size_t>(each.input)] = each.value.value_or(0.0);
  return point;
}

Json settings(const AcquireOptions& input) {
  Json json = json_head("iclk-acquisition 1");
  if (input.balanced != "none") json["balanced"] = input.balanced;
  if (input.sensitivity) json["sensitivity"] = true;
  if (input.solve_for != "none") json["solve_for"] = input.solve_for;
  if (input.curve) json["curve"] = *input.curve;
  return json;
}

std::string column_of(const char* option) {
  std::string column = std::string(option).substr(2);
  std::ranges::replace(column, '-', '_');
  return column;
}

Exit answer_point(const VerbOptions& options, const AcquireOptions& input) {
  const PlannedAnswer planned = plan(options, input, nullptr);
  const AcquirePoint point = default_point(input);
  std::vector<AnswerCell> cells;
  try {
    cells = planned.answer(point);
  } catch (const Error& error) {  // rules between inputs, such as copies <= N
    std::string option = "--" + error.location().field;
    std::ranges::replace(option, '_', '-');
    throw field_error(option, error.problem());
  }

  Json json = settings(input);
  std::vector<std::string> header;
  std::string shown = "N = " + std::to_string(*input.n_context) + " labelled exemplars, start";
  for (const Input each : planned.inputs) {
    const std::string column = column_of(input.option(each));
    header.push_back(column);
    if (each == Input::context) {
      json[column] = *input.n_context;
    } else {
      json[column] = of(point, each);
      shown += (each == Input::beta0 ? " " : ", ") + column + " = " + human(of(point, each));
    }
  }
  std::vector<std::string> values;
  PrintedTable printed({"answer", "value", "meaning"}, "lrl");
  bool beyond_range = false;
  std::size_t next = 0;
  bool unsolved = false;
  for (const AcquireBlock& block : planned.blocks) {
    for (const AcquireBlock::Column& column : block.columns) {
      const AnswerCell& cell = cells[next++];
      header.push_back(column.name);
      json[column.name] = json_cell(cell);
      printed.add_row({column.name, human_cell(cell), column.meaning});
      beyond_range = beyond_range || (std::holds_alternative<double>(cell) && std::isinf(std::get<double>(cell)));
      unsolved = unsolved || (column.name == "solve_outcome" && std::get<std::string>(cell) != "found");
    }
  }
  CsvText csv(header);
  for (const Input each : planned.inputs) csv.cell(of(point, each));
  for (const AnswerCell& cell : cells) std::visit([&](const auto& content) { csv.cell(content); }, cell);
  csv.end_row();
  std::string text =
      wrapped(shown, 0) +
      "\nI_K is twice the integral of c1 over time; for an MLP that does not memorize (c1 = 1/2) it is the "
      "time itself.\n\n" +
      printed.str();
  if (beyond_range) text += std::string("note: ") + kBeyondRange + '\n';
  write_answer(input.destinations, {text, std::move(json), std::move(csv).take()});
  return unsolved ? Exit::no_answer : Exit::answered;
}

Exit answer_points(const VerbOptions& options, const AcquireOptions& input) {
  const TextTable table = read_table(*input.table);
  const PlannedAnswer planned = plan(options, input, &table);
  PointTableAnswer how;
  for (const Input each : planned.inputs) {
    if (each == Input::context) {
      how.inputs.push_back(point_count("--context", input.n_context, kClosedFormContextRule));
    } else {
      const DeclaredInput& number = input.number(each);
      how.inputs.push_back(point_number(number.option, number.value, number.rule));
    }
  }
  for (const AcquireBlock& block : planned.blocks) {
    for (const AcquireBlock::Column& column : block.columns) how.columns.push_back(column.name);
  }
  AcquirePoint point = default_point(input);
  how.answer = [&](std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) point[static_cast<std::size_t>(planned.inputs[i])] = values[i];
    return planned.answer(point);
  };
  how.head = settings(input);
  write_answer(input.destinations, answer_for_table(options, table, input.destinations, how));
  return Exit::answered;
}

}  // namespace

Action declare_acquire(VerbOptions& options) {
  const auto input = std::make_shared<AcquireOptions>();
  options.explain(
      "closed forms of the acquisition time",
      "How much memorization integral I_K in-context learning needs, from closed forms: x_leading = N sqrt(2 pi) "
      "exp(-beta0) (Eq. 10-11), x_undamped (Eq. 34, both signs of w0), x_exact (exact solution of Eqs. 7-8 for "
      "constant c2) and j_cold = N exp(-2 beta0)/2 (Eq. 37 corrected), the integral of c1/c2 at acquisition when "
      "attention starts far below zero. While the MLP has not memorized (c1 = 1/2) I_K is the time itself, in "
      "units of learning rate x SGD steps. Further options, or columns of their names, add answers: the exact "
      "trajectory, L2 on w and beta, balanced contexts, K*, P(ICL), t_ICL on a measured curve, what moves each of them "
      "(--sensitivity) and which N, beta0, w0 or lambda_w gives a wanted one (--solve-for). One point, or one per row "
      "of --table.");
  options.count("--context", input->n_context, kClosedFormContextRule,
                "N, labelled exemplars in a context (required unless the table has it)");
  input->numbers = declared_inputs();
  for (DeclaredInput& each : input->numbers) options.number(each.option, each.value, each.rule, each.help);
  options.choice("--balanced", input->balanced, {"none", "exemplars", "target"},
                 "adds acquisition on contexts with equally many labels of each kind, counted over the exemplars or "
                 "over exemplars and target, as the released code draws them");
  options.text("--curve", input->curve, "FILE",
               "curve file with one curve: adds t_icl of the flow with its c1 and c2, L2 on w included");
  options.number("--lr", input->lr, positive_number(), "learning rate of --curve, where its time counts iterations");
  options.flag("--sensitivity", input->sensitivity,
               "adds first derivatives of the answers: d ln x_exact, d ln K*, d P(ICL), d ln t_icl");
  options.choice("--solve-for", input->solve_for, {"none", "context", "beta0", "w0", "lambda-w"},
                 "adds the value of this input that gives the wanted I_K, time or K*; its own option is then not used");
  options.text(
      "--table", input->table, "FILE",
      "CSV with columns context (or N), beta0, w0, c2 and others named as the options in any order, one point per row; "
      "a column that is absent comes from its option, other columns are passed through");
  declare_destinations(options, input->destinations);
  options.example("iclk acquire --context 100 --beta0 -2", "one point");
  options.example("iclk acquire --table points.csv --csv answers.csv", "many points");
  options.example("iclk acquire --context 100 --prefactor 1.8 --nu 0.7 --sensitivity", "K* and what moves it");
  options.example("iclk acquire --context 100 --solve-for beta0 --wanted-x 500", "the start that needs I_K = 500");
  return [input, &options] {
    std::vector<std::string> inputs;
    if (input->table) inputs.push_back(*input->table);
    if (input->curve) inputs.push_back(*input->curve);
    if (!input->table && !input->n_context) {
      throw field_error("--context", "is required: the number of labelled exemplars in a context");
    }
    check_destinations(input->destinations, inputs);
    return input->table ? answer_points(options, *input) : answer_point(options, *input);
  };
}

}  // namespace iclk::cli
