#include "threshold_design.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::cli {
namespace {

const fit::DesignGain& gain_of(const fit::RunDesign& design, double n_context) {
  for (const fit::DesignGain& gain : design.gains) {
    if (std::abs(gain.n_context - n_context) <= 0) return gain;
  }
  return design.gains.front();
}

std::string whole(double value, const std::string& what) {
  if (std::trunc(value) < value) {
    throw field_error("--design", "a plan of a sweep needs whole " + what + ", got " + format_number(value));
  }
  return format_number(value);
}

/// A seed for each planned run, beyond those of the runs so far.
class NewSeeds {
 public:
  NewSeeds(const std::vector<fit::RunOutcome>& runs, const SeedsSoFar& seeds) : largest_(seeds.largest) {
    for (const fit::RunOutcome& run : runs) ++n_before_[{run.n_context, run.n_items}];
  }
  std::uint64_t first(const fit::DesignRow& row) const {
    if (largest_) return *largest_ + 1;
    const auto before = n_before_.find({row.n_context, row.n_items});
    return before == n_before_.end() ? 0 : before->second;
  }

 private:
  std::optional<std::uint64_t> largest_;
  std::map<std::pair<double, double>, std::uint64_t> n_before_;
};

Json context_json(double n_context, bool has_context) { return has_context ? Json(n_context) : Json(nullptr); }

}  // namespace

void declare_design(VerbOptions& options, DesignInput& input) {
  options.text("--design", input.file, "FILE",
               "plan further runs from these: a table of context, items, seed, or with a name in .toml a plan for iclk "
               "sweep run; "
               "- is standard output");
  options.count("--design-runs", input.runs, {.low = 1, .high = 1000}, "how many runs to plan");
  options.choice("--design-for", input.goal, {"k-star", "exponent"},
                 "what they are to sharpen: K* at each N, or the exponent of K*(N)");
  options.number("--design-items-low", input.items_low, positive_number(),
                 "smallest allowed K; else a quarter of the smallest in the file");
  options.number("--design-items-high", input.items_high, positive_number(),
                 "largest allowed K; else four times the largest in the file");
  options.number("--design-multiple", input.multiple, positive_number(), "planned K are multiples of this");
  options.count("--design-seed", input.seed, {}, "of the simulated outcomes behind the plan");
}

void check_design(const VerbOptions& options, const DesignInput& input, const Destinations& destinations,
                  const std::string& table) {
  if (!input.file) {
    for (const char* option : {"--design-runs", "--design-for", "--design-items-low", "--design-items-high",
                               "--design-multiple", "--design-seed"}) {
      if (options.given(option)) throw field_error(option, "needs --design");
    }
    return;
  }
  if (*input.file == "-" && (destinations.json == "-" || destinations.csv == "-")) {
    throw field_error("--design", "standard output is asked for twice");
  }
  const std::vector<std::string> inputs{table};
  check_destination("--design", *input.file, inputs);
}

SeedsSoFar seeds_so_far(const TextTable& table) {
  SeedsSoFar seeds;
  const auto column = table.find_column("seed");
  if (!column) return seeds;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    const double seed = number(table, row, *column);
    if (!(seed >= 0 && seed < static_cast<double>(kLargestExactInteger)) || std::trunc(seed) < seed) {
      throw field_error(table, row, *column, "a whole number");
    }
    seeds.largest = std::max(seeds.largest.value_or(0), static_cast<std::uint64_t>(seed));
  }
  return seeds;
}

fit::RunDesign plan(const DesignInput& input, fit::Link link, const std::vector<fit::RunOutcome>& runs,
                    bool has_context) {
  if (input.goal == "exponent" && !has_context) {
    throw field_error("--design-for", "the exponent of K*(N) needs a column context, N or n_context");
  }
  fit::DesignOptions options;
  options.link = link;
  options.goal = input.goal == "exponent" ? fit::DesignGoal::exponent : fit::DesignGoal::k_star;
  options.n_runs = input.runs;
  options.items_low = input.items_low;
  options.items_high = input.items_high;
  options.items_multiple = input.multiple;
  options.seed = input.seed;
  try {
    return fit::plan_runs(runs, options);
  } catch (const Error& error) {  // in the names of the options
    const std::map<std::string, std::string> names{{"items_low", "--design-items-low"},
                                                   {"items_high", "--design-items-high"},
                                                   {"items_multiple", "--design-multiple"}};
    const auto at = names.find(error.location().field);
    if (at == names.end()) throw;
    throw field_error(at->second, error.problem());
  }
}

