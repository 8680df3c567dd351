#include "iclk/figures/trajectory_figures.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "iclk/core/error.hpp"
#include "iclk/figures/draw_figure.hpp"
#include "iclk/figures/run_folder.hpp"
#include "iclk/theory/attention_accuracy.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/loss_relation.hpp"
#include "iclk/theory/transience_prediction.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "synthetic_curves.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;
namespace fs = std::filesystem;

namespace {

/// Small runs of the minimal model (hidden 16, N = 8 and 16): K infinite; K = 200 at lambda_w = 0.01, 0.03, 0.1, 2; on
/// balanced contexts; and two memorization curves of the same network with K = 200.
const fs::path kRuns = fs::path(ICLK_TEST_DATA) / "trajectories";

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

double number_of(const FigureTables& figure, std::string_view name) {
  for (const auto& [key, value] : figure.numbers) {
    if (key == name) return value;
  }
  return std::nan("");
}

std::string text_of(const FigureTables& figure, std::string_view name) {
  for (const auto& [key, value] : figure.texts) {
    if (key == name) return value;
  }
  return "no such text";
}

std::string word_of(const Table& table, std::size_t row, std::string_view column) {
  const std::string* text = std::get_if<std::string>(&table.rows.at(row).cells.at(table.column(column)));
  return text != nullptr ? *text : "";
}

std::string replaced(std::string text, const std::string& old, const std::string& with) {
  const std::size_t at = text.find(old);
  REQUIRE(at != std::string::npos);
  return text.replace(at, old.size(), with);
}

/// Copies the files of which the name holds `part`, changed by `change`.
void copy_runs(const TemporaryFolder& folder, const std::string& part, const auto& change) {
  for (const auto& entry : fs::directory_iterator(kRuns)) {
    const std::string name = entry.path().filename().string();
    if (name.find(part) != std::string::npos) folder.write(name, change(read_file(entry.path())));
  }
}

void copy_runs(const TemporaryFolder& folder, const std::string& part) {
  copy_runs(folder, part, [](const std::string& text) { return text; });
}

/// A run of the minimal model as a one-layer transformer would have written it.
std::string as_one_layer(std::string text) {
  text = replaced(text, "# run: ", "# run: 1");
  text = replaced(text, "# model: minimal", "# model: one-layer");
  return replaced(text, "# lambda_w: ", "# attention_decay: ");
}

std::vector<MeasuredCurve> curves() { return read_curve_folder(kRuns); }

/// The runs of the folder with this lambda_w.
std::vector<MeasuredRun> runs_at(double lambda_w) {
  std::vector<MeasuredRun> list;
  for (const MeasuredRun& run : read_run_folder(kRuns).runs) {
    if (run.n_items && run.text("labels") == "random" && std::abs(*run.number("lambda_w") - lambda_w) < 1e-12) {
      list.push_back(run);
    }
  }
  return list;
}

theory::TransienceOptions options_of_runs() {
  theory::TransienceOptions options;
  options.n_context = 8;
  options.initial = {.w = 0.0, .beta = 0.5};
  return options;
}

}  // namespace

TEST_CASE("fig3b: lines are the measurements of the runs in groups of equal N and K", "[figures]") {
  const FigureTables figure = fig3b_tables(kRuns);
  const Table& table = figure.table("");
  CHECK(number_of(figure, "n_groups") == 2);
  CHECK(number_of(figure, "n_runs") == 3);
  CHECK_THAT(text_of(figure, "group_labels"), ContainsSubstring("= 8,") && ContainsSubstring("|") &&
                                                  ContainsSubstring("= 16,") && ContainsSubstring("∞"));
  std::set<std::string> drawn;
  for (const MeasuredRun& run : read_run_folder(kRuns).runs) {
    std::size_t row = 0;
    while (row < table.rows.size() && word_of(table, row, "run") != run.identity) ++row;
    if (row == table.rows.size()) continue;
    drawn.insert(run.identity);
    CHECK_FALSE(run.n_items.has_value());
    const auto& iterations = *run.trajectory.find("iteration");
    const auto& accuracies = *run.trajectory.find("icl_accuracy");
    for (std::size_t i = 0; i < iterations.size(); ++i, ++row) {
      REQUIRE(table.number(row, "iteration") == iterations[i]);
      REQUIRE(table.number(row, "icl_accuracy") == accuracies[i]);
      REQUIRE(table.number(row, "group") == (run.n_context < 10 ? 1.0 : 2.0));
    }
  }
  CHECK(drawn.size() == 3);
  CHECK_THAT(figure.caption, ContainsSubstring("N = 8, K = infinite: 2 of 2 runs acquire") &&
                                 ContainsSubstring("reduced: hidden 16 instead of 512") &&
                                 ContainsSubstring("minimal_n8_kinf_s0") && ContainsSubstring("% of its t_ICL"));
}

