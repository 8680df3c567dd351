#include "iclk/figures/trajectory_figures.hpp"

#include <algorithm>
#include <cmath>

#include "figure_builders.hpp"
#include "iclk/theory/loss_relation.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

namespace {

std::vector<MeasuredCurve> curves() { return read_curve_folder(kCourseRuns); }

}  // namespace

TEST_CASE("fig3c: the setting with most runs that lose in-context learning is drawn", "[figures][eq44]") {
  const FigureTables figure = fig3c_tables(kCourseRuns);
  CHECK_THAT(text_of(figure, "settings_label"), ContainsSubstring("= 0.03") && ContainsSubstring("= 200"));
  CHECK(number_of(figure, "n_runs") == 2);
  const std::vector<MeasuredRun> runs = runs_at(0.03);
  REQUIRE(runs.size() == 2);
  CHECK(figure.table("").rows.size() == runs[0].trajectory.n_rows() + runs[1].trajectory.n_rows());
  const Table& marks = figure.table("marks");
  REQUIRE(marks.rows.size() == 3);
  std::vector<double> lost = {*runs[0].number("t_accuracy_fade") / 0.1, *runs[1].number("t_accuracy_fade") / 0.1};
  std::sort(lost.begin(), lost.end());
  CHECK_THAT(*marks.number(1, "measured_low"), WithinRel(lost[0], 1e-12));
  CHECK_THAT(*marks.number(1, "measured_high"), WithinRel(lost[1], 1e-12));
  CHECK_THAT(*marks.number(1, "measured"), WithinRel(0.5 * (lost[0] + lost[1]), 1e-12));
  // w = 1 of the drawn course, between two of its points, is that of iclk transience.
  std::vector<double> faded;
  for (const MeasuredCurve& curve : curves()) {
    faded.push_back(*predict_transience(curve.curves, 0.03, options_of_runs()).t_fade.value / 0.1);
  }
  std::sort(faded.begin(), faded.end());
  CHECK_THAT(*marks.number(2, "predicted_low"), WithinRel(faded[0], 1e-3));
  CHECK_THAT(*marks.number(2, "predicted_high"), WithinRel(faded[1], 1e-3));
  // Runs this small spread by tens of per cent.
  CHECK_THAT(*marks.number(2, "predicted") / *marks.number(2, "measured"), WithinAbs(1.0, 0.4));
}

TEST_CASE("fig3c: a longer measured fading moves the figure and nothing else", "[figures]") {
  const TemporaryFolder folder;
  copy_runs(folder, "k200");
  const FigureTables before = fig3c_tables(folder.path());
  const MeasuredRun run = runs_at(0.03).at(0);
  const std::string fade(run.text("t_accuracy_fade"));
  copy_runs(folder, run.file.filename().string(), [&](const std::string& text) {
    return replaced(text, "# t_accuracy_fade: " + fade, "# t_accuracy_fade: 1500");
  });
  const FigureTables after = fig3c_tables(folder.path());
  CHECK(*after.table("marks").number(1, "measured_high") == 15000);
  CHECK(to_csv(after.table("theory")) == to_csv(before.table("theory")));
  CHECK(to_csv(after.table("")) == to_csv(before.table("")));
  CHECK(after.caption != before.caption);
}

TEST_CASE("fig2e: a dip of one measurement is not transience", "[figures]") {
  const TemporaryFolder folder;
  copy_runs(folder, "minimal_n8_k200", as_one_layer);
  const FigureTables figure = fig2e_tables(folder.path());
  CHECK(number_of(figure, "has_theory") == 0);
  CHECK_THAT(text_of(figure, "settings_label"), StartsWith("decay 0.03"));
  const TemporaryFolder lasting;
  const std::string name = runs_at(0.01).at(0).file.filename().string();
  copy_runs(lasting, name, [](const std::string& text) {
    return as_one_layer(replaced(text, "# t_accuracy_fade: none", "# t_accuracy_fade: 100"));
  });
  CHECK_THAT(message_of([&] { fig2e_tables(lasting.path()); }),
             ContainsSubstring("runs: expected a measured run of the one-layer transformer that acquires"));
}

