#include "iclk/figures/outcome_figures.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "iclk/core/error.hpp"
#include "iclk/figures/draw_figure.hpp"
#include "iclk/figures/run_folder.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/fit/survival.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/balanced.hpp"
#include "iclk/theory/threshold.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::figures;
// One by one: a Table is one of figures here.
using iclk::test::ContainsSubstring;
using iclk::test::data_path;
using iclk::test::EndsWith;
using iclk::test::read_file;
using iclk::test::StartsWith;
using iclk::test::TemporaryFolder;
using iclk::test::WithinAbs;
using iclk::test::WithinRel;
namespace fs = std::filesystem;

namespace {

/// Small networks (hidden 32): the minimal model with N = 12, 20 and 32 on random contexts and N = 20 on balanced ones, with
/// beta0 spread by 0.3; both transformers; five memorization curves of the minimal model's network.
const fs::path kRuns = data_path("runs");

const std::vector<std::pair<std::string, std::string>> kShown = {
    {"diagonal", "factor 2"},      {"fig2b", "one-layer"}, {"fig2c", "one-layer"},   {"fig3a", "minimal"},
    {"fig6a", "power law"},        {"fig6b", "Kaplan"},    {"fig6c", "Lower panel"}, {"fig6e", "balanced"},
    {"figA4", "interval of time"}, {"figA5", "two-layer"}, {"figA7", "sigmoid"},     {"survival", "Greenwood"}};

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<MeasuredRun> runs_where(const auto& wanted) {
  std::vector<MeasuredRun> runs = read_run_folder(kRuns).runs;
  std::erase_if(runs, [&](const MeasuredRun& run) { return !wanted(run); });
  return runs;
}

std::vector<std::size_t> rows_where(const Table& table, const std::vector<std::pair<std::string, Cell>>& wanted) {
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    if (std::all_of(wanted.begin(), wanted.end(),
                    [&](const auto& w) { return table.rows[row].cells[table.column(w.first)] == w.second; })) {
      rows.push_back(row);
    }
  }
  return rows;
}

/// A row of a table of runs of one N, K infinite unless given.
std::string row(int id, const std::string& items, int acquired, double time, const std::string& more = "0.9,0.6") {
  return std::to_string(id) + ",minimal," + items + ",20,random,32,31," + std::to_string(acquired) + "," +
         std::to_string(time) + "," + more + "\n";
}
const std::string kHeader = "run,model,items,context,labels,hidden,dim,acquired,time,icl_accuracy,iwl_accuracy\n";

}  // namespace

TEST_CASE("outcome figures: every one is drawn from small files of runs", "[figures]") {
  const TemporaryFolder folder;
  for (const auto& [id, words] : kShown) {
    INFO(id);
    const DrawnFigure drawn = draw_figure(id, kRuns, folder.path());
    CHECK(fs::file_size(drawn.svg) > 8000);
    CHECK(fs::file_size(drawn.pdf) > 5000);
    const std::string caption = read_file(drawn.caption);
    CHECK_THAT(caption, ContainsSubstring(words) && ContainsSubstring("reduced: hidden 32 instead of 512") &&
                            ContainsSubstring(".runs.csv") && ContainsSubstring("\nRuns\n"));
    CHECK_THAT(read_file(drawn.svg), !ContainsSubstring("nan") && !ContainsSubstring("NaN"));
  }
}

TEST_CASE("outcome figures: each names what is missing and the command that makes it", "[figures][errors]") {
  const TemporaryFolder empty;
  const TemporaryFolder other;
  other.write("x.csv", "run,model,items,context,labels,acquired,time\na,other,inf,20,balanced-context,1,0\n");
  for (const auto& [id, words] : kShown) {
    INFO(id);
    const FigureInfo& info = find_figure(id);
    if (info.data == DataUse::optional) continue;  // drawn from curves, or from theory alone
    const std::string needed = "expected " + std::string(info.needs) + ", found ";
    const std::string command = "; `" + std::string(info.command) + "` makes them";
    CHECK(message_of([&] { (void)figure_tables(id, empty.path()); }) ==
          empty.path().string() + ": " + needed + "no runs" + command);
    CHECK_THAT(message_of([&] { (void)figure_tables(id, other.path()); }),
               StartsWith(other.path().string() + ": " + needed) && EndsWith(command));
  }
  CHECK_THAT(message_of([&] { (void)figure_tables("fig6c", empty.path()); }),
             ContainsSubstring("expected curve files"));
  other.write("y.csv", kHeader + row(1, "100", 1, 5));
  CHECK_THAT(message_of([&] { (void)figure_tables("fig6e", other.path()); }),
             ContainsSubstring("found none of these among") || ContainsSubstring("found no runs on balanced contexts"));
  CHECK_THAT(message_of([&] { (void)figure_tables("diagonal", other.path()); }),
             ContainsSubstring("found no N with a prediction and a measured value") &&
                 ContainsSubstring("no curves; `iclk train"));
}

