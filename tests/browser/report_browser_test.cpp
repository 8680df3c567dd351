#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "../cli/program_run.hpp"
#include "headless_browser.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

/// Every picture with its box and that of its holder, whether it can be seen, how high its smallest label is, and the
/// labels that reach out of it. A picture that is wider than its holder is reached by scrolling, or not at all.
constexpr const char* kPictures = R"js(
[...document.querySelectorAll('figure svg')].map(svg => {
  const box = svg.getBoundingClientRect(), style = getComputedStyle(svg);
  const holder = svg.parentElement, frame = holder.getBoundingClientRect();
  const scrolls = ['auto', 'scroll'].includes(getComputedStyle(holder).overflowX) && holder.scrollWidth >= box.width - 1;
  const heights = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim() !== '').map(
    text => parseFloat(getComputedStyle(text).fontSize) * box.width / svg.viewBox.baseVal.width);
  const out = [...svg.querySelectorAll('text')].filter(text => {
    const label = text.getBoundingClientRect();
    // Boxes of labels hold the whole line of their font, which reaches further than what is drawn of it.
    const slack = 2 + 0.35 * Math.min(label.width, label.height);
    return text.textContent.trim() !== '' && label.width > 0 &&
           (label.left < box.left - slack || label.right > box.right + slack || label.top < box.top - slack ||
            label.bottom > box.bottom + slack);
  }).map(text => text.textContent);
  return {id: svg.closest('figure').id, left: box.left, right: box.right, width: box.width, height: box.height,
          frame: [frame.left, frame.right], wider: box.width > frame.width + 1, scrolls: scrolls,
          smallest: heights.length > 0 ? Math.min(...heights) : null,
          shown: style.visibility === 'visible' && style.display !== 'none' && style.opacity === '1',
          drawn: svg.querySelectorAll('path, use, rect, text').length, out: out};
}))js";

struct ReportFolder {
  TemporaryFolder folder;
  nlohmann::json claims;

  ReportFolder(const std::string& data, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"report", "--data", data, "--out", (folder / "out").string(), "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = run_program(arguments);
    INFO(run.err);
    REQUIRE(run.status == 0);
    claims = nlohmann::json::parse(read_file(folder / "out/claims.json"));
  }
  std::filesystem::path page() const { return folder / "out/report.html"; }
};

void check_page(HeadlessBrowser& browser, const ReportFolder& report, int width) {
  INFO("width " << width);
  browser.open(report.page(), width, 900);
  CHECK(browser.errors().empty());
  REQUIRE(browser.requests().size() == 1);  // the page itself and nothing else
  CHECK(browser.evaluate("document.documentElement.clientWidth") == width);
  CHECK(browser.evaluate("document.documentElement.scrollWidth") <= width);
  CHECK(browser.evaluate("document.body.scrollWidth") <= width);
  const auto pictures = browser.evaluate(kPictures);
  std::size_t n_drawn = 0;
  for (const auto& figure : report.claims["figures"]) n_drawn += figure["drawn"] ? 1 : 0;
  CHECK(pictures.size() == n_drawn);
  CHECK(n_drawn >= 8);
  for (const auto& picture : pictures) {
    INFO(picture.dump());
    CHECK(picture["shown"] == true);
    CHECK(picture["width"] >= 0.75 * std::min(width, 500));
    CHECK(picture["height"] > 80);
    CHECK(picture["left"] >= 0);
    CHECK(picture["frame"][0] >= 0);
    CHECK(picture["frame"][1] <= width);
    if (picture["wider"] == true) {
      CHECK(width < 600);
      CHECK(picture["scrolls"] == true);
    } else {
      CHECK(picture["right"] <= width);
    }
    CHECK(picture["smallest"] >= 9);  // CSS pixels; labels of 16.7 in pictures of 544 or 1120
    CHECK(picture["drawn"] > 10);
    CHECK(picture["out"].empty());
  }
  CHECK(browser.evaluate("document.querySelectorAll('tr.claim').length") == report.claims["claims"].size());
  // Every link of the contents leads somewhere.
  CHECK(browser.evaluate("[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))") == true);
}

}  // namespace

TEST_CASE("report in a browser: shipped data narrow and wide", "[browser][.slow]") {
  const ReportFolder report(ICLK_SHIPPED_DATA, {});
  HeadlessBrowser browser;
  for (const int width : {400, 1400}) check_page(browser, report, width);
}

TEST_CASE("report in a browser: curves alone narrow and wide", "[browser]") {
  const ReportFolder report(ICLK_TEST_DATA "/pytorch", {"--lr", "0.01"});
  HeadlessBrowser browser;
  for (const int width : {400, 1400}) check_page(browser, report, width);
}

TEST_CASE("report in a browser: the check sees errors and overflow and labels that are cut", "[browser]") {
  const TemporaryFolder folder;
  const auto page = folder.write(
      "page.html",
      "<!DOCTYPE html><html><body><script>console.error('x'); nothing();</script><div style='width:900px'>wide</div>"
      "<figure id='f'><svg viewBox='0 0 100 100' width='100' height='100'><text x='90' y='50'>a long label</text></svg>"
      "</figure><figure id='g'><div style='width:200px;overflow:hidden'><svg viewBox='0 0 600 100' width='300' "
      "height='50'>"
      "<text font-size='12' x='9' y='50'>small</text></svg></div></figure></body></html>");
  HeadlessBrowser browser;
  browser.open(page, 400, 900);
  CHECK(browser.errors().size() == 2);
  CHECK(browser.evaluate("document.documentElement.scrollWidth") > 400);
  const auto pictures = browser.evaluate(kPictures);
  REQUIRE(pictures.size() == 2);
  CHECK(pictures[0]["out"].size() == 1);
  CHECK(pictures[0]["wider"] == false);
  CHECK(pictures[1]["wider"] == true);
  CHECK(pictures[1]["scrolls"] == false);
  CHECK(pictures[1]["smallest"] == 6);
  CHECK_THROWS_AS(browser.evaluate("nothing()"), std::runtime_error);
}
