#include "iclk/core/curve_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <utility>

#include "file_io.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/table_file.hpp"

namespace iclk {
namespace {

constexpr std::string_view kFormat = "iclk-curves";
constexpr std::string_view kVersionLine = "iclk-curves 1";
constexpr std::array<std::string_view, 7> kColumns = {"iteration", "time", "c1", "c2", "c3", "loss", "accuracy"};
constexpr std::size_t kFewestColumns = 5;             // loss and accuracy may be absent
constexpr std::uint64_t kLargestCount = 1ULL << 53U;  // beyond it a double no longer holds every whole number

// ---- Values and the rules they obey ---------------------------------------------------------------------------------

/// A whole number, written as one ("500") or as a decimal with that value ("500.0", "5e2").
std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t whole = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (result.ec == std::errc{} && result.ptr == text.data() + text.size()) return whole;
  const auto value = parse_number(text);
  if (!value || !(*value >= 0.0 && *value <= static_cast<double>(kLargestCount))) return std::nullopt;
  if (std::floor(*value) < *value) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::optional<std::uint64_t> item_count(std::string_view text) {
  const auto count = whole_number(text);
  return count && *count >= 2 && *count <= kLargestCount ? count : std::nullopt;
}

std::optional<double> learning_rate(std::string_view text) {
  const auto value = parse_number(text);
  return value && *value > 0.0 && std::isfinite(*value) ? value : std::nullopt;
}

constexpr const char* kItemCountRule = "a whole number of items from 2 to 2^53";
constexpr const char* kLearningRateRule = "a positive number";
constexpr const char* kSeedRule = "a whole number";

/// What a column may hold.
struct Rule {
  const char* words;
  bool (*holds)(double);
};
constexpr Rule kTimeRule{"a finite number, not negative", [](double x) { return x >= 0.0 && std::isfinite(x); }};
constexpr Rule kC1Rule{"a number in (0, 1)", [](double x) { return x > 0.0 && x < 1.0; }};
// c2 = 1 - <sigma(-phi)^2>/c1 rounds to 1 once all logits exceed 37.
constexpr Rule kC2Rule{"a number in (0, 1]", [](double x) { return x > 0.0 && x <= 1.0; }};
constexpr Rule kC3Rule{"a positive finite number", [](double x) { return x > 0.0 && std::isfinite(x); }};
constexpr Rule kLossRule{"a finite number, not negative", [](double x) { return x >= 0.0 && std::isfinite(x); }};
constexpr Rule kAccuracyRule{"a number in [0, 1]", [](double x) { return x >= 0.0 && x <= 1.0; }};

double number_by(const Rule& rule, const TextTable& table, std::size_t row, std::size_t column) {
  const auto value = parse_number(table.text(row, column));
  if (!value || !rule.holds(*value)) throw field_error(table, row, column, rule.words);
  return *value;
}

std::vector<double> numbers_by(const Rule& rule, const TextTable& table, std::size_t first, std::size_t last,
                               std::size_t column) {
  std::vector<double> values;
  values.reserve(last - first);
  for (std::size_t row = first; row < last; ++row) values.push_back(number_by(rule, table, row, column));
  return values;
}

/// Column of strictly rising times (or whole iterations) in rows [first, last).
std::vector<double> rising_column(const TextTable& table, std::size_t first, std::size_t last, std::size_t column,
                                  bool whole) {
  std::vector<double> values;
  values.reserve(last - first);
  for (std::size_t row = first; row < last; ++row) {
    double value = 0.0;
    if (whole) {
      const auto count = whole_number(table.text(row, column));
      if (!count || *count > kLargestCount) throw field_error(table, row, column, "a whole number of iterations");
      value = static_cast<double>(*count);
    } else {
      value = number_by(kTimeRule, table, row, column);
    }
    if (!values.empty() && !(value > values.back())) {
      throw field_error(
          table, row, column,
          "more than " + format_number(values.back()) + " of the row before (a second curve needs its own K or seed)");
    }
    values.push_back(value);
  }
  return values;
}

/// Makes a curve; its own complaints (an integral beyond the range of a double) get the file's name.
Curve make_curve(const TextTable& table, const std::string& column, std::vector<double> times,
                 std::vector<double> values) {
  try {
    return {std::move(times), std::move(values)};
  } catch (const Error& error) {
    throw Error(Location{table.source(), {}, column}, error.problem());
  }
}

void check_two_points(const TextTable& table, std::size_t first, std::size_t last) {
  if (last - first >= 2) return;
  throw Error(Location{table.source(), table.line(first), {}}, "expected at least two points on a curve, got one");
}

/// A `# key: value` comment.
std::optional<std::pair<std::string, std::string>> key_and_value(const std::string& comment) {
  const std::size_t colon = comment.find(": ");
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  const std::size_t value = comment.find_first_not_of(" \t", colon + 1);
  return std::pair{comment.substr(0, colon), comment.substr(std::min(value, comment.size()))};
}

/// Reads the value of a setting with `parse`, or says on which line it breaks the rule.
template <typename Parse>
auto setting(const TextTable& table, std::size_t line, const std::string& key, const std::string& text,
             const char* rule, Parse parse) {
  const auto value = parse(text);
  if (!value) {
    throw Error(Location{table.source(), line, key}, std::string("expected ") + rule + ", got " + in_quotes(text));
  }
  return value;
}

// ---- The project's own format ---------------------------------------------------------------------------------------

/// The version line, when the file has one: then it must be the first comment and name a version that we know.
bool is_own_format(const TextTable& table) {
  const auto comments = table.comments();
  const auto version = std::find_if(comments.begin(), comments.end(),
                                    [](const auto& comment) { return comment.text.starts_with(kFormat); });
  if (version == comments.end() || version->line > table.header_line()) return false;
  const Location where{table.source(), version->line, {}};
  if (version != comments.begin()) throw Error(where, "expected the version line before every other line");
  if (version->text != kVersionLine) {
    throw Error(where, "expected \"# " + std::string(kVersionLine) + "\", got " + in_quotes("# " + version->text));
  }
  return true;
}

/// Settings of a file in our own format, where all are present, or of a foreign one.
struct Settings {
  std::optional<std::uint64_t> n_items, seed;
  std::optional<double> lr;
  RunInfo info;
};

/// Takes the setting `key` if it is one of the three that curves need.
void take_setting(const TextTable& table, std::size_t line, const std::string& key, const std::string& value,
                  Settings& settings) {
  if (key == "n_items") settings.n_items = setting(table, line, key, value, kItemCountRule, item_count);
  if (key == "seed") settings.seed = setting(table, line, key, value, kSeedRule, whole_number);
  if (key == "lr") settings.lr = setting(table, line, key, value, kLearningRateRule, learning_rate);
}

Settings read_own_settings(const TextTable& table) {
  Settings result;
  for (const auto& [line, text] : table.comments().subspan(1)) {
    const Location where{table.source(), line, {}};
    if (line > table.header_line()) throw Error(where, "expected settings above the header, got " + in_quotes(text));
    const auto entry = key_and_value(text);
    if (!entry) throw Error(where, "expected \"# key: value\", got " + in_quotes("# " + text));
    const auto& [key, value] = *entry;
    if (result.info.find(key)) throw Error(Location{table.source(), line, key}, "expected each key once, got it again");
    result.info.add(key, value);
    take_setting(table, line, key, value, result);
  }
  for (const char* key : {"n_items", "lr", "seed"}) {
    if (result.info.find(key)) continue;
    throw Error(Location{table.source(), table.header_line(), key},
                std::string("expected a line \"# ") + key + ": value\" above the header, got none");
  }
  return result;
}

void check_own_columns(const TextTable& table) {
  const auto columns = table.columns();
  const bool right_count = columns.size() == kColumns.size() || columns.size() == kFewestColumns;
  if (right_count && std::equal(columns.begin(), columns.end(), kColumns.begin())) return;
  std::string got;
  for (const auto& column : columns) got += (got.empty() ? "" : ",") + column;
  throw Error(Location{table.source(), table.header_line(), {}},
              "expected the columns iteration,time,c1,c2,c3,loss,accuracy, got " + in_quotes(got));
}

MeasuredCurve read_own(const TextTable& table) {
  const std::size_t n = table.n_rows();
  Settings settings = read_own_settings(table);
  check_own_columns(table);
  check_two_points(table, 0, n);

  std::vector<double> times;
  times.reserve(n);
  for (std::size_t row = 0; row < n; ++row) {
    const std::string_view text = table.text(row, 0);
    std::uint64_t iteration = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), iteration);
    if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || iteration > kLargestCount) {
      throw field_error(table, row, 0, "a whole number of iterations");
    }
    const double time = number_by(kTimeRule, table, row, 1);
    if (!times.empty() && !(time > times.back())) {
      throw field_error(table, row, 1, "a time later than " + format_number(times.back()) + " of the row before");
    }
    const double product = *settings.lr * static_cast<double>(iteration);
    if (std::abs(time - product) > 1e-14 * product) {  // equal up to the rounding of the product
      throw field_error(table, row, 1, "lr * iteration = " + format_number(product));
    }
    times.push_back(time);
  }
  auto c1 = numbers_by(kC1Rule, table, 0, n, 2);
  auto c2 = numbers_by(kC2Rule, table, 0, n, 3);
  auto c3 = numbers_by(kC3Rule, table, 0, n, 4);
  if (table.n_columns() == kColumns.size()) {
    for (std::size_t row = 0; row < n; ++row) {
      number_by(kLossRule, table, row, 5);
      number_by(kAccuracyRule, table, row, 6);
    }
  }
  OrderParameterCurves curves{make_curve(table, "c1", times, std::move(c1)),
                              make_curve(table, "c2", times, std::move(c2)),
                              make_curve(table, "c3", times, std::move(c3)), false};
  return {table.source(), settings.n_items, settings.seed, settings.lr, std::move(curves), std::move(settings.info)};
}

