#include "iclk/figures/draw_figure.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "figure_builders.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "synthetic_curves.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;
namespace fs = std::filesystem;

namespace {

std::size_t n_entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// A program that stands in for gnuplot.
std::string fake_gnuplot(const TemporaryFolder& folder, const std::string& body) {
  const fs::path path = folder.write("gnuplot", "#!/bin/sh\n" + body + "\n");
  fs::permissions(path, fs::perms::owner_all);
  return path.string();
}

/// Whether a figure draws training runs and nothing without them.
bool needs_runs(const FigureInfo& figure) {
  return figure.data == DataUse::required && figure.command.starts_with("iclk sweep");
}

/// PATH for the duration of a test.
class SearchPath {
 public:
  explicit SearchPath(const fs::path& path) : old_(std::getenv("PATH")) { setenv("PATH", path.c_str(), 1); }
  ~SearchPath() { setenv("PATH", old_.c_str(), 1); }
  SearchPath(const SearchPath&) = delete;
  SearchPath& operator=(const SearchPath&) = delete;

 private:
  std::string old_;
};

}  // namespace

TEST_CASE("figures: the list has unique ids and one line each", "[figures]") {
  std::set<std::string_view> ids;
  for (const FigureInfo& figure : iclk::figures::figures()) {
    CHECK(ids.insert(figure.id).second);
    CHECK_FALSE(figure.title.empty());
    CHECK(figure.title.find('\n') == std::string_view::npos);
    CHECK_FALSE(figure.needs.empty());
    CHECK(figure.command.empty() == (figure.data == DataUse::unused));
    CHECK((figure.command.empty() || figure.command.starts_with("iclk ")));
    CHECK((figure.command.empty() || figure.command.ends_with(" --out DIR")));
    CHECK(find_figure(figure.id).id == figure.id);
    CHECK(find_figure(figure.paper_label).id == figure.id);
  }
  for (const char* id : {"fig4", "fig5", "fig6c", "figA1a", "figA1b", "figA2", "figA3", "phase"})
    CHECK(ids.contains(id));
  for (const char* id : {"fig2b", "fig2c", "fig3a", "fig6a", "fig6b", "fig6e", "figA4", "figA5", "figA7"}) {
    CHECK(ids.contains(id));
  }
  for (const char* id : {"fig2d", "fig2e", "fig3b", "fig3c", "fig6d", "figA6", "figA8"}) CHECK(ids.contains(id));
  for (const char* id : {"diagonal", "survival", "fade", "attention"}) CHECK(ids.contains(id));
}

TEST_CASE("figures: names are understood as people write them", "[figures]") {
  for (const char* name : {"fig5", "5", "Fig. 5", "FIG5", "figure 5"}) CHECK(find_figure(name).id == "fig5");
  for (const char* name : {"figA2", "figa2", "A.2", "a2", "Fig. A.2", "A2"}) CHECK(find_figure(name).id == "figA2");
  std::string ids;
  for (const FigureInfo& figure : iclk::figures::figures()) ids += (ids.empty() ? "" : ", ") + std::string(figure.id);
  for (const char* name : {"", "fig", "7", "fig5b", "A.33"}) {
    CHECK(message_of([&] { (void)find_figure(name); }) ==
          "figure: expected one of " + ids + ", got \"" + std::string(name) + "\"");
  }
}

TEST_CASE("draw figure: every figure leaves SVG and PDF and tables and caption and script", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "data", kSyntheticItems, 2);
  const fs::path out = folder / "made/here";
  const std::vector<std::pair<std::string, std::string>> shown = {{"fig4", "strength of the match"},
                                                                  {"fig5", "number of items"},
                                                                  {"fig6c", "acquired by"},
                                                                  {"figA1a", "start value"},
                                                                  {"figA1b", "density"},
                                                                  {"figA2", "iterations"},
                                                                  {"figA3", "time"},
                                                                  {"phase", "context length"}};
  const auto all = iclk::figures::figures();
  REQUIRE(shown.size() + static_cast<std::size_t>(std::count_if(all.begin(), all.end(), needs_runs)) == all.size());
  for (const auto& [id, axis] : shown) {
    const DrawnFigure drawn = draw_figure(id, folder / "data", out);
    const std::string svg = read_file(drawn.svg), pdf = read_file(drawn.pdf);
    CHECK(drawn.svg == out / (id + ".svg"));
    CHECK_THAT(svg, StartsWith("<?xml") && ContainsSubstring("<svg") && ContainsSubstring(axis) &&
                        ContainsSubstring("sans-serif") && ContainsSubstring("</svg>"));
    CHECK(svg.size() > 10000);
    CHECK_THAT(pdf, StartsWith("%PDF-") && ContainsSubstring("%%EOF"));
    CHECK(pdf.find("CreationDate") == std::string::npos);
    CHECK(pdf.size() > 5000);
    const FigureTables tables = figure_tables(id, folder / "data");
    REQUIRE(drawn.tables.size() == tables.tables.size());
    CHECK(drawn.tables[0] == out / (id + ".csv"));
    for (std::size_t i = 0; i < drawn.tables.size(); ++i) CHECK(read_file(drawn.tables[i]) == to_csv(tables.tables[i]));
    CHECK(read_file(drawn.caption) == tables.caption);
  }
  for (const auto& entry : fs::directory_iterator(out)) CHECK_FALSE(entry.path().filename().string().starts_with('.'));
}

