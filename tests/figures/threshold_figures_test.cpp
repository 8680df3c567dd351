#include "iclk/figures/outcome_figures.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "figure_builders.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/threshold.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;
namespace fs = std::filesystem;

TEST_CASE("fig6a: points are the probit thresholds of the runs", "[figures][eq13]") {
  const FigureTables figure = figure_tables("fig6a", kOutcomeRuns);
  std::vector<fit::RunOutcome> outcomes;
  for (const MeasuredRun& run : outcome_runs_where([](const MeasuredRun& r) {
         return r.model == "minimal" && r.n_context == 20.0 && r.n_items && r.text("labels") == "random";
       })) {
    outcomes.push_back({*run.n_items, run.acquired, 20.0});
  }
  const fit::ThresholdFit fit = fit::fit_threshold(outcomes);
  const Table& points = figure.table("");
  const auto rows = rows_where(points, {{"model", std::string("minimal")}, {"n_context", 20.0}});
  REQUIRE(rows.size() == 1);
  REQUIRE(fit.k_star.value);
  CHECK_THAT(*points.number(rows[0], "k_star"), WithinRel(*fit.k_star.value, 1e-12));
  CHECK_THAT(*points.number(rows[0], "k_star_low"), WithinRel(*fit.k_star.low, 1e-12));
  CHECK(*points.number(rows[0], "n_runs") == static_cast<double>(outcomes.size()));
}

TEST_CASE("fig6a: lines of theory are those of iclk predict", "[figures][eq12][eq13]") {
  const FigureTables figure = figure_tables("fig6a", kOutcomeRuns);
  const auto runs = outcome_runs_where([](const MeasuredRun& r) { return r.model == "minimal"; });
  const auto curves = curves_like(kOutcomeRuns, runs.front());
  REQUIRE(curves.size() == 5);
  std::vector<fit::TruncatedCurve> truncated;
  for (const MeasuredCurve& curve : curves) {
    truncated.push_back({static_cast<double>(*curve.n_items), curve.curves.c1,
                         theory::memorization_integral(curve.curves.c1).infinity});
  }
  const fit::MemorizationLawFit law = fit::fit_memorization_law(truncated);
  const Table& theory = figure.table("theory");
  const auto rows = rows_where(theory, {{"n_context", 20.0}});
  REQUIRE(rows.size() == 1);
  const double excess =
      theory::attention_flow({.n_context = 20}, {}, theory::ConstantMemorization{}).attention_half->time -
      theory::acquisition_integral_exact(20, 0, 0, 0.5);
  std::vector<theory::ThresholdPoint> flow, exact;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const double required = theory::predict_curve(curves[i].curves, 20, {}).required_integral;
    const Estimate& infinity = law.infinity[i].value ? law.infinity[i] : truncated[i].infinity;
    flow.push_back({truncated[i].n_items, infinity, required});
    exact.push_back({truncated[i].n_items, infinity, required + excess});
  }
  CHECK_THAT(*theory.number(rows[0], "k_flow"), WithinRel(*threshold_from_curves(flow).k_star.value, 1e-7));
  CHECK_THAT(*theory.number(rows[0], "k_exact_loss"), WithinRel(*threshold_from_curves(exact).k_star.value, 1e-7));
  CHECK_THAT(*theory.number(rows[0], "k_leading"),
             WithinRel(*fit::x_at(law.law, theory::acquisition_integral_leading(20, 0)).value, 1e-12));
}

TEST_CASE("fig6a: the closed-loop line is at each N the flow along the curves", "[figures][eq21]") {
  const FigureTables figure = figure_tables("fig6a", kOutcomeRuns);
  const MeasuredRun run = outcome_runs_where([](const MeasuredRun& r) { return r.model == "minimal"; }).front();
  REQUIRE(run.text("item_labels") == "random");
  const Table& theory = figure.table("theory");
  std::vector<std::pair<double, double>> means;  // ln K, mean of ln N
  for (const MeasuredCurve& curve : curves_like(kOutcomeRuns, run)) {
    const double n_items = static_cast<double>(*curve.n_items);
    double largest = 0.0;  // these runs do not say how long they were to be trained: to the end of the curve
    for (double n = 2.0; n <= 120.0; ++n) {
      const auto flow = theory::attention_flow({.n_context = n, .n_items = n_items}, {}, curve.curves,
                                               {.closed_loop = true, .rel_tol = 1e-7});
      if (flow.attention_half) largest = n + 0.5;
    }
    REQUIRE(largest > 0.0);
    means.emplace_back(std::log(n_items), std::log(largest));  // one seed of each K
  }
  std::size_t n_compared = 0;
  for (std::size_t row = 0; row < theory.rows.size(); ++row) {
    const double wanted = std::log(*theory.number(row, "n_context"));
    const auto above = std::find_if(means.begin(), means.end(), [&](const auto& m) { return m.second > wanted; });
    if (above == means.begin() || above == means.end()) {
      CHECK_FALSE(theory.number(row, "k_closed_loop"));
      continue;
    }
    const auto below = above - 1;
    const double share = (wanted - below->second) / (above->second - below->second);
    const double k_star = std::exp(below->first + share * (above->first - below->first));
    CHECK_THAT(*theory.number(row, "k_closed_loop"), WithinRel(k_star, 1e-12));
    CHECK_FALSE(theory.number(row, "k_closed_loop_low"));  // no scatter over seeds
    CHECK(k_star < *theory.number(row, "k_exact_loss"));
    ++n_compared;
  }
  CHECK(n_compared > 2);
}