TEST_CASE("fig6d: points lie after acquisition and lines are the relations", "[figures][eq16][eq46][eq47]") {
  const FigureTables figure = fig6d_tables(kCourseRuns);
  const Table& points = figure.table("");
  CHECK(number_of(figure, "n_panels") == 1);
  CHECK(text_of(figure, "labels_1") == "0.03|0.1");  // at 0.01 it lasts, at 2 it never comes
  double earliest = HUGE_VAL;
  for (const double lambda_w : {0.03, 0.1}) {
    for (const MeasuredRun& run : runs_at(lambda_w)) earliest = std::min(earliest, run.time);
  }
  for (std::size_t row = 0; row < points.rows.size(); ++row) CHECK(*points.number(row, "time") >= earliest);
  const Table& relation = figure.table("relation");
  int n_upper = 0, n_lower = 0;
  for (std::size_t row = 0; row < relation.rows.size(); ++row) {
    const double icl = *relation.number(row, "icl_loss"), iwl = *relation.number(row, "iwl_loss");
    const bool printed = *relation.number(row, "form") < 1.5;
    const bool upper = iwl >= icl;
    (upper ? n_upper : n_lower) += 1;
    if (printed && upper) CHECK_THAT(iwl, WithinRel(-0.5 * std::log(icl), 1e-12));
    if (printed && !upper) CHECK_THAT(icl, WithinRel(-0.5 * std::log(iwl), 1e-12));
    if (!printed && upper) CHECK_THAT(iwl, WithinRel(icl - 0.5 * std::log(std::expm1(icl)), 1e-9));
    if (!printed && !upper) CHECK_THAT(icl, WithinRel(iwl - 0.5 * std::log(std::expm1(iwl)), 1e-9));
  }
  CHECK(n_upper > 50);
  CHECK(n_lower > 50);
  const Table& course = figure.table("course");
  REQUIRE(course.rows.size() > 50);
  for (std::size_t row = 0; row < course.rows.size(); row += 5) {
    const double w = *course.number(row, "w"), xi = *course.number(row, "xi");
    CHECK_THAT(*course.number(row, "iwl_loss"),
               WithinRel(theory::uniform_attention_iwl_loss(8, w, {.signed_logits = {xi}, .weights = {}}), 1e-12));
    CHECK(*course.number(row, "icl_loss") >= theory::two_point_losses(w, xi).icl * (1.0 - 1e-9));
  }
  CHECK_THAT(figure.caption, ContainsSubstring("while the ICL loss is below 0.1, Eq. 46 gives"));
}

TEST_CASE("fig6d: a transformer has its own panel and no course", "[figures]") {
  const TemporaryFolder folder;
  copy_runs(folder, "k200");
  for (const MeasuredRun& run : runs_at(0.03)) {
    folder.write("one_layer_" + run.file.filename().string(), as_one_layer(read_file(run.file)));
  }
  const FigureTables figure = fig6d_tables(folder.path());
  CHECK(number_of(figure, "n_panels") == 2);
  CHECK(text_of(figure, "title_1") == "one-layer transformer");
  CHECK(text_of(figure, "title_2") == "minimal model");
  const Table& course = figure.table("course");
  for (std::size_t row = 0; row < course.rows.size(); ++row) REQUIRE(*course.number(row, "panel") == 2);
}

TEST_CASE("figA6: fates and fade times are those of the runs", "[figures][eq44]") {
  const FigureTables figure = figA6_tables(kCourseRuns);
  const Table& runs = figure.table("");
  REQUIRE(runs.rows.size() == 5);
  const std::vector<std::string> fates = {"lasting", "transient", "transient", "transient", "never"};
  for (std::size_t row = 0; row < runs.rows.size(); ++row) {
    CHECK(word_of(runs, row, "fate") == fates[row]);
    CHECK(runs.number(row, fates[row]).has_value());
    CHECK(runs.number(row, fates[row] == "never" ? "lasting" : "never").has_value() == false);
  }
  CHECK(*runs.number(0, "lasting") == 20000);  // its last SGD step
  CHECK_THAT(*runs.number(3, "transient"), WithinRel(*runs_at(0.1).at(0).number("t_accuracy_fade") / 0.1, 1e-12));
  CHECK_THAT(figure.caption, ContainsSubstring("3 runs lose in-context learning, 1 never attain it, 1 still have it"));
}

