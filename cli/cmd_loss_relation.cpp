#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attention_point.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/table_file.hpp"
#include "iclk/theory/loss_relation.hpp"
#include "number_list.hpp"
#include "output.hpp"
#include "point_table.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

/// The two-point model has two strengths and two losses; any two of the four give the other two.
enum Quantity : std::size_t { kIcl, kIwl, kW, kXi, kQuantities };
constexpr std::array<const char*, kQuantities> kOptions{"--l-icl", "--l-iwl", "--w", "--xi"};
constexpr double kLargestStrength = 1e6;  // chosen: losses of 1e6 nats

struct LossRelationInput {
  std::array<std::optional<std::string>, kQuantities> texts;
  std::optional<std::string> table;
  Destinations destinations;
};

using Known = std::array<std::optional<double>, kQuantities>;

struct LossRelation {
  bool exists = false;  ///< some two-point model has the two known quantities
  Known state;
  theory::TwoPointLosses losses;
  std::optional<double> l_iwl_leading, l_icl_leading;
};

NumberRule rule_of(std::size_t quantity) {
  return quantity == kIcl || quantity == kIwl ? NumberRule{.low = 0.0,
                                                           .high = kLargestStrength,
                                                           .low_excluded = true,
                                                           .words = "a positive number of at most 1e6"}
                                              : number_from(-kLargestStrength, kLargestStrength);
}

/// The two strengths from what is known, if a two-point model has it.
std::optional<theory::TwoPointState> strengths(const Known& known) {
  if (known[kW] && known[kXi]) return theory::TwoPointState{.w = *known[kW], .xi = *known[kXi]};
  if (known[kIcl] && known[kIwl]) return theory::two_point_state(*known[kIcl], *known[kIwl]);
  if (known[kIcl] && known[kXi]) {
    return theory::TwoPointState{.w = theory::icl_strength(*known[kIcl], *known[kXi]), .xi = *known[kXi]};
  }
  if (known[kIwl] && known[kW]) {  // w and xi change places when the losses do
    return theory::TwoPointState{.w = *known[kW], .xi = theory::icl_strength(*known[kIwl], *known[kW])};
  }
  if (known[kIwl] && known[kXi]) {
    const std::optional<double> w = theory::iwl_strength(*known[kIwl], *known[kXi]);
    if (!w) return std::nullopt;
    return theory::TwoPointState{.w = *w, .xi = *known[kXi]};
  }
  const std::optional<double> xi = theory::iwl_strength(*known[kIcl], *known[kW]);
  if (!xi) return std::nullopt;
  return theory::TwoPointState{.w = *known[kW], .xi = *xi};
}

LossRelation relate(const Known& known) {
  LossRelation result;
  result.state = known;
  if (const auto state = strengths(known)) {
    result.exists = true;
    result.losses = theory::two_point_losses(state->w, state->xi);
    // What was given stays as given, digit by digit.
    const Known all{result.losses.icl, result.losses.iwl, state->w, state->xi};
    for (std::size_t i = 0; i < kQuantities; ++i) {
      if (!result.state[i]) result.state[i] = all[i];
    }
  }
  if (result.state[kIcl] && *result.state[kIcl] > 0.0) {
    result.l_iwl_leading = theory::iwl_loss_leading(*result.state[kIcl]);
  }
  if (result.state[kIwl] && *result.state[kIwl] > 0.0) {
    result.l_icl_leading = theory::icl_loss_leading(*result.state[kIwl]);
  }
  return result;
}

/// One loss alone: the other strength is zero, as the paper has it on either side of the fading.
void complete(std::array<bool, kQuantities>& given, Known& known) {
  const auto n_given = std::count(given.begin(), given.end(), true);
  if (n_given == 1 && (given[kIcl] || given[kIwl])) {
    const std::size_t other = given[kIcl] ? kXi : kW;
    known[other] = 0.0;
    given[other] = true;
  }
  if (std::count(given.begin(), given.end(), true) != 2) {
    throw field_error(
        "iclk loss-relation",
        "expected two of --l-icl, --l-iwl, --w and --xi, or one of the losses alone, got " + std::to_string(n_given));
  }
}

constexpr const char* kNoModel = "no_two_point_model";

std::vector<AnswerCell> cells(const LossRelation& relation) {
  return {relation.exists ? "found" : kNoModel, answer_cell(relation.l_iwl_leading),
          answer_cell(relation.l_icl_leading),
          answer_cell(relation.exists ? std::optional(relation.losses.icl_accuracy) : std::nullopt),
          answer_cell(relation.exists ? std::optional(relation.losses.iwl_accuracy) : std::nullopt)};
}