TEST_CASE("outcome figures: a bad file is an error or is left out and named", "[figures][errors]") {
  const TemporaryFolder folder;
  folder.write("a.runs.csv", kHeader + row(1, "inf", 1, 50) + row(2, "100", 0, 90) + row(3, "200", 1, 60) +
                                 "4,one-layer,100,3,random,,,0,10,0.5,1\n5,two-layer,inf,2,random,,,0,10,0.5,\n"
                                 "6,minimal,100,20,balanced-context,,,0,10,0.5,0.7\n");
  folder.write("bad.simulation.csv", "nothing\n");
  for (const auto& [id, words] : kShown) {
    INFO(id);
    CHECK_THAT(message_of([&] { (void)figure_tables(id, folder.path()); }),
               ContainsSubstring("bad.simulation.csv:1: expected"));
    if (id == "fig6c" || id == "diagonal") continue;  // have nothing to draw here
    CHECK_THAT(figure_tables(id, folder.path(), {.skip_bad_files = true}).caption,
               ContainsSubstring("\nLeft out\n") && ContainsSubstring("bad.simulation.csv:1: expected"));
  }
}

TEST_CASE("outcome figures: without curves the theory that needs them is missing and said so", "[figures]") {
  const TemporaryFolder folder;
  fs::copy(kRuns / "minimal.runs.csv", folder / "minimal.runs.csv");
  for (const std::string id : {"fig3a", "fig6a", "fig6e", "figA7"}) {
    INFO(id);
    const FigureTables figure = figure_tables(id, folder.path());
    CHECK_THAT(figure.caption,
               ContainsSubstring("\nNot drawn\n  theory: there are no memorization curves") &&
                   ContainsSubstring("`iclk train --items 100,200,400,800,1600 --seeds 0:3 --hidden 32"));
    CHECK(fs::file_size(draw_figure(id, folder.path(), folder / "out").svg) > 8000);
  }
  const FigureTables alone = figure_tables("fig6c", folder.path());
  CHECK_THAT(alone.caption, ContainsSubstring("the curve of this network"));
  CHECK(alone.table("outcomes").rows.size() > 10);
}

TEST_CASE("outcome figures: items of unequal frequency are not what the theory treats", "[figures]") {
  for (const auto& [column, reason] : {std::pair{"zipf", "do not occur equally often"},
                                       {"copy_share", "not every sequence holds a copy"},
                                       {"copies", "several copies"}}) {
    const TemporaryFolder folder;
    std::string text = kHeader;
    text.insert(text.size() - 1, "," + std::string(column));
    for (int i = 0; i < 4; ++i) text += row(i, "inf", 1, 10 + i, "0.9,,0.5");
    folder.write("a.runs.csv", text);
    for (const char* id : {"fig6b", "figA4", "survival"}) {
      CHECK_THAT(figure_tables(id, folder.path()).caption, ContainsSubstring(reason));
    }
  }
}

