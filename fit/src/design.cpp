#include "iclk/fit/design.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "binary_likelihood.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/core/run_info.hpp"
#include "number_text.hpp"
#include "run_levels.hpp"
#include "threshold_posterior.hpp"

namespace iclk::fit {
namespace {

constexpr std::size_t kMostGathered = 200;    // distinct K of the runs so far; more are gathered on a grid
constexpr std::size_t kMostChoices = 48;      // more runs than this are chosen several at a time
constexpr std::size_t kFinalScenarios = 256;  // behind sd_after and sd_even
constexpr std::uint64_t kFinalStreams = std::uint64_t{1} << 32;

struct Candidate {
  double n_context = 0.0;
  double n_items = 0.0;
  Eigen::ArrayXd p_acquired;  ///< [points]
};

/// One goal: the runs that bear on it, what they leave open, and where further runs may be done.
struct DesignProblem {
  std::vector<ThresholdPoint> points;
  Eigen::ArrayXd goal;     ///< [points]
  Eigen::ArrayXd weights;  ///< [points]
  std::vector<Candidate> candidates;
  std::vector<double> contexts;  ///< distinct N of the runs
  Range items_so_far;            ///< K
  double reference = 0.0;        ///< of ln N
  bool has_context_law = false;
  Link link = Link::probit;

  double log_k_star(const ThresholdPoint& point, double n_context) const {
    return has_context_law ? point.center + point.exponent * (std::log(n_context) - reference) : point.center;
  }
  Candidate candidate(double n_context, double n_items) const {
    Candidate at{n_context, n_items, Eigen::ArrayXd(static_cast<Eigen::Index>(points.size()))};
    Eigen::Index i = 0;
    for (const ThresholdPoint& point : points) {
      const double eta = (std::log(n_items) - log_k_star(point, n_context)) * std::exp(-point.log_width);
      at.p_acquired[i++] = std::exp(log_cdf(link, eta));
    }
    return at;
  }
};

/// Truths drawn from the points, and what the simulated outcomes of each leave of the points' weights.
struct Scenarios {
  Eigen::MatrixXd weights;  ///< [points x scenarios]; each column sums to 1
  std::vector<Rng> streams;
  std::vector<Eigen::Index> truths;  ///< positions among the points

  void run(const Candidate& at, std::size_t n_runs) {
    for (Eigen::Index s = 0; s < weights.cols(); ++s) {
      for (std::size_t r = 0; r < n_runs; ++r) {
        const auto stream = static_cast<std::size_t>(s);
        auto column = weights.col(s).array();
        if (streams[stream].uniform() < at.p_acquired[truths[stream]]) {
          column *= at.p_acquired;
        } else {
          column *= 1 - at.p_acquired;
        }
        column /= column.sum();  // positive: the truth itself allows what was drawn from it
      }
    }
  }
};

Scenarios make_scenarios(const DesignProblem& problem, std::uint64_t seed, std::uint64_t first_stream, std::size_t n) {
  std::vector<double> sums(problem.weights.begin(), problem.weights.end());
  std::partial_sum(sums.begin(), sums.end(), sums.begin());
  Scenarios scenarios;
  scenarios.weights = problem.weights.matrix().replicate(1, static_cast<Eigen::Index>(n));
  for (std::size_t s = 0; s < n; ++s) {
    Rng rng(seed, RandomPurpose::design, first_stream + s);
    // One truth from each of n parts of equal weight.
    const double u = (static_cast<double>(s) + rng.uniform()) / static_cast<double>(n) * sums.back();
    const auto at = std::upper_bound(sums.begin(), sums.end() - 1, u);
    scenarios.truths.push_back(at - sums.begin());
    scenarios.streams.push_back(rng);
  }
  return scenarios;
}

double mean_variance(const DesignProblem& problem, const Scenarios& scenarios) {
  double sum = 0;
  for (Eigen::Index s = 0; s < scenarios.weights.cols(); ++s) {
    const auto weights = scenarios.weights.col(s).array();
    const double mean = (weights * problem.goal).sum();
    sum += (weights * (problem.goal - mean).square()).sum();
  }
  return sum / static_cast<double>(scenarios.weights.cols());
}

/// Chooses runs for one problem, the best next one first.
class RunChooser {
 public:
  RunChooser(DesignProblem problem, const DesignOptions& options)
      : problem_(std::move(problem)), scenarios_(make_scenarios(problem_, options.seed, 0, options.n_scenarios)) {
    runs_.assign(problem_.candidates.size(), 0);
    p_acquired_.resize(static_cast<Eigen::Index>(runs_.size()), problem_.goal.size());
    Eigen::Index row = 0;
    for (const Candidate& candidate : problem_.candidates) p_acquired_.row(row++) = candidate.p_acquired.matrix();
    look();
  }

