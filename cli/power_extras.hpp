#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/table_file.hpp"
#include "iclk/fit/errors_in_variables.hpp"
#include "iclk/fit/power_law.hpp"
#include "iclk/fit/power_law_alternatives.hpp"
#include "iclk/fit/power_law_bootstrap.hpp"
#include "iclk/fit/power_law_shape.hpp"
#include "output.hpp"
#include "verb_options.hpp"

namespace iclk::cli {

/// --bootstrap, --resample and --seed, for verbs that resample a power law.
struct BootstrapInput {
  std::optional<std::uint64_t> n_resamples;
  std::string resample = "both";
  std::uint64_t seed = 0;
};
void declare_bootstrap(VerbOptions& options, BootstrapInput& input);
fit::BootstrapOptions bootstrap_options(const BootstrapInput& input);
Json bootstrap_json(const fit::PowerLawBootstrap& bootstrap, std::uint64_t seed);

/// What `fit power` does beyond the one fit, when asked.
struct PowerExtrasInput {
  std::optional<std::string> x_sd, y_sd, at;
  bool profile = false, robust = false, shape = false;
  std::optional<std::uint64_t> local;
  BootstrapInput bootstrap;
};
void declare_power_extras(VerbOptions& options, PowerExtrasInput& input);

/// The columns of --x-sd and --y-sd, one number per row; empty when not named.
struct PowerErrors {
  std::vector<double> x_sd, y_sd;
};
PowerErrors read_errors(const PowerExtrasInput& input, const TextTable& table);

struct PowerBand {
  double x = 0.0;
  bool extrapolated = false;
  Estimate mean, new_run;
};

struct PowerExtras {
  std::optional<fit::AlternativeLaw> profile, robust;
  std::optional<fit::PowerLawBootstrap> bootstrap;
  std::optional<fit::UncertainPowerLaw> errors;
  std::optional<fit::ShapeComparison> shape;
  std::optional<std::vector<fit::LocalExponent>> local;
  std::vector<PowerBand> bands;
};

/// Throws Error for a bad --at before anything is computed.
PowerExtras power_extras(const PowerExtrasInput& input, const std::vector<fit::PowerLawPoint>& points,
                         const PowerErrors& errors, const fit::PowerLawFit& fit, const fit::PowerLawOptions& options);

std::string to_text(const PowerExtras& extras, const std::string& x_name, const std::string& y_name);
void add_to_json(Json& json, const PowerExtras& extras, const PowerExtrasInput& input);

/// One row of the CSV answer: a name and its estimate.
struct NamedEstimate {
  std::string quantity;
  Estimate estimate;
};
std::vector<NamedEstimate> csv_rows(const PowerExtras& extras);

}  // namespace iclk::cli
