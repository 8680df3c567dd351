#include "run_course.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "iclk/theory/attention_accuracy.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "outcome_theory.hpp"

namespace iclk::figures {
namespace {

/// A run that is followed beyond w = 1, where in-context learning counts as faded, ends here: chosen, below what a
/// picture resolves.
constexpr double kLastStrength = 0.02;

double log_c3_at(const OrderParameterCurves* curve, double mlp_time) {
  if (curve == nullptr) return 0.0;
  const double time = std::clamp(mlp_time, curve->c1.start_time(), curve->c1.end_time());
  const double c1 = curve->c1(time);
  return std::log(curve->c3 ? (*curve->c3)(time) : c1 / (1.0 - c1));
}

/// When a quantity of the course falls through `level`, once it has been `armed_at` or more: on a straight line in ln t
/// between two points.
template <class Quantity>
std::optional<double> crossing(const Course& course, double level, double armed_at, const Quantity& quantity) {
  bool armed = false;
  double before = 0.0;
  for (std::size_t i = 0; i < course.points.size(); ++i) {
    const double now = quantity(course.points[i]);
    if (i > 0 && armed && before >= level && now < level && course.points[i - 1].time > 0.0) {
      const double a = std::log(course.points[i - 1].time), b = std::log(course.points[i].time);
      return std::exp(a + (b - a) * (before - level) / (before - now));
    }
    armed = armed || now >= armed_at;
    before = now;
  }
  return std::nullopt;
}

}  // namespace

NetworkCurves::NetworkCurves(const std::filesystem::path& data, const MeasuredRun& run, const FigureOptions& options,
                             MeasuredRuns& folder) {
  std::vector<std::string> problems;
  curves = curves_like(data, run, options.skip_bad_files ? &problems : nullptr);
  for (std::string& problem : problems) {
    const auto end = folder.problems.end();
    if (std::find(folder.problems.begin(), end, problem) == end) folder.problems.push_back(std::move(problem));
  }
}

std::vector<const MeasuredCurve*> NetworkCurves::of(double n_items) const {
  std::vector<const MeasuredCurve*> found;
  for (const MeasuredCurve& curve : curves) {
    if (curve.n_items && std::abs(static_cast<double>(*curve.n_items) - n_items) < 0.5) found.push_back(&curve);
  }
  return found;
}

bool have_one_start(const RunList& runs) {
  const theory::FlowState start = start_of(*runs.front());
  return std::all_of(runs.begin(), runs.end(), [&](const MeasuredRun* run) {
    const theory::FlowState other = start_of(*run);
    return std::abs(other.w - start.w) < 1e-6 && std::abs(other.beta - start.beta) < 1e-6;
  });
}

RunList series_to_draw(const std::vector<RunList>& series, const std::filesystem::path& data,
                       const FigureOptions& options, MeasuredRuns& folder) {
  using Rank = std::tuple<double, bool, std::ptrdiff_t, std::ptrdiff_t>;
  std::optional<std::pair<Rank, const RunList*>> best;
  for (const RunList& runs : series) {
    std::optional<NetworkCurves> network;
    if (runs.front()->model == "minimal") network.emplace(data, *runs.front(), options, folder);
    const auto acquired = [](const MeasuredRun* run) { return run->acquired; };
    const auto with_theory = [&](const MeasuredRun* run) {
      return run->acquired && (!run->n_items || (network && !network->of(*run->n_items).empty()));
    };
    const Rank rank{decay_of(*runs.front()), !have_one_start(runs),
                    -std::count_if(runs.begin(), runs.end(), with_theory),
                    -std::count_if(runs.begin(), runs.end(), acquired)};
    if (!best || rank < best->first) best.emplace(rank, &runs);
  }
  return *best->second;
}

theory::FlowState start_of(const MeasuredRun& run) {
  theory::FlowState start{.w = run.number("w0").value_or(0.0), .beta = run.number("beta0").value_or(0.0)};
  const auto first = [&](std::string_view column, double otherwise) {
    const auto* values = run.trajectory.find(column);
    return values != nullptr && !values->empty() ? values->front().value_or(otherwise) : otherwise;
  };
  return {.w = first("w", start.w), .beta = first("beta", start.beta)};
}

Course course_of(const MeasuredRun& run, theory::FlowState start, const OrderParameterCurves* curve, double t_end) {
  const double lambda_w = run.number("lambda_w").value_or(0.0), lambda_beta = run.number("lambda_beta").value_or(0.0);
  const theory::ContextModel context{.model = theory::LossModel::binomial, .n_context = run.n_exemplars};
  const theory::AttentionFlowOptions options{.lambda_w = lambda_w,
                                             .lambda_beta = lambda_beta,
                                             .closed_loop = curve != nullptr,
                                             .t_max = t_end,
                                             .run_to_t_max = true,
                                             .record_trajectory = true};
  const theory::Memorization memorization =
      curve != nullptr ? theory::Memorization(*curve) : theory::Memorization(theory::ConstantMemorization{});
  const theory::AttentionFlow flow = attention_flow(context, start, memorization, options);
  Course course;
  course.n_context = run.n_exemplars;
  const auto* c3 = run.trajectory.find("c3");
  const double log_c3 = c3 != nullptr && c3->front() ? std::log(*c3->front()) : log_c3_at(curve, 0.0);
  course.start_sd = std::sqrt(2.0 * std::max(0.0, log_c3));
  if (flow.attention_half) course.t_attention_half = flow.attention_half->time;
  const bool goes_on = curve != nullptr && flow.attention_half && !(lambda_beta > 0.0);
  for (const theory::AttentionPoint& point : flow.trajectory) {
    if (goes_on && point.time >= flow.attention_half->time) break;
    course.points.push_back({point.time, point.state.w, point.state.beta, log_c3_at(curve, point.mlp_time)});
  }
  if (!goes_on) return course;
  theory::TransienceOptions later = transience_options(run, t_end);
  later.initial = start;
  later.fade.w_fade = kLastStrength;
  later.fade.record_trajectory = true;
  for (const theory::FadePoint& point : predict_transience(*curve, lambda_w, later).trajectory) {
    if (!course.points.empty() && point.time <= course.points.back().time) continue;
    course.points.push_back({point.time, point.w, point.beta, point.log_c3});
  }
  return course;
}

double accuracy_at(const Course& course, const CoursePoint& point) {
  const double sd = std::hypot(course.start_sd, std::max(0.0, -point.log_c3));
  return theory::attention_accuracy(course.n_context, {.w = point.w, .beta = point.beta}, sd);
}

std::optional<double> acquisition_time(const Course& course) {
  return crossing(course, -0.95, -1.0, [&](const CoursePoint& point) { return -accuracy_at(course, point); });
}

std::optional<double> accuracy_loss_time(const Course& course) {
  return crossing(course, kLostAccuracy, kAttainedAccuracy,
                  [&](const CoursePoint& point) { return accuracy_at(course, point); });
}

std::optional<double> fade_time(const Course& course) {
  return crossing(course, 1.0, 1.0 + 1e-9, [](const CoursePoint& point) { return point.w; });
}

std::string no_balanced_course(const MeasuredRun& run) {
  if (run.model != "minimal") return "the start of a transformer's attention is not a number that the theory has";
  if (run.n_items) return "with finite K what the MLP answers on novel items is not known from its order parameters";
  if (run.text("labels") != "balanced-context") return "it is for contexts whose exemplars are balanced";
  if (run.text("attend_self") == "yes") return "the target attends to itself";
  constexpr std::string_view kPrefix = "theory: ";
  if (const std::string reason = untreated(run); !reason.empty()) return reason.substr(kPrefix.size());
  for (const std::string_view column : {"time", "beta", "w", "c1", "c3"}) {
    if (run.trajectory.find(column) == nullptr) return "the runs have not measured " + std::string(column);
  }
  return {};
}

BalancedCourse balanced_course_of(const MeasuredRun& run) {
  const auto column = [&](std::string_view name) -> const auto& { return *run.trajectory.find(name); };
  BalancedCourse course;
  theory::AttentionFlowOptions options{.lambda_w = run.number("lambda_w").value_or(0.0),
                                       .lambda_beta = run.number("lambda_beta").value_or(0.0),
                                       .run_to_t_max = true};
  for (std::size_t row = 0; row < run.trajectory.n_rows(); ++row) {
    if (!column("time")[row] || !column("c1")[row] || !column("c3")[row] || !(*column("c3")[row] > 0.0)) continue;
    course.rows.push_back(row);
    options.times.push_back(*column("time")[row]);
  }
  if (options.times.empty() || !(options.times.back() > 0.0)) return {};
  options.t_max = options.times.back();
  const theory::AttentionFlow flow =
      attention_flow({.model = theory::LossModel::balanced_exact, .n_context = run.n_exemplars}, start_of(run),
                     theory::ConstantMemorization{}, options);
  course.rows.resize(std::min(course.rows.size(), flow.trajectory.size()));
  for (std::size_t i = 0; i < course.rows.size(); ++i) {
    const double c1 = *column("c1")[course.rows[i]], c3 = *column("c3")[course.rows[i]];
    const double variance = std::max(0.0, 2.0 * (std::log(c3) + 2.0 - 4.0 * c1));
    course.accuracy.push_back(theory::balanced_attention_accuracy(run.n_exemplars, flow.trajectory[i].state,
                                                                  std::sqrt(variance), run.number("dim")));
  }
  return course;
}

theory::TransienceOptions transience_options(const MeasuredRun& run, double t_end) {
  theory::TransienceOptions options;
  options.n_context = run.n_exemplars;
  options.initial = start_of(run);
  options.fade.t_max = t_end;
  return options;
}

}  // namespace iclk::figures