TEST_CASE("fig6a: points are the probit thresholds of the runs", "[figures][eq13]") {
  const FigureTables figure = figure_tables("fig6a", kRuns);
  std::vector<fit::RunOutcome> outcomes;
  for (const MeasuredRun& run : runs_where([](const MeasuredRun& r) {
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
  const FigureTables figure = figure_tables("fig6a", kRuns);
  const auto runs = runs_where([](const MeasuredRun& r) { return r.model == "minimal"; });
  const auto curves = curves_like(kRuns, runs.front());
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
  const FigureTables figure = figure_tables("fig6a", kRuns);
  const MeasuredRun run = runs_where([](const MeasuredRun& r) { return r.model == "minimal"; }).front();
  REQUIRE(run.text("item_labels") == "random");
  const Table& theory = figure.table("theory");
  std::vector<std::pair<double, double>> means;  // ln K, mean of ln N
  for (const MeasuredCurve& curve : curves_like(kRuns, run)) {
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
    fs::copy(kRuns, folder / "data", fs::copy_options::recursive);
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
  CHECK(figure_tables("fig6a", kRuns).table("attention").rows.empty());
  const TemporaryFolder folder;
  std::string text = kHeader;
  text.insert(text.size() - 1, ",attention_acquired");
  std::vector<fit::RunOutcome> attended;
  int id = 0;
  for (const double k : {100.0, 200.0, 400.0, 800.0}) {
    for (int seed = 0; seed < 4; ++seed) {
      const bool attention = k >= 400.0 || (k == 200.0 && seed > 1);
      text += row(++id, format_number(k), k > 700.0 ? 1 : 0, 5, std::string("0.9,0.6,") + (attention ? "1" : "0"));
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
  fs::copy(kRuns, folder / "data", fs::copy_options::recursive);
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
    std::string text = kHeader;
    int id = 0;
    for (const char* k : {"100", "200", "400", "800"}) {
      for (int seed = 0; seed < 4; ++seed) text += row(++id, k, acquired, 5);
    }
    folder.write("a.runs.csv", text);
    const Table points = figure_tables("fig6a", folder.path()).table("");
    REQUIRE(points.rows.size() == 1);
    CHECK_FALSE(points.number(0, "k_star"));
    CHECK(points.number(0, acquired == 0 ? "k_above" : "k_below").has_value());
    CHECK(fs::file_size(draw_figure("fig6a", folder.path(), folder / "out").svg) > 5000);
  }
}

TEST_CASE("fig6b: medians are Kaplan-Meier's and lines those of the exact loss", "[figures][eq11][eq21]") {
  const FigureTables figure = figure_tables("fig6b", kRuns);
  std::vector<fit::SurvivalRun> runs;
  for (const MeasuredRun& run :
       runs_where([](const MeasuredRun& r) { return r.model == "minimal" && r.n_context == 20.0 && !r.n_items; })) {
    runs.push_back({run.time, run.acquired});
  }
  const Estimate median = fit::survival_quantile(fit::kaplan_meier(runs));
  const Table& medians = figure.table("median");
  const auto rows = rows_where(medians, {{"model", std::string("minimal")}, {"n_context", 20.0}});
  REQUIRE(rows.size() == 1);
  CHECK_THAT(*medians.number(rows[0], "t_median"), WithinRel(*median.value, 1e-12));
  const Table& theory = figure.table("theory");
  const auto at = rows_where(theory, {{"n_context", 20.0}});
  REQUIRE(at.size() == 1);
  const auto accuracy = theory::attention_flow({.n_context = 20, .item_dim = 31}, {}, theory::ConstantMemorization{});
  // The median start lies between two of 32, so that the median time is the mean of two near that of beta0 = 0.
  CHECK_THAT(*theory.number(at[0], "t_accuracy"), WithinRel(accuracy.accuracy_95->time, 1e-3));
  CHECK_THAT(*theory.number(at[0], "t_leading"), WithinRel(20 * std::sqrt(2 * std::acos(-1.0)), 1e-14));
  CHECK_THAT(*theory.number(at[0], "t_flow"), WithinRel(theory::acquisition_integral_exact(20, 0, 0, 0.5), 1e-14));
  CHECK(*theory.number(at[0], "t_accuracy_05") < *theory.number(at[0], "t_accuracy"));
  CHECK(*theory.number(at[0], "t_accuracy_95") > *theory.number(at[0], "t_accuracy"));
  CHECK(rows_where(medians, {{"model", std::string("one-layer")}}).size() == 3);
  for (std::size_t i = 0; i < theory.rows.size(); ++i) CHECK(std::fmod(*theory.number(i, "n_context"), 2.0) < 0.5);
}

TEST_CASE("figA5: draws two-layer transformers only", "[figures]") {
  const FigureTables figure = figure_tables("figA5", kRuns);
  const Table& runs = figure.table("");
  CHECK(runs.rows.size() == rows_where(runs, {{"model", std::string("two-layer")}}).size());
  CHECK(runs.rows.size() == 6);
  CHECK_FALSE(rows_where(runs, {{"t_icl", Cell()}}).empty());  // runs that had not acquired
  CHECK_THAT(figure.caption, ContainsSubstring("not its size"));
}

TEST_CASE("fig3a: one row per run of one N with means and the predicted threshold", "[figures]") {
  const FigureTables usual =
      figure_tables("fig3a", kRuns);  // no runs at N = 100: the N with the most K, then the larger
  const FigureTables chosen = figure_tables("fig3a", kRuns, {.n_context = 12});
  CHECK_THAT(chosen.caption, ContainsSubstring("N = 12, the runs"));
  CHECK(to_csv(usual.table("")) != to_csv(chosen.table("")));
  const auto runs = runs_where([](const MeasuredRun& r) {
    return r.model == "minimal" && r.n_context == 12.0 && r.n_items && r.text("labels") == "random";
  });
  CHECK(chosen.table("").rows.size() == runs.size());
  double sum = 0.0, n = 0.0;
  for (const MeasuredRun& run : runs) {
    if (run.n_items == 50.0) sum += *run.number("end_iwl_accuracy"), n += 1.0;
  }
  const Table& means = chosen.table("mean");
  const auto at = rows_where(means, {{"n_items", 50.0}});
  REQUIRE(at.size() == 1);
  CHECK_THAT(*means.number(at[0], "iwl_accuracy"), WithinRel(sum / n, 1e-12));
  const Table line = figure_tables("fig6a", kRuns).table("theory");
  const auto same = rows_where(line, {{"n_context", 12.0}});
  CHECK_THAT(*chosen.table("threshold").number(0, "k_star"),
             WithinRel(*line.number(same.at(0), "k_exact_loss"), 1e-12));
}

TEST_CASE("fig2b and fig2c: the two accuracies of the one-layer transformer", "[figures]") {
  const FigureTables icl = figure_tables("fig2b", kRuns), iwl = figure_tables("fig2c", kRuns);
  CHECK(to_csv(icl.table("")) == to_csv(iwl.table("")));
  const auto number = [](const FigureTables& figure, const std::string& name) {
    return std::find_if(figure.numbers.begin(), figure.numbers.end(), [&](const auto& n) { return n.first == name; })
        ->second;
  };
  CHECK(number(icl, "show_icl") == 1.0);
  CHECK(number(icl, "show_iwl") == 0.0);
  CHECK(number(iwl, "show_icl") == 0.0);
  CHECK(number(iwl, "show_iwl") == 1.0);
  CHECK_THAT(icl.caption,
             ContainsSubstring("no memorization curves at two K or more of this network (hidden 32, dim 15"));
}

TEST_CASE("figA7: a block for each N with the sigmoid over its own K", "[figures]") {
  const FigureTables figure = figure_tables("figA7", kRuns);
  const Table& thresholds = figure.table("threshold");
  REQUIRE(thresholds.rows.size() == 3);
  CHECK(*thresholds.number(0, "n_context") == 12.0);
  for (std::size_t i = 0; i < 3; ++i) CHECK(thresholds.number(i, "k_predicted").has_value());
  CHECK(*thresholds.number(0, "k_predicted") < *thresholds.number(2, "k_predicted"));
  CHECK(figure.table("sigmoid").rows.size() == 3 * 61);
  std::string many = kHeader;  // eight N: two are left out
  int id = 0;
  for (int n = 10; n < 18; ++n) {
    for (const char* k : {"50", "100", "200"}) {
      std::string line = row(++id, k, 1, 5);
      many += line.replace(line.find(",20,"), 4, "," + std::to_string(n) + ",");
    }
  }
  const TemporaryFolder folder;
  folder.write("a.runs.csv", many);
  const FigureTables eight = figure_tables("figA7", folder.path());
  CHECK(eight.table("threshold").rows.size() == 6);
  CHECK_THAT(eight.caption, ContainsSubstring("not drawn: N = 10") && ContainsSubstring("not drawn: N = 11"));
}

TEST_CASE("figA4: shares of all bins are those of the runs that acquired", "[figures]") {
  const FigureTables figure = figure_tables("figA4", kRuns);
  const Table& bins = figure.table("");
  for (const double n_context : {12.0, 20.0, 32.0}) {
    double measured = 0.0, expected = 0.0;
    for (const std::size_t i : rows_where(bins, {{"n_context", n_context}})) {
      measured += *bins.number(i, "share");
      expected += *bins.number(i, "share_theory");
    }
    CHECK_THAT(measured, WithinAbs(1.0, 1e-12));
    CHECK(expected > 0.5);
    CHECK(expected <= 1.0 + 1e-12);
  }
  const TemporaryFolder folder;  // all runs start alike: theory has a time but no width
  folder.write("a.runs.csv", kHeader + row(1, "inf", 1, 55) + row(2, "inf", 1, 57) + row(3, "inf", 0, 60));
  const FigureTables same = figure_tables("figA4", folder.path());
  CHECK_FALSE(same.table("").number(0, "share_theory"));
  CHECK_THAT(*same.table("median").number(0, "t_theory"),
             WithinRel(theory::attention_flow({.n_context = 20, .item_dim = 31}, {}, theory::ConstantMemorization{})
                           .accuracy_95->time,
                       1e-12));
  CHECK_THAT(same.caption, ContainsSubstring("no width"));
}

TEST_CASE("survival: curves fall from one with the theory beside them", "[figures]") {
  const FigureTables figure = figure_tables("survival", kRuns);
  const Table& steps = figure.table("");
  const auto rows = rows_where(steps, {{"n_context", 20.0}});
  CHECK(*steps.number(rows.front(), "survival") == 1.0);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    CHECK(*steps.number(rows[i], "survival") <= *steps.number(rows[i - 1], "survival"));
    CHECK(*steps.number(rows[i], "low") <= *steps.number(rows[i], "survival"));
    CHECK(*steps.number(rows[i], "high") >= *steps.number(rows[i], "survival"));
  }
  const Table& theory = figure.table("theory");
  CHECK(rows_where(theory, {{"n_context", 20.0}}).size() == 32);
  const TemporaryFolder folder;
  folder.write("a.runs.csv", kHeader + row(1, "inf", 1, 55) + row(2, "inf", 1, 57) + row(3, "inf", 0, 60));
  const FigureTables same = figure_tables("survival", folder.path());
  CHECK(same.table("theory").rows.size() == 2);
  REQUIRE(same.table("censored").rows.size() == 1);
  CHECK_THAT(*same.table("censored").number(0, "survival"), WithinRel(1.0 / 3.0, 1e-12));
}

TEST_CASE("fig6e: shares with intervals and what the starts predict", "[figures][eq9]") {
  const FigureTables figure = figure_tables("fig6e", kRuns);
  const Table& shares = figure.table("");
  const auto balanced = rows_where(shares, {{"contexts", std::string("balanced")}, {"n_items", 225.0}});
  const auto random = rows_where(shares, {{"contexts", std::string("random")}, {"n_items", 50.0}});
  REQUIRE(balanced.size() == 1);
  REQUIRE(random.size() == 1);
  CHECK(*shares.number(random[0], "n_runs") == 16.0);
  for (const std::size_t i : {balanced[0], random[0]}) {
    const double share = *shares.number(i, "share");
    CHECK_THAT(share, WithinRel(*shares.number(i, "n_acquired") / *shares.number(i, "n_runs"), 1e-12));
    CHECK(*shares.number(i, "share_low") <= share);
    CHECK(*shares.number(i, "share_high") >= share);
  }
  const Table& lines = figure.table("theory");
  const double basin = theory::balanced_basin_probability({.beta0_sd = 0.3, .w0_sd = 0.0});
  for (std::size_t i = 0; i < lines.rows.size(); ++i) {
    CHECK(*lines.number(i, "p_balanced") <= basin + 0.01);
    if (i == 0) continue;
    CHECK(*lines.number(i, "p_random") >= *lines.number(i - 1, "p_random"));
    CHECK(*lines.number(i, "p_balanced") >= *lines.number(i - 1, "p_balanced"));
  }
  CHECK(*lines.number(lines.rows.size() - 1, "p_random") > 0.95);
}

TEST_CASE("fig6c: the histogram holds every run of the cell near the threshold", "[figures]") {
  const FigureTables figure = figure_tables("fig6c", kRuns);
  const auto runs = runs_where([](const MeasuredRun& r) {
    return r.model == "minimal" && r.n_context == 20.0 && r.n_items == 50.0 && r.text("labels") == "random";
  });
  REQUIRE(runs.size() == 16);
  const Table& bins = figure.table("outcomes");
  double n_runs = 0.0, n_expected = 0.0;
  for (std::size_t i = 0; i < bins.rows.size(); ++i) {
    n_runs += *bins.number(i, "n_runs");
    n_expected += *bins.number(i, "expected");
  }
  CHECK(n_runs == 16.0);
  CHECK_THAT(n_expected, WithinRel(16.0, 0.01));
  const auto never = rows_where(bins, {{"outcome", std::string("never")}});
  REQUIRE(never.size() == 1);
  CHECK(*bins.number(never[0], "n_runs") ==
        static_cast<double>(std::count_if(runs.begin(), runs.end(), [](const MeasuredRun& r) { return !r.acquired; })));
  CHECK(*figure.table("limit").number(0, "n_items") == 50.0);
  CHECK_THAT(figure.caption,
             ContainsSubstring("N = 20, K = 50") && !ContainsSubstring("share of seeds that have acquired by t"));
  CHECK(figure_tables("fig6c", {}).caption == fig6c_tables({}).caption);
}

TEST_CASE("diagonal: predicted and measured are those of the other figures", "[figures]") {
  const FigureTables figure = figure_tables("diagonal", kRuns);
  const FigureTables thresholds = figure_tables("fig6a", kRuns), times = figure_tables("fig6b", kRuns);
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
  CHECK(figure_tables("diagonal", kRuns).table("attention").rows.empty());
  const TemporaryFolder folder;
  fs::copy(kRuns, folder / "data", fs::copy_options::recursive);
  std::istringstream lines(read_file(kRuns / "minimal.runs.csv"));
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

TEST_CASE("outcome figures: the fewest runs that make sense are drawn", "[figures]") {
  const TemporaryFolder folder;
  folder.write("a.runs.csv", kHeader + row(1, "inf", 1, 50) + row(2, "100", 0, 90) +
                                 "3,one-layer,100,3,random,,,0,10,0.5,1\n4,two-layer,inf,2,random,,,0,10,0.5,\n"
                                 "5,minimal,100,20,balanced-context,,,0,10,0.5,0.7\n");
  for (const char* id : {"fig2b", "fig2c", "fig3a", "fig6a", "fig6b", "fig6e", "figA4", "figA5", "figA7", "survival"}) {
    INFO(id);
    CHECK(fs::file_size(draw_figure(id, folder.path(), folder / "out").svg) > 3000);
  }
}

TEST_CASE("outcome figures: many files of one folder are counted in the caption", "[figures]") {
  const auto caption_of = [](int n_files) {
    const TemporaryFolder folder;
    for (int i = 0; i < n_files; ++i) {
      folder.write("r" + std::to_string(i) + ".runs.csv", kHeader + row(i, "inf", 1, 50 + i));
    }
    return figure_tables("survival", folder.path()).caption;
  };
  CHECK_THAT(caption_of(6), ContainsSubstring("r0.runs.csv") && !ContainsSubstring("files in"));
  CHECK_THAT(caption_of(7), !ContainsSubstring("r0.runs.csv") && ContainsSubstring("7 files in "));
}

TEST_CASE("outcome figures: runs of other settings are counted and not mixed", "[figures]") {
  const TemporaryFolder folder;
  std::string text = kHeader;
  for (int i = 0; i < 5; ++i) text += row(i, "inf", 1, 50 + i);
  std::string other = row(9, "inf", 1, 500);
  text += other.replace(other.find(",32,31"), 6, ",64,31");
  folder.write("a.runs.csv", text);
  for (const char* id : {"fig6b", "figA4", "survival"}) {
    INFO(id);
    const FigureTables figure = figure_tables(id, folder.path());
    CHECK_THAT(figure.caption, ContainsSubstring("not drawn: 1 with other settings"));
  }
  CHECK(figure_tables("fig6b", folder.path()).table("").rows.size() == 5);
}