  double gain() const { return gain_; }
  const DesignProblem& problem() const { return problem_; }
  const std::vector<std::size_t>& runs() const { return runs_; }  ///< [candidates]

  void take(std::size_t n_runs) {
    runs_[best_] += n_runs;
    scenarios_.run(problem_.candidates[best_], n_runs);
    look();
  }

 private:
  /// What one run more takes from the variance, p (1 - p) (mean if acquired - mean if not)^2, as a mean over the
  /// scenarios: two matrix products for all candidates at once.
  void look() {
    const double center = (problem_.weights * problem_.goal).sum();  // keeps digits
    const Eigen::MatrixXd moments = (problem_.goal - center).matrix().asDiagonal() * scenarios_.weights;
    const Eigen::ArrayXXd p = (p_acquired_ * scenarios_.weights).array();  // [candidates x scenarios]
    const Eigen::ArrayXXd acquired = (p_acquired_ * moments).array();
    const Eigen::RowVectorXd means = moments.colwise().sum();
    const Eigen::ArrayXXd without_p = acquired - p.rowwise() * means.array();
    const Eigen::ArrayXXd gains = (p > 0 && p < 1).select(without_p.square() / (p * (1 - p)), 0.0);
    Eigen::Index best = 0;
    gain_ = gains.rowwise().mean().maxCoeff(&best);
    best_ = static_cast<std::size_t>(best);
  }

