#include <algorithm>
#include <string>

#include "figure_parts.hpp"
#include "page_parts.hpp"
#include "page_text.hpp"

namespace iclk::figures {
namespace {

std::string class_of(ClaimVerdict verdict) {
  std::string kind(name(verdict));
  std::replace(kind.begin(), kind.end(), ' ', '-');
  return kind;
}

std::string prediction_of(const Claim& claim) {
  std::string text = claim.prediction.value ? interval_text(claim.prediction) : "";
  if (!claim.printed.empty()) text += (text.empty() ? "" : "<br/>") + std::string("paper: ") + typeset(claim.printed);
  if (!text.empty()) return text;
  const auto& [value, low, high] = claim.allowed;
  if (low && high) return short_number(*low) + " to " + short_number(*high);
  if (low) return "above " + short_number(*low);
  return high ? "below " + short_number(*high) : "–";
}

std::string claim_rows(const Claim& claim) {
  const std::string kind = class_of(claim.verdict);
  std::string text = "<tr class=\"claim " + kind + "\" id=\"claim-" + std::to_string(claim.number) + "\"><td>" +
                     std::to_string(claim.number) + "</td><td>" + typeset(claim.statement) + " <span class=\"tag\">" +
                     (claim.origin == ClaimOrigin::paper ? "paper" : "ours") + ", " + typeset(claim.reference) +
                     "</span></td><td class=\"number\" data-label=\"prediction\">" + prediction_of(claim) +
                     "</td><td class=\"number\" data-label=\"measured\">" + interval_text(claim.measured) +
                     "</td><td class=\"verdict\">" + std::string(name(claim.verdict)) + "</td></tr>\n";
  std::string how;
  if (!claim.scope.empty()) {
    how += typeset(claim.scope);
    if (claim.n_runs > 0) how += ", " + std::to_string(claim.n_runs) + (claim.n_runs == 1 ? " run" : " runs");
    if (!claim.full_scale) how += " (reduced scale)";
    how += ". ";
  }
  how += "Measured: " + typeset(claim.quantity) + ". ";
  const std::string rule = rule_text(claim);
  if (!rule.empty()) how += "Holds if " + typeset(rule) + ". ";
  how += "<b>" + std::string(name(claim.verdict)) + "</b>: " + typeset(claim.reason) + ". ";
  for (const std::string& command : claim.commands) how += "<br/>" + element("code", escaped(command));
  return text + "<tr class=\"how " + kind + "\"><td></td><td colspan=\"4\">" + how + "</td></tr>\n";
}

}  // namespace

std::string claims_part(const Report& report) {
  const auto count = [&](ClaimVerdict verdict) {
    return std::to_string(std::count_if(report.claims.begin(), report.claims.end(),
                                        [&](const Claim& claim) { return claim.verdict == verdict; }));
  };
  std::string text = "<section id=\"claims\"><h2>Table of claims</h2><ul class=\"counts\"><li class=\"holds\"><b>" +
                     count(ClaimVerdict::holds) + "</b>hold</li><li class=\"fails\"><b>" + count(ClaimVerdict::fails) +
                     "</b>fail</li><li class=\"not-tested\"><b>" + count(ClaimVerdict::not_tested) +
                     "</b>not tested</li></ul>";
  if (report.n_untested_left_out > 0) {
    text += "<p class=\"small\">A further " + std::to_string(report.n_untested_left_out) +
            " need training runs, or more curves than these, and are left out here. Runs come from <code>iclk "
            "simulate</code> "
            "or <code>iclk sweep run</code>; with them in the folder the report tests those too.</p>";
  }
  std::string group, rows;
  const auto close = [&] {
    if (rows.empty()) return;
    text += "<h3>" + typeset(group) +
            "</h3><table class=\"claims\"><thead><tr><th></th><th>claim</th><th class=\"number\">prediction</th><th "
            "class=\"number\">measured</th><th>verdict</th></tr></thead><tbody>" +
            rows + "</tbody></table>\n";
    rows.clear();
  };
  for (const Claim& claim : report.claims) {
    if (claim.group != group) close();
    group = claim.group;
    rows += claim_rows(claim);
  }
  close();
  return text + "</section>\n";
}

std::string figure_part(const Report& report, const ReportFigure& figure) {
  const std::string id(figure.info.id);
  const std::string heading = "<strong>" + escaped(id) + "</strong> " + typeset(figure.info.title);
  std::string command = "iclk figure " + id;
  if (figure.info.data != DataUse::unused) command += " --data " + report.results.data.string();
  command += " --out " + (report.out / "figures").string();
  if (!figure.files) {
    return "<figure id=\"" + id + "\" class=\"gap\"><figcaption>" + heading +
           "<br/>Not drawn: " + element("code", escaped(figure.problem)) +
           (figure.info.command.empty()
                ? std::string()
                : "<br/>" + element("code", escaped(figure.info.command)) + " makes what it needs") +
           "</figcaption></figure>\n";
  }
  // The caption file: title, text, then settings, numbers and sources under headings of their own.
  const std::size_t title_end = figure.caption.find("\n\n");
  const std::size_t text_end = title_end == std::string::npos ? title_end : figure.caption.find("\n\n", title_end + 2);
  const std::string text =
      text_end == std::string::npos ? figure.caption : figure.caption.substr(title_end + 2, text_end - title_end - 2);
  const std::string rest = text_end == std::string::npos ? "" : figure.caption.substr(text_end + 2);
  const std::size_t box = figure.svg.find("viewBox=\"0 0 ");
  const bool wide = box == std::string::npos || std::stod(figure.svg.substr(box + 13)) > 700.0;
  std::string files;
  const auto link = [&](const std::filesystem::path& path) {
    const std::string file = "figures/" + path.filename().string();
    files += (files.empty() ? "" : ", ") + std::string("<a href=\"") + escaped(file) + "\">" +
             escaped(path.filename().string()) + "</a>";
  };
  link(figure.files->svg);
  link(figure.files->pdf);
  for (const auto& table : figure.files->tables) link(table);
  // In a narrow window a wide picture scrolls: by keys too.
  const std::string holder =
      wide ? "<div class=\"drawing\" tabindex=\"0\" role=\"group\" aria-label=\"" + escaped(figure.info.title) + "\">"
           : "<div class=\"drawing\">";
  return "<figure id=\"" + id + "\" class=\"" + (wide ? "two-columns" : "one-column") + "\">" + holder + figure.svg +
         "</div>\n<figcaption>" + heading + ". " + typeset(text) +
         "<details><summary>Settings, numbers, sources and how it was made"
         "</summary><pre>" +
         escaped(rest) + "</pre><p>" + element("code", escaped(command)) + "</p><p>Files: " + files +
         "</p></details></figcaption></figure>\n";
}

}  // namespace iclk::figures
