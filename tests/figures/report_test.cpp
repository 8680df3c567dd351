#include "iclk/figures/report.hpp"

#include <algorithm>
#include <set>

#include "figure_builders.hpp"
#include "support/catch.hpp"
#include "support/markup_check.hpp"
#include "support/temporary_folder.hpp"
#include "synthetic_curves.hpp"
#include "synthetic_runs.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

namespace {

std::string svg_of(const std::string& body) {
  return "<?xml version=\"1.0\"?>\n<svg width=\"544\" viewBox=\"0 0 544 576\"><title>Gnuplot</title>\n<desc>x</desc>" +
         body + "</svg>\n";
}

/// A folder with curves and a few runs, as small as a report can be made from.
void write_results(const TemporaryFolder& folder) {
  write_synthetic_curves(folder / "curves", {500, 1000, 2000}, 2);
  std::vector<RunRow> rows;
  for (const double n : {25.0, 50.0}) {
    for (int seed = 0; seed < 3; ++seed) rows.push_back({.context = n, .seed = seed, .time = 2.9 * n + 0.1 * seed});
  }
  folder.write("a<b>.runs.csv", run_table(rows));  // a name that has to be escaped
}

}  // namespace

TEST_CASE("inline picture: names are made its own and those that nothing refers to are left out", "[figures]") {
  const std::string svg = inline_svg(
      svg_of(
          "<g id=\"canvas\"><circle id='p'/><use xlink:href='#p' id='q'/><g filter='url(#f)'/><filter id=\"f\"/></g>"),
      "fig5", "a & b");
  CHECK(
      svg ==
      "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" viewBox=\"0 0 544 576\" "
      "role=\"img\" aria-label=\"a &amp; b\">\n<g><circle id=\"fig5-p\"/><use xlink:href='#fig5-p'/><g "
      "filter='url(#fig5-f)'/><filter id=\"fig5-f\"/></g></svg>");
}

TEST_CASE("inline picture: what is not a picture or reaches outside is refused", "[figures][errors]") {
  CHECK_THAT(message_of([] { (void)inline_svg("<svg viewBox=\"0 0 1 1\">", "fig5", ""); }),
             ContainsSubstring("fig5: the picture holds no complete <svg> element"));
  CHECK_THAT(message_of([] { (void)inline_svg("<svg></svg>", "fig5", ""); }), ContainsSubstring("has no viewBox"));
  CHECK_THAT(message_of([] { (void)inline_svg(svg_of("<image href=\"http://x/y.png\"/>"), "fig5", ""); }),
             ContainsSubstring("refers to \"http://x/y.png\" outside itself"));
  CHECK_THAT(message_of([] { (void)inline_svg(svg_of("<g fill='url(x.svg#a)'/>"), "fig5", ""); }),
             ContainsSubstring("outside itself"));
}

TEST_CASE("report: the page is well-formed and holds every drawn figure once and every claim", "[figures]") {
  const TemporaryFolder data, out;
  write_results(data);
  std::size_t last = 0, calls = 0;
  ReportOptions options;
  options.jobs = 2;
  options.on_progress = [&](std::size_t done, std::size_t all) {
    CHECK(done > last);
    CHECK(all == figures::figures().size());
    last = done;
    ++calls;
  };
  const Report report = make_report(read_results(data.path()), out.path(), options);
  CHECK(last == figures::figures().size());
  CHECK(calls >= 1);
  CHECK_FALSE(report.is_short());
  const std::string page = report_page(report);
  const Markup markup = read_markup(page);
  CHECK(markup.problem == "");

  std::set<std::string> ids;
  std::size_t n_pictures = 0, n_claims = 0;
  for (const MarkupTag& tag : markup.tags) {
    const std::string id = tag.attribute("id");
    INFO(tag.name << " " << id);
    if (!id.empty()) CHECK(ids.insert(id).second);
    n_pictures += tag.name == "svg" ? 1 : 0;
    n_claims += id.starts_with("claim-") ? 1 : 0;
    CHECK(tag.name != "script");
    CHECK(tag.name != "link");
    for (const char* key : {"src", "href", "xlink:href", "data"}) {
      const std::string address = tag.attribute(key);
      CHECK((address.empty() || address.starts_with('#') || address.starts_with("figures/") ||
             address.starts_with("data:")));
    }
  }
  const auto n_drawn = std::count_if(report.figures.begin(), report.figures.end(),
                                     [](const ReportFigure& figure) { return figure.files.has_value(); });
  CHECK(n_drawn >= 8);
  CHECK(n_pictures == static_cast<std::size_t>(n_drawn));
  CHECK(n_claims == report.claims.size());
  for (const ReportFigure& figure : report.figures) {
    INFO(figure.info.id);
    CHECK(ids.contains(std::string(figure.info.id)));
    CHECK(figure.files.has_value() == figure.problem.empty());
    if (figure.files) CHECK(std::filesystem::exists(figure.files->svg));
  }
  CHECK_THAT(page, !ContainsSubstring("url(http") && !ContainsSubstring("@import"));
  CHECK_THAT(page, ContainsSubstring("a&lt;b&gt;.runs.csv"));
}

