#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "claim_parts.hpp"
#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "page_parts.hpp"
#include "page_text.hpp"

namespace iclk::figures {
namespace {

/// A cell with the name of its column, which narrow screens show in the place of the header row.
std::string cell_of(std::string_view label, const std::string& content, bool is_number = false) {
  return "<td" + std::string(is_number ? " class=\"number\"" : "") + " data-label=\"" + std::string(label) + "\">" +
         content + "</td>";
}

std::string header_of(const std::vector<std::string>& columns, std::size_t first_number) {
  std::string row;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    row += element("th", typeset(columns[i]), i >= first_number ? "number" : "");
  }
  return "<thead>" + element("tr", row) + "</thead>";
}

std::string listed(const std::set<double>& values, bool infinite = false) {
  constexpr std::size_t kMost = 10;
  std::string text;
  std::size_t count = 0;
  for (const double value : values) {
    ++count;
    if (values.size() > kMost && count > kMost / 2 && count + 1 < values.size()) {
      if (count == kMost / 2 + 1) text += ", …";
      continue;
    }
    text += (text.empty() ? "" : ", ") + format_number(value);
  }
  if (infinite) text += text.empty() ? "∞" : ", ∞";
  return text;
}

std::string network_row(const CurveSet& set) {
  std::set<double> items, seeds;
  bool unknown = false;
  for (const MeasuredCurve& curve : set.curves) {
    if (curve.n_items)
      items.insert(static_cast<double>(*curve.n_items));
    else
      unknown = true;
    if (curve.seed) seeds.insert(static_cast<double>(*curve.seed));
  }
  return element("tr", cell_of("network", escaped(set.network) + "<br/><span class=\"soft small\">" +
                                              escaped((set.folder / set.pattern).string()) + "</span>") +
                           cell_of("K", listed(items) + (unknown ? " (not stated)" : "")) +
                           cell_of("seeds", seeds.empty() ? "–" : std::to_string(seeds.size()), true) +
                           cell_of("curves", std::to_string(set.curves.size()), true));
}

std::string setup_row(const RunList& setup) {
  std::set<double> items, contexts, seeds;
  bool infinite = false;
  std::size_t n_acquired = 0, n_trajectories = 0;
  for (const MeasuredRun* run : setup) {
    if (run->n_items)
      items.insert(*run->n_items);
    else
      infinite = true;
    contexts.insert(run->n_exemplars);
    if (run->seed) seeds.insert(static_cast<double>(*run->seed));
    n_acquired += run->acquired ? 1 : 0;
    n_trajectories += run->trajectory.n_rows() > 0 ? 1 : 0;
  }
  return element("tr", cell_of("model", typeset(setup_label(setup)) +
                                            (is_full_scale(setup) ? "" : " <span class=\"tag\">reduced scale</span>")) +
                           cell_of("N", listed(contexts)) + cell_of("K", listed(items, infinite)) +
                           cell_of("seeds", std::to_string(seeds.size()), true) +
                           cell_of("runs", std::to_string(setup.size()), true) +
                           cell_of("acquired ICL", std::to_string(n_acquired), true) +
                           cell_of("with measurements", std::to_string(n_trajectories), true));
}

std::string law_row(const CurveSet& set) {
  const Prediction& prediction = *set.prediction;
  const Estimate none;
  const auto* law = prediction.law ? &prediction.law->law : nullptr;
  return element("tr", cell_of("network", escaped(set.network)) +
                           cell_of("nu", interval_text(law ? law->exponent : none), true) +
                           cell_of("prefactor", interval_text(law ? law->prefactor : none), true) +
                           cell_of("K* with the exact loss", interval_text(prediction.k_star_full_loss), true) +
                           cell_of("K* from Eqs. 7-8", interval_text(prediction.threshold.k_star), true) +
                           cell_of("K* to leading order", interval_text(prediction.k_star_leading), true));
}

std::string words(theory::Verdict verdict) {
  if (verdict == theory::Verdict::acquired) return "learns in context";
  return verdict == theory::Verdict::memorized_first ? "memorizes first" : "undecided";
}

std::string optional_text(const std::optional<double>& value, int digits = 4) {
  return value ? short_number(*value, digits) : "–";
}

std::string curve_row(const PredictedCurve& each) {
  const theory::MemorizationIntegral& integral = each.prediction.integral;
  const auto count = [](const std::optional<std::uint64_t>& n) { return n ? std::to_string(*n) : std::string("–"); };
  return element("tr", cell_of("K", count(each.curve.n_items), true) + cell_of("seed", count(each.curve.seed), true) +
                           cell_of("I measured", short_number(integral.measured, 4), true) +
                           cell_of("I(∞)", interval_text(integral.infinity), true) +
                           cell_of("tail", escaped(theory::name(integral.tail)), true) +
                           cell_of("I needed", optional_text(each.prediction.required_integral), true) +
                           cell_of("verdict", words(each.prediction.verdict), true) +
                           cell_of("t_ICL", optional_text(each.prediction.t_icl), true) +
                           cell_of("SGD steps", optional_text(each.t_icl_iterations(), 5), true));
}

}  // namespace

