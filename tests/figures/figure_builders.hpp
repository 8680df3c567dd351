#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/figures/draw_figure.hpp"
#include "iclk/figures/figure_tables.hpp"
#include "iclk/figures/run_folder.hpp"
#include "iclk/theory/transience_prediction.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

// What the tests of figures of training runs share: small measured runs, changed copies of them, and cells of tables.
namespace iclk::test {

/// Outcomes. Small networks (hidden 32): the minimal model with N = 12, 20 and 32 on random contexts and N = 20 on
/// balanced ones, with beta0 spread by 0.3; both transformers; five memorization curves of the minimal model's network.
inline const std::filesystem::path kOutcomeRuns = std::filesystem::path(ICLK_TEST_DATA) / "runs";

/// Trajectories. Small runs of the minimal model (hidden 16, N = 8 and 16): K infinite; K = 200 at lambda_w = 0.01,
/// 0.03, 0.1, 2; on balanced contexts; and two memorization curves of the same network with K = 200.
inline const std::filesystem::path kCourseRuns = std::filesystem::path(ICLK_TEST_DATA) / "trajectories";

inline std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// What gnuplot is told: a number or a text of a figure by its name.
inline double number_of(const figures::FigureTables& figure, std::string_view name) {
  for (const auto& [key, value] : figure.numbers) {
    if (key == name) return value;
  }
  return std::nan("");
}
inline std::string text_of(const figures::FigureTables& figure, std::string_view name) {
  for (const auto& [key, value] : figure.texts) {
    if (key == name) return value;
  }
  return "no such text";
}

/// A cell that holds a word, empty where it holds a number.
inline std::string word_of(const figures::Table& table, std::size_t row, std::string_view column) {
  const std::string* text = std::get_if<std::string>(&table.rows.at(row).cells.at(table.column(column)));
  return text != nullptr ? *text : "";
}

/// The rows whose cells have these values.
inline std::vector<std::size_t> rows_where(const figures::Table& table,
                                           const std::vector<std::pair<std::string, figures::Cell>>& wanted) {
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    if (std::all_of(wanted.begin(), wanted.end(),
                    [&](const auto& w) { return table.rows[row].cells[table.column(w.first)] == w.second; })) {
      rows.push_back(row);
    }
  }
  return rows;
}

inline std::vector<figures::MeasuredRun> outcome_runs_where(const auto& wanted) {
  std::vector<figures::MeasuredRun> runs = figures::read_run_folder(kOutcomeRuns).runs;
  std::erase_if(runs, [&](const figures::MeasuredRun& run) { return !wanted(run); });
  return runs;
}

/// A table of runs of the minimal model at N = 20: header, and a row, K being a number or inf.
inline const std::string kRunHeader =
    "run,model,items,context,labels,hidden,dim,acquired,time,icl_accuracy,iwl_accuracy\n";
inline std::string run_row(int id, const std::string& items, int acquired, double time,
                           const std::string& more = "0.9,0.6") {
  return std::to_string(id) + ",minimal," + items + ",20,random,32,31," + std::to_string(acquired) + "," +
         std::to_string(time) + "," + more + "\n";
}

inline std::string replaced(std::string text, std::string_view old, std::string_view with) {
  const std::size_t at = text.find(old);
  REQUIRE(at != std::string::npos);
  return text.replace(at, old.size(), with);
}

/// Copies the files of trajectories of which the name holds `part`, changed by `change`.
inline void copy_runs(const TemporaryFolder& folder, const std::string& part, const auto& change) {
  for (const auto& entry : std::filesystem::directory_iterator(kCourseRuns)) {
    const std::string name = entry.path().filename().string();
    if (name.find(part) != std::string::npos) folder.write(name, change(read_file(entry.path())));
  }
}
inline void copy_runs(const TemporaryFolder& folder, const std::string& part) {
  copy_runs(folder, part, [](const std::string& text) { return text; });
}

/// A run of the minimal model as a one-layer transformer would have written it.
inline std::string as_one_layer(std::string text) {
  text = replaced(text, "# run: ", "# run: 1");
  text = replaced(text, "# model: minimal", "# model: one-layer");
  return replaced(text, "# lambda_w: ", "# attention_decay: ");
}

/// Of the trajectories those with K items and this lambda_w.
inline std::vector<figures::MeasuredRun> runs_at(double lambda_w) {
  std::vector<figures::MeasuredRun> list;
  for (const figures::MeasuredRun& run : figures::read_run_folder(kCourseRuns).runs) {
    if (run.n_items && run.text("labels") == "random" && std::abs(*run.number("lambda_w") - lambda_w) < 1e-12) {
      list.push_back(run);
    }
  }
  return list;
}

/// N and start of the trajectories with K items.
inline theory::TransienceOptions options_of_runs() {
  theory::TransienceOptions options;
  options.n_context = 8;
  options.initial = {.w = 0.0, .beta = 0.5};
  return options;
}

}  // namespace iclk::test
