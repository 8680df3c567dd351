// What data can do to `iclk fit`: every verb answers with a warning or an outcome that says what is missing, or refuses
// with one line. Never a crash, a NaN, or a number outside its own interval.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <regex>
#include <string>
#include <vector>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

/// One verb with what a sound file for it looks like: eight levels with three seeds each.
struct FitVerb {
  std::string name;
  Row columns;
  std::function<Row(int level, int seed)> row;
  std::vector<std::size_t> values;  ///< columns that hold results of runs
};

std::string text_of(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", value);
  return buffer;
}

Row power_row(int level, int seed) {
  const double n_items = 500 * std::pow(2, level);
  return {text_of(n_items), text_of(1.8 * std::pow(n_items, 0.7) * std::exp(0.02 * (seed - 1) + 0.01 * (level % 3)))};
}

Row threshold_row(int level, int seed) {
  const bool acquired = level + seed > 4;
  return {text_of(500 * std::pow(2, level)), acquired ? "1" : "0",
          text_of(acquired ? std::min(0.97 + 0.01 * seed, 0.995) : 0.5 + 0.03 * level)};
}

Row acquisition_row(int level, int seed) {
  const double context = 20 * std::pow(2, level);
  return {text_of(context), text_of(2.5 * context * std::exp(0.3 * (seed - 1))), level == 3 && seed == 2 ? "0" : "1"};
}

/// Two K with twelve runs each, as a test of modes needs more runs than a fit has seeds.
Row bimodality_row(int level, int seed) {
  const bool solved = (level + seed) % 2 == 0;
  return {level < 4 ? "500" : "8000", text_of((solved ? 0.96 : 0.5) + 0.002 * level + 0.0007 * seed)};
}

const std::vector<FitVerb>& fit_verbs() {
  static const std::vector<FitVerb> verbs{
      {"power", {"n_items", "i_infinity"}, power_row, {1}},
      {"threshold", {"n_items", "acquired", "accuracy"}, threshold_row, {1, 2}},
      {"acquisition", {"context", "time", "acquired"}, acquisition_row, {1, 2}},
      {"bimodality", {"n_items", "accuracy"}, bimodality_row, {1}},
  };
  return verbs;
}

std::vector<Row> rows_of(const FitVerb& verb, int levels = 8, int seeds = 3) {
  std::vector<Row> rows;
  for (int level = 0; level < levels; ++level)
    for (int seed = 0; seed < seeds; ++seed) rows.push_back(verb.row(level, seed));
  return rows;
}

std::string joined(const Row& cells) {
  std::string line = cells.front();
  for (std::size_t i = 1; i < cells.size(); ++i) line += ',' + cells[i];
  return line;
}

std::string file_text(const FitVerb& verb, const std::vector<Row>& rows, const std::string& line_end = "\n") {
  std::string text = joined(verb.columns) + line_end;
  for (const Row& row : rows) text += joined(row) + line_end;
  return text;
}

/// Fails for an estimate outside its interval and for words that mean a broken number.
void check_numbers(const Json& json) {
  static const std::regex broken("(^|[^a-z_(])-?(nan|inf)([^a-z_]|$)");
  if (json.is_string()) CHECK_FALSE(std::regex_search(json.get<std::string>(), broken));
  if (json.is_object() && json.contains("value") && json.contains("low") && json.contains("high")) {
    const auto &value = json["value"], &low = json["low"], &high = json["high"];
    INFO(json.dump());
    if (low.is_number() && high.is_number()) CHECK(low.get<double>() <= high.get<double>());
    const auto slack = [](const Json& x) { return 1e-9 * std::abs(x.get<double>()); };
    if (low.is_number() && value.is_number()) CHECK(low.get<double>() <= value.get<double>() + slack(value));
    if (high.is_number() && value.is_number()) CHECK(value.get<double>() <= high.get<double>() + slack(value));
  }
  if (json.is_structured())
    for (const auto& part : json) check_numbers(part);
}

bool any_of(const Json& json, const std::function<bool(const std::string& key, const Json& value)>& holds) {
  if (json.is_array())
    return std::any_of(json.begin(), json.end(), [&](const Json& part) { return any_of(part, holds); });
  if (!json.is_object()) return false;
  for (const auto& [key, value] : json.items())
    if (holds(key, value) || any_of(value, holds)) return true;
  return false;
}