TEST_CASE("fig3b: theory is the flow on the exact loss from the start of the runs", "[figures][eq21]") {
  const FigureTables figure = fig3b_tables(kRuns);
  const Table& theory = figure.table("theory");
  REQUIRE(theory.rows.size() > 100);
  double sd = 0.0;
  for (const MeasuredRun& r : read_run_folder(kRuns).runs) {
    if (!r.n_items && r.n_context < 10) {
      sd = std::sqrt(2.0 * std::max(0.0, std::log(r.trajectory.find("c3")->front().value())));
      break;
    }
  }
  std::vector<double> times;
  std::vector<std::size_t> rows;
  for (std::size_t row = 0; row < theory.rows.size(); row += 7) {
    if (*theory.number(row, "group") > 1.5 || !(*theory.number(row, "time") > 0.0)) continue;
    times.push_back(*theory.number(row, "time"));
    rows.push_back(row);
  }
  REQUIRE(times.size() > 10);
  theory::AttentionFlowOptions options{.t_max = times.back(), .run_to_t_max = true, .times = times};
  const theory::AttentionFlow flow =
      attention_flow({.n_context = 8}, {}, theory::ConstantMemorization{0.5, 0.5}, options);
  REQUIRE(flow.trajectory.size() == times.size());
  for (std::size_t i = 0; i < times.size(); ++i) {
    CHECK_THAT(*theory.number(rows[i], "icl_accuracy"),
               WithinAbs(theory::attention_accuracy(8, flow.trajectory[i].state, sd), 1e-6));
  }
}

TEST_CASE("fig3b: without curves of the network a finite K has no line of theory", "[figures]") {
  const TemporaryFolder folder;
  copy_runs(folder, "minimal_n8_k200");
  const FigureTables figure = fig3b_tables(folder.path());
  CHECK(number_of(figure, "has_theory") == 0);
  CHECK(figure.table("theory").rows.empty());
  CHECK_THAT(figure.caption, ContainsSubstring("`iclk train --items") && ContainsSubstring("--hidden 16"));
  copy_runs(folder, "curves");
  CHECK(number_of(fig3b_tables(folder.path()), "has_theory") == 1);
}

TEST_CASE("fig2d: runs of the one-layer transformer are drawn without theory", "[figures]") {
  const TemporaryFolder folder;
  copy_runs(folder, "minimal_n8_k", as_one_layer);
  const FigureTables figure = fig2d_tables(folder.path());
  CHECK(number_of(figure, "has_theory") == 0);
  CHECK(number_of(figure, "n_groups") == 1);  // the least decay: K infinite
  CHECK_THAT(figure.caption, ContainsSubstring("the start of a transformer's attention"));
}