TEST_CASE("fig6a: the closed-loop line follows the runs' item labels and training times", "[figures]") {
  const auto k_star = [](const std::string& item_labels, const std::string& iterations) {
    const TemporaryFolder folder;
    fs::copy(kOutcomeRuns, folder / "data", fs::copy_options::recursive);
    const auto replace_all = [](std::string text, const std::string& from, const std::string& to) {
      for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
      }
      return text;
    };
    for (const auto& entry : fs::directory_iterator(folder / "data/curves")) {  // curves of the runs' labels only
      folder.write("data/curves/" + entry.path().filename().string(),
                   replace_all(read_file(entry.path()), "# labels: random", "# labels: " + item_labels));
    }
    const std::string runs =
        replace_all(read_file(folder / "data/minimal.runs.csv"), ",random,random,", ",random," + item_labels + ",");
    folder.write("data/minimal.runs.csv",
                 "iterations," + replace_all(runs.substr(0, runs.size() - 1), "\n", "\n" + iterations + ",") + "\n");
    const Table theory = figure_tables("fig6a", folder / "data").table("theory");
    return theory.number(rows_where(theory, {{"n_context", 20.0}}).at(0), "k_closed_loop").value();
  };
  const double coins = k_star("random", "100000");
  CHECK(k_star("balanced", "100000") > coins);  // further copies do not pull w
  CHECK(k_star("random", "2000") > coins);      // attention comes only after the end, 0.05 * 2000 = 100
}

TEST_CASE("fig6a: K* by attention stands beside that by accuracy where the tables say it", "[figures][eq13]") {
  CHECK(figure_tables("fig6a", kOutcomeRuns).table("attention").rows.empty());
  const TemporaryFolder folder;
  std::string text = kRunHeader;
  text.insert(text.size() - 1, ",attention_acquired");
  std::vector<fit::RunOutcome> attended;
  int id = 0;
  for (const double k : {100.0, 200.0, 400.0, 800.0}) {
    for (int seed = 0; seed < 4; ++seed) {
      const bool attention = k >= 400.0 || (k == 200.0 && seed > 1);
      text += run_row(++id, format_number(k), k > 700.0 ? 1 : 0, 5, std::string("0.9,0.6,") + (attention ? "1" : "0"));
      attended.push_back({k, attention, 20.0});
    }
  }
  folder.write("a.runs.csv", text);
  const FigureTables figure = figure_tables("fig6a", folder.path());
  const Table& points = figure.table("attention");
  REQUIRE(points.rows.size() == 1);
  const fit::ThresholdFit fit = fit::fit_threshold(attended);
  CHECK_THAT(*points.number(0, "k_star"), WithinRel(*fit.k_star.value, 1e-12));
  CHECK_THAT(*points.number(0, "k_star_low"), WithinRel(*fit.k_star.low, 1e-12));
  CHECK_THAT(*points.number(0, "k_star_high"), WithinRel(*fit.k_star.high, 1e-12));
  CHECK(*points.number(0, "k_star") < *figure.table("").number(0, "k_star"));
  CHECK_THAT(figure.caption, ContainsSubstring("half of the attention on the copy, N = 20: K* ="));
  CHECK(fs::file_size(draw_figure("fig6a", folder.path(), folder / "out").svg) > 5000);
}