/// Whether the answer tells its reader that something is missing: a warning, or an outcome that is not a plain fit.
bool says_something(const Json& json) {
  return any_of(json, [](const std::string& key, const Json& value) {
    return (key == "warnings" && !value.empty()) || (key == "outcome" && value != "fitted" && value != "tested");
  });
}

class Sweep {
 public:
  /// Runs the verb on a file of this text: the JSON answer, or null when it was refused. Fails unless it ends with one
  /// of `statuses`, in the form that belongs to it.
  Json run(const FitVerb& verb, const std::string& text, const std::vector<int>& statuses,
           const std::vector<std::string>& options = {}) {
    const std::string file = folder_.write("data.csv", text).string();
    const std::string out = folder_ / "answer.json";
    std::vector<std::string> arguments{"fit", verb.name, file, "--json", out};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const ProgramRun run = run_program(arguments);
    INFO(verb.name << " ended with " << run.status << ": " << run.err << run.out.substr(0, 2000));
    REQUIRE(std::find(statuses.begin(), statuses.end(), run.status) != statuses.end());
    if (run.status == 2) {
      CHECK(run.out.empty());
      CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
      CHECK(run.err.find("data.csv") != std::string::npos);
      last_error_ = run.err.substr(std::min(run.err.size(), folder_.path().string().size() + 1));
      return nullptr;
    }
    CHECK(run.err.empty());
    check_numbers(Json(run.out));
    const Json json = Json::parse(read_file(out));
    check_numbers(json);
    return json;
  }

  const std::string& last_error() const { return last_error_; }

 private:
  TemporaryFolder folder_;
  std::string last_error_;
};

/// Sound rows with the columns of results replaced.
std::vector<Row> with_values(const FitVerb& verb, const Row& values, int levels = 8, int seeds = 3) {
  std::vector<Row> rows = rows_of(verb, levels, seeds);
  for (Row& row : rows)
    for (std::size_t i = 0; i < verb.values.size(); ++i) row[verb.values[i]] = values[i];
  return rows;
}

}  // namespace

TEST_CASE("fit on degenerate data: sound files are answered without a warning", "[cli][limits]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    CHECK(sweep.run(verb, file_text(verb, rows_of(verb)), {0})["warnings"].empty());
  }
}

TEST_CASE("fit on degenerate data: files without data are refused", "[cli][errors][limits]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    const std::string header = joined(verb.columns);
    for (const std::string& text :
         {std::string(), std::string("\n\n"), header, header + "\n", "\xef\xbb\xbf" + header + "\r\n",
          std::string("# nothing but this\n"), std::string("a,b\n1,2\n"), header + "\n1\n",
          std::string("\x7f"
                      "ELF\0\0\0\1",
                      8)}) {
      CAPTURE(text);
      CHECK(sweep.run(verb, text, {2}).is_null());
    }
  }
}

TEST_CASE("fit on degenerate data: cells that are no such number are refused with line and column",
          "[cli][errors][limits]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    for (std::size_t column = 0; column < verb.columns.size(); ++column) {
      for (const char* bad : {"", "-5", "nan", "NaN", "inf", "-inf", "1e400", "text", "1.2.3", "1e", "--1", "0x10"}) {
        std::vector<Row> rows = rows_of(verb);
        rows[4][column] = bad;
        CAPTURE(verb.name, verb.columns[column], bad);
        CHECK(sweep.run(verb, file_text(verb, rows), {2}).is_null());
        CHECK_THAT(sweep.last_error(), StartsWith("data.csv:6: " + verb.columns[column] + ": expected "));
      }
    }
    // A zero is a K that there is not, or a time or an integral in which nothing happens.
    std::vector<Row> rows = rows_of(verb);
    rows[4][0] = "0";
    CHECK(sweep.run(verb, file_text(verb, rows), {2}).is_null());
    CHECK_THAT(sweep.last_error(),
               StartsWith("data.csv:6: " + verb.columns[0] + ": expected a positive number, got \"0\""));
  }
}