std::string design_csv(const DesignInput& input, const fit::RunDesign& design, const std::vector<fit::RunOutcome>& runs,
                       const SeedsSoFar& seeds, bool has_context, const std::string& source) {
  std::vector<std::string> header{"items",       "seed",  "expected_sd_before", "expected_sd_after", "design_for",
                                  "design_seed", "source"};
  if (has_context) header.insert(header.begin(), "context");
  CsvText csv(header);
  const NewSeeds new_seeds(runs, seeds);
  for (const fit::DesignRow& row : design.rows) {
    const fit::DesignGain& gain = gain_of(design, row.n_context);
    const std::uint64_t first = new_seeds.first(row);
    for (std::uint64_t r = 0; r < row.n_runs; ++r) {
      if (has_context) csv.cell(row.n_context);
      csv.cell(row.n_items).count(first + r).cell(gain.sd_before).cell(gain.sd_after);
      csv.cell(std::string_view(input.goal)).count(input.seed).cell(std::string_view(source)).end_row();
    }
  }
  return std::move(csv).take();
}

std::string design_plan(const fit::RunDesign& design, const std::vector<fit::RunOutcome>& runs, const SeedsSoFar& seeds,
                        bool has_context, const std::string& source) {
  std::string text = "# Runs to do next, planned by iclk fit threshold from " + source +
                     ".\n# Every other setting of those runs belongs into [defaults].\n\n[defaults]\n";
  const NewSeeds new_seeds(runs, seeds);
  for (const fit::DesignRow& row : design.rows) {
    const std::uint64_t first = new_seeds.first(row);
    text += "\n[[grid]]\n";
    if (has_context) text += "context = " + whole(row.n_context, "N") + '\n';
    text += "items = " + whole(row.n_items, "K") + '\n';
    text += "seeds = \"" + std::to_string(first) + ':' + std::to_string(first + row.n_runs) + "\"\n";
  }
  return text;
}

Json design_json(const DesignInput& input, const fit::RunDesign& design, bool has_context) {
  const bool law = input.goal == "exponent";
  Json rows = Json::array(), gains = Json::array();
  for (const fit::DesignRow& row : design.rows) {
    rows.push_back({{"context", context_json(row.n_context, has_context)},
                    {"n_items", json_number(row.n_items)},
                    {"runs", row.n_runs}});
  }
  for (const fit::DesignGain& gain : design.gains) {
    gains.push_back({{"context", context_json(gain.n_context, has_context && !law)},
                     {"runs", gain.n_runs},
                     {"mean", json_number(gain.mean)},
                     {"sd_before", json_number(gain.sd_before)},
                     {"sd_after", json_number(gain.sd_after)},
                     {"sd_even", json_number(gain.sd_even)}});
  }
  return {{"outcome", fit::name(design.outcome)},
          {"for", input.goal},
          {"runs", input.runs},
          {"items_low", json_number(design.items_low)},
          {"items_high", json_number(design.items_high)},
          {"multiple", json_number(input.multiple)},
          {"seed", input.seed},
          {"expected", std::move(gains)},
          {"rows", std::move(rows)},
          {"warnings", design.warnings}};
}

std::string design_text(const fit::RunDesign& design, bool has_context) {
  std::string text = "\nRuns to do next (" + std::string(fit::name(design.outcome)) + ")\n";
  if (!design.rows.empty()) {
    PrintedTable table({"  N", "K", "runs"}, "rrr");
    for (const fit::DesignRow& row : design.rows) {
      table.add_row({"  " + (has_context ? human(row.n_context, 9) : std::string("-")), human(row.n_items, 9),
                     std::to_string(row.n_runs)});
    }
    text += table.str();
  }
  for (const fit::DesignGain& gain : design.gains) {
    const bool of_context = has_context && gain.n_context > 0;
    text += "  sd of " + (has_context && !of_context ? std::string("the exponent") : std::string("ln K*")) +
            (of_context ? " at N = " + human(gain.n_context, 9) : std::string()) + ": " + human(gain.sd_before, 3) +
            " now, " + human(gain.sd_after, 3) + " expected after these runs, " + human(gain.sd_even, 3) +
            " after as many at equally spaced K\n";
  }
  for (const std::string& warning : design.warnings) text += "  warning: " + warning + '\n';
  return text;
}

}  // namespace iclk::cli
