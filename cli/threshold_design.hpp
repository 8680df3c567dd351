#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/table_file.hpp"
#include "iclk/fit/design.hpp"
#include "output.hpp"
#include "verb_options.hpp"

namespace iclk::cli {

/// What `fit threshold --design` is asked for.
struct DesignInput {
  std::optional<std::string> file;
  std::string goal = "k-star";
  std::uint64_t runs = 24, seed = 0;
  std::optional<double> items_low, items_high;
  double multiple = 2.0;
};
void declare_design(VerbOptions& options, DesignInput& input);

/// Throws Error when another of its options is given without --design, or both want standard output.
void check_design(const VerbOptions& options, const DesignInput& input, const Destinations& destinations,
                  const std::string& table);

/// The runs so far, as far as the numbers of new seeds depend on them.
struct SeedsSoFar {
  std::optional<std::uint64_t> largest;  ///< of the column seed; empty without one
};
SeedsSoFar seeds_so_far(const TextTable& table);

fit::RunDesign plan(const DesignInput& input, fit::Link link, const std::vector<fit::RunOutcome>& runs,
                    bool has_context);

/// One row per planned run: context (where the runs have it), items and seed as a sweep reads them, what is expected,
/// and the settings. Seeds go on after the largest in the file; without such a column after the number of runs at
/// that N and K.
std::string design_csv(const DesignInput& input, const fit::RunDesign& design, const std::vector<fit::RunOutcome>& runs,
                       const SeedsSoFar& seeds, bool has_context, const std::string& source);

/// The same as a plan for `iclk sweep run`: one [[grid]] per N and K. Throws Error unless N and K are whole.
std::string design_plan(const fit::RunDesign& design, const std::vector<fit::RunOutcome>& runs, const SeedsSoFar& seeds,
                        bool has_context, const std::string& source);

Json design_json(const DesignInput& input, const fit::RunDesign& design, bool has_context);
std::string design_text(const fit::RunDesign& design, bool has_context);

}  // namespace iclk::cli
