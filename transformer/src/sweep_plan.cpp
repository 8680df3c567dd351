#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <unordered_set>

#include "iclk/core/error.hpp"
#include "iclk/transformer/sweep.hpp"

namespace iclk::transformer {
namespace {

using Kind = SimulationField::Kind;
using Line = std::optional<std::size_t>;

constexpr std::size_t kMostRuns = 1'000'000;  // chosen: beyond what anyone waits for

/// One key of a table of the plan: the values that it asks for, as text.
struct Setting {
  std::string name;
  Line line;
  std::vector<std::string> values;
};

Line line_of(const toml::source_region& region) {
  return region.begin.line > 0 ? Line(static_cast<std::size_t>(region.begin.line)) : std::nullopt;
}

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a truth value";
    case toml::node_type::string:
      return "a text in quotes";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

/// Reads one plan; all that it throws names the file.
class PlanReader {
 public:
  explicit PlanReader(SweepPlan& plan) : plan_(plan) {}

  void read() {
    toml::table root;
    try {
      root = toml::parse(plan_.text, plan_.source);
    } catch (const toml::parse_error& error) {
      throw problem(line_of(error.source()), "", std::string(error.description()));
    }
    const toml::array* grids = nullptr;
    for (const auto& [key, node] : root) {
      const std::string word(key.str());
      if (word == "defaults" && node.is_table()) {
        defaults_ = settings_of_table(*node.as_table());
      } else if (word == "grid" && node.is_array_of_tables()) {
        grids = node.as_array();
      } else if (word == "defaults" || word == "grid") {
        throw problem(line_of(key.source()), word, word == "grid" ? "expected [[grid]]" : "expected [defaults]");
      } else {
        throw problem(line_of(key.source()), word,
                      "does not belong here; a plan has [defaults] and [[grid]], with the settings below them");
      }
    }
    if (grids == nullptr || grids->empty()) throw problem({}, "grid", "a plan needs at least one [[grid]]");
    for (const toml::node& grid : *grids) add_grid(*grid.as_table());
  }

 private:
  Error problem(Line line, const std::string& field, const std::string& text) const {
    return {Location{.file = plan_.source, .line = line, .field = field}, text};
  }

  std::vector<Setting> settings_of_table(const toml::table& table) {
    refuse_two_kinds_of_seeds(table);
    std::vector<Setting> settings;
    for (const auto& [key, node] : table) {
      Setting setting{.name = std::string(key.str()), .line = line_of(key.source()), .values = {}};
      if (setting.name == "seeds") {
        read_seeds(setting, node);
      } else {
        const auto& fields = simulation_fields();
        const auto field =
            std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == setting.name; });
        if (field == fields.end()) refuse_unknown(setting);
        if (const toml::array* values = node.as_array()) {
          if (values->empty())
            throw problem(setting.line, setting.name, "expected at least one value, got an empty array");
          for (const toml::node& value : *values) add_value(setting, *field, value);
        } else {
          add_value(setting, *field, node);
        }
      }
      settings.push_back(std::move(setting));
    }
    return settings;
  }

  [[noreturn]] void refuse_unknown(const Setting& setting) const {
    const std::vector<std::pair<std::string, std::string>> alone{{setting.name, ""}};
    try {
      simulation_options(alone);
    } catch (const Error& error) {
      throw problem(setting.line, setting.name, error.problem());
    }
    throw problem(setting.line, setting.name, "unknown setting");
  }

  /// One value in the text that the setting is read from. Throws when it has a wrong type or is not allowed.
  void add_value(Setting& setting, const SimulationField& field, const toml::node& node) const {
    std::string text;
    const auto wrong_type = [&](const std::string& expected) {
      return problem(line_of(node.source()), field.name, "expected " + expected + ", got " + type_name(node));
    };
    const bool is_integer = node.is_integer();
    if (is_integer) text = std::to_string(node.as_integer()->get());
    if (node.is_floating_point()) text = format_number(node.as_floating_point()->get());
    if (node.is_string()) text = node.as_string()->get();
    if (node.is_boolean()) text = node.as_boolean()->get() ? "yes" : "no";
    switch (field.kind) {
      case Kind::count:
        if (!is_integer) throw wrong_type("a whole number");
        break;
      case Kind::number:
        if (!node.is_number()) throw wrong_type("a number");
        break;
      case Kind::yes_no:
        if (!node.is_boolean() && !node.is_string()) throw wrong_type("true or false");
        break;
      case Kind::word:
        if (!node.is_string()) throw wrong_type("a text in quotes, \"" + field.placeholder + "\"");
        break;
      case Kind::items:
        if (!is_integer && !node.is_string()) throw wrong_type("a whole number or \"inf\"");
        break;
    }
    SimulationOptions trial;
    try {
      field.set(trial, text);
    } catch (const Error& error) {
      throw problem(line_of(node.source()), field.name, error.problem());
    }
    setting.values.push_back(std::move(text));
  }