TEST_CASE("fit on degenerate data: line ends and byte order mark do not change the answer", "[cli][format][limits]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    const std::string plain = file_text(verb, rows_of(verb));
    const Json json = sweep.run(verb, plain, {0});
    const std::string unended = plain.substr(0, plain.size() - 1);
    std::string quoted = plain, blanks = plain;
    quoted.replace(quoted.find('\n') + 1, 3, '"' + quoted.substr(quoted.find('\n') + 1, 3) + '"');
    blanks.insert(blanks.find('\n') + 1, "\n# a comment\n\n");
    for (const std::string& text :
         {file_text(verb, rows_of(verb), "\r\n"), file_text(verb, rows_of(verb), "\r"), "\xef\xbb\xbf" + plain,
          "\xef\xbb\xbf" + file_text(verb, rows_of(verb), "\r\n"), unended, blanks}) {
      CHECK(sweep.run(verb, text, {0}) == json);
    }
  }
}

TEST_CASE("fit on degenerate data: too few rows are answered with what is missing", "[cli][limits]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    CAPTURE(verb.name);
    for (const int seeds : {1, 3, 30}) {  // one level
      CAPTURE(seeds);
      CHECK(says_something(sweep.run(verb, file_text(verb, rows_of(verb, 1, seeds)), {0, 1})));
    }
    CHECK(says_something(sweep.run(verb, file_text(verb, rows_of(verb, 2, 1)), {0, 1})));
    sweep.run(verb, file_text(verb, rows_of(verb, 8, 1)), {0, 1});  // one seed
    sweep.run(verb, file_text(verb, rows_of(verb, 3, 1)), {0, 1});
  }
}

TEST_CASE("fit on degenerate data: identical values and one-sided outcomes say so", "[cli][limits]") {
  Sweep sweep;
  const FitVerb& power = fit_verbs()[0];
  const FitVerb& threshold = fit_verbs()[1];
  const FitVerb& acquisition = fit_verbs()[2];
  for (const int seeds : {1, 3}) {
    const Json flat = sweep.run(power, file_text(power, with_values(power, {"120"}, 8, seeds)), {0});
    CHECK_THAT(flat["exponent"]["value"].get<double>(), WithinAbs(0, 1e-12));
    CHECK(says_something(flat));
    for (const char* all : {"0", "1"}) {
      const Json one_sided =
          sweep.run(threshold, file_text(threshold, with_values(threshold, {all, "0.7"}, 8, seeds)), {0, 1});
      CHECK(says_something(one_sided));
      const Json times =
          sweep.run(acquisition, file_text(acquisition, with_values(acquisition, {"50", all}, 8, seeds)), {0, 1});
      CHECK(says_something(times));
      if (std::string(all) == "0") CHECK(times["outcome"] == "none_acquired");
    }
  }
  for (const char* accuracy : {"0", "0.75", "1"}) {
    const FitVerb& bimodality = fit_verbs()[3];
    CHECK(says_something(sweep.run(bimodality, file_text(bimodality, with_values(bimodality, {accuracy})), {0, 1})));
  }
  // Every accuracy the same, no other column: nothing can be told.
  const FitVerb accuracies{"threshold",
                           {"n_items", "accuracy"},
                           [](int level, int) {
                             return Row{text_of(500 * std::pow(2, level)), "0.75"};
                           },
                           {1}};
  CHECK(says_something(sweep.run(accuracies, file_text(accuracies, rows_of(accuracies)), {0, 1})));
}

TEST_CASE("fit on degenerate data: repeated runs are counted and said", "[cli][limits]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    FitVerb seeded = verb;
    seeded.columns.emplace_back("seed");
    seeded.row = [&](int level, int seed) {
      Row row = verb.row(level, seed);
      row.push_back(std::to_string(100 * level + seed));
      return row;
    };
    std::vector<Row> rows = rows_of(seeded);
    const auto warned = [](const Json& json) {
      return json["warnings"].dump().find("rows with the seed of an earlier row of their group: 24;") !=
             std::string::npos;
    };
    CHECK_FALSE(warned(sweep.run(seeded, file_text(seeded, rows), {0})));
    const std::vector<Row> again = rows;
    rows.insert(rows.end(), again.begin(), again.end());
    CHECK(warned(sweep.run(seeded, file_text(seeded, rows), {0})));
  }
}

