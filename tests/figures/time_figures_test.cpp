#include "iclk/figures/outcome_figures.hpp"

#include <cmath>

#include "figure_builders.hpp"
#include "iclk/fit/survival.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

TEST_CASE("fig6b: medians are Kaplan-Meier's and lines those of the exact loss", "[figures][eq11][eq21]") {
  const FigureTables figure = figure_tables("fig6b", kOutcomeRuns);
  std::vector<fit::SurvivalRun> runs;
  for (const MeasuredRun& run : outcome_runs_where(
           [](const MeasuredRun& r) { return r.model == "minimal" && r.n_context == 20.0 && !r.n_items; })) {
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
  const FigureTables figure = figure_tables("figA5", kOutcomeRuns);
  const Table& runs = figure.table("");
  CHECK(runs.rows.size() == rows_where(runs, {{"model", std::string("two-layer")}}).size());
  CHECK(runs.rows.size() == 6);
  CHECK_FALSE(rows_where(runs, {{"t_icl", Cell()}}).empty());  // runs that had not acquired
  CHECK_THAT(figure.caption, ContainsSubstring("not its size"));
}

TEST_CASE("figA4: shares of all bins are those of the runs that acquired", "[figures]") {
  const FigureTables figure = figure_tables("figA4", kOutcomeRuns);
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
  folder.write("a.runs.csv",
               kRunHeader + run_row(1, "inf", 1, 55) + run_row(2, "inf", 1, 57) + run_row(3, "inf", 0, 60));
  const FigureTables same = figure_tables("figA4", folder.path());
  CHECK_FALSE(same.table("").number(0, "share_theory"));
  CHECK_THAT(*same.table("median").number(0, "t_theory"),
             WithinRel(theory::attention_flow({.n_context = 20, .item_dim = 31}, {}, theory::ConstantMemorization{})
                           .accuracy_95->time,
                       1e-12));
  CHECK_THAT(same.caption, ContainsSubstring("no width"));
}

TEST_CASE("survival: curves fall from one with the theory beside them", "[figures]") {
  const FigureTables figure = figure_tables("survival", kOutcomeRuns);
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
  folder.write("a.runs.csv",
               kRunHeader + run_row(1, "inf", 1, 55) + run_row(2, "inf", 1, 57) + run_row(3, "inf", 0, 60));
  const FigureTables same = figure_tables("survival", folder.path());
  CHECK(same.table("theory").rows.size() == 2);
  REQUIRE(same.table("censored").rows.size() == 1);
  CHECK_THAT(*same.table("censored").number(0, "survival"), WithinRel(1.0 / 3.0, 1e-12));
}
