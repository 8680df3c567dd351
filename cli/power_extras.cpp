#include "power_extras.hpp"

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "number_list.hpp"

namespace iclk::cli {
namespace {

constexpr CountRule kResamplesRule{.low = 100, .high = 10'000'000};
constexpr CountRule kLevelsRule{.low = 2, .high = 1000};

std::vector<double> at_values(const PowerExtrasInput& input) {
  if (!input.at) return {};
  return parse_log_spaced("--at", *input.at, positive_number());
}

std::vector<double> read_sd(const TextTable& table, const std::string& option,
                            const std::optional<std::string>& named) {
  std::vector<double> values;
  if (!named) return values;
  const auto column = table.find_column(*named);
  if (!column) throw field_error(option, "there is no column \"" + *named + "\" in " + table.source());
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    values.push_back(number(table, row, *column));
    if (values.back() < 0) throw field_error(table, row, *column, "zero or a positive number");
  }
  return values;
}

Json tail_range(const fit::TailRange& range) {
  return {{"value", json_number(range.value)}, {"low", json_number(range.low)}, {"high", json_number(range.high)}};
}

Json to_json(const std::optional<fit::AlternativeLaw>& law) {
  if (!law) return nullptr;
  return {{"outcome", fit::name(law->outcome)},
          {"exponent", json_estimate(law->exponent)},
          {"prefactor", json_estimate(law->prefactor)},
          {"warnings", law->warnings}};
}

Json to_json(const std::optional<fit::UncertainPowerLaw>& law) {
  if (!law) return nullptr;
  return {{"outcome", fit::name(law->line.outcome)},
          {"exponent", json_estimate(law->exponent)},
          {"prefactor", json_estimate(law->prefactor)},
          {"chi_squared", json_number(law->line.chi_squared)},
          {"chi_squared_dof", json_number(law->line.degrees_of_freedom)},
          {"lack_of_fit_p", json_number(law->line.lack_of_fit_p)},
          {"error_factor", json_number(law->line.error_factor)},
          {"solver", law->line.solver},
          {"warnings", law->line.warnings}};
}

Json to_json(const fit::ShapeModel& model) {
  return {{"residual_sum_of_squares", json_number(model.residual_sum)},
          {"aicc", json_number(model.aicc)},
          {"bic", json_number(model.bic)}};
}

Json to_json(const std::optional<fit::ShapeComparison>& shape, std::uint64_t seed) {
  if (!shape) return nullptr;
  Json json = {{"outcome", fit::name(shape->outcome)}, {"seed", seed}, {"n_levels", shape->n_levels}};
  const bool compared = shape->outcome == fit::ShapeOutcome::compared;
  const bool broken = compared && shape->broken_fitted;
  json["best"] = compared ? Json(shape->best) : Json(nullptr);
  json["single"] = compared ? to_json(shape->single) : Json(nullptr);
  json["quadratic"] = compared ? to_json(shape->quadratic) : Json(nullptr);
  json["curvature"] = json_estimate(shape->curvature);
  json["curvature_p"] = compared ? tail_range(shape->curvature_p) : Json(nullptr);
  json["broken"] = broken ? to_json(shape->broken) : Json(nullptr);
  json["break"] = json_estimate(shape->break_x);
  json["exponent_below"] = broken ? json_number(shape->exponent_below) : Json(nullptr);
  json["exponent_above"] = broken ? json_number(shape->exponent_above) : Json(nullptr);
  json["break_p"] = broken ? tail_range(shape->break_p) : Json(nullptr);
  json["n_resamples"] = shape->n_resamples;
  json["warnings"] = shape->warnings;
  return json;
}

std::string warning_lines(const std::vector<std::string>& warnings, const std::string& of) {
  std::string text;
  for (const std::string& warning : warnings) text += "  warning: " + of + ": " + warning + '\n';
  return text;
}

std::string p_text(const fit::TailRange& p) {
  if (!(p.high > p.low)) return human(p.value, 2);
  return human(p.value, 2) + " (" + human(p.low, 2) + " to " + human(p.high, 2) + " over the tails)";
}

std::string criteria_text(const fit::ShapeModel& model) {
  return "AICc " + human(model.aicc) + ", BIC " + human(model.bic);
}

std::string shape_text(const fit::ShapeComparison& shape, const std::string& x_name) {
  std::string text = "Is it one power law?\n";
  if (shape.outcome != fit::ShapeOutcome::compared) {
    return text + "  not compared: " + std::string(fit::name(shape.outcome)) + '\n' +
           warning_lines(shape.warnings, "shape");
  }
  text += "  one law   " + criteria_text(shape.single) + '\n';
  text += "  bend      " + criteria_text(shape.quadratic) + ", change of the exponent per ln " + x_name + ' ' +
          human(shape.curvature) + ", p = " + p_text(shape.curvature_p) + '\n';
  if (shape.broken_fitted) {
    text += "  break     " + criteria_text(shape.broken) + ", at " + x_name + " = " + human(shape.break_x) +
            ", exponents " + human(shape.exponent_below) + " and " + human(shape.exponent_above) +
            ", p = " + p_text(shape.break_p) + " from " + std::to_string(shape.n_resamples) + " simulations\n";
  }
  text += "  best      " + std::string(shape.best) + '\n';
  return text + warning_lines(shape.warnings, "shape");
}

std::string laws_text(const PowerExtras& extras) {
  PrintedTable table({"  other ways", "exponent", "prefactor"}, "l");
  std::string warnings;
  bool any = false;
  const auto add = [&](const std::string& way, const Estimate& exponent, const Estimate& prefactor) {
    table.add_row({"  " + way, human(exponent), human(prefactor)});
    any = true;
  };
  if (extras.profile) {
    add("profile likelihood", extras.profile->exponent, extras.profile->prefactor);
    warnings += warning_lines(extras.profile->warnings, "profile");
  }
  if (extras.robust) {
    add("Theil-Sen", extras.robust->exponent, extras.robust->prefactor);
    warnings += warning_lines(extras.robust->warnings, "Theil-Sen");
  }
  if (extras.bootstrap) {
    const fit::PowerLawBootstrap& boot = *extras.bootstrap;
    const std::string of = " of " + std::string(fit::name(boot.resampling));
    if (boot.outcome == fit::BootstrapOutcome::resampled) {
      add("bootstrap" + of + ", percentile", boot.exponent.percentile, boot.prefactor.percentile);
      add("bootstrap" + of + ", BCa", boot.exponent.bca, boot.prefactor.bca);
    }
    warnings += warning_lines(boot.warnings, "bootstrap");
  }
  if (extras.errors) {
    add("errors in x and y", extras.errors->exponent, extras.errors->prefactor);
    warnings += warning_lines(extras.errors->line.warnings, "errors in x and y");
  }
  return any ? table.str() + warnings : warnings;
}

/// "local_exponent_500_1000": ends of the stretch as they would be written in a table.
std::string stretch_name(const fit::LocalExponent& local) {
  return "local_exponent_" + human(local.x_low, 6) + '_' + human(local.x_high, 6);
}

}  // namespace