TEST_CASE("figA6: lines are the closed loop on the curves of the same network", "[figures][eq44]") {
  const Table theory = figA6_tables(kCourseRuns).table("theory");
  REQUIRE(theory.rows.size() == 25);
  for (const std::size_t row : {std::size_t{2}, std::size_t{8}}) {
    const double lambda_w = *theory.number(row, "lambda_w");
    theory::TransienceOptions options = options_of_runs();
    std::vector<double> faded, lost;
    for (const MeasuredCurve& curve : curves()) {
      faded.push_back(*predict_transience(curve.curves, lambda_w, options).t_fade.value / 0.1);
      theory::TransienceOptions normal = options;
      normal.fade.novel_ratio = 1.2815515655446004;  // normal quantile of 0.9
      lost.push_back(*predict_transience(curve.curves, lambda_w, normal).t_accuracy_fade / 0.1);
    }
    CHECK_THAT(*theory.number(row, "strength"), WithinRel(0.5 * (faded[0] + faded[1]), 1e-9));
    CHECK_THAT(*theory.number(row, "accuracy_low"), WithinRel(std::min(lost[0], lost[1]), 1e-9));
    CHECK_THAT(*theory.number(row, "accuracy_high"), WithinRel(std::max(lost[0], lost[1]), 1e-9));
  }
  CHECK_FALSE(theory.number(24, "strength").has_value());  // at lambda_w = 4 it is never acquired
  const TemporaryFolder folder;
  copy_runs(folder, "minimal_n8_k200");
  CHECK(figA6_tables(folder.path()).table("theory").rows.empty());
}

TEST_CASE("figA6: a table of collected runs serves as well as their files", "[figures]") {
  const TemporaryFolder folder;
  std::string csv =
      "run,model,items,context,acquired,time,labels,lambda_w,lr,hidden,dim,batch,beta0,seed,end_iteration,"
      "t_accuracy_fade,max_icl_accuracy\n";
  for (const double lambda_w : {0.01, 0.03, 0.1, 2.0}) {
    for (const MeasuredRun& run : runs_at(lambda_w)) {
      csv += run.identity + ",minimal,200,8," + (run.acquired ? "1," : "0,") + format_number(run.time) + ",random," +
             format_number(lambda_w) + ",0.1,16,63,128,0.5," + std::to_string(*run.seed) + "," +
             std::string(run.text("end_iteration")) + "," + std::string(run.text("t_accuracy_fade")) + "," +
             std::string(run.text("max_icl_accuracy")) + "\n";
    }
  }
  folder.write("all.runs.csv", csv);
  copy_runs(folder, "curves");
  CHECK(to_csv(figA6_tables(folder.path()).table("")) == to_csv(figA6_tables(kCourseRuns).table("")));
  CHECK(to_csv(figA6_tables(folder.path()).table("theory")) == to_csv(figA6_tables(kCourseRuns).table("theory")));
}

TEST_CASE("fade: courses follow the closed loop and w_tr is that of their c3", "[figures][eq44][eq45]") {
  const FigureTables figure = fade_tables(kCourseRuns);
  CHECK(text_of(figure, "group_labels") == "0.01|0.03|0.1");
  const Table& course = figure.table("theory");
  int n_settled = 0;
  for (std::size_t row = 0; row < course.rows.size(); row += 3) {
    const auto w_tr = course.number(row, "w_tr");
    if (!w_tr) continue;
    ++n_settled;
    const double expected = theory::transient_strength(*course.number(row, "c3"), *course.number(row, "lambda_w"));
    CHECK_THAT(*w_tr, WithinRel(expected, 1e-9));
  }
  CHECK(n_settled > 50);
  const Table& times = figure.table("times");
  REQUIRE(times.rows.size() == 5);
  const Table& line = figure.table("line");
  const double lambda_w = *line.number(10, "lambda_w");
  std::vector<double> faded, alone;
  for (const MeasuredCurve& curve : curves()) {
    const auto prediction = predict_transience(curve.curves, lambda_w, options_of_runs());
    faded.push_back(*prediction.t_fade.value / 0.1);
    alone.push_back(*prediction.mlp_time_fade / 0.1);
  }
  CHECK_THAT(*line.number(10, "t_fade"), WithinRel(0.5 * (faded[0] + faded[1]), 1e-9));
  CHECK_THAT(*line.number(10, "mlp_alone"), WithinRel(0.5 * (alone[0] + alone[1]), 1e-9));
  CHECK_THAT(figure.caption, ContainsSubstring("measured over predicted fade time"));
}

TEST_CASE("fade: curves alone give the predictions of the options", "[figures][eq44]") {
  const TemporaryFolder folder;
  copy_runs(folder, "curves");
  const FigureTables figure = fade_tables(folder.path(), {.n_context = 8, .beta0 = 0.5});
  CHECK(number_of(figure, "has_runs") == 0);
  CHECK(figure.table("").rows.empty());
  CHECK_THAT(figure.caption, ContainsSubstring("theory alone, N = 8, beta0 = 0.5"));
  const FigureTables other = fade_tables(folder.path(), {.n_context = 16, .beta0 = 0.5});
  CHECK(to_csv(figure.table("line")) != to_csv(other.table("line")));
  CHECK(to_csv(figure.table("line")) != to_csv(fade_tables(folder.path(), {.n_context = 8}).table("line")));
}
