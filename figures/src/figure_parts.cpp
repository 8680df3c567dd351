#include "figure_parts.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <set>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {
namespace {

/// viridis (Smith, van der Walt, Firing; matplotlib, CC0) at 0, 1/8, ..., 1: its lightness rises evenly.
constexpr std::array<std::array<int, 3>, 9> kViridis = {{{0x44, 0x01, 0x54},
                                                         {0x47, 0x2d, 0x7b},
                                                         {0x3b, 0x52, 0x8b},
                                                         {0x2c, 0x72, 0x8e},
                                                         {0x21, 0x91, 0x8c},
                                                         {0x28, 0xae, 0x80},
                                                         {0x5e, 0xc9, 0x62},
                                                         {0xad, 0xdc, 0x30},
                                                         {0xfd, 0xe7, 0x25}}};
constexpr double kLastShade = 0.83;  ///< chosen by eye: lighter lines are lost on white paper

std::string printed(const char* format, auto... values) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

/// The power of ten of the first digit of `value`; 0 where there is none (zero, not finite).
int leading_power(double value) {
  if (!(std::abs(value) > 0.0) || !std::isfinite(value)) return 0;
  return static_cast<int>(std::floor(std::log10(std::abs(value))));
}

/// `value` rounded to a multiple of 10^power.
std::string to_unit(double value, int power) {
  const double size = std::abs(value);
  if (size >= 1e6 || (size > 0.0 && size < 1e-3)) {
    return printed("%.*g", std::max(1, leading_power(size) - power + 1), value);
  }
  if (power <= 0) return printed("%.*f", -power, value);
  const double unit = std::pow(10.0, power);
  return printed("%.0f", std::round(value / unit) * unit);
}

void append_tic(std::string& tics, const std::string& label, double position, bool minor) {
  tics += (tics.empty() ? "\"" : ", \"") + label + "\" " + format_number(position) + (minor ? " 1" : "");
}

/// "dim 63; hidden 512; ...": settings that all files share, then those that differ with their values.
std::string settings_of(std::span<const MeasuredCurve> curves) {
  std::vector<std::string> keys;
  for (const MeasuredCurve& curve : curves) {
    for (const auto& [key, value] : curve.info.entries) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  std::vector<std::string> settings;
  for (const std::string& key : keys) {
    if (key == "n_items" || key == "seed") continue;
    std::vector<std::string> values;
    for (const MeasuredCurve& curve : curves) {
      const std::string* value = curve.info.find(key);
      const std::string text = value != nullptr ? *value : "not stated";
      if (std::find(values.begin(), values.end(), text) == values.end()) values.push_back(text);
    }
    constexpr std::size_t kMostValues = 6;
    const std::size_t n_more = values.size() > kMostValues ? values.size() - kMostValues : 0;
    values.resize(values.size() - n_more);
    settings.push_back(key + " " + joined(values, " | ") +
                       (n_more > 0 ? " and " + std::to_string(n_more) + " more" : ""));
  }
  return settings.empty() ? "the files state none" : joined(settings, "; ");
}

std::string curve_counts_text(std::span<const MeasuredCurve> curves) {
  std::vector<std::string> words;
  for (const Level& level : levels_of(curves)) {
    words.push_back(format_number(level.n_items) + " (" + std::to_string(level.curves.size()) + ")");
  }
  return std::to_string(curves.size()) + "; K (runs at this K): " + joined(words, ", ");
}

}  // namespace

std::string joined(const std::vector<std::string>& words, const std::string& separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

std::vector<Level> levels_of(std::span<const MeasuredCurve> curves) {
  if (curves.empty()) throw field_error("curves", "expected at least one curve, got none");
  std::vector<Level> levels;
  for (const MeasuredCurve& curve : curves) {
    const double n_items = static_cast<double>(curve.n_items.value());
    auto level = std::find_if(levels.begin(), levels.end(), [&](const Level& l) { return !(l.n_items < n_items); });
    if (level == levels.end() || level->n_items > n_items) level = levels.insert(level, Level{n_items, {}});
    level->curves.push_back(&curve);
  }
  return levels;
}

std::vector<std::string> ordered_colors(std::size_t n) {
  std::vector<std::string> colors;
  for (std::size_t i = 0; i < n; ++i) {
    const double shade = n > 1 ? kLastShade * static_cast<double>(i) / static_cast<double>(n - 1) : 0.0;
    const double position = shade * static_cast<double>(kViridis.size() - 1);
    const std::size_t below = std::min(static_cast<std::size_t>(position), kViridis.size() - 2);
    const double share = position - static_cast<double>(below);
    std::array<int, 3> rgb{};
    for (std::size_t c = 0; c < 3; ++c) {
      rgb[c] =
          static_cast<int>(std::lround(kViridis[below][c] + share * (kViridis[below + 1][c] - kViridis[below][c])));
    }
    colors.push_back(printed("#%02x%02x%02x", rgb[0], rgb[1], rgb[2]));
  }
  return colors;
}

void add_levels(FigureTables& figure, const std::vector<Level>& levels) {
  std::vector<std::string> labels;
  for (const Level& level : levels) labels.push_back(format_number(level.n_items));
  constexpr std::size_t kMostEntries = 14;  ///< of a legend that stays as high as its figure
  figure.numbers.emplace_back("n_levels", static_cast<double>(levels.size()));
  figure.numbers.emplace_back("legend_step", static_cast<double>((levels.size() + kMostEntries - 1) / kMostEntries));
  figure.texts.emplace_back("level_labels", joined(labels, " "));
  figure.texts.emplace_back("level_colors", joined(ordered_colors(levels.size()), " "));
}

void add_log_axis(FigureTables& figure, const std::string& name, double low, double high, double margin) {
  assert(low > 0.0 && high >= low && std::isfinite(high));
  low /= margin;
  high *= margin;
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const auto inside = [&](double position) { return position >= low * (1 - 1e-9) && position <= high * (1 + 1e-9); };
  const auto count = [&](const std::vector<int>& steps) {
    int n = 0;
    for (int power = first; power <= last; ++power) {
      for (const int step : steps) n += inside(step * std::pow(10.0, power)) ? 1 : 0;
    }
    return n;
  };
  const int n_powers = count({1});
  const int stride = 1 + (n_powers - 1) / 6;  // at most six labels
  const std::vector<int> labelled = n_powers >= 2           ? std::vector{1}
                                    : count({1, 2, 5}) >= 2 ? std::vector{1, 2, 5}
                                                            : std::vector{1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::string tics, marks;
  for (int power = first; power <= last; ++power) {
    for (int step = 1; step < 10; ++step) {
      const double position = step * std::pow(10.0, power);
      if (!inside(position) || (step > 1 && stride > 1)) continue;
      const bool major = power % stride == 0 && std::find(labelled.begin(), labelled.end(), step) != labelled.end();
      const std::string label = n_powers >= 2 ? printed("10^{%d}", power) : format_number(position);
      append_tic(tics, major ? label : "", position, !major);
      append_tic(marks, "", position, !major);
    }
  }
  figure.numbers.emplace_back(name + "_min", low);
  figure.numbers.emplace_back(name + "_max", high);
  figure.texts.emplace_back(name + "_tics", "(" + tics + ")");
  figure.texts.emplace_back(name + "_marks", "(" + marks + ")");
}

std::vector<std::size_t> drawn_samples(std::span<const double> times, std::size_t limit) {
  std::vector<std::size_t> samples;
  if (times.size() <= limit) {
    for (std::size_t i = 0; i < times.size(); ++i) samples.push_back(i);
    return samples;
  }
  const double start = *std::find_if(times.begin(), times.end(), [](double t) { return t > 0; });
  const double log_range = std::log(times.back() / start);
  for (std::size_t i = 0; i < limit; ++i) {
    const double wanted = start * std::exp(log_range * static_cast<double>(i) / static_cast<double>(limit - 1));
    auto above = std::lower_bound(times.begin(), times.end(), wanted);
    if (above == times.end()) --above;
    if (above != times.begin() && wanted - *(above - 1) < *above - wanted) --above;
    const auto sample = static_cast<std::size_t>(above - times.begin());
    if (samples.empty() || sample > samples.back()) samples.push_back(sample);
  }
  if (samples.back() + 1 != times.size()) samples.push_back(times.size() - 1);
  return samples;
}

double drawn_start(const MeasuredCurve& curve) {
  const auto times = curve.curves.c1.times();
  const auto values = curve.curves.c1.values();
  const auto fallen = std::find_if(values.begin(), values.end(), [&](double c1) { return c1 < 0.9 * values.front(); });
  const auto index = static_cast<std::size_t>(fallen - values.begin());
  const double first = times.front() > 0.0 ? times.front() : times[1];
  return std::max(first, 0.1 * (fallen == values.end() ? times.back() : times[index]));
}

Cell iteration_cell(const MeasuredCurve& curve, double time) {
  return curve.lr ? Cell(std::nearbyint(time / *curve.lr)) : Cell();
}

Cell seed_cell(const MeasuredCurve& curve) { return curve.seed ? Cell(static_cast<double>(*curve.seed)) : Cell(); }

std::string format_rounded(double value, int digits) {
  if (!(std::abs(value) > 0.0)) return "0";
  return to_unit(value, leading_power(value) + 1 - digits);
}

std::string format_estimate(const Estimate& estimate) {
  if (!estimate.value) return "not determined";
  constexpr int kDigits = 3;  // of an estimate without an interval
  int power = *estimate.value == 0.0 ? 0 : leading_power(*estimate.value) + 1 - kDigits;
  if (estimate.low && estimate.high && *estimate.high > *estimate.low) {
    // The last digit stands for between a fiftieth and a fifth of the interval.
    power = leading_power((*estimate.high - *estimate.low) / 5);
  }
  const auto end = [&](const std::optional<double>& value) { return value ? to_unit(*value, power) : "open"; };
  return to_unit(*estimate.value, power) + " (" + end(estimate.low) + " to " + end(estimate.high) + ")";
}

std::string make_theory_caption(std::string_view title, std::string_view text, std::string_view settings,
                                const std::vector<std::string>& numbers) {
  std::string caption =
      std::string(title) + "\n\n" + std::string(text) + "\n\nTheory alone: nothing here is measured.\n";
  caption += "\nSettings\n  " + std::string(settings) + "\n";
  if (!numbers.empty()) caption += "\nNumbers\n  " + joined(numbers, "\n  ") + "\n";
  return caption + "\nDrawn by iclk " + std::string(version()) + "\n";
}

double context_of(const FigureOptions& options) { return options.n_context.value_or(*FigureOptions{}.n_context); }

theory::StartDistribution starts_of(const FigureOptions& options) {
  return {.beta0_mean = options.beta0, .beta0_sd = options.beta0_sd, .w0_mean = options.w0, .w0_sd = options.w0_sd};
}

std::string start_settings(const FigureOptions& options, bool over_seeds) {
  const auto spread = [&](double sd) {
    return over_seeds ? " (sd " + format_number(sd) + " over seeds)" : std::string();
  };
  return "N = " + format_number(context_of(options)) + ", beta0 = " + format_number(options.beta0) +
         spread(options.beta0_sd) + ", w0 = " + format_number(options.w0) + spread(options.w0_sd);
}

std::string palette_text() {
  const std::vector<std::string> colors = ordered_colors(9);
  std::string text;
  for (std::size_t i = 0; i < colors.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(i) + " \"" + colors[i] + "\"";
  }
  return "(" + text + ")";
}

std::string make_caption(std::string_view title, std::string_view text, std::span<const MeasuredCurve> curves,
                         const std::vector<std::string>& numbers) {
  std::string caption = std::string(title) + "\n\n" + std::string(text) + "\n\nRuns\n  " + curve_counts_text(curves) +
                        "\n\nSettings\n  " + settings_of(curves) + "\n";
  if (!numbers.empty()) caption += "\nNumbers\n  " + joined(numbers, "\n  ") + "\n";
  caption += "\nSources\n";
  std::set<std::string> sources;
  for (const MeasuredCurve& curve : curves) {
    if (sources.insert(curve.source).second) caption += "  " + curve.source + "\n";
  }
  return caption + "\nDrawn by iclk " + std::string(version()) + "\n";
}

}  // namespace iclk::figures
