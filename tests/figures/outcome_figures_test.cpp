#include "iclk/figures/outcome_figures.hpp"

#include "figure_builders.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;
namespace fs = std::filesystem;

namespace {

const std::vector<std::pair<std::string, std::string>> kShown = {
    {"diagonal", "factor 2"},      {"fig2b", "one-layer"}, {"fig2c", "one-layer"},   {"fig3a", "minimal"},
    {"fig6a", "power law"},        {"fig6b", "Kaplan"},    {"fig6c", "Lower panel"}, {"fig6e", "balanced"},
    {"figA4", "interval of time"}, {"figA5", "two-layer"}, {"figA7", "sigmoid"},     {"survival", "Greenwood"}};

}  // namespace

TEST_CASE("outcome figures: every one is drawn from small files of runs", "[figures]") {
  const TemporaryFolder folder;
  for (const auto& [id, words] : kShown) {
    INFO(id);
    const DrawnFigure drawn = draw_figure(id, kOutcomeRuns, folder.path());
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
  other.write("y.csv", kRunHeader + run_row(1, "100", 1, 5));
  CHECK_THAT(message_of([&] { (void)figure_tables("fig6e", other.path()); }),
             ContainsSubstring("found none of these among") || ContainsSubstring("found no runs on balanced contexts"));
  CHECK_THAT(message_of([&] { (void)figure_tables("diagonal", other.path()); }),
             ContainsSubstring("found no N with a prediction and a measured value") &&
                 ContainsSubstring("no curves; `iclk train"));
}

TEST_CASE("outcome figures: a bad file is an error or is left out and named", "[figures][errors]") {
  const TemporaryFolder folder;
  folder.write("a.runs.csv", kRunHeader + run_row(1, "inf", 1, 50) + run_row(2, "100", 0, 90) +
                                 run_row(3, "200", 1, 60) +
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
  fs::copy(kOutcomeRuns / "minimal.runs.csv", folder / "minimal.runs.csv");
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
    std::string text = kRunHeader;
    text.insert(text.size() - 1, "," + std::string(column));
    for (int i = 0; i < 4; ++i) text += run_row(i, "inf", 1, 10 + i, "0.9,,0.5");
    folder.write("a.runs.csv", text);
    for (const char* id : {"fig6b", "figA4", "survival"}) {
      CHECK_THAT(figure_tables(id, folder.path()).caption, ContainsSubstring(reason));
    }
  }
}

TEST_CASE("outcome figures: the fewest runs that make sense are drawn", "[figures]") {
  const TemporaryFolder folder;
  folder.write("a.runs.csv", kRunHeader + run_row(1, "inf", 1, 50) + run_row(2, "100", 0, 90) +
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
      folder.write("r" + std::to_string(i) + ".runs.csv", kRunHeader + run_row(i, "inf", 1, 50 + i));
    }
    return figure_tables("survival", folder.path()).caption;
  };
  CHECK_THAT(caption_of(6), ContainsSubstring("r0.runs.csv") && !ContainsSubstring("files in"));
  CHECK_THAT(caption_of(7), !ContainsSubstring("r0.runs.csv") && ContainsSubstring("7 files in "));
}

TEST_CASE("outcome figures: runs of other settings are counted and not mixed", "[figures]") {
  const TemporaryFolder folder;
  std::string text = kRunHeader;
  for (int i = 0; i < 5; ++i) text += run_row(i, "inf", 1, 50 + i);
  std::string other = run_row(9, "inf", 1, 500);
  text += other.replace(other.find(",32,31"), 6, ",64,31");
  folder.write("a.runs.csv", text);
  for (const char* id : {"fig6b", "figA4", "survival"}) {
    INFO(id);
    const FigureTables figure = figure_tables(id, folder.path());
    CHECK_THAT(figure.caption, ContainsSubstring("not drawn: 1 with other settings"));
  }
  CHECK(figure_tables("fig6b", folder.path()).table("").rows.size() == 5);
}