void declare_bootstrap(VerbOptions& options, BootstrapInput& input) {
  options.count("--bootstrap", input.n_resamples, kResamplesRule,
                "number of resamples for percentile and BCa intervals, which need a hundred levels to hold their rate");
  options.choice("--resample", input.resample, {"runs", "levels", "both"},
                 "what the bootstrap draws: runs within each level, whole levels, or levels and then runs");
  options.count("--seed", input.seed, {}, "of everything drawn at random");
}

fit::BootstrapOptions bootstrap_options(const BootstrapInput& input) {
  fit::BootstrapOptions options{.seed = input.seed};
  if (input.n_resamples) options.n_resamples = static_cast<int>(*input.n_resamples);
  if (input.resample == "runs") options.resampling = fit::Resampling::runs;
  if (input.resample == "levels") options.resampling = fit::Resampling::levels;
  return options;
}

Json bootstrap_json(const fit::PowerLawBootstrap& bootstrap, std::uint64_t seed) {
  const auto intervals = [](const fit::BootstrapIntervals& each) {
    return Json{{"percentile", json_estimate(each.percentile)},
                {"bca", json_estimate(each.bca)},
                {"standard_error", json_number(each.standard_error)},
                {"bias", json_number(each.bias)}};
  };
  return {{"outcome", fit::name(bootstrap.outcome)},
          {"resample", fit::name(bootstrap.resampling)},
          {"n_resamples", bootstrap.n_resamples},
          {"n_redrawn", bootstrap.n_redrawn},
          {"seed", seed},
          {"exponent", intervals(bootstrap.exponent)},
          {"prefactor", intervals(bootstrap.prefactor)},
          {"warnings", bootstrap.warnings}};
}

void declare_power_extras(VerbOptions& options, PowerExtrasInput& input) {
  options.text("--x-sd", input.x_sd, "NAME",
               "column of the standard deviation of x: a line with errors in x and y too");
  options.text("--y-sd", input.y_sd, "NAME", "column of the standard deviation of y, for the same line");
  options.flag("--profile", input.profile, "profile-likelihood interval of the exponent too");
  options.flag("--robust", input.robust, "Theil and Sen's exponent too, which outliers do not move");
  options.flag("--shape", input.shape, "test one law against a bend and against a break");
  options.count("--local", input.local, kLevelsRule, "exponents over this many neighbouring levels, 2 or more");
  options.text("--at", input.at, "X,...", "bands of the law and of a new run at these x, a list or LO:HI:N");
  declare_bootstrap(options, input.bootstrap);
}

PowerErrors read_errors(const PowerExtrasInput& input, const TextTable& table) {
  PowerErrors errors{read_sd(table, "--x-sd", input.x_sd), read_sd(table, "--y-sd", input.y_sd)};
  if (errors.x_sd.empty() && errors.y_sd.empty()) return errors;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    const bool any = (!errors.x_sd.empty() && errors.x_sd[row] > 0) || (!errors.y_sd.empty() && errors.y_sd[row] > 0);
    if (!any) {
      throw field_error(table, row, *table.find_column(input.y_sd ? *input.y_sd : *input.x_sd),
                        "a positive number, since x and y cannot both be exact");
    }
  }
  return errors;
}