// ---- CSV from elsewhere ---------------------------------------------------------------------------------------------

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

/// The one column with one of these names, whatever its case; empty when there is none.
std::optional<std::size_t> find_role(const TextTable& table, std::initializer_list<std::string_view> names) {
  std::optional<std::size_t> found;
  for (std::size_t column = 0; column < table.n_columns(); ++column) {
    const std::string name = lower_case(table.columns()[column]);
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    if (found) {
      throw Error(Location{table.source(), table.header_line(), table.columns()[column]},
                  "expected one column for this, got also " + in_quotes(table.columns()[*found]));
    }
    found = column;
  }
  return found;
}

struct ForeignColumns {
  std::optional<std::size_t> iteration, time, n_items, seed, c2, c3;
  std::size_t c1 = 0;
};

ForeignColumns find_columns(const TextTable& table) {
  std::string got;
  for (const auto& column : table.columns()) got += (got.empty() ? "" : ", ") + column;
  const auto missing = [&](const char* field, const char* expected) {
    return Error(Location{table.source(), table.header_line(), field},
                 std::string("expected ") + expected + ", got the columns " + in_quotes(got));
  };
  ForeignColumns columns;
  columns.iteration = find_role(table, {"iteration", "step"});
  columns.time = find_role(table, {"time", "t"});
  columns.n_items = find_role(table, {"k", "n_items"});
  columns.seed = find_role(table, {"seed"});
  columns.c2 = find_role(table, {"c2"});
  columns.c3 = find_role(table, {"c3"});
  const auto c1 = find_role(table, {"c1"});
  if (!c1) throw missing("c1", "a column c1");
  if (!columns.iteration && !columns.time) throw missing("time", "a column iteration, step, time or t");
  columns.c1 = *c1;
  return columns;
}

