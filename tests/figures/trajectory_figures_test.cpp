#include "iclk/figures/trajectory_figures.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "figure_builders.hpp"
#include "iclk/theory/attention_accuracy.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/gradient_flow.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;
namespace fs = std::filesystem;

TEST_CASE("fig3b: lines are the measurements of the runs in groups of equal N and K", "[figures]") {
  const FigureTables figure = fig3b_tables(kCourseRuns);
  const Table& table = figure.table("");
  CHECK(number_of(figure, "n_groups") == 2);
  CHECK(number_of(figure, "n_runs") == 3);
  CHECK_THAT(text_of(figure, "group_labels"), ContainsSubstring("= 8,") && ContainsSubstring("|") &&
                                                  ContainsSubstring("= 16,") && ContainsSubstring("∞"));
  std::set<std::string> drawn;
  for (const MeasuredRun& run : read_run_folder(kCourseRuns).runs) {
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
  const FigureTables figure = fig3b_tables(kCourseRuns);
  const Table& theory = figure.table("theory");
  REQUIRE(theory.rows.size() > 100);
  double sd = 0.0;
  for (const MeasuredRun& r : read_run_folder(kCourseRuns).runs) {
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

TEST_CASE("figA8: runs on balanced contexts are told apart by how they end", "[figures]") {
  const FigureTables figure = figA8_tables(kCourseRuns);
  CHECK(text_of(figure, "group_labels") == "acquired (2)|not acquired (1)");
  CHECK(figure.table("theory").rows.empty());
  CHECK_THAT(figure.caption, ContainsSubstring("in between: 0 of 3 runs") && ContainsSubstring("balanced-context"));
}

TEST_CASE("figA8: theory is the flow on balanced contexts from the start of each run", "[figures][eq9]") {
  // Two starts on either side of the saddle at w = beta = 0; measured accuracies as theory has them or 0.1 away.
  const std::string head =
      "# iclk-simulation 1\n# program: iclk 0.1.0\n# run: 00000000000000a@\n# model: minimal\n# items: inf\n"
      "# context: 20\n# count_target: no\n# attend_self: no\n# labels: balanced-context\n# copy_share: 1\n"
      "# copies: 1\n# dim: 63\n# hidden: 32\n# batch: 128\n# lr: 0.01\n# lambda_w: 0\n# lambda_beta: 0\n# beta0: 0\n"
      "# beta0_sd: 0.3\n# w0: 0\n# w0_sd: 0.3\n# seed: @\n# test_sequences: 1000\n# outcome: reached_iterations\n"
      "# t_icl: none\n# end_iteration: 6000\niteration,time,icl_accuracy,c1,c3,beta,w\n";
  const std::vector<theory::FlowState> starts = {{.w = 0.4, .beta = 0.2}, {.w = -0.5, .beta = -0.1}};
  const std::vector<double> times = {0.0, 5.0, 10.0, 20.0, 40.0, 60.0};
  std::vector<std::vector<double>> expected;
  const auto write = [&](const TemporaryFolder& folder, double shift, const std::string& old, const std::string& with) {
    expected.clear();
    for (std::size_t run = 0; run < starts.size(); ++run) {
      const theory::AttentionFlow flow =
          attention_flow({.model = theory::LossModel::balanced_exact, .n_context = 20}, starts[run],
                         theory::ConstantMemorization{}, {.t_max = 60.0, .run_to_t_max = true, .times = times});
      std::string text = replaced(head, "a@", "a" + std::to_string(run));
      text = replaced(text, "seed: @", "seed: " + std::to_string(run));
      expected.emplace_back();
      for (std::size_t i = 0; i < times.size(); ++i) {
        // Logits of mean 0.02 and variance 0.01.
        constexpr double kVariance = 0.01;
        const double c1 = 0.5 - 0.02 / 4.0, c3 = std::exp(-0.02 + kVariance / 2.0);
        expected.back().push_back(
            theory::balanced_attention_accuracy(20, flow.trajectory[i].state, std::sqrt(kVariance), 63));
        const theory::FlowState shown = i == 0 ? starts[run] : theory::FlowState{};  // only the start counts
        text += format_number(100.0 * times[i]) + "," + format_number(times[i]) + "," +
                format_number(expected.back().back() + shift) + "," + format_number(c1) + "," + format_number(c3) +
                "," + format_number(shown.beta) + "," + format_number(shown.w) + "\n";
      }
      folder.write("r" + std::to_string(run) + ".simulation.csv", replaced(text, old, with));
    }
  };
  const TemporaryFolder folder;
  write(folder, 0.0, "# dim", "# dim");
  const FigureTables figure = figA8_tables(folder.path());
  CHECK(number_of(figure, "has_theory") == 1);
  const Table& theory = figure.table("theory");
  REQUIRE(theory.rows.size() == 2 * times.size());
  for (std::size_t row = 0; row < theory.rows.size(); ++row) {
    const std::size_t run = word_of(theory, row, "run").back() == '0' ? 0 : 1;
    CHECK_THAT(*theory.number(row, "icl_accuracy"), WithinAbs(expected[run][row % times.size()], 1e-8));
    CHECK(*theory.number(row, "time") == times[row % times.size()]);
  }
  CHECK(expected[0].back() > 0.95);
  CHECK(expected[1].back() > 0.55);  // the other basin is not at chance
  CHECK_THAT(figure.caption, ContainsSubstring("Eq. 9") && ContainsSubstring("mean difference ") &&
                                 ContainsSubstring("over 12 measurements"));
  write(folder, -0.1, "# dim", "# dim");
  CHECK_THAT(figA8_tables(folder.path()).caption, ContainsSubstring("mean difference 0.1"));
  // What theory does not treat has no line, and the caption says why.
  for (const auto& [old, with, reason] :
       {std::tuple{"# items: inf", "# items: 500", "with finite K"},
        {"# labels: balanced-context", "# labels: balanced-context-with-target", "exemplars are balanced"},
        {"# attend_self: no", "# attend_self: yes", "attends to itself"},
        {"# copies: 1", "# copies: 2", "line of theory: several copies"},
        {"# model: minimal", "# model: one-layer", "the start of a transformer's attention"},
        {",c3,", ",other,", "have not measured c3"}}) {
    INFO(reason);
    write(folder, 0.0, old, with);
    const FigureTables without = figA8_tables(folder.path());
    CHECK(without.table("theory").rows.empty());
    CHECK_THAT(without.caption, ContainsSubstring("No line of theory: ") && ContainsSubstring(reason));
  }
}

TEST_CASE("attention: points are medians over runs of equal settings and start", "[figures]") {
  const FigureTables figure = attention_tables(kCourseRuns);
  CHECK(number_of(figure, "n_groups") == 2);
  const Table& points = figure.table("");
  std::vector<MeasuredRun> runs;
  for (MeasuredRun& run : read_run_folder(kCourseRuns).runs) {
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
  const Table theory = attention_tables(kCourseRuns).table("theory");
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
    CHECK_THAT(message_of([&] { figure_tables(id, kCourseRuns, {.n_context = 1}); }), ContainsSubstring("n_context"));
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
