#include "logit_file.hpp"

#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/npy_file.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/core/table_file.hpp"

namespace iclk::cli {
namespace {

using theory::LogitHistory;
using theory::LogitList;

Error file_error(const std::string& file, const std::string& field, const std::string& problem) {
  return {Location{.file = file, .line = {}, .field = field}, problem};
}

/// The library's check of the contents, with the file's name on what it says.
template <class Logits>
Logits checked(const std::string& file, Logits logits) {
  try {
    validate(logits);
  } catch (const Error& error) {
    throw file_error(file, error.location().field, error.problem());
  }
  return logits;
}

LogitList from_npy(const std::string& file) {
  NpyArray array = read_npy(file);
  if (array.shape.size() != 1) {
    throw file_error(file, "",
                     "expected one list of signed logits, an array of shape [items], got " +
                         std::to_string(array.shape.size()) +
                         " dimensions; iclk measure turns the logits of a whole run into a curve");
  }
  return {std::move(array.values), {}};
}

std::vector<double> json_numbers(const std::string& file, const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return {};
  std::vector<double> numbers;
  if (!found->is_array()) throw file_error(file, key, "expected a list of numbers");
  for (const nlohmann::json& each : *found) {
    if (!each.is_number()) throw file_error(file, key, "expected a list of numbers, got " + each.dump() + " in it");
    numbers.push_back(each.get<double>());
  }
  return numbers;
}

LogitList from_json(const std::string& file, const std::string& list) {
  std::ifstream stream(file);
  if (!stream) throw file_error(file, "", "cannot be read");
  nlohmann::json json = nlohmann::json::parse(stream, nullptr, false);
  if (json.is_discarded() || !json.is_object()) throw file_error(file, "", "expected a JSON object");
  if (!list.empty()) {
    const auto found = json.find(list);
    if (found == json.end() || !found->is_object()) throw file_error(file, list, "there is no list of this name");
    const nlohmann::json chosen = *found;
    json = chosen;
  }
  if (!json.contains("phi")) {
    throw file_error(file, "phi", "expected {\"phi\": [...], \"weights\": [...]}, or FILE.json:NAME for a named list");
  }
  return {json_numbers(file, json, "phi"), json_numbers(file, json, "weights")};
}

std::optional<std::size_t> first_column(const TextTable& table, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const auto column = table.find_column(name)) return column;
  }
  return std::nullopt;
}

std::variant<LogitList, LogitHistory> from_table(const std::string& file) {
  const TextTable table = read_table(file);
  const auto phi = first_column(table, {"phi", "logit", "signed_logit"});
  const auto weight = first_column(table, {"weight", "weights"});
  const auto time = first_column(table, {"time", "t"});
  if (!phi) {
    throw Error(Location{table.source(), table.header_line(), "phi"},
                "expected a column phi (or logit, signed_logit), the logit times the label");
  }
  LogitHistory history;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    const double at = time ? number(table, row, *time) : 0.0;
    if (history.times.empty() || at > history.times.back() || at < history.times.back()) {
      history.times.push_back(at);
      history.signed_logits.emplace_back();
    }
    history.signed_logits.back().push_back(number(table, row, *phi));
    if (!weight) continue;
    // The weights belong to the items: they are read at the first time, and must be the same at the others.
    const double value = number(table, row, *weight);
    const std::size_t item = history.signed_logits.back().size() - 1;
    if (history.times.size() == 1) {
      history.weights.push_back(value);
    } else if (item < history.weights.size() && std::abs(value - history.weights[item]) > 0.0) {
      throw field_error(table, row, *weight,
                        "the weight " + format_number(history.weights[item]) + " of this item at the first time");
    }
  }
  if (!time) return checked(file, LogitList{std::move(history.signed_logits.front()), std::move(history.weights)});
  return checked(file, std::move(history));
}

}  // namespace

std::variant<LogitList, LogitHistory> read_logits(const std::string& file) {
  if (file.ends_with(".npy")) return checked(file, from_npy(file));
  if (file.ends_with(".json")) return checked(file, from_json(file, ""));
  const std::size_t named = file.rfind(".json:");
  if (named != std::string::npos) {
    return checked(file, from_json(file.substr(0, named + 5), file.substr(named + 6)));
  }
  return from_table(file);
}

}  // namespace iclk::cli