/// Rows [first, last) that share K and seed.
struct RowGroup {
  std::optional<std::uint64_t> n_items, seed;
  std::size_t first = 0;
  std::size_t last = 0;
};

std::vector<RowGroup> group_rows(const TextTable& table, const ForeignColumns& columns) {
  using Key = std::pair<std::optional<std::uint64_t>, std::optional<std::uint64_t>>;
  std::vector<RowGroup> groups;
  std::map<Key, std::size_t> first_rows;
  const auto text = [&](std::optional<std::size_t> column, std::size_t row) {
    return column ? table.text(row, *column) : std::string_view{};
  };
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    // Nearly every row repeats the text of the one before: only then is there nothing to parse.
    if (row > 0 && text(columns.n_items, row) == text(columns.n_items, row - 1) &&
        text(columns.seed, row) == text(columns.seed, row - 1)) {
      groups.back().last = row + 1;
      continue;
    }
    Key key;
    if (columns.n_items) {
      key.first = item_count(table.text(row, *columns.n_items));
      if (!key.first) throw field_error(table, row, *columns.n_items, kItemCountRule);
    }
    if (columns.seed) {
      key.second = whole_number(table.text(row, *columns.seed));
      if (!key.second) throw field_error(table, row, *columns.seed, kSeedRule);
    }
    if (row > 0 && key == Key{groups.back().n_items, groups.back().seed}) {
      groups.back().last = row + 1;
      continue;
    }
    const auto [seen, is_new] = first_rows.emplace(key, row);
    if (!is_new) {
      const std::size_t column = columns.n_items ? *columns.n_items : *columns.seed;
      throw field_error(table, row, column,
                        "one curve per K and seed, this one began on line " + std::to_string(table.line(seen->second)));
    }
    groups.push_back({key.first, key.second, row, row + 1});
  }
  return groups;
}

