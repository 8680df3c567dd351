#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "iclk/fit/survival.hpp"
#include "output.hpp"

namespace iclk::cli {

/// What `fit acquisition` is asked for.
struct FitAcquisitionInput {
  std::string file;
  std::optional<std::string> time, acquired;
  std::string interval = "log-log";
  bool theory = false;
  std::optional<std::uint64_t> n_context;  ///< of files without such a column
  std::vector<std::string> curves;
  std::optional<double> lr;
  double w0 = 0.0, c2 = 0.5;
  std::optional<std::string> survival;
  Destinations destinations;

  bool wants_theory() const { return theory || n_context || !curves.empty(); }
};

/// Runs at one context length and number of items, where the file has such columns.
struct RunGroupKey {
  std::optional<double> n_items, context;
  auto operator<=>(const RunGroupKey&) const = default;
};

struct TimedRuns {
  std::string time_name, acquired_name;
  std::map<RunGroupKey, std::vector<fit::SurvivalRun>> groups;
  std::vector<std::string> warnings;
};

struct GroupAnswer {
  RunGroupKey key;
  fit::AcquisitionSummary summary;
  const fit::AcquisitionModel* best() const { return summary.best ? &summary.models[*summary.best] : nullptr; }
  const fit::AcquisitionModel* theory() const;  ///< without a cured fraction; null unless asked for
};

struct ItemsAnswer {
  std::optional<double> n_items;
  fit::MedianScaling scaling;
};

struct AcquisitionAnswer {
  std::string outcome;
  std::vector<GroupAnswer> groups;
  std::vector<ItemsAnswer> scaling;  ///< one per number of items, where there is a column of contexts
  std::vector<std::string> warnings;
};

Answer output_of(const FitAcquisitionInput& input, const TimedRuns& runs, const AcquisitionAnswer& answer);

/// Every step of every Kaplan-Meier curve with the fitted distributions beside it.
std::string survival_csv(const AcquisitionAnswer& answer);

}  // namespace iclk::cli
