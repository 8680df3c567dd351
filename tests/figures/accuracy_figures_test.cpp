#include "iclk/figures/outcome_figures.hpp"

#include <algorithm>

#include "figure_builders.hpp"
#include "iclk/theory/balanced.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

TEST_CASE("fig3a: one row per run of one N with means and the predicted threshold", "[figures]") {
  const FigureTables usual =
      figure_tables("fig3a", kOutcomeRuns);  // no runs at N = 100: the N with the most K, then the larger
  const FigureTables chosen = figure_tables("fig3a", kOutcomeRuns, {.n_context = 12});
  CHECK_THAT(chosen.caption, ContainsSubstring("N = 12, the runs"));
  CHECK(to_csv(usual.table("")) != to_csv(chosen.table("")));
  const auto runs = outcome_runs_where([](const MeasuredRun& r) {
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
  const Table line = figure_tables("fig6a", kOutcomeRuns).table("theory");
  const auto same = rows_where(line, {{"n_context", 12.0}});
  CHECK_THAT(*chosen.table("threshold").number(0, "k_star"),
             WithinRel(*line.number(same.at(0), "k_exact_loss"), 1e-12));
}

TEST_CASE("fig2b and fig2c: the two accuracies of the one-layer transformer", "[figures]") {
  const FigureTables icl = figure_tables("fig2b", kOutcomeRuns), iwl = figure_tables("fig2c", kOutcomeRuns);
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
  const FigureTables figure = figure_tables("figA7", kOutcomeRuns);
  const Table& thresholds = figure.table("threshold");
  REQUIRE(thresholds.rows.size() == 3);
  CHECK(*thresholds.number(0, "n_context") == 12.0);
  for (std::size_t i = 0; i < 3; ++i) CHECK(thresholds.number(i, "k_predicted").has_value());
  CHECK(*thresholds.number(0, "k_predicted") < *thresholds.number(2, "k_predicted"));
  CHECK(figure.table("sigmoid").rows.size() == 3 * 61);
  std::string many = kRunHeader;  // eight N: two are left out
  int id = 0;
  for (int n = 10; n < 18; ++n) {
    for (const char* k : {"50", "100", "200"}) {
      std::string line = run_row(++id, k, 1, 5);
      many += line.replace(line.find(",20,"), 4, "," + std::to_string(n) + ",");
    }
  }
  const TemporaryFolder folder;
  folder.write("a.runs.csv", many);
  const FigureTables eight = figure_tables("figA7", folder.path());
  CHECK(eight.table("threshold").rows.size() == 6);
  CHECK_THAT(eight.caption, ContainsSubstring("not drawn: N = 10") && ContainsSubstring("not drawn: N = 11"));
}

TEST_CASE("fig6e: shares with intervals and what the starts predict", "[figures][eq9]") {
  const FigureTables figure = figure_tables("fig6e", kOutcomeRuns);
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
  const FigureTables figure = figure_tables("fig6c", kOutcomeRuns);
  const auto runs = outcome_runs_where([](const MeasuredRun& r) {
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