/// Settings that a foreign file may carry in its comments, as our own format does; else those of the options.
Settings read_foreign_settings(const TextTable& table, const ForeignCurveOptions& options) {
  Settings settings;
  for (const auto& [line, text] : table.comments()) {
    const auto entry = key_and_value(text);
    if (!entry) continue;
    take_setting(table, line, entry->first, entry->second, settings);
  }
  if (!settings.lr) settings.lr = options.lr;
  if (!settings.n_items) settings.n_items = options.n_items;
  return settings;
}

/// Relative difference between time and lr * iteration up to which a foreign file is taken to say the same thing
/// twice: chosen, so that a time column written with four digits passes and a wrong learning rate does not.
constexpr double kSameTime = 1e-3;

/// Checks a time column against an iteration column; returns the learning rate that links them, if there is one.
std::optional<double> common_learning_rate(const TextTable& table, const RowGroup& group, std::size_t time_column,
                                           const std::vector<double>& times, const std::vector<double>& iterations,
                                           std::optional<double> known) {
  const double lr = known ? *known : times.back() / iterations.back();
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double product = lr * iterations[i];
    if (std::abs(times[i] - product) <= kSameTime * std::max(times[i], product)) continue;
    if (!known) return std::nullopt;  // a schedule: no single learning rate
    throw field_error(table, group.first + i, time_column,
                      "lr * iteration = " + format_number(product) + " with lr = " + format_number(lr));
  }
  return lr;
}

MeasuredCurve read_group(const TextTable& table, const ForeignColumns& columns, const RowGroup& group,
                         const Settings& settings) {
  check_two_points(table, group.first, group.last);
  std::optional<double> lr = settings.lr;
  std::vector<double> iterations;
  std::vector<double> times;
  if (columns.iteration) iterations = rising_column(table, group.first, group.last, *columns.iteration, true);
  if (columns.time) {
    times = rising_column(table, group.first, group.last, *columns.time, false);
    if (columns.iteration) lr = common_learning_rate(table, group, *columns.time, times, iterations, settings.lr);
  } else if (lr) {
    times.reserve(iterations.size());
    for (const double iteration : iterations) times.push_back(*lr * iteration);
  } else {
    throw Error(Location{table.source(), table.header_line(), table.columns()[*columns.iteration]},
                "the file gives iterations and no learning rate: expected --lr");
  }
  auto c1 = numbers_by(kC1Rule, table, group.first, group.last, columns.c1);
  std::vector<double> c2;
  if (columns.c2) {
    c2 = numbers_by(kC2Rule, table, group.first, group.last, *columns.c2);
  } else {
    for (const double value : c1) c2.push_back(1.0 - value);
  }
  std::optional<Curve> c3;
  if (columns.c3) {
    c3 = make_curve(table, "c3", times, numbers_by(kC3Rule, table, group.first, group.last, *columns.c3));
  }
  Curve c1_curve = make_curve(table, "c1", times, std::move(c1));
  Curve c2_curve = make_curve(table, "c2", std::move(times), std::move(c2));
  return {table.source(),
          columns.n_items ? group.n_items : settings.n_items,
          columns.seed ? group.seed : settings.seed,
          lr,
          {std::move(c1_curve), std::move(c2_curve), std::move(c3), !columns.c2},
          {}};
}