std::string data_part(const Results& results) {
  std::string text = "<section id=\"data\"><h2>What the folder holds</h2>";
  if (!results.networks.empty()) {
    std::string rows;
    for (const CurveSet& set : results.networks) rows += network_row(set);
    text += "<h3>Memorization curves of MLPs trained alone</h3><table>" +
            header_of({"network", "K", "seeds", "curves"}, 2) + element("tbody", rows) + "</table>";
  } else {
    text += "<p class=\"gap\">No memorization curves: predictions have nothing to rest on. " +
            element("code", "iclk train --items 500,1000,2000,4000 --seeds 0:3 --out DIR/curves") + " makes them.</p>";
  }
  if (!results.runs.empty()) {
    std::string rows;
    for (const RunList& setup : setups_of(
             results, [](const MeasuredRun&) { return true; }, Vary::size | Vary::attention_decay | Vary::beta_decay)) {
      rows += setup_row(setup);
    }
    text +=
        "<h3>Training runs on the in-context task</h3><table>" +
        header_of({"model", "N", "K", "seeds", "runs", "acquired ICL", "with measurements"}, 3) +
        element("tbody", rows) +
        "</table><p class=\"small soft\">Of runs without measurements the folder holds settings and results only.</p>";
  }
  return text + "</section>\n";
}

std::string predictions_part(const Report& report) {
  if (report.results.networks.empty()) return {};
  std::string text = "<section id=\"predictions\"><h2>Predictions</h2>";
  std::string laws, details;
  for (const CurveSet& set : report.results.networks) {
    if (!set.prediction) {
      details += "<p class=\"gap\">" + escaped(set.network) + ": no prediction. " +
                 element("code", escaped(set.problem)) + "</p>";
      continue;
    }
    laws += law_row(set);
    const Prediction& prediction = *set.prediction;
    std::string rows;
    for (const PredictedCurve& each : prediction.curves) rows += curve_row(each);
    details += "<h3>" + escaped(set.network) + "</h3>";
    if (!prediction.law) details += "<p>No memorization law: " + escaped(prediction.no_law) + ".</p>";
    for (const std::string& warning : prediction.warnings) details += element("p", typeset(warning), "warning small");
    // A report on curves alone has nothing to say before them.
    details +=
        std::string("<details") + (report.is_short() ? " open=\"open\"" : "") + "><summary>Each of the " +
        std::to_string(prediction.curves.size()) + " curves</summary><table>" +
        header_of({"K", "seed", "I_K measured", "I_K(infinity)", "tail", "I_K needed", "verdict", "t_ICL", "SGD steps"},
                  0) +
        element("tbody", rows) + "</table></details>";
  }
  const CurveSet* first = nullptr;
  for (const CurveSet& set : report.results.networks) {
    if (set.prediction && first == nullptr) first = &set;
  }
  if (first != nullptr) {
    const Prediction& prediction = *first->prediction;
    text +=
        "<p>At <i>N</i> = " + format_number(context_of(report.options)) + " acquisition needs " +
        typeset("I_K = " + short_number(prediction.x_leading, 4) + " to leading order (Eq. 11) and " +
                short_number(prediction.x_exact, 4) + " by Eqs. 7-8 solved exactly at c2 = 1/2; with the exact loss ") +
        (prediction.t_full_loss
             ? typeset("and an MLP that never memorizes t_ICL = " + short_number(*prediction.t_full_loss, 4) + ".")
             : typeset("it is not reached.")) +
        " The memorization law is " + typeset("I_K(infinity) = prefactor × K^nu") +
        "; where it meets what acquisition needs is " + typeset("K*") +
        ", above which in-context learning comes first.</p>";
    text += "<table>" +
            header_of({"network", "nu", "prefactor [time]", "K* with the exact loss", "K* from Eqs. 7-8",
                       "K* to leading order (Eq. 13)"},
                      1) +
            element("tbody", laws) + "</table>";
  }
  return text + details + "</section>\n";
}

}  // namespace iclk::figures