TEST_CASE("draw figure: labels carry the numbers of the tables", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "data", kSyntheticItems, 2);
  const std::string svg = read_file(draw_figure("5", folder / "data", folder / "out").svg);
  const auto shows = [](const std::string& picture, const std::string& text) {
    return picture.find(text) != std::string::npos;
  };
  for (const auto& [key, text] : figure_tables("5", folder / "data").texts) {
    if (key == "nu_label" || key == "k_star_label") CHECK((shows(svg, text) ? text : key + " missing") == text);
  }
  CHECK(shows(svg, "needed for ICL at"));
  CHECK(shows(svg, "run / law"));
  const FigureOptions without{.n_context = {}};
  CHECK_FALSE(shows(read_file(draw_figure("5", folder / "data", folder / "out", without).svg), "needed for ICL at"));
}

TEST_CASE("draw figure: the same input gives the same bytes and the script draws alone", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "data", {500, 2000}, 1);
  const DrawnFigure first = draw_figure("fig5", folder / "data", folder / "a");
  const DrawnFigure second = draw_figure("fig5", folder / "data", folder / "b");
  CHECK(read_file(first.svg) == read_file(second.svg));
  CHECK(read_file(first.pdf) == read_file(second.pdf));
  CHECK(read_file(first.script) == read_file(second.script));
  fs::remove(second.svg);
  run_gnuplot("gnuplot", folder / "b", "fig5.gp", "svg");
  CHECK(fs::file_size(second.svg) > 10000);
}

TEST_CASE("draw figure: curves from elsewhere without c2 and c3 are drawn", "[figures]") {
  const TemporaryFolder folder;
  folder.write("data.csv",
               "K,step,c1\n500,0,0.49\n500,100,0.3\n500,200,0.1\n500,400,0.02\n500,800,0.002\n"
               "4000,0,0.49\n4000,1e4,0.3\n4000,2e4,0.1\n4000,4e4,0.02\n4000,8e4,0.002\n");
  for (const FigureInfo& figure : iclk::figures::figures()) {
    if (needs_runs(figure)) continue;
    const DrawnFigure drawn =
        draw_figure(figure.id, folder.path(), folder / "out", {.foreign = {.lr = 0.01, .n_items = {}}});
    CHECK(fs::file_size(drawn.svg) > 5000);
  }
}

TEST_CASE("draw figure: gnuplot missing is an error that names the package", "[figures][errors]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "data", {500, 2000}, 1);
  fs::create_directory(folder / "empty");
  const SearchPath path(folder / "empty");
  CHECK_THAT(message_of([&] { draw_figure("fig5", folder / "data", folder / "out"); }),
             StartsWith("gnuplot: cannot be started") && ContainsSubstring("gnuplot-nox"));
  CHECK(n_entries(folder / "out") == 0);
}

TEST_CASE("draw figure: gnuplot failing is an error with its message", "[figures][errors]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "data", {500, 2000}, 1);
  const std::string failing = fake_gnuplot(folder, "echo 'line 3: unknown terminal type' >&2; exit 1");
  CHECK_THAT(message_of([&] { draw_figure("fig5", folder / "data", folder / "out", {.gnuplot = failing}); }),
             ContainsSubstring("failed on fig5.gp: line 3: unknown terminal type"));
  CHECK(n_entries(folder / "out") == 0);
}

TEST_CASE("draw figure: an incomplete picture is an error and earlier files stay", "[figures][errors]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "data", {500, 2000}, 1);
  const DrawnFigure good = draw_figure("fig5", folder / "data", folder / "out");
  const std::string before = read_file(good.svg);
  const std::size_t n_before = n_entries(folder / "out");
  const std::string silent = fake_gnuplot(folder, "echo '<svg' > fig5.svg");
  CHECK_THAT(message_of([&] { draw_figure("fig5", folder / "data", folder / "out", {.gnuplot = silent}); }),
             ContainsSubstring("fig5.svg: gnuplot left it incomplete"));
  CHECK(read_file(good.svg) == before);
  CHECK(n_entries(folder / "out") == n_before);
}

TEST_CASE("draw figure: a folder that cannot be written is an error", "[figures][errors]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "data", {500, 2000}, 1);
  const fs::path file = folder.write("file", "not a folder");
  CHECK_THAT(message_of([&] { draw_figure("fig5", folder / "data", file / "out"); }),
             ContainsSubstring("cannot make this folder"));
  CHECK_THAT(message_of([&] { draw_figure("fig5", folder / "data", file); }), ContainsSubstring("file: cannot"));
  CHECK_THAT(message_of([&] { draw_figure("fig5", folder / "absent", folder / "out"); }),
             ContainsSubstring("absent: no such file or folder"));
  CHECK_FALSE(fs::exists(folder / "out"));
}