TEST_CASE("fit on degenerate data: the far ends of the range of numbers are survived", "[cli][limits]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    for (const char* extreme : {"1e-300", "1e-30", "1e30", "1e300", "1.7e308", "5e-324"}) {
      CAPTURE(verb.name, extreme);
      std::vector<Row> rows = rows_of(verb);
      rows[4][0] = extreme;
      sweep.run(verb, file_text(verb, rows), {0, 1});
      for (Row& row : rows) row[0] = extreme;
      CHECK(says_something(sweep.run(verb, file_text(verb, rows), {0, 1})));
      if (verb.name == "threshold" || verb.name == "bimodality") continue;  // their results are shares
      rows = rows_of(verb);
      rows[4][1] = extreme;
      sweep.run(verb, file_text(verb, rows), {0, 1});
    }
  }
}

TEST_CASE("fit on degenerate data: the theory of acquisition times answers or says why not", "[cli][limits]") {
  Sweep sweep;
  const FitVerb& verb = fit_verbs()[2];
  const auto theory = [&](const std::vector<Row>& rows) {
    return sweep.run(verb, file_text(verb, rows), {0, 1}, {"--theory"});
  };
  const Json sound = theory(rows_of(verb));
  for (const auto& group : sound["groups"]) CHECK(group["models"][6]["beta0_mean"]["value"].is_number());
  for (const int seeds : {1, 2, 30}) CHECK(says_something(theory(rows_of(verb, 1, seeds))));
  for (const char* acquired : {"0", "1"}) CHECK(says_something(theory(with_values(verb, {"50", acquired}))));
  for (const char* extreme : {"1e-300", "1e-30", "1e30", "1e300", "1.7e308", "5e-324"}) {
    CAPTURE(extreme);
    std::vector<Row> rows = rows_of(verb);
    for (Row& row : rows) row[0] = "100";
    rows[4][1] = extreme;
    CHECK(says_something(theory(rows)));
    CHECK(says_something(theory(with_values(verb, {extreme, "1"}))));
  }
  for (const char* context : {"2", "2.5", "1e6"}) {
    std::vector<Row> rows = rows_of(verb);
    for (Row& row : rows) row[0] = context;
    const Json json = theory(rows);
    CHECK(json["groups"][0]["models"].size() == 8);
  }
}

TEST_CASE("fit verbs: answers go to files or alone to standard output", "[cli][format]") {
  const TemporaryFolder folder;
  for (const FitVerb& verb : fit_verbs()) {
    CAPTURE(verb.name);
    const std::string file = folder.write("data.csv", file_text(verb, rows_of(verb))).string();
    const std::string json = folder / "answer.json", csv = folder / "answer.csv";
    const ProgramRun both = run_program({"fit", verb.name, file, "--json", json, "--csv", csv, "--quiet"});
    CHECK(both.status == 0);
    CHECK(both.err.empty());
    CHECK(both.out == run_program({"fit", verb.name, file}).out);
    CHECK(run_program({"fit", verb.name, file, "--json", "-"}).out == read_file(json));
    CHECK(run_program({"fit", verb.name, file, "--csv", "-"}).out == read_file(csv));
    CHECK(Json::parse(read_file(json))["schema"].get<std::string>().starts_with("iclk-"));
    CHECK(Json::parse(read_file(json))["source"] == file);
    CHECK(Table{csv}.rows() > 0);
    CHECK(run_program({"fit", verb.name, file, "--json", "-", "--csv", "-"}).status == 2);
    CHECK(run_program({"fit", verb.name, file, "--csv", file}).status == 2);
  }
}

TEST_CASE("fit on degenerate data: a million rows take seconds", "[cli][limits][.timed]") {
  Sweep sweep;
  for (const FitVerb& verb : fit_verbs()) {
    std::string text = joined(verb.columns) + '\n';
    for (int i = 0; i < 125'000; ++i)
      for (int level = 0; level < 8; ++level) {
        Row row = verb.row(level, i % 3);
        if (verb.name == "bimodality") row[1] = text_of(std::stod(row[1]) * (1 - 1e-6 * i));
        if (verb.name != "threshold" && verb.name != "bimodality") row[1] = text_of(std::stod(row[1]) * (1 + 1e-6 * i));
        text += joined(row) + '\n';
      }
    const auto start = std::chrono::steady_clock::now();
    sweep.run(verb, text, {0});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    CAPTURE(verb.name, seconds);
    CHECK(seconds < 20);
  }
}
