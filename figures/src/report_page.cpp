#include <algorithm>
#include <cmath>
#include <string>

#include "figure_parts.hpp"
#include "figure_scripts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/report.hpp"
#include "page_parts.hpp"
#include "page_text.hpp"

namespace iclk::figures {
namespace {

/// The options of the report that are not the defaults, as a user types them.
std::string option_text(const FigureOptions& options) {
  const FigureOptions usual;
  std::string text;
  const auto add = [&](const char* name, double value, double unless) {
    if (value < unless || value > unless) text += std::string(" ") + name + " " + format_number(value);
  };
  add("--context", context_of(options), context_of(usual));
  add("--beta0", options.beta0, usual.beta0);
  add("--w0", options.w0, usual.w0);
  add("--beta0-sd", options.beta0_sd, usual.beta0_sd);
  add("--w0-sd", options.w0_sd, usual.w0_sd);
  if (options.foreign.lr) text += " --lr " + format_number(*options.foreign.lr);
  if (options.foreign.n_items) text += " --items " + std::to_string(*options.foreign.n_items);
  return text;
}

std::string problems_part(const Results& results) {
  if (results.problems.empty()) return {};
  std::string items;
  for (const std::string& problem : results.problems) items += element("li", element("code", escaped(problem)));
  return "<section class=\"problems\" id=\"problems\"><h2>What could not be read</h2><p>" +
         std::to_string(results.problems.size()) + (results.problems.size() == 1 ? " file is" : " files are") +
         " left out of everything below.</p><ul>" + items + "</ul></section>\n";
}

std::string contents_part(const Report& report) {
  std::string items;
  const auto add = [&](const char* id, const char* title) {
    items += "<li><a href=\"#" + std::string(id) + "\">" + title + "</a></li>";
  };
  add("question", "What was asked");
  add("data", "What the folder holds");
  if (!report.results.networks.empty()) add("predictions", "Predictions");
  add("claims", "Table of claims");
  add("figures", "Figures");
  add("rules", "How to read the verdicts");
  return "<nav aria-label=\"Contents\"><ul>" + items + "</ul></nav>\n";
}

std::string question_part(const Report& report) {
  std::string text =
      "<section id=\"question\"><h2>What was asked</h2><p>Does a network that is trained on <i>K</i> item-label pairs, "
      "each "
      "shown among <i>N</i> labelled exemplars, learn from its context, or does it memorize the pairs first? The "
      "theory "
      "answers from memorization curves alone: while the MLP memorizes, its error <i>c</i><sub>1</sub>(<i>t</i>) "
      "drives "
      "attention towards the matching exemplar, and in-context learning comes if the accumulated drive "
      "<i>I<sub>K</sub></i> = 2 ∫ <i>c</i><sub>1</sub> d<i>t</i> reaches what attention needs. ";
  text += report.is_short()
              ? "This folder holds memorization curves and no training runs of in-context learning: below is what the "
                "curves predict.</p>"
              : "Below, that is held against training runs, claim by claim.</p>";
  text +=
      "<p class=\"small\">The paper is Nguyen and Reddy, <i>Differential learning kinetics govern the transition from "
      "memorization to generalization during in-context learning</i> (arXiv 2412.00104). Times are learning rate × SGD "
      "steps. An interval in brackets is a 95 % interval. Predictions without further words are for <i>N</i> = " +
      format_number(context_of(report.options)) + ", β<sub>0</sub> = " + format_number(report.options.beta0) +
      ", <i>w</i><sub>0</sub> = " + format_number(report.options.w0) + ".</p>";
  text += "<p class=\"small\">Made by iclk " + escaped(version()) + " with " +
          element("code", escaped("iclk report --data " + report.results.data.string() + " --out " +
                                  report.out.string() + option_text(report.options))) +
          "</p></section>\n";
  return text;
}

std::string figures_part(const Report& report) {
  std::string text = "<section id=\"figures\"><h2>Figures</h2>";
  std::string missing;
  for (const ReportFigure& figure : report.figures) {
    if (!figure.files && report.is_short()) {
      missing += element("li", element("b", escaped(figure.info.id)) + " " + typeset(figure.info.title));
    } else {
      text += figure_part(report, figure);
    }
  }
  if (!missing.empty()) {
    text +=
        "<h3>Not drawn from this folder</h3><p class=\"small\">These need more than it holds; <code>iclk figure "
        "list</code> says what, and which command makes it.</p>" +
        element("ul", missing, "small");
  }
  return text + "</section>\n";
}

std::string rules_part() {
  return "<section id=\"rules\"><h2>How to read the verdicts</h2><p>Each claim states the range of values with which "
         "it "
         "holds. For a value that is predicted, the claim <b>holds</b> if the measured 95 % interval reaches that "
         "range and "
         "is narrow enough to mean something, and <b>fails</b> if the interval lies outside. For a bound, it holds if "
         "the "
         "whole interval keeps the bound, fails if none of it does, and is <b>not tested</b> in between, as it is "
         "without "
         "data. The rule, with its numbers, stands below each claim; verdicts are computed from the files named there. "
         "A "
         "claim that several sets of data can test stands once for each of them. With this many intervals, about one "
         "in "
         "twenty that should reach its value does not.</p></section>\n";
}

}  // namespace

std::string report_page(const Report& report) {
  const std::string title = "In-context learning kinetics: " + report.results.data.string();
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
      escaped(title) + "</title>\n<style>\n" + std::string(scripts::report_style) + "</style>\n</head>\n<body>\n";
  page += "<header><h1>In-context learning or memorization?</h1><p class=\"soft\">Report on " +
          element("code", escaped(report.results.data.string())) + "</p></header>\n";
  page += problems_part(report.results) + contents_part(report) + "<main>\n" + question_part(report);
  page += data_part(report.results);
  page += predictions_part(report);
  page += claims_part(report);
  page += figures_part(report) + rules_part();
  return page + "</main>\n</body>\n</html>\n";
}

}  // namespace iclk::figures