TEST_CASE("fig3c: the setting with most runs that lose in-context learning is drawn", "[figures][eq44]") {
  const FigureTables figure = fig3c_tables(kRuns);
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

TEST_CASE("figA8: runs on balanced contexts are told apart by how they end", "[figures]") {
  const FigureTables figure = figA8_tables(kRuns);
  CHECK(text_of(figure, "group_labels") == "acquired (2)|not acquired (1)");
  CHECK(figure.table("theory").rows.empty());
  CHECK_THAT(figure.caption, ContainsSubstring("in between: 0 of 3 runs") && ContainsSubstring("balanced-context"));
}

TEST_CASE("fig6d: points lie after acquisition and lines are the relations", "[figures][eq16][eq46][eq47]") {
  const FigureTables figure = fig6d_tables(kRuns);
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
  const FigureTables figure = figA6_tables(kRuns);
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
  const Table theory = figA6_tables(kRuns).table("theory");
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
  CHECK(to_csv(figA6_tables(folder.path()).table("")) == to_csv(figA6_tables(kRuns).table("")));
  CHECK(to_csv(figA6_tables(folder.path()).table("theory")) == to_csv(figA6_tables(kRuns).table("theory")));
}

TEST_CASE("fade: courses follow the closed loop and w_tr is that of their c3", "[figures][eq44][eq45]") {
  const FigureTables figure = fade_tables(kRuns);
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

TEST_CASE("attention: points are medians over runs of equal settings and start", "[figures]") {
  const FigureTables figure = attention_tables(kRuns);
  CHECK(number_of(figure, "n_groups") == 2);
  const Table& points = figure.table("");
  std::vector<MeasuredRun> runs;
  for (MeasuredRun& run : read_run_folder(kRuns).runs) {
    if (!run.n_items && run.n_context < 10) runs.push_back(std::move(run));
  }
  REQUIRE(runs.size() == 2);
  int n_compared = 0;
  for (std::size_t row = 0; row < points.rows.size(); ++row) {
    if (*points.number(row, "group") > 1.5) continue;
    const auto& iterations = *runs[0].trajectory.find("iteration");
    const auto at =
        std::find(iterations.begin(), iterations.end(), points.number(row, "iteration")) - iterations.begin();
    const double a = *(*runs[0].trajectory.find("w"))[static_cast<std::size_t>(at)];
    const double b = *(*runs[1].trajectory.find("w"))[static_cast<std::size_t>(at)];
    CHECK_THAT(*points.number(row, "w"), WithinRel(0.5 * (a + b), 1e-12));
    CHECK(*points.number(row, "w_low") == std::min(a, b));
    CHECK(*points.number(row, "n_runs") == 2);
    ++n_compared;
  }
  CHECK(n_compared > 5);
}

TEST_CASE("attention: lines are the exact flow and Eqs. 7-8 from the same start", "[figures][eq21][eq7][eq8]") {
  const Table theory = attention_tables(kRuns).table("theory");
  std::vector<double> times;
  std::vector<std::size_t> rows;
  double last_leading = 0.0;
  for (std::size_t row = 0; row < theory.rows.size(); ++row) {
    if (*theory.number(row, "group") > 1.5) continue;
    if (*theory.number(row, "form") > 1.5) {
      last_leading = *theory.number(row, "time");
    } else if (row % 9 == 0) {
      times.push_back(*theory.number(row, "time"));
      rows.push_back(row);
    }
  }
  const theory::AttentionFlowOptions options{.t_max = times.back(), .run_to_t_max = true, .times = times};
  const theory::AttentionFlow flow = attention_flow({.n_context = 8}, {}, theory::ConstantMemorization{}, options);
  REQUIRE(flow.trajectory.size() == times.size());
  for (std::size_t i = 0; i < times.size(); ++i) {
    CHECK_THAT(*theory.number(rows[i], "beta"), WithinAbs(flow.trajectory[i].state.beta, 1e-6));
    CHECK_THAT(*theory.number(rows[i], "w"), WithinAbs(flow.trajectory[i].state.w, 1e-6));
  }
  const double blow_up = *theory::integrate_flow({}, 8.0, 0.5, 0.5).t_icl;
  CHECK(last_leading < blow_up * (1.0 + 1e-9));
  CHECK(last_leading > 0.9 * blow_up);
}

TEST_CASE("phase: runs are marks with their share and bring their own start", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "curves", {500, 1000, 2000}, 2);
  std::string csv = "run,model,items,context,acquired,time,labels,lambda_w,lr,hidden,dim,batch,beta0,beta0_sd,seed\n";
  const auto add = [&](int id, int items, int context, bool acquired) {
    csv += "r" + std::to_string(id) + ",minimal," + std::to_string(items) + "," + std::to_string(context) +
           (acquired ? ",1" : ",0") + ",100,random,0,0.01,512,63,128,0.25,0.1," + std::to_string(id) + "\n";
  };
  for (int i = 0; i < 4; ++i) add(i, 500, 50, i == 0);
  for (int i = 4; i < 8; ++i) add(i, 1500, 50, true);
  add(8, 1500, 12, false);
  folder.write("threshold.runs.csv", csv);
  const FigureTables figure = phase_of_runs_tables(folder.path());
  const Table& runs = figure.table("runs");
  REQUIRE(runs.rows.size() == 3);
  CHECK(*runs.number(1, "n_context") == 50);
  CHECK(*runs.number(1, "n_items") == 500);
  CHECK(*runs.number(1, "share") == 0.25);
  CHECK(*runs.number(1, "shade") == 4);  // steps at 1, 5, 10 and 25 %
  CHECK(*runs.number(2, "shade") == 9);
  CHECK(*runs.number(0, "shade") == 0);
  CHECK(number_of(figure, "n_min") < 12);
  CHECK_THAT(figure.caption, ContainsSubstring("that of the runs: beta0 = 0.25 (sd 0.1)"));
  // The diagram is that of the runs' start, whatever the options say.
  const FigureTables plain =
      phase_tables(read_curve_folder(folder.path()), {.n_context = 12, .beta0 = 0.25, .beta0_sd = 0.1});
  CHECK(to_csv(figure.table("probability")) == to_csv(plain.table("probability")));
  CHECK(plain.table("runs").rows.empty());
}

TEST_CASE("phase: runs of another network are no marks", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "curves", {500, 1000}, 1);
  copy_runs(folder, "minimal_n8_k200");
  const FigureTables figure = phase_of_runs_tables(folder.path(), {.beta0 = 0.1});
  CHECK(figure.table("runs").rows.empty());
  CHECK(to_csv(figure.table("")) == to_csv(phase_tables(read_curve_folder(folder.path()), {.beta0 = 0.1}).table("")));
}

