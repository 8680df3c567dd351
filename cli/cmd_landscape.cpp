#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "attention_point.hpp"
#include "context_options.hpp"
#include "grid.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/landscape.hpp"
#include "logit_file.hpp"
#include "output.hpp"
#include "point_table.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

constexpr std::size_t kMostPoints = 1'000'000;

struct LandscapeInput {
  ContextOptions context;
  OrderParameterOptions order_parameters;
  std::optional<std::string> logits;
  std::optional<std::string> w;
  std::optional<std::string> beta;
  std::optional<std::string> table;
  Destinations destinations;
};

NumberRule strength_rule() { return number_from(-1000.0, 1000.0); }

/// Makes the landscape for any N.
class LandscapeMaker {
 public:
  explicit LandscapeMaker(const LandscapeInput& input) : input_(input) {
    if (!input.logits) {
      check_closure(input.context.model, c1(), input.order_parameters.c2);
      return;
    }
    if (input.order_parameters.c1) throw field_error("--c1", "not together with --logits");
    if (input.order_parameters.c2) throw field_error("--c2", "not together with --logits");
    auto logits = read_logits(*input.logits);
    if (!std::holds_alternative<theory::LogitList>(logits)) {
      throw Error({.file = *input.logits, .line = {}, .field = "time"}, "expected the logits at one time");
    }
    list_ = std::get<theory::LogitList>(std::move(logits));
  }

  theory::Landscape at(double n_context) const {
    const theory::ContextModel context = context_model(input_.context, n_context);
    if (list_) return theory::Landscape(context, *list_);
    const double phi = std::log1p(-c1()) - std::log(c1());
    if (theory::is_full(context.model)) return theory::Landscape(context, {.signed_logits = {phi}, .weights = {}});
    // L0 is that of an MLP whose logits are all equal, -ln(1 - c1); it moves the whole landscape and nothing else.
    return {context, c1(), input_.order_parameters.c2.value_or(0.5), -std::log1p(-c1())};
  }

 private:
  double c1() const { return input_.order_parameters.c1.value_or(0.5); }

  const LandscapeInput& input_;
  std::optional<theory::LogitList> list_;
};

Json settings_json(const LandscapeInput& input) {
  Json json = json_head("iclk-landscape 1");
  json.update(context_json(input.context));
  json.update({{"c1", json_number(input.order_parameters.c1)},
               {"c2", json_number(input.order_parameters.c2)},
               {"logits", input.logits ? Json(*input.logits) : Json()}});
  return json;
}

Answer answer_for_grid(const LandscapeInput& input) {
  const std::vector<double> w = parse_grid("--w", *input.w, strength_rule());
  const std::vector<double> beta = parse_grid("--beta", *input.beta, strength_rule());
  if (w.size() * beta.size() > kMostPoints) {
    throw field_error("--w", "the grid has " + std::to_string(w.size() * beta.size()) + " points, at most " +
                                 std::to_string(kMostPoints) + " are allowed");
  }
  const theory::Landscape landscape = LandscapeMaker(input).at(static_cast<double>(*input.context.n_context));
  Json json = settings_json(input);
  json["rows"] = Json::array();
  CsvText csv({"w", "beta", "loss", "dloss_dw", "dloss_dbeta"});
  constexpr std::size_t kPrintedRows = 40;  // chosen: a screen; the files hold all rows
  PrintedTable table({"w", "beta", "loss", "dloss_dw", "dloss_dbeta"}, "r");
  std::size_t n_rows = 0;
  double least = std::numeric_limits<double>::infinity();
  theory::FlowState at_least;
  for (const double each_w : w) {
    for (const double each_beta : beta) {
      const theory::LossAndGradient value = landscape.loss_and_gradient({each_w, each_beta});
      csv.cell(each_w).cell(each_beta).cell(value.loss).cell(value.d_w).cell(value.d_beta).end_row();
      if (input.destinations.json) {
        json["rows"].push_back({{"w", each_w},
                                {"beta", each_beta},
                                {"loss", json_number(value.loss)},
                                {"dloss_dw", json_number(value.d_w)},
                                {"dloss_dbeta", json_number(value.d_beta)}});
      }
      if (n_rows++ < kPrintedRows) {
        table.add_row({human(each_w), human(each_beta), human(value.loss, 7), human(value.d_w), human(value.d_beta)});
      }
      if (value.loss < least) {
        least = value.loss;
        at_least = {each_w, each_beta};
      }
    }
  }
  std::string text = described(landscape.context()) + "\n\n" + table.str();
  if (n_rows > kPrintedRows) {
    text += "  ... " + std::to_string(n_rows - kPrintedRows) + " more rows; --csv FILE writes all\n";
  }
  text += "lowest on this grid: " + human(least, 7) + " nats at w = " + human(at_least.w) +
          ", beta = " + human(at_least.beta) + '\n';
  json["lowest"] = {{"loss", json_number(least)}, {"w", at_least.w}, {"beta", at_least.beta}};
  return {text, std::move(json), std::move(csv).take()};
}