  DesignProblem problem_;
  Scenarios scenarios_;
  Eigen::MatrixXd p_acquired_;  // [candidates x points]
  std::vector<std::size_t> runs_;
  std::size_t best_ = 0;
  double gain_ = -1;
};

/// Root of the expected variance after the given runs.
double sd_after(const DesignProblem& problem, const std::vector<std::pair<Candidate, std::size_t>>& runs,
                const DesignOptions& options) {
  Scenarios scenarios = make_scenarios(problem, options.seed, kFinalStreams, kFinalScenarios);
  for (const auto& [at, n_runs] : runs) scenarios.run(at, n_runs);
  return std::sqrt(mean_variance(problem, scenarios));
}

/// n_runs over eight K equally spaced in ln K over those of the runs so far, at each N in turn.
std::vector<std::pair<Candidate, std::size_t>> even_runs(const DesignProblem& problem, std::size_t n_runs) {
  constexpr std::size_t kEvenItems = 8;
  const std::size_t n_places = problem.contexts.size() * kEvenItems;
  std::vector<std::pair<Candidate, std::size_t>> runs;
  for (std::size_t place = 0; place < n_places; ++place) {
    const std::size_t here = n_runs * (place + 1) / n_places - n_runs * place / n_places;
    if (here == 0) continue;
    const double part = static_cast<double>(place % kEvenItems) / (kEvenItems - 1);
    const double n_items =
        problem.items_so_far.low * std::pow(problem.items_so_far.high / problem.items_so_far.low, part);
    runs.emplace_back(problem.candidate(problem.contexts[place / kEvenItems], n_items), here);
  }
  return runs;
}

DesignProblem make_problem(std::span<const RunOutcome> runs, const DesignOptions& options, const Range& items) {
  DesignProblem problem;
  problem.link = options.link;
  problem.has_context_law = options.goal == DesignGoal::exponent;
  const RunLevels gathered = gather(runs, kMostGathered, problem.has_context_law ? UseContext::yes : UseContext::no);
  problem.items_so_far = {gathered.k_min, gathered.k_max};
  std::map<double, double> weight_of_context;
  for (const RunOutcome& run : runs) weight_of_context[run.n_context] += 1;
  ThresholdBox box{.center = {std::log(items.low), std::log(items.high)},
                   .exponent = {0, 0},
                   .log_width = {std::log(options.width_low), std::log(options.width_high)}};
  for (const auto& [n_context, weight] : weight_of_context) {
    problem.contexts.push_back(n_context);
    if (problem.has_context_law) problem.reference += std::log(n_context) * weight / static_cast<double>(runs.size());
  }
  if (problem.has_context_law) box.exponent = {options.exponent_low, options.exponent_high};
  problem.points = posterior_points(gathered.levels, options.link, box, problem.reference);
  double mean_width = 0;
  problem.goal.resize(static_cast<Eigen::Index>(problem.points.size()));
  problem.weights.resize(problem.goal.size());
  Eigen::Index i = 0;
  for (const ThresholdPoint& point : problem.points) {
    problem.goal[i] = problem.has_context_law ? point.exponent : point.center;
    problem.weights[i++] = point.weight;
    mean_width += point.weight * std::exp(point.log_width);
  }
  for (const double n_context : problem.contexts) {
    Range near{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
    for (const ThresholdPoint& point : problem.points) {
      near.low = std::min(near.low, problem.log_k_star(point, n_context));
      near.high = std::max(near.high, problem.log_k_star(point, n_context));
    }
    // Runs far from every possible K* say nothing; a few widths beside it are best for its width.
    near.low = std::clamp(near.low - 2 * mean_width, std::log(items.low), std::log(items.high));
    near.high = std::clamp(near.high + 2 * mean_width, std::log(items.low), std::log(items.high));
    const auto rounded = [&](double log_items) {
      const double low = std::ceil(items.low / options.items_multiple);
      const double high = std::floor(items.high / options.items_multiple);
      return options.items_multiple * std::clamp(std::round(std::exp(log_items) / options.items_multiple), low, high);
    };
    double last = 0;
    for (std::size_t c = 0; c < options.n_candidates; ++c) {
      const double part = static_cast<double>(c) / static_cast<double>(options.n_candidates - 1);
      const double n_items = rounded(near.low + part * (near.high - near.low));
      if (n_items > last) problem.candidates.push_back(problem.candidate(n_context, n_items));
      last = n_items;
    }
  }
  return problem;
}

DesignGain describe(const DesignProblem& problem, const std::vector<std::size_t>& runs, std::size_t n_even,
                    const DesignOptions& options) {
  DesignGain gain;
  gain.n_context = problem.has_context_law ? 0.0 : problem.contexts.front();
  std::vector<std::pair<Candidate, std::size_t>> planned;
  for (std::size_t c = 0; c < runs.size(); ++c) {
    if (runs[c] == 0) continue;
    planned.emplace_back(problem.candidates[c], runs[c]);
    gain.n_runs += runs[c];
  }
  gain.mean = (problem.weights * problem.goal).sum();
  gain.sd_before = std::sqrt((problem.weights * (problem.goal - gain.mean).square()).sum());
  gain.sd_after = sd_after(problem, planned, options);
  gain.sd_even = sd_after(problem, even_runs(problem, n_even), options);
  return gain;
}

/// Share of the weight in the outermost twentieth of ln K at either end.
double weight_at_edge(const DesignProblem& problem, const Range& items) {
  const double low = std::log(items.low), high = std::log(items.high), margin = 0.05 * (high - low);
  double sum = 0;
  for (const ThresholdPoint& point : problem.points) {
    const bool outside = std::any_of(problem.contexts.begin(), problem.contexts.end(), [&](double n_context) {
      const double log_k_star = problem.log_k_star(point, n_context);
      return log_k_star < low + margin || log_k_star > high - margin;
    });
    if (outside) sum += point.weight;
  }
  return sum;
}

void require(bool holds, const std::string& field, const std::string& rule, double value) {
  if (!holds) throw field_error(field, "expected " + rule + ", got " + format_number(value));
}

bool positive(double value) { return std::isfinite(value) && value > 0; }

}  // namespace

std::string_view name(DesignGoal goal) { return goal == DesignGoal::exponent ? "exponent" : "k-star"; }

std::string_view name(DesignOutcome outcome) {
  switch (outcome) {
    case DesignOutcome::planned:
      return "planned";
    case DesignOutcome::one_context:
      return "one_context";
    case DesignOutcome::no_runs:
      break;
  }
  return "no_runs";
}

void validate(const DesignOptions& options) {
  constexpr std::size_t kMostRuns = 1000;
  const auto count = [](std::size_t n) { return static_cast<double>(n); };
  require(options.n_runs >= 1 && options.n_runs <= kMostRuns, "n_runs", "a number from 1 to 1000",
          count(options.n_runs));
  if (options.items_low) require(positive(*options.items_low), "items_low", "a positive number", *options.items_low);
  if (options.items_high) {
    require(positive(*options.items_high), "items_high", "a positive number", *options.items_high);
  }
  if (options.items_low && options.items_high) {
    require(*options.items_low < *options.items_high, "items_high", "more than items_low", *options.items_high);
  }
  require(positive(options.items_multiple), "items_multiple", "a positive number", options.items_multiple);
  require(positive(options.width_low), "width_low", "a positive number", options.width_low);
  require(positive(options.width_high) && options.width_high > options.width_low, "width_high",
          "a number above width_low", options.width_high);
  require(std::isfinite(options.exponent_low), "exponent_low", "a finite number", options.exponent_low);
  require(std::isfinite(options.exponent_high) && options.exponent_high > options.exponent_low, "exponent_high",
          "a number above exponent_low", options.exponent_high);
  require(options.n_candidates >= 2, "n_candidates", "at least 2", count(options.n_candidates));
  require(options.n_scenarios >= 2, "n_scenarios", "at least 2", count(options.n_scenarios));
}

RunDesign plan_runs(std::span<const RunOutcome> runs, const DesignOptions& options) {
  validate(options);
  RunDesign design;
  if (runs.empty()) return design;
  const bool law = options.goal == DesignGoal::exponent;
  const RunLevels all = gather(runs, kMostGathered, law ? UseContext::yes : UseContext::no);
  constexpr double kBeyond = 4;
  const Range items{options.items_low.value_or(std::max(all.k_min / kBeyond, options.items_multiple)),
                    options.items_high.value_or(all.k_max * kBeyond)};
  design.items_low = items.low;
  design.items_high = items.high;
  require(items.low < items.high, options.items_low ? "items_low" : "items_high", "a range of K", items.high);
  require(std::ceil(items.low / options.items_multiple) <= std::floor(items.high / options.items_multiple),
          "items_multiple", "a number with multiples in the range of K", options.items_multiple);
  std::map<double, std::vector<RunOutcome>> by_context;
  for (const RunOutcome& run : runs) by_context[run.n_context].push_back(run);
  if (law && by_context.size() < 2) {
    design.outcome = DesignOutcome::one_context;
    design.warnings.emplace_back("a single N: no exponent to sharpen");
    return design;
  }
  std::vector<RunChooser> choosers;
  if (law) {
    choosers.emplace_back(make_problem(runs, options, items), options);
  } else {
    for (const auto& [n_context, group] : by_context) {
      choosers.emplace_back(make_problem(group, options, items), options);
    }
  }
  const std::size_t at_a_time = (options.n_runs + kMostChoices - 1) / kMostChoices;
  for (std::size_t planned = 0; planned < options.n_runs;) {
    const std::size_t now = std::min(at_a_time, options.n_runs - planned);
    std::max_element(choosers.begin(), choosers.end(), [](const RunChooser& a, const RunChooser& b) {
      return a.gain() < b.gain();
    })->take(now);
    planned += now;
  }
  design.outcome = DesignOutcome::planned;
  double edge = 0;
  for (std::size_t i = 0; i < choosers.size(); ++i) {
    const DesignProblem& problem = choosers[i].problem();
    const std::size_t n = choosers.size();
    const std::size_t n_even = options.n_runs * (i + 1) / n - options.n_runs * i / n;
    design.gains.push_back(describe(problem, choosers[i].runs(), n_even, options));
    for (std::size_t c = 0; c < problem.candidates.size(); ++c) {
      const Candidate& at = problem.candidates[c];
      if (choosers[i].runs()[c] > 0) design.rows.push_back({at.n_context, at.n_items, choosers[i].runs()[c]});
    }
    edge = std::max(edge, weight_at_edge(problem, items));
  }
  constexpr double kMuchWeight = 0.1;
  if (edge > kMuchWeight) {
    design.warnings.push_back("K* may lie outside the allowed K, " + rounded_text(items.low, 5) + " to " +
                              rounded_text(items.high, 5) + ": allow more, or do these runs and plan again");
  }
  return design;
}

}  // namespace iclk::fit