TEST_CASE("fig6a: a change of the runs or the curves changes points or lines", "[figures]") {
  const TemporaryFolder folder;
  fs::copy(kOutcomeRuns, folder / "data", fs::copy_options::recursive);
  const FigureTables before = figure_tables("fig6a", folder / "data");
  fs::remove(folder / "data/curves/k400_s0.curves.csv");
  const FigureTables other_curves = figure_tables("fig6a", folder / "data");
  CHECK(to_csv(before.table("")) == to_csv(other_curves.table("")));
  CHECK(to_csv(before.table("theory")) != to_csv(other_curves.table("theory")));
  std::string runs = read_file(folder / "data/minimal.runs.csv");
  const std::size_t at = runs.find(",50,20,random");
  const std::size_t outcome = runs.find(",memorized,0,", at);
  runs.replace(outcome, 13, ",reached_icl,1,");
  folder.write("data/minimal.runs.csv", runs);
  const FigureTables other_runs = figure_tables("fig6a", folder / "data");
  CHECK(to_csv(other_runs.table("")) != to_csv(other_curves.table("")));
  CHECK(to_csv(other_runs.table("theory")) == to_csv(other_curves.table("theory")));
}

TEST_CASE("fig6a: where all or none of the runs acquire there is a bound", "[figures]") {
  for (const int acquired : {0, 1}) {
    const TemporaryFolder folder;
    std::string text = kRunHeader;
    int id = 0;
    for (const char* k : {"100", "200", "400", "800"}) {
      for (int seed = 0; seed < 4; ++seed) text += run_row(++id, k, acquired, 5);
    }
    folder.write("a.runs.csv", text);
    const Table points = figure_tables("fig6a", folder.path()).table("");
    REQUIRE(points.rows.size() == 1);
    CHECK_FALSE(points.number(0, "k_star"));
    CHECK(points.number(0, acquired == 0 ? "k_above" : "k_below").has_value());
    CHECK(fs::file_size(draw_figure("fig6a", folder.path(), folder / "out").svg) > 5000);
  }
}

TEST_CASE("diagonal: predicted and measured are those of the other figures", "[figures]") {
  const FigureTables figure = figure_tables("diagonal", kOutcomeRuns);
  const FigureTables thresholds = figure_tables("fig6a", kOutcomeRuns), times = figure_tables("fig6b", kOutcomeRuns);
  const auto at = [](const Table& table) {
    return rows_where(table, {{"model", std::string("minimal")}, {"n_context", 20.0}}).at(0);
  };
  const Table& k_star = figure.table("");
  CHECK(*k_star.number(at(k_star), "measured") == *thresholds.table("").number(at(thresholds.table("")), "k_star"));
  const Table& lines = thresholds.table("theory");
  CHECK_THAT(*k_star.number(at(k_star), "predicted"),
             WithinRel(*lines.number(rows_where(lines, {{"n_context", 20.0}}).at(0), "k_exact_loss"), 1e-12));
  const Table& t_icl = figure.table("time");
  CHECK(*t_icl.number(at(t_icl), "measured") == *times.table("median").number(at(times.table("median")), "t_median"));
  CHECK(figure.table("half").rows.size() >= 3);
  for (std::size_t i = 0; i < figure.table("half").rows.size(); ++i) {
    const double ratio = *figure.table("half").number(i, "measured") / *figure.table("half").number(i, "predicted");
    CHECK(ratio > 0.5);
    CHECK(ratio < 2.0);
  }
  CHECK_THAT(figure.caption, ContainsSubstring("measured over predicted"));
}

TEST_CASE("diagonal: K* by attention is that of fig6a against its closed-loop line", "[figures]") {
  CHECK(figure_tables("diagonal", kOutcomeRuns).table("attention").rows.empty());
  const TemporaryFolder folder;
  fs::copy(kOutcomeRuns, folder / "data", fs::copy_options::recursive);
  std::istringstream lines(read_file(kOutcomeRuns / "minimal.runs.csv"));
  std::string text, line;
  while (std::getline(lines, line)) {
    const bool is_header = line.starts_with("run,");
    const bool acquired = line.find("memorized,0,") == std::string::npos;
    text += (is_header ? "attention_acquired," : acquired ? "1," : "0,") + line + "\n";
  }
  folder.write("data/minimal.runs.csv", text);
  const FigureTables diagonal = figure_tables("diagonal", folder / "data"),
                     fig6a = figure_tables("fig6a", folder / "data");
  const Table &points = diagonal.table("attention"), &measured = fig6a.table("attention"),
              &theory = fig6a.table("theory");
  REQUIRE_FALSE(points.rows.empty());
  for (std::size_t i = 0; i < points.rows.size(); ++i) {
    const double n = *points.number(i, "n_context");
    CHECK(*points.number(i, "measured") == *measured.number(rows_where(measured, {{"n_context", n}}).at(0), "k_star"));
    CHECK(*points.number(i, "predicted") ==
          *theory.number(rows_where(theory, {{"n_context", n}}).at(0), "k_closed_loop"));
  }
  CHECK_THAT(diagonal.caption, ContainsSubstring("K* by half of the attention: measured over predicted"));
}
