#include "claim_parts.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/least_squares.hpp"
#include "page_text.hpp"

namespace iclk::figures {
namespace {

namespace fs = std::filesystem;

constexpr double kNoDecay = 1e-9;  ///< below it a decay acts over 1e9 in time, longer than any run

std::string model_words(const MeasuredRun& run) {
  if (run.model == "minimal") return "minimal model";
  return run.model + " transformer";
}

/// How the files of these runs were made, as far as the folder says it.
std::vector<std::string> commands_of(const RunList& runs) {
  std::vector<std::string> commands;
  for (const MeasuredRun* run : runs) {
    const fs::path folder = run->file.parent_path();
    std::error_code none;
    std::string command;
    std::string name = run->file.filename().string();
    if (run->line) {
      const std::string stem = name.substr(0, name.find('.'));
      const fs::path plan = folder / (stem + ".toml");
      if (fs::exists(plan, none)) {
        command =
            "iclk sweep run " + plan.string() + " --out " + stem + " && iclk sweep collect " + stem + " --csv " + name;
      }
    } else if (const fs::path plan = fs::path(folder.string() + ".toml"); fs::exists(plan, none)) {
      command = "iclk sweep run " + plan.string() + " --out " + folder.filename().string();
    } else if (fs::exists(folder / "plan.toml", none)) {
      command = "iclk sweep run " + (folder / "plan.toml").string() + " --out DIR";
    }
    if (command.empty()) command = "iclk simulate or iclk sweep run with the settings in " + run->file.string();
    if (std::find(commands.begin(), commands.end(), command) == commands.end()) commands.push_back(command);
    if (commands.size() > 3) break;
  }
  return commands;
}

}  // namespace

std::string setup_label(const RunList& runs) {
  const MeasuredRun& run = *runs.front();
  std::string text = model_words(run) + ", hidden " + std::string(run.text("hidden"));
  if (run.number("dim").value_or(63.0) < 63.0 || run.number("dim").value_or(63.0) > 63.0) {
    text += ", dim " + std::string(run.text("dim"));
  }
  if (run.text("labels") != "random" && !run.text("labels").empty())
    text += ", labels " + std::string(run.text("labels"));
  for (const std::string_view key :
       {"beta0", "beta0_sd", "w0", "w0_sd", "lambda_w", "lambda_beta", "attention_decay"}) {
    std::vector<double> values;
    for (const MeasuredRun* each : runs) values.push_back(each->number(key).value_or(0.0));
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    if (std::abs(*low) < kNoDecay && std::abs(*high) < kNoDecay) continue;
    constexpr std::string_view kSpread = "_sd";
    const std::string name = key.ends_with(kSpread) ? "sd of " + std::string(key.substr(0, key.size() - kSpread.size()))
                             : key == "attention_decay" ? "attention decay"
                                                        : std::string(key);
    text += ", " + name + " " + format_number(*low) + (*high > *low ? " to " + format_number(*high) : "");
  }
  return text;
}

bool is_full_scale(const RunList& runs) {
  const MeasuredRun& run = *runs.front();
  return run.number("hidden").value_or(0.0) >= 512.0 && run.number("dim").value_or(0.0) >= 63.0;
}

std::vector<double> contexts_of(const RunList& runs) {
  std::set<double> contexts;
  for (const MeasuredRun* run : runs) contexts.insert(run->n_exemplars);
  return {contexts.begin(), contexts.end()};
}

std::vector<RunList> setups_of(const Results& results, const std::function<bool(const MeasuredRun&)>& wanted,
                               Vary may_differ) {
  return largest_first(groups_of(runs_where(results.runs, wanted), may_differ));
}

RunList at_context(const RunList& runs, double n_exemplars) {
  RunList list;
  for (const MeasuredRun* run : runs) {
    if (std::abs(run->n_exemplars - n_exemplars) < 0.5) list.push_back(run);
  }
  return list;
}

bool is_minimal(const MeasuredRun& run) {
  return run.model == "minimal" && run.text("attend_self") != "yes" && run.number("copies").value_or(1.0) < 1.5 &&
         run.number("copy_share").value_or(1.0) > 0.999 && !(std::abs(run.number("zipf").value_or(0.0)) > 0.0);
}

bool has_decay(const MeasuredRun& run) {
  for (const std::string_view key : {"lambda_w", "lambda_beta", "attention_decay"}) {
    if (run.number(key).value_or(0.0) > kNoDecay) return true;
  }
  return false;
}

bool has_fixed_start(const MeasuredRun& run) {
  return run.model == "minimal" && !(run.number("beta0_sd").value_or(0.0) > 0.0) &&
         !(run.number("w0_sd").value_or(0.0) > 0.0);
}

double Evidence::n_context() const { return context_of(options_); }

const std::vector<MeasuredCurve>& Evidence::curves_of(const MeasuredRun& run) const {
  const std::string key = network_of(run) + "|" + run.model + "|" + std::string(run.text("item_labels"));
  const auto known = curves_.find(key);
  if (known != curves_.end()) return known->second;
  std::vector<std::string> ignored;  // read_results has said it already
  return curves_.emplace(key, curves_like(results_.data, run, &ignored)).first->second;
}

const Prediction* Evidence::prediction_of(const MeasuredRun& run) const {
  const double beta0 = run.number("beta0").value_or(0.0), w0 = run.number("w0").value_or(0.0);
  const std::string key = network_of(run) + "|" + run.model + "|" + format_number(run.n_exemplars) + "|" +
                          format_number(beta0) + "|" + format_number(w0);
  auto known = predictions_.find(key);
  if (known == predictions_.end()) {
    std::optional<Prediction> prediction;
    const std::vector<MeasuredCurve>& curves = curves_of(run);
    if (!curves.empty()) {
      try {
        prediction = predict_from_curves(curves, {.n_context = run.n_exemplars, .start = {.w = w0, .beta = beta0}});
      } catch (const Error&) {  // the section on these curves says what is wrong; here there is no prediction
      }
    }
    known = predictions_.emplace(key, std::move(prediction)).first;
  }
  return known->second && known->second->law ? &*known->second : nullptr;
}

Estimate mean_of(std::span<const double> values) {
  if (values.empty()) return {};
  const std::vector<double> ones(values.size(), 1.0);
  return fit::fit_least_squares(ones, 1, values).coefficient_interval.front();
}

Estimate geometric_mean_of(std::span<const double> values) {
  std::vector<double> logs;
  for (const double value : values) logs.push_back(std::log(value));
  const Estimate mean = mean_of(logs);
  const auto back = [](const std::optional<double>& log) { return log ? std::optional(std::exp(*log)) : std::nullopt; };
  return {back(mean.value), back(mean.low), back(mean.high)};
}

Estimate pooled_sd(const std::vector<std::vector<double>>& groups) {
  double sum = 0.0, dof = 0.0;
  for (const std::vector<double>& group : groups) {
    if (group.size() < 2) continue;
    const double mean = std::accumulate(group.begin(), group.end(), 0.0) / static_cast<double>(group.size());
    for (const double value : group) sum += (value - mean) * (value - mean);
    dof += static_cast<double>(group.size()) - 1.0;
  }
  if (dof < 1.0) return {};
  const boost::math::chi_squared law(dof);
  return {std::sqrt(sum / dof), std::sqrt(sum / boost::math::quantile(law, 0.975)),
          std::sqrt(sum / boost::math::quantile(law, 0.025))};
}

Estimate slope_of(std::span<const double> x, std::span<const double> y) {
  std::vector<double> design;
  for (const double value : x) design.insert(design.end(), {1.0, value});
  const fit::LeastSquaresFit line = fit::fit_least_squares(design, 2, y);
  return line.coefficient_interval.size() == 2 ? line.coefficient_interval[1] : Estimate{};
}

Estimate exactly(double value) { return {value, value, value}; }

Claim make_claim(std::string id, ClaimOrigin origin, std::string reference, std::string statement) {
  Claim claim;
  claim.id = std::move(id);
  claim.origin = origin;
  claim.reference = std::move(reference);
  claim.statement = std::move(statement);
  return claim;
}

void take_runs(Claim& claim, const RunList& runs, const RunList& setup, const std::string& points) {
  claim.scope = setup_label(setup) + (points.empty() ? "" : "; " + points);
  claim.full_scale = is_full_scale(setup);
  claim.n_runs = runs.size();
  std::set<std::string> sources;
  for (const MeasuredRun* run : runs) sources.insert(run->file.string());
  claim.sources.assign(sources.begin(), sources.end());
  claim.commands = commands_of(runs);
}

void take_curves(Claim& claim, const CurveSet& set, const std::string& command) {
  claim.scope = "MLP alone, " + set.network;
  claim.n_runs = set.curves.size();
  const std::string* hidden = set.curves.empty() ? nullptr : set.curves.front().info.find("hidden");
  claim.full_scale = hidden == nullptr || parse_number(*hidden).value_or(0.0) >= 512.0;
  std::set<std::string> sources;
  for (const MeasuredCurve& curve : set.curves) sources.insert(curve.source);
  claim.sources.assign(sources.begin(), sources.end());
  claim.commands = {command};
}

void take_calculation(Claim& claim, const std::string& command) {
  claim.scope = "calculation";
  claim.commands = {command};
}

Claim gap(Claim claim, std::string missing, std::string command) {
  claim.reason = "no data: " + std::move(missing);
  claim.commands = {std::move(command)};
  return claim;
}

Estimate within_share(double value, double share) {
  const double reach = std::abs(value) * share;
  return {value, value - reach, value + reach};
}

std::string percent(double share) { return short_number(100.0 * share, 2) + " %"; }

std::optional<double> value_at(const MeasuredRun& run, std::string_view column, double time) {
  const auto* times = run.trajectory.find("time");
  const auto* values = run.trajectory.find(column);
  if (times == nullptr || values == nullptr) return std::nullopt;
  std::optional<std::size_t> before;
  for (std::size_t i = 0; i < times->size(); ++i) {
    if (!(*times)[i] || !(*values)[i]) continue;
    const double now = *(*times)[i];
    if (now >= time) {
      if (!before) return now > time ? std::nullopt : (*values)[i];
      const double start = *(*times)[*before];
      const double share = (time - start) / (now - start);
      return *(*values)[*before] + share * (*(*values)[i] - *(*values)[*before]);
    }
    before = i;
  }
  return std::nullopt;
}

std::string range_text(std::string_view letter, std::span<const double> values) {
  if (values.empty()) return {};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::string text = std::string(letter) + " = " + format_number(*low);
  if (*high > *low) text += " to " + format_number(*high);
  return text;
}

}  // namespace iclk::figures
