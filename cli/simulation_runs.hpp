#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "iclk/transformer/simulation_runs.hpp"
#include "output.hpp"

namespace iclk::cli {

/// Runs a set of simulations with the program's handling of Ctrl-C and its progress line. `train` gets the options and
/// calls the library. `max_iterations`: of all runs together, for the time left.
std::vector<transformer::SimulationReport> simulate_with_progress(
    const Destinations& destinations, std::uint64_t jobs, double max_iterations,
    const std::function<std::vector<transformer::SimulationReport>(const transformer::SimulationRunsOptions&)>& train);

/// "finished", "interrupted" or "failed", of the set.
std::string outcome_of(const std::vector<transformer::SimulationReport>& reports);

/// Says on standard error what is missing, and returns the exit status.
Exit status_of(const std::vector<transformer::SimulationReport>& reports, const std::string& folder);

/// The reports as table, JSON array and CSV.
struct ReportedRuns {
  std::string text;
  Json json;
  std::string csv;
};
ReportedRuns reported(const std::vector<transformer::SimulationReport>& reports);

/// A number at the head of a result file; empty for "none" and for what is not there.
std::optional<double> number_in(const RunInfo& head, const std::string& key);

}  // namespace iclk::cli