  /// "0:16", "0:4,7": like the lists of the command line.
  void read_seeds(Setting& setting, const toml::node& node) const {
    const std::string expected = "expected seeds like \"0:16\" or \"0:4,7\"";
    setting.name = "seed";
    if (!node.is_string()) throw problem(setting.line, "seeds", expected + ", got " + type_name(node));
    const std::string& text = node.as_string()->get();
    const auto refuse = [&] { return problem(setting.line, "seeds", expected + ", got \"" + text + "\""); };
    const auto number = [&](std::string_view digits) {
      std::uint64_t value = 0;
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
      if (error != std::errc{} || end != digits.data() + digits.size() || value > (std::uint64_t{1} << 53))
        throw refuse();
      return value;
    };
    std::istringstream parts(text + ',');
    for (std::string part; std::getline(parts, part, ',');) {
      const std::size_t colon = part.find(':');
      const std::uint64_t first = number(std::string_view(part).substr(0, colon));
      const std::uint64_t end =
          colon == std::string::npos ? first + 1 : number(std::string_view(part).substr(colon + 1));
      if (end <= first)
        throw problem(setting.line, "seeds", "the range \"" + part + "\" is empty; a:b means a, a+1, ..., b-1");
      if (end - first > kMostRuns) throw problem(setting.line, "seeds", "the range \"" + part + "\" is too long");
      for (std::uint64_t seed = first; seed < end; ++seed) setting.values.push_back(std::to_string(seed));
    }
  }

  /// All combinations of a grid's values, the defaults filled in.
  void add_grid(const toml::table& table) {
    const Line line = line_of(table.source());
    std::vector<Setting> settings = settings_of_table(table);
    if (settings.empty()) throw problem(line, "grid", "is empty: expected at least one setting");
    for (const Setting& setting : defaults_) {
      const bool is_set =
          std::any_of(settings.begin(), settings.end(), [&](const auto& s) { return s.name == setting.name; });
      if (!is_set) settings.push_back(setting);
    }
    const auto& fields = simulation_fields();
    const auto order = [&](const Setting& setting) {
      return std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == setting.name; });
    };
    std::sort(settings.begin(), settings.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });

    std::size_t n_runs = 1;
    for (const Setting& setting : settings) n_runs = std::min(kMostRuns + 1, n_runs * setting.values.size());
    if (plan_.runs.size() + n_runs > kMostRuns) {
      throw problem(line, "grid", "the plan has more than " + std::to_string(kMostRuns) + " runs");
    }

    std::vector<std::size_t> at(settings.size(), 0);
    std::vector<std::pair<std::string, std::string>> given(settings.size());
    for (;;) {
      for (std::size_t i = 0; i < settings.size(); ++i) given[i] = {settings[i].name, settings[i].values[at[i]]};
      add_run(given, settings, line);
      std::size_t i = settings.size();
      while (i > 0 && ++at[i - 1] == settings[i - 1].values.size()) at[--i] = 0;
      if (i == 0) break;
    }
  }

  void refuse_two_kinds_of_seeds(const toml::table& table) const {
    if (const auto* seeds = table.get("seeds"); seeds != nullptr && table.contains("seed")) {
      throw problem(line_of(seeds->source()), "seeds", "stands beside seed; use one of them");
    }
  }

  void add_run(const std::vector<std::pair<std::string, std::string>>& given, const std::vector<Setting>& settings,
               Line grid_line) {
    const SimulationOptions options = simulation_options(given);
    try {
      validate(options);
    } catch (const Error& error) {
      const std::string& field = error.location().field;
      const auto setting =
          std::find_if(settings.begin(), settings.end(), [&](const auto& s) { return s.name == field; });
      throw problem(setting == settings.end() ? grid_line : setting->line, field, error.problem());
    }
    if (!identities_.insert(run_identity(options)).second) {
      ++plan_.n_repeated;
      return;
    }
    plan_.runs.push_back(options);
  }

  SweepPlan& plan_;
  std::vector<Setting> defaults_;
  std::unordered_set<std::string> identities_;
};

}  // namespace

SweepPlan read_sweep_plan(const std::filesystem::path& path) {
  SweepPlan plan;
  plan.source = path.string();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream contents;
  if (!file || std::filesystem::is_directory(path)) {
    throw Error(Location{.file = plan.source, .line = {}, .field = {}}, "cannot be read; expected a plan in TOML");
  }
  contents << file.rdbuf();
  plan.text = std::move(contents).str();
  PlanReader(plan).read();
  return plan;
}

}  // namespace iclk::transformer