const std::vector<std::string> kFurtherColumns{"outcome", "l_iwl_eq16", "l_icl_eq16", "accuracy_icl", "accuracy_iwl"};

std::string column_of(std::size_t quantity) {
  constexpr std::array<const char*, kQuantities> kColumns{"l_icl", "l_iwl", "w", "xi"};
  return kColumns[quantity];
}

Json to_json(const LossRelation& relation) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kQuantities; ++i) json[column_of(i)] = json_number(relation.state[i]);
  json["outcome"] = relation.exists ? "found" : kNoModel;
  json["l_iwl_eq16"] = json_number(relation.l_iwl_leading);
  json["l_icl_eq16"] = json_number(relation.l_icl_leading);
  json["accuracy_icl"] = relation.exists ? json_number(relation.losses.icl_accuracy) : Json(nullptr);
  json["accuracy_iwl"] = relation.exists ? json_number(relation.losses.iwl_accuracy) : Json(nullptr);
  return json;
}

void add_csv_row(CsvText& csv, const LossRelation& relation) {
  for (const auto& value : relation.state) csv.cell(value);
  for (const AnswerCell& cell : cells(relation)) std::visit([&](const auto& content) { csv.cell(content); }, cell);
  csv.end_row();
}

std::string point_text(const LossRelation& relation) {
  if (!relation.exists) {
    return "No two-point model has these values: the loss is smaller than the other one, or the given strength, "
           "allows.\n";
  }
  PrintedTable table({"quantity", "value", "meaning"}, "lrl");
  table.add_row(
      {"l_icl", human(relation.state[kIcl], 7), "loss on novel items with a copy of the target in the context"});
  table.add_row({"l_iwl", human(relation.state[kIwl], 7), "loss on trained items without one"});
  table.add_row({"w", human(relation.state[kW], 7), "strength of the copied label"});
  table.add_row({"xi", human(relation.state[kXi], 7), "logit of the MLP: xi on trained items, +-xi on novel ones"});
  table.add_row({"l_iwl_eq16", human(relation.l_iwl_leading, 7), "-ln(l_icl)/2, Eq. 16 before ICL fades (Eq. 46)"});
  table.add_row({"l_icl_eq16", human(relation.l_icl_leading, 7), "-ln(l_iwl)/2, Eq. 16 after ICL has faded (Eq. 47)"});
  table.add_row({"accuracy_icl", human(relation.losses.icl_accuracy), "on novel items with a copy"});
  table.add_row({"accuracy_iwl", human(relation.losses.iwl_accuracy), "on trained items without one"});
  return table.str();
}

struct Result {
  Answer answer;
  bool any = false;  ///< some point has an answer
};

/// Every combination of the values of the two given options.
Result answer_for_values(const LossRelationInput& input) {
  std::array<bool, kQuantities> given{};
  std::array<std::vector<double>, kQuantities> values;
  for (std::size_t i = 0; i < kQuantities; ++i) {
    if (!input.texts[i]) continue;
    given[i] = true;
    values[i] = parse_log_spaced(kOptions[i], *input.texts[i], rule_of(i));
  }
  Known defaults;
  complete(given, defaults);
  std::array<std::size_t, 2> pair{};
  for (std::size_t i = 0, n = 0; i < kQuantities; ++i) {
    if (!given[i]) continue;
    if (values[i].empty()) values[i] = {*defaults[i]};
    pair[n++] = i;
  }

  std::vector<LossRelation> relations;
  for (const double first : values[pair[0]]) {
    for (const double second : values[pair[1]]) {
      Known known;
      known[pair[0]] = first;
      known[pair[1]] = second;
      relations.push_back(relate(known));
    }
  }

  Result result;
  std::vector<std::string> header{"l_icl", "l_iwl", "w", "xi"};
  header.insert(header.end(), kFurtherColumns.begin(), kFurtherColumns.end());
  CsvText csv(header);
  PrintedTable printed(header, "r");
  Json rows = Json::array();
  constexpr std::size_t kPrintedRows = 40;  // chosen: a screen; the files hold all rows
  for (std::size_t row = 0; row < relations.size(); ++row) {
    const LossRelation& relation = relations[row];
    result.any = result.any || relation.exists;
    add_csv_row(csv, relation);
    rows.push_back(to_json(relation));
    if (row >= kPrintedRows) continue;
    std::vector<std::string> line;
    for (const auto& value : relation.state) line.push_back(human(value, 6));
    for (const AnswerCell& cell : cells(relation)) {
      line.push_back(std::holds_alternative<double>(cell) ? human(std::get<double>(cell), 6)
                                                          : std::get<std::string>(cell));
    }
    printed.add_row(std::move(line));
  }
  Json json = json_head("iclk-loss-relation 1");
  if (relations.size() == 1) {
    json.update(rows[0]);
    result.answer.text = point_text(relations[0]);
  } else {
    json["rows"] = std::move(rows);
    result.answer.text = printed.str();
    if (relations.size() > kPrintedRows) {
      result.answer.text +=
          "  ... " + std::to_string(relations.size() - kPrintedRows) + " more rows; --csv FILE writes all\n";
    }
  }
  result.answer.json = std::move(json);
  result.answer.csv = std::move(csv).take();
  return result;
}

