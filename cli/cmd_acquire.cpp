#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attention_point.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "output.hpp"
#include "point_table.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

constexpr CountRule kClosedFormContextRule{.low = 2, .high = 1'000'000'000};

struct AcquireInput {
  std::optional<std::uint64_t> n_context;
  double beta0 = 0.0;
  double w0 = 0.0;
  double c2 = 0.5;
  std::optional<std::string> table;
  Destinations destinations;
};

struct AcquirePoint {
  double n_context = 0.0, beta0 = 0.0, w0 = 0.0, c2 = 0.5;
};

struct AcquireAnswer {
  double x_leading = 0.0, x_undamped = 0.0, x_exact = 0.0, j_cold = 0.0;
  bool beyond_range() const { return !std::isfinite(x_leading + x_undamped + x_exact + j_cold); }
};

AcquireAnswer closed_forms(const AcquirePoint& point) {
  return {theory::acquisition_integral_leading(point.n_context, point.beta0),
          theory::acquisition_integral(point.n_context, point.beta0, point.w0),
          theory::acquisition_integral_exact(point.n_context, point.beta0, point.w0, point.c2),
          theory::cold_start_integral(point.n_context, point.beta0)};
}

Json json_head() { return {{"schema", "iclk-acquisition 1"}, {"program", "iclk " + std::string(version())}}; }

Answer answer_for_point(const AcquireInput& input) {
  const AcquirePoint point{static_cast<double>(*input.n_context), input.beta0, input.w0, input.c2};
  const AcquireAnswer answer = closed_forms(point);
  Json head = json_head();
  head.update({{"context", *input.n_context}, {"beta0", point.beta0}, {"w0", point.w0}, {"c2", point.c2}});
  CsvText csv({"context", "beta0", "w0", "c2", "x_leading", "x_undamped", "x_exact", "j_cold"});
  csv.count(*input.n_context).cell(point.beta0).cell(point.w0).cell(point.c2);
  csv.cell(answer.x_leading).cell(answer.x_undamped).cell(answer.x_exact).cell(answer.j_cold).end_row();
  PrintedTable table({"answer", "value", "meaning"}, "lrl");
  table.add_row({"x_leading", human(answer.x_leading, 7), "I_K at acquisition, leading order (Eq. 10-11)"});
  table.add_row({"x_undamped", human(answer.x_undamped, 7), "I_K at acquisition, damping neglected (Eq. 34)"});
  table.add_row({"x_exact", human(answer.x_exact, 7), "I_K at acquisition, exact for constant c2"});
  table.add_row({"j_cold", human(answer.j_cold, 7), "integral of c1/c2 at acquisition, cold start (Eq. 37)"});
  std::string text =
      "N = " + std::to_string(*input.n_context) + " labelled exemplars, start beta0 = " + human(point.beta0) +
      ", w0 = " + human(point.w0) + ", c2 = " + human(point.c2) +
      "\nI_K is twice the integral of c1 over time; for an MLP that does not memorize (c1 = 1/2) it is the "
      "time itself.\n\n" +
      table.str();
  if (answer.beyond_range()) text += std::string("note: ") + kBeyondRange + '\n';
  head["x_leading"] = json_number(answer.x_leading);
  head["x_undamped"] = json_number(answer.x_undamped);
  head["x_exact"] = json_number(answer.x_exact);
  head["j_cold"] = json_number(answer.j_cold);
  return {text, std::move(head), std::move(csv).take()};
}

Answer answer_for_points(const VerbOptions& options, const AcquireInput& input) {
  const PointTableAnswer how{
      .inputs = {point_count("--context", input.n_context, kClosedFormContextRule),
                 point_number("--beta0", input.beta0, start_rule()), point_number("--w0", input.w0, start_rule()),
                 point_number("--c2", input.c2, number_from(0.0, 1.0))},
      .columns = {"x_leading", "x_undamped", "x_exact", "j_cold"},
      .answer =
          [](std::span<const double> inputs) {
            const AcquireAnswer answer = closed_forms({inputs[0], inputs[1], inputs[2], inputs[3]});
            return std::vector<AnswerCell>{answer.x_leading, answer.x_undamped, answer.x_exact, answer.j_cold};
          },
      .head = json_head()};
  return answer_for_table(options, *input.table, input.destinations, how);
}

}  // namespace

Action declare_acquire(VerbOptions& options) {
  const auto input = std::make_shared<AcquireInput>();
  options.explain(
      "closed forms of the acquisition time",
      "How much memorization integral I_K in-context learning needs, from closed forms: x_leading = N sqrt(2 pi) "
      "exp(-beta0) (Eq. 10-11), x_undamped (Eq. 34, both signs of w0), x_exact (exact solution of Eqs. 7-8 for "
      "constant c2) and j_cold = N exp(-2 beta0)/2 (Eq. 37 corrected), the integral of c1/c2 at acquisition when "
      "attention starts far below zero. While the MLP has not memorized (c1 = 1/2) I_K is the time itself, in "
      "units of learning rate x SGD steps. One point, or one per row of --table.");
  options.count("--context", input->n_context, kClosedFormContextRule,
                "N, labelled exemplars in a context (required unless the table has it)");
  options.number("--beta0", input->beta0, start_rule(), "start value of beta, strength of the match to the target");
  options.number("--w0", input->w0, start_rule(), "start value of w, strength of the copied label");
  options.number("--c2", input->c2, number_from(0.0, 1.0),
                 "order parameter c2, taken as constant; 1/2 before memorization");
  options.text(
      "--table", input->table, "FILE",
      "CSV with columns context (or N), beta0, w0, c2 in any order, one point per row; a column that is absent "
      "comes from its option, other columns are passed through");
  declare_destinations(options, input->destinations);
  options.example("iclk acquire --context 100 --beta0 -2", "one point");
  options.example("iclk acquire --table points.csv --csv answers.csv", "many points");
  return [input, &options] {
    std::vector<std::string> inputs;
    if (input->table) inputs.push_back(*input->table);
    if (!input->table && !input->n_context) {
      throw field_error("--context", "is required: the number of labelled exemplars in a context");
    }
    check_destinations(input->destinations, inputs);
    write_answer(input->destinations, input->table ? answer_for_points(options, *input) : answer_for_point(*input));
    return Exit::answered;
  };
}

}  // namespace iclk::cli