PowerExtras power_extras(const PowerExtrasInput& input, const std::vector<fit::PowerLawPoint>& points,
                         const PowerErrors& errors, const fit::PowerLawFit& fit, const fit::PowerLawOptions& options) {
  const std::vector<double> at = at_values(input);
  PowerExtras extras;
  if (input.profile) extras.profile = fit::profile_power_law(points, options);
  if (input.robust) extras.robust = fit::robust_power_law(points, options);
  if (input.bootstrap.n_resamples) {
    extras.bootstrap = fit::bootstrap_power_law(points, fit, options, bootstrap_options(input.bootstrap));
  }
  if (input.x_sd || input.y_sd) {
    extras.errors = fit::fit_power_law_errors_in_variables(points, errors.x_sd, errors.y_sd, options);
  }
  if (input.shape) extras.shape = fit::compare_shapes(points, fit, options, {.seed = input.bootstrap.seed});
  if (input.local) extras.local = fit::local_exponents(points, fit, options, static_cast<int>(*input.local));
  for (const double x : at) {
    extras.bands.push_back(
        {x, x < fit.x_min || x > fit.x_max, fit::predict(fit, x), fit::predict(fit, x, fit::Band::new_run)});
  }
  return extras;
}

std::string to_text(const PowerExtras& extras, const std::string& x_name, const std::string& y_name) {
  std::string text = laws_text(extras);
  if (extras.local) {
    text += "Local exponents\n";
    PrintedTable table({"  " + x_name, "exponent"}, "l");
    for (const fit::LocalExponent& local : *extras.local) {
      table.add_row({"  " + human(local.x_low, 6) + " to " + human(local.x_high, 6), human(local.exponent)});
    }
    text += extras.local->empty() ? "  none: fewer levels than --local asks for\n" : table.str();
  }
  if (extras.shape) text += shape_text(*extras.shape, x_name);
  if (!extras.bands.empty()) {
    PrintedTable table({"  " + x_name, y_name + " of the law", y_name + " of a new run", ""}, "l");
    for (const PowerBand& band : extras.bands) {
      table.add_row(
          {"  " + human(band.x, 6), human(band.mean), human(band.new_run), band.extrapolated ? "extrapolated" : ""});
    }
    text += table.str();
  }
  return text;
}

void add_to_json(Json& json, const PowerExtras& extras, const PowerExtrasInput& input) {
  json["profile"] = to_json(extras.profile);
  json["robust"] = to_json(extras.robust);
  json["bootstrap"] = extras.bootstrap ? bootstrap_json(*extras.bootstrap, input.bootstrap.seed) : Json(nullptr);
  json["errors_in_variables"] = to_json(extras.errors);
  json["shape"] = to_json(extras.shape, input.bootstrap.seed);
  json["local"] = nullptr;
  if (extras.local) {
    json["local"] = Json::array();
    for (const fit::LocalExponent& local : *extras.local) {
      json["local"].push_back({{"x_low", json_number(local.x_low)},
                               {"x_high", json_number(local.x_high)},
                               {"exponent", json_estimate(local.exponent)}});
    }
  }
  json["at"] = Json::array();
  for (const PowerBand& band : extras.bands) {
    json["at"].push_back({{"x", json_number(band.x)},
                          {"extrapolated", band.extrapolated},
                          {"mean", json_estimate(band.mean)},
                          {"new_run", json_estimate(band.new_run)}});
  }
}

std::vector<NamedEstimate> csv_rows(const PowerExtras& extras) {
  std::vector<NamedEstimate> rows;
  if (extras.profile) rows.push_back({"exponent_profile", extras.profile->exponent});
  if (extras.robust) {
    rows.push_back({"exponent_robust", extras.robust->exponent});
    rows.push_back({"prefactor_robust", extras.robust->prefactor});
  }
  if (extras.bootstrap) {
    rows.push_back({"exponent_percentile", extras.bootstrap->exponent.percentile});
    rows.push_back({"exponent_bca", extras.bootstrap->exponent.bca});
    rows.push_back({"prefactor_percentile", extras.bootstrap->prefactor.percentile});
    rows.push_back({"prefactor_bca", extras.bootstrap->prefactor.bca});
  }
  if (extras.errors) {
    rows.push_back({"exponent_errors_in_variables", extras.errors->exponent});
    rows.push_back({"prefactor_errors_in_variables", extras.errors->prefactor});
  }
  if (extras.shape) {
    rows.push_back({"curvature", extras.shape->curvature});
    rows.push_back({"break", extras.shape->break_x});
  }
  if (extras.local) {
    for (const fit::LocalExponent& local : *extras.local) rows.push_back({stretch_name(local), local.exponent});
  }
  for (const PowerBand& band : extras.bands) {
    rows.push_back({"mean_at_" + format_number(band.x), band.mean});
    rows.push_back({"new_run_at_" + format_number(band.x), band.new_run});
  }
  return rows;
}

}  // namespace iclk::cli