/// `--table`: the columns among l_icl, l_iwl, w and xi that it has, and the options that are given beside it.
Result answer_for_points(const VerbOptions& options, const LossRelationInput& input) {
  const TextTable table = read_table(*input.table);
  std::array<bool, kQuantities> given{};
  Known constants;
  for (std::size_t i = 0; i < kQuantities; ++i) {
    given[i] = table.find_column(column_of(i)) || input.texts[i];
    if (input.texts[i]) constants[i] = parse_checked_number(kOptions[i], *input.texts[i], rule_of(i));
  }
  complete(given, constants);
  std::vector<std::size_t> pair;
  PointTableAnswer how;
  for (std::size_t i = 0; i < kQuantities; ++i) {
    if (given[i]) {
      pair.push_back(i);
      how.inputs.push_back(point_number(kOptions[i], constants[i], rule_of(i)));
    } else {
      how.columns.push_back(column_of(i));
    }
  }
  const std::vector<std::string> solved = how.columns;
  how.columns.insert(how.columns.end(), kFurtherColumns.begin(), kFurtherColumns.end());
  how.head = json_head("iclk-loss-relation 1");
  Result result;
  how.answer = [&](std::span<const double> inputs) {
    Known known;
    known[pair[0]] = inputs[0];
    known[pair[1]] = inputs[1];
    const LossRelation relation = relate(known);
    result.any = result.any || relation.exists;
    std::vector<AnswerCell> row;
    for (std::size_t i = 0; i < kQuantities; ++i) {
      if (i != pair[0] && i != pair[1]) row.push_back(answer_cell(relation.state[i]));
    }
    for (AnswerCell& cell : cells(relation)) row.push_back(std::move(cell));
    return row;
  };
  result.answer = answer_for_table(options, *input.table, input.destinations, how);
  return result;
}

}  // namespace

Action declare_loss_relation(VerbOptions& options) {
  const auto input = std::make_shared<LossRelationInput>();
  options.explain(
      "ICL loss from IWL loss and back (Eq. 16, and exactly)",
      "How the loss on novel items with a copy of the target in the context (ICL) and the loss on trained items "
      "without "
      "one (IWL) determine each other once attention is acquired, in the model that the paper's Eq. 16 approximates: "
      "attention adds w times the label of one item, the MLP has the logit xi on trained items and +-xi on novel ones. "
      "Then l_iwl - l_icl = (w - xi)/2 exactly. Two of l_icl, l_iwl, w and xi give the other two; l_icl alone means "
      "xi = 0 (before the MLP memorizes), l_iwl alone w = 0 (after ICL has faded). Each may be one number, a list, or "
      "a curve LO:HI:N of N numbers with equal ratios.");
  options.text(kOptions[kIcl], input->texts[kIcl], "X|LIST|LO:HI:N", "loss on ICL sequences [nats]");
  options.text(kOptions[kIwl], input->texts[kIwl], "X|LIST|LO:HI:N", "loss on IWL sequences [nats]");
  options.text(kOptions[kW], input->texts[kW], "X|LIST|LO:HI:N", "strength of the copied label");
  options.text(kOptions[kXi], input->texts[kXi], "X|LIST|LO:HI:N", "strength of memorization");
  options.text("--table", input->table, "FILE",
               "CSV with two columns of l_icl, l_iwl, w and xi, or one loss, one point per row; an option stands for a "
               "column that is absent, other columns are passed through");
  declare_destinations(options, input->destinations);
  options.example("iclk loss-relation --l-icl 0.02", "L_IWL while the MLP knows nothing");
  options.example("iclk loss-relation --l-icl 0.001:0.6:50 --csv relation.csv", "the curve of Fig. 6d");
  options.example("iclk loss-relation --l-icl 0.3 --l-iwl 0.5", "w and xi behind two measured losses");
  return [input, &options] {
    std::vector<std::string> inputs;
    if (input->table) inputs.push_back(*input->table);
    check_destinations(input->destinations, inputs);
    const Result result = input->table ? answer_for_points(options, *input) : answer_for_values(*input);
    write_answer(input->destinations, result.answer);
    return result.any ? Exit::answered : Exit::no_answer;
  };
}

}  // namespace iclk::cli