TEST_CASE("report: the same results give the same page whatever the number of threads", "[figures]") {
  const TemporaryFolder data, out;
  write_synthetic_curves(data.path(), {500, 1000}, 1);
  const auto page = [&](int jobs) {
    return report_page(make_report(read_results(data.path()), out.path(), {.jobs = jobs}));
  };
  CHECK(page(1) == page(2));
}

TEST_CASE("report: an input that changes is seen on the page", "[figures]") {
  const TemporaryFolder data, out;
  write_results(data);
  const auto number = [&] {
    const auto claims = claims_of(read_results(data.path()));
    for (const Claim& claim : claims) {
      if (claim.id == "time-linear") return *claim.measured.value;
    }
    return 0.0;
  };
  const double before = number();
  std::string table = read_file(data / "a<b>.runs.csv");
  const std::size_t at = table.rfind("145.2");
  REQUIRE(at != std::string::npos);
  table.replace(at, 5, "190.2");
  data.write("a<b>.runs.csv", table);
  CHECK(number() > before + 0.05);
}

TEST_CASE("report: curves alone have the shorter report", "[figures]") {
  const TemporaryFolder data, out;
  write_synthetic_curves(data.path(), {500, 1000, 2000}, 2);
  const Report report = make_report(read_results(data.path()), out.path());
  CHECK(report.is_short());
  CHECK(report.n_untested_left_out > 10);
  for (const Claim& claim : report.claims) CHECK(claim.measured.value.has_value());
  const std::string page = report_page(report);
  CHECK(read_markup(page).problem == "");
  CHECK_THAT(page, ContainsSubstring("below is what the curves predict") && ContainsSubstring("need training runs"));
  CHECK_THAT(page, !ContainsSubstring("Training runs on the in-context task"));
}

TEST_CASE("report: problems stand at the top and figures that cannot be drawn are gaps", "[figures][errors]") {
  const TemporaryFolder data, out;
  write_results(data);
  data.write("curves/k4000_s0.curves.csv", "# iclk-curves 1\n# n_items: 4000\niteration,time,c1\n1,0.01,abc\n");
  const Report report = make_report(read_results(data.path()), out.path());
  const std::string page = report_page(report);
  CHECK(read_markup(page).problem == "");
  const std::size_t named = page.find("k4000_s0.curves.csv:");
  REQUIRE(named != std::string::npos);
  CHECK(named < page.find("What was asked"));
  const auto fig5 = std::find_if(report.figures.begin(), report.figures.end(),
                                 [](const ReportFigure& figure) { return figure.info.id == "fig5"; });
  REQUIRE(fig5 != report.figures.end());
  CHECK(fig5->files.has_value());  // from the curves that can be read
  CHECK_THAT(fig5->caption, !ContainsSubstring("k4000"));

  const Report broken = make_report(read_results(data.path()), out.path(), {.figure = {.gnuplot = "no-such-program"}});
  for (const ReportFigure& figure : broken.figures) CHECK_FALSE(figure.files.has_value());
  const std::string gaps = report_page(broken);
  CHECK(read_markup(gaps).problem == "");
  CHECK_THAT(gaps, ContainsSubstring("no-such-program: cannot be started"));
}

TEST_CASE("report: no runs and no curves of two K still make a page", "[figures]") {
  const TemporaryFolder data, out;
  write_synthetic_curves(data.path(), {500}, 1);
  const Report one = make_report(read_results(data.path()), out.path());
  CHECK(read_markup(report_page(one)).problem == "");
  CHECK_THAT(report_page(one), ContainsSubstring("the curves have only one K"));

  const TemporaryFolder runs;
  runs.write("a.runs.csv", run_table({{.n_items = 100}}));
  const std::string page = report_page(make_report(read_results(runs.path()), out.path()));
  CHECK(read_markup(page).problem == "");
  CHECK_THAT(page, ContainsSubstring("No memorization curves"));
}

TEST_CASE("report: bad options are refused", "[figures][errors]") {
  const TemporaryFolder data, out;
  write_synthetic_curves(data.path(), {500}, 1);
  CHECK_THAT(message_of([&] { (void)make_report(read_results(data.path()), out.path(), {.jobs = -1}); }),
             ContainsSubstring("jobs: expected a number that is not negative, got -1"));
  CHECK_THAT(message_of([&] { (void)read_results(data.path(), {.n_context = 1.0}); }), ContainsSubstring("n_context"));
}

TEST_CASE("markup check: faults are found", "[figures]") {
  CHECK(read_markup("<a b='c'><d/>x &amp; y</a>").problem == "");
  for (const std::string bad :
       {"<a>", "<a></b>", "</a>", "<a b=c/>", "<a b='1' b='2'/>", "a & b", "<a b='<'/>", "< a>"}) {
    INFO(bad);
    CHECK(read_markup(bad).problem != "");
  }
}