TEST_CASE("trajectory figures: what is missing is named with the command that makes it", "[figures][errors]") {
  const TemporaryFolder empty, bare;
  bare.write("curves/readme", "");
  const auto message = [&](const char* id) { return message_of([&] { figure_tables(id, bare.path()); }); };
  CHECK_THAT(message("fig2d"),
             ContainsSubstring("runs: expected measured runs of the one-layer transformer on random") &&
                 ContainsSubstring("found none; `iclk simulate --model one-layer"));
  CHECK_THAT(message("fig3b"), ContainsSubstring("runs: expected measured runs of the minimal model on random labels"));
  CHECK_THAT(message("fig2e"), ContainsSubstring("one-layer transformer that acquires in-context learning and loses"));
  CHECK_THAT(message("fig3c"),
             ContainsSubstring("minimal model that acquires") && ContainsSubstring("--lambda-w 0.001"));
  CHECK_THAT(message("fig6d"),
             ContainsSubstring("runs: expected measured runs that acquire in-context learning and lose"));
  CHECK_THAT(message("figA6"), ContainsSubstring("runs: expected runs at two or more decays of attention"));
  CHECK_THAT(message("figA8"), ContainsSubstring("runs: expected measured runs on balanced contexts") &&
                                   ContainsSubstring("--labels balanced-context"));
  CHECK_THAT(message("fade"), ContainsSubstring("expected curve files"));
  CHECK_THAT(message("attention"), ContainsSubstring("runs: expected measured runs of the minimal model"));
  // Runs, but no curves of their network.
  const TemporaryFolder runs;
  copy_runs(runs, "minimal_n8_k200");
  CHECK_THAT(message_of([&] { fade_tables(runs.path()); }),
             ContainsSubstring("curves: expected memorization curves with K = 200 and hidden 16") &&
                 ContainsSubstring("`iclk train"));
  for (const char* id : {"fig2d", "fig3b", "fig2e", "fig3c", "fig6d", "figA6", "figA8", "fade", "attention", "phase"}) {
    CHECK_THAT(message_of([&] { figure_tables(id, empty / "absent"); }), ContainsSubstring("absent: no such file"));
    CHECK_THAT(message_of([&] { figure_tables(id, kRuns, {.n_context = 1}); }), ContainsSubstring("n_context"));
  }
}

TEST_CASE("trajectory figures: a broken file is an error or named in the caption", "[figures][errors]") {
  const TemporaryFolder folder;
  copy_runs(folder, "n8");
  copy_runs(folder, "curves");
  folder.write("bad.simulation.csv", "# iclk-simulation 7\n");
  const auto check = [&](auto tables) {
    CHECK_THAT(message_of([&] { tables(folder.path(), FigureOptions{}); }), ContainsSubstring("bad.simulation.csv:1"));
    CHECK_THAT(tables(folder.path(), FigureOptions{.skip_bad_files = true}).caption,
               ContainsSubstring("Left out") && ContainsSubstring("bad.simulation.csv:1"));
  };
  check(fig3b_tables);
  check(fig3c_tables);
  check(fig6d_tables);
  check(figA6_tables);
  check(figA8_tables);
  check(fade_tables);
  check(attention_tables);
}

TEST_CASE("trajectory figures: each is drawn and readable", "[figures]") {
  const TemporaryFolder folder;
  copy_runs(folder, "curves");
  copy_runs(folder, "minimal");
  for (const MeasuredRun& run : runs_at(0.03)) {
    folder.write("one_layer_" + run.file.filename().string(), as_one_layer(read_file(run.file)));
  }
  const std::vector<std::pair<std::string, std::vector<std::string>>> shown = {
      {"fig2d", {"ICL accuracy", "SGD steps"}},
      {"fig3b", {"ICL accuracy", "SGD steps", "theory, exact loss"}},
      {"fig2e", {"accuracy", "SGD steps", "decay 0.03", "IWL"}},
      {"fig3c", {"accuracy", "SGD steps", "ICL, theory"}},
      {"fig6d",
       {"IWL loss", "ICL loss", "exact, one item", "even attention", "one-layer transformer", "minimal model"}},
      {"figA6", {"SGD steps", "never acquired", "has not by then", "theory, 90 %"}},
      {"figA8", {"acquired (2)", "SGD steps"}},
      {"fade", {"closed loop", "MLP alone", "SGD steps until"}},
      {"attention", {"exact loss", "Eqs. 7"}}};
  for (const auto& [id, words] : shown) {
    const DrawnFigure drawn = draw_figure(id, folder.path(), folder / "out");
    const std::string svg = read_file(drawn.svg);
    for (const std::string& word : words)
      CHECK((svg.find(word) != std::string::npos ? word : id + ": " + word + " missing") == word);
    CHECK(fs::file_size(drawn.pdf) > 5000);
  }
}