/// The one value of an option that a table may have as a column; empty when it was not given.
std::optional<double> single(const std::string& option, const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const std::vector<double> values = parse_grid(option, *text, strength_rule());
  if (values.size() != 1) throw field_error(option, "expected one number beside --table, got \"" + *text + "\"");
  return values.front();
}

Answer answer_for_points(const VerbOptions& options, const LandscapeInput& input) {
  const LandscapeMaker maker(input);
  std::map<double, theory::Landscape> by_context;
  const PointTableAnswer how{
      .inputs = {point_count("--context", input.context.n_context, kContextRule),
                 point_number("--w", single("--w", input.w), strength_rule()),
                 point_number("--beta", single("--beta", input.beta), strength_rule())},
      .columns = {"loss", "dloss_dw", "dloss_dbeta"},
      .answer =
          [&](std::span<const double> values) {
            auto found = by_context.find(values[0]);
            if (found == by_context.end()) found = by_context.emplace(values[0], maker.at(values[0])).first;
            const theory::LossAndGradient value = found->second.loss_and_gradient({values[1], values[2]});
            return std::vector<AnswerCell>{value.loss, value.d_w, value.d_beta};
          },
      .head = settings_json(input)};
  return answer_for_table(options, *input.table, input.destinations, how);
}

}  // namespace

Action declare_landscape(VerbOptions& options) {
  const auto input = std::make_shared<LandscapeInput>();
  options.explain("the loss over the attention strengths",
                  "Loss [nats] and its gradient on a grid of w and beta, or at the points of a table, for the loss of "
                  "your choice and an MLP with given c1 or logits.");
  declare_context(options, input->context);
  options.text("--w", input->w, "LO:HI:N", "values of w: N from LO to HI, a list a,b,c, or one (required)");
  options.text("--beta", input->beta, "LO:HI:N", "values of beta, likewise (required)");
  declare_order_parameters(options, input->order_parameters);
  options.text(
      "--logits", input->logits, "FILE",
      "signed logits of the MLP: .npy of shape [items], .json with phi and weights (FILE.json:NAME for a named "
      "list), or a table with a column phi and optionally weight");
  options.text(
      "--table", input->table, "FILE",
      "CSV with columns context (or N), w, beta in any order, one point per row; a column that is absent comes "
      "from its option, other columns are passed through");
  declare_destinations(options, input->destinations);
  options.example("iclk landscape --context 100 --w -2:6:81 --beta -2:8:101 --csv landscape.csv", "for a surface plot");
  return [input, &options] {
    std::vector<std::string> inputs;
    for (const auto* file : {&input->table, &input->logits}) {
      if (*file) inputs.push_back(**file);
    }
    check_destinations(input->destinations, inputs);
    if (input->table) {
      write_answer(input->destinations, answer_for_points(options, *input));
      return Exit::answered;
    }
    if (!input->context.n_context) {
      throw field_error("--context", "is required: the number of labelled exemplars in a context");
    }
    if (!input->w) throw field_error("--w", "is required: LO:HI:N, a list, or one value");
    if (!input->beta) throw field_error("--beta", "is required: LO:HI:N, a list, or one value");
    write_answer(input->destinations, answer_for_grid(*input));
    return Exit::answered;
  };
}

}  // namespace iclk::cli