// ---- Writing --------------------------------------------------------------------------------------------------------

void check_info(const std::filesystem::path& path, const RunInfo& info) {
  const auto complain = [&](const std::string& key, const std::string& problem) {
    return Error(Location{path.string(), {}, key}, problem);
  };
  const auto is_plain = [](std::string_view text) {
    return !text.empty() && text.find_first_of(std::string_view("\n\r\0", 3)) == std::string_view::npos &&
           !text.starts_with(' ') && !text.starts_with('\t') && !text.ends_with(' ') && !text.ends_with('\t');
  };
  for (const auto& [key, value] : info.entries) {
    if (!is_plain(key) || key.find(':') != std::string::npos || !is_plain(value)) {
      throw complain(key, "expected a key and a value on one line, got " + in_quotes(value));
    }
    if (info.find(key) != &value) throw complain(key, "expected each key once, got it again");
  }
  const auto require = [&](const char* key, const char* rule, const auto& parse) {
    const std::string* text = info.find(key);
    if (text && parse(*text)) return;
    throw complain(key, std::string("expected ") + rule + ", got " + (text ? in_quotes(*text) : "none"));
  };
  require("n_items", kItemCountRule, item_count);
  require("lr", kLearningRateRule, learning_rate);
  require("seed", kSeedRule, whole_number);
}

}  // namespace

std::vector<MeasuredCurve> read_curves(const std::filesystem::path& path, const ForeignCurveOptions& options) {
  if (options.lr && !(*options.lr > 0.0 && std::isfinite(*options.lr))) {
    throw field_error("lr", std::string("expected ") + kLearningRateRule + ", got " + format_number(*options.lr));
  }
  if (options.n_items && (*options.n_items < 2 || *options.n_items > kLargestCount)) {
    throw field_error("n_items",
                      std::string("expected ") + kItemCountRule + ", got " + std::to_string(*options.n_items));
  }
  const TextTable table = read_table(path);
  std::vector<MeasuredCurve> curves;
  if (is_own_format(table)) {
    curves.push_back(read_own(table));
    return curves;
  }
  const ForeignColumns columns = find_columns(table);
  const Settings settings = read_foreign_settings(table, options);
  for (const RowGroup& group : group_rows(table, columns)) {
    curves.push_back(read_group(table, columns, group, settings));
  }
  return curves;
}

void write_curves(const std::filesystem::path& path, const RunInfo& info, const std::vector<CurveSample>& samples) {
  check_info(path, info);
  const double lr = *learning_rate(*info.find("lr"));
  std::string text = "# " + std::string(kVersionLine) + '\n';
  for (const auto& [key, value] : info.entries) text += "# " + key + ": " + value + '\n';
  for (const auto column : kColumns) text += std::string(column) + (column == kColumns.back() ? '\n' : ',');

  std::optional<double> last_time;
  std::size_t row = 0;
  const auto append = [&](std::size_t column, double value, const Rule& rule) {
    if (!rule.holds(value)) {
      throw Error(Location{path.string(), {}, std::string(kColumns[column])},
                  "sample " + std::to_string(row) + ": expected " + rule.words + ", got " + format_number(value));
    }
    text += ',' + format_number(value);
  };
  for (const CurveSample& sample : samples) {
    const double product = lr * static_cast<double>(sample.iteration);
    if ((last_time && !(sample.time > *last_time)) || !(std::abs(sample.time - product) <= 1e-14 * product)) {
      throw Error(Location{path.string(), {}, "time"},
                  "sample " + std::to_string(row) + ": expected rising times lr * iteration, got " +
                      format_number(sample.time) + " at iteration " + std::to_string(sample.iteration));
    }
    last_time = sample.time;
    text += std::to_string(sample.iteration);
    append(1, sample.time, kTimeRule);
    append(2, sample.values.c1, kC1Rule);
    append(3, sample.values.c2, kC2Rule);
    append(4, sample.values.c3, kC3Rule);
    append(5, sample.values.loss, kLossRule);
    append(6, sample.values.accuracy, kAccuracyRule);
    text += '\n';
    ++row;
  }
  write_file_atomically(path, text);
}

}  // namespace iclk
